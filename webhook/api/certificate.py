"""The serving certificate, replaced while connections are open."""

import hashlib
import logging
import ssl
from pathlib import Path
from typing import Final

from msgspec import Struct

_log: Final = logging.getLogger(__name__)


class TlsPaths(Struct, frozen=True):
    """PEM files: a certificate with its chain, and its private key."""

    cert: Path
    key: Path


class CertificateError(ValueError):
    """Files that cannot be served from. The message names them."""


class Certificate:
    """A context for listeners whose handshakes use the newest good pair of files.

    New files are loaded into a context of their own, and handshakes are switched over only when that worked: a pair
    that is half written, or does not belong together, never replaces one that works.
    """

    def __init__(self, paths: TlsPaths) -> None:
        """Load the files. Raises CertificateError."""
        self._paths = paths
        self._complaint = ""
        self._seen = _fingerprint(paths)
        self._newest = _context(paths)
        self.context = _context(paths)
        # OpenSSL calls this for every ClientHello, with None where the client names no server.
        self.context.sni_callback = self._switch

    def reload(self) -> bool:
        """Take up changed files and say whether it did. What cannot be used is logged once, and the old pair kept."""
        try:
            seen = _fingerprint(self._paths)
            if seen == self._seen:
                return False
            self._seen = seen
            self._newest = _context(self._paths)
        except CertificateError as error:
            if str(error) != self._complaint:
                _log.error("certificate not reloaded: %s", error)
            self._complaint = str(error)
            return False
        self._complaint = ""
        _log.info("certificate reloaded from `%s`", self._paths.cert)
        return True

    def _switch(self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._newest


def _fingerprint(paths: TlsPaths) -> bytes:
    digest = hashlib.sha256()
    for path in (paths.cert, paths.key):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CertificateError(f"`{path}`: {error.strerror or error}") from error
        digest.update(hashlib.sha256(content).digest())
    return digest.digest()


def _context(paths: TlsPaths) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(paths.cert, paths.key, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise CertificateError(
            f"`{paths.cert}` and `{paths.key}`: expected a PEM certificate and its unencrypted private key ({error})"
        ) from error
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")  # without this OpenSSL asks for it on the terminal
