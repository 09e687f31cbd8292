"""CAs, and the server certificates that they sign."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

CA_NAME: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "netpol-preflight webhook CA")])
_LEAF_NAME: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "netpol-preflight webhook")])
BACKDATED: Final = timedelta(minutes=5)  # another machine's clock may be behind


class Issued(Struct, frozen=True):
    """PEM."""

    ca: bytes
    cert: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"  # a key must not get into a log or a traceback


class Pair(Struct, frozen=True):
    """PEM of a certificate and of its private key, or whatever was found in their place; empty: nothing."""

    cert: bytes = b""
    key: bytes = b""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


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


def issued_at(cert: x509.Certificate) -> datetime:
    """Return when a certificate of ours was made; of anybody else's, when it begins to be valid."""
    ours = cert.issuer == CA_NAME
    return cert.not_valid_before_utc + BACKDATED if ours else cert.not_valid_before_utc


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
