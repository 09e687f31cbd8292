"""Certificates and keys as PEM; CAs, the server certificates that they sign, and the names in those."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
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


_LEAF_NAME: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "netpol-preflight webhook")])


class Issued(Struct, frozen=True):
    """PEM."""

    ca: bytes
    cert: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"  # a key must not get into a log or a traceback


def issue(names: Sequence[x509.GeneralName], now: datetime, lifetime: timedelta) -> Issued:
    """Return a new CA and a server certificate for `names` that it signed; the CA's key is forgotten."""
    ca = new_ca(now, lifetime)
    leaf = sign(ca, names, now, lifetime)
    return Issued(ca.cert, leaf.cert, leaf.key)


def new_ca(now: datetime, lifetime: timedelta) -> Pair:
    """Return a new CA, valid from a little before `now`."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _pair(_ca(key, now, now + lifetime), key)


def sign(ca: Pair, names: Sequence[x509.GeneralName], now: datetime, lifetime: timedelta) -> Pair:
    """Return a new key with a server certificate for `names`, valid from a little before `now`, never beyond its CA.

    Raises ValueError or TypeError where `ca` is none; see `material.ca_fault`.
    """
    ca_key = load_pem_private_key(ca.key, password=None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise TypeError("expected an elliptic curve key")
    end = min(now + lifetime, x509.load_pem_x509_certificate(ca.cert).not_valid_after_utc)
    key = ec.generate_private_key(ec.SECP256R1())
    return _pair(_leaf(names, key, ca_key, now, end), key)


def _pair(cert: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    return Pair(cert.public_bytes(Encoding.PEM), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _ca(key: ec.EllipticCurvePrivateKey, now: datetime, end: datetime) -> x509.Certificate:
    return (
        _builder(CA_NAME, key, now, end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certs=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _leaf(
    names: Sequence[x509.GeneralName],
    key: ec.EllipticCurvePrivateKey,
    ca_key: ec.EllipticCurvePrivateKey,
    now: datetime,
    end: datetime,
) -> x509.Certificate:
    return (
        _builder(_LEAF_NAME, key, now, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    """Return what both certificates share: the CA issues both, its own included (RFC 5280 §4.1)."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(CA_NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, sign_certs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certs,
        crl_sign=sign_certs,
        encipher_only=False,
        decipher_only=False,
    )


# -- subject alternative names: what a client may call this server -----------------------------------------------------


LOCAL: Final = ("localhost", "127.0.0.1", "::1")
_LONGEST: Final = 253
_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DNS_NAME: Final = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")  # RFC 1123, and RFC 6125's wildcard


def general_names(sans: Iterable[str]) -> tuple[x509.GeneralName, ...]:
    """Return `sans`, and the loopback names before them, without repetition.

    Raises ValueError for one that is neither a DNS name nor an IP address.
    """
    return tuple(dict.fromkeys(general_name(san) for san in (*LOCAL, *sans)))


def general_name(san: str) -> x509.GeneralName:
    """Return one name; an IPv6 address may be in brackets. Raises ValueError."""
    bare = san[1:-1] if san.startswith("[") and san.endswith("]") else san
    try:
        return x509.IPAddress(ipaddress.ip_address(bare))
    except ValueError:
        name = san.lower().removesuffix(".")
    if len(name) > _LONGEST or not _DNS_NAME.fullmatch(name):
        raise ValueError(f"`{san}`: expected a DNS name or an IP address") from None
    return x509.DNSName(name)
