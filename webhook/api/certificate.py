"""The serving certificate, replaced while connections are open."""

import contextlib
import hashlib
import logging
import ssl
from pathlib import Path
from typing import Final

from msgspec import Struct

_log: Final = logging.getLogger(__name__)


class TlsPaths(Struct, frozen=True):
    """PEM files: a certificate with its chain, its private key, and the CAs of clients' certificates, if asked for."""

    cert: Path
    key: Path
    client_ca: Path | None = None


class CertificateError(ValueError):
    """Files that cannot be served from. The message names them."""


class Certificate:
    """The context of the next handshake: of the newest good files.

    New files are loaded into a context of their own, which is taken only when that worked: a pair that is half
    written, or does not belong together, never replaces one that works, and neither does a file of CAs.
    """

    def __init__(self, paths: TlsPaths) -> None:
        """Load the files. Raises CertificateError."""
        self._paths = paths
        self._complaint = ""
        self._seen = _fingerprint(paths)
        self._authorities = _authorities(paths.client_ca) if paths.client_ca else ""
        self.context = _context(paths, self._authorities)

    def reload(self) -> bool:
        """Take up changed files and say whether it did. What cannot be used is logged once, and the old kept."""
        complaint = ""
        try:
            seen = _fingerprint(self._paths)
            if seen == self._seen:
                return False
            self._seen = seen
            complaint = self._renew_authorities()
            self.context = _context(self._paths, self._authorities)
        except CertificateError as error:
            self._complain(str(error))
            return False
        self._complain(complaint)
        _log.info("certificate reloaded from `%s`", self._paths.cert)
        return True

    def _renew_authorities(self) -> str:
        """Take up the clients' CAs; where they are no good, keep the old ones, lest a renewed certificate wait."""
        if self._paths.client_ca:
            try:
                self._authorities = _authorities(self._paths.client_ca)
            except CertificateError as error:
                return str(error)
        return ""

    def _complain(self, complaint: str) -> None:
        if complaint and complaint != self._complaint:
            _log.error("certificate not reloaded: %s", complaint)
        self._complaint = complaint


def _fingerprint(paths: TlsPaths) -> bytes:
    digest = hashlib.sha256()
    for path in (paths.cert, paths.key):
        digest.update(hashlib.sha256(_read(path)).digest())
    if paths.client_ca:
        with contextlib.suppress(CertificateError):  # told when it is loaded
            digest.update(hashlib.sha256(_read(paths.client_ca)).digest())
    return digest.digest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"`{path}`: {error.strerror or error}") from error


def _authorities(path: Path) -> str:
    """Return PEM of which every certificate is whole, and at least one is a CA's."""
    trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        text = _read(path).decode()
        trial.load_verify_locations(cadata=text)
        whole = text.count("-----BEGIN ") == text.count("-----END ") and trial.cert_store_stats()["x509_ca"] > 0
    except ValueError as error:
        if isinstance(error, CertificateError):
            raise
        raise CertificateError(f"`{path}`: expected PEM") from error
    except OSError as error:  # ssl.SSLError is one
        raise CertificateError(f"`{path}`: expected PEM certificates of CAs ({error})") from error
    if not whole:
        raise CertificateError(f"`{path}`: expected PEM certificates of CAs, each of them whole")
    return text


def _context(paths: TlsPaths, authorities: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if authorities:
        context.verify_mode = ssl.CERT_OPTIONAL  # the kubelet's probes show none
        context.load_verify_locations(cadata=authorities)
    try:
        context.load_cert_chain(paths.cert, paths.key, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise CertificateError(
            f"`{paths.cert}` and `{paths.key}`: expected a PEM certificate and its unencrypted private key ({error})"
        ) from error
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")  # without this OpenSSL asks for it on the terminal
