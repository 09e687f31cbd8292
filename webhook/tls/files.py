"""What a directory of certificates holds, and how it gets there."""

import contextlib
import os
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from msgspec import Struct

from webhook.tls.issue import Issued

_SECRET: Final = 0o600
_PUBLIC: Final = 0o644


class TlsError(ValueError):
    """Files that can be neither used nor replaced. The message names one and says what was expected."""


class TlsFiles(Struct, frozen=True):
    """Paths of PEM files. `ca` None: the certificate was brought along without its CA."""

    ca: Path | None
    cert: Path
    key: Path


def read(path: Path) -> bytes | None:
    """Return a file's content, None where there is none. Raises TlsError where it may not be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TlsError(f"`{path}`: {error.strerror or error}") from error


def certificate(pem: bytes | None) -> x509.Certificate | None:
    """Return the first certificate in `pem`, None where there is none that can be read."""
    try:
        return x509.load_pem_x509_certificate(pem) if pem else None
    except ValueError:
        return None


def public_part(pem: bytes | None) -> bytes | None:
    """Return the public key that belongs to the private key in `pem`; None where that cannot be read."""
    try:
        key = load_pem_private_key(pem, password=None) if pem else None
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is encrypted
        return None
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) if key else None


def is_pair(cert: x509.Certificate, key_pem: bytes | None) -> bool:
    """Whether the private key is the certificate's."""
    mine = cert.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return public_part(key_pem) == mine


def is_signed_by(cert: x509.Certificate, ca: x509.Certificate) -> bool:
    """Whether `ca` issued `cert`."""
    try:
        cert.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def write(files: TlsFiles, issued: Issued) -> None:
    """Put all three in place, each whole or not at all; the certificate last, because it makes the others count.

    Raises TlsError.
    """
    if files.ca:
        _replace(files.ca, issued.ca, _PUBLIC)
    _replace(files.key, issued.key, _SECRET)
    _replace(files.cert, issued.cert, _PUBLIC)


def _replace(path: Path, content: bytes, mode: int) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123 (a mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise TlsError(f"`{path}`: {error.strerror or error}") from error
