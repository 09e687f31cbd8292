"""Certificates and keys as PEM: read, compared, put in an order."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID
from msgspec import Struct

CA_NAME: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "netpol-preflight webhook CA")])


BACKDATED: Final = timedelta(minutes=5)  # another machine's clock may be behind


class Pair(Struct, frozen=True):
    """PEM of a certificate and of its private key, or whatever was found in their place; empty: nothing."""

    cert: bytes = b""
    key: bytes = b""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


def issued_at(cert: x509.Certificate) -> datetime:
    """Return when a certificate of ours was made; of anybody else's, when it begins to be valid."""
    ours = cert.issuer == CA_NAME
    return cert.not_valid_before_utc + BACKDATED if ours else cert.not_valid_before_utc


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


_MOST: Final = 8  # CAs kept for the sake of leaves that somebody may still serve


def read_all(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Return every certificate in `pem`; none where one of them cannot be read."""
    try:
        return tuple(x509.load_pem_x509_certificates(pem)) if pem else ()
    except ValueError:
        return ()


def distinct(certs: Iterable[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """Return the certificates in their order, none twice."""
    return tuple({fingerprint(cert): cert for cert in certs}.values())


def fingerprint(cert: x509.Certificate) -> bytes:
    """Return what tells a certificate from any other."""
    return cert.fingerprint(SHA256())


def newest(certs: Iterable[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """Return the newest few, in an order that depends on nothing else."""
    return tuple(sorted(certs, key=lambda cert: (cert.not_valid_before_utc, fingerprint(cert)), reverse=True)[:_MOST])


def pem_of(certs: Iterable[x509.Certificate]) -> bytes:
    """Return certificates as one PEM file."""
    return b"".join(cert.public_bytes(Encoding.PEM) for cert in certs)


def is_valid(cert: x509.Certificate, now: datetime) -> bool:
    """Whether `now` is within the certificate's time."""
    return cert.not_valid_before_utc <= now < cert.not_valid_after_utc


def is_authority(cert: x509.Certificate) -> bool:
    """Whether it is one of our CAs, by its name; and may be one."""
    try:
        return cert.subject == CA_NAME and cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def names_of(cert: x509.Certificate) -> tuple[x509.GeneralName, ...]:
    """Return the subject alternative names."""
    try:
        return tuple(cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except (x509.ExtensionNotFound, ValueError):
        return ()
