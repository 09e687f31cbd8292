"""What replicas share: a CA with its key, the leaf that it signed, and the CAs before and after it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

from webhook.certificates.issue import Pair, certificate, distinct, is_authority, is_pair, is_signed_by, read_all

# Named as in a Secret of type kubernetes.io/tls; `ca.crt` is what cert-manager calls it.
CERT, KEY, CA, CA_KEY = "tls.crt", "tls.key", "ca.crt", "ca.key"
NEXT, NEXT_KEY = "next-ca.crt", "next-ca.key"
PREVIOUS, UNTIL = "previous-ca.crt", "previous-ca.until"
KEYS: Final = (CERT, KEY, CA, CA_KEY, NEXT, NEXT_KEY, PREVIOUS, UNTIL)


class Material(Struct, frozen=True):
    """What is in the Secret, good or not.

    `next_ca` is trusted already and signs nothing yet. `previous` (PEM, any number) signs nothing more and is trusted
    until `previous_until`, when the last leaf that it signed has ended.
    """

    ca: Pair
    leaf: Pair
    next_ca: Pair = Pair()
    previous: bytes = b""
    previous_until: datetime | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"  # a key must not get into a log or a traceback

    @property
    def authorities(self) -> tuple[x509.Certificate, ...]:
        """Every CA in it that can be read, the one that signs first, none twice."""
        return distinct((*read_all(self.ca.cert), *read_all(self.next_ca.cert), *read_all(self.previous)))


def from_data(data: Mapping[str, bytes]) -> Material:
    """Read a Secret's data, whatever is in it."""
    return Material(
        ca=Pair(data.get(CA, b""), data.get(CA_KEY, b"")),
        leaf=Pair(data.get(CERT, b""), data.get(KEY, b"")),
        next_ca=Pair(data.get(NEXT, b""), data.get(NEXT_KEY, b"")),
        previous=data.get(PREVIOUS, b""),
        previous_until=_moment(data.get(UNTIL, b"")),
    )


def to_data(material: Material, others: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return a Secret's data with this material, and with those of `others` whose keys are not ours."""
    until = material.previous_until
    ours = {
        CERT: material.leaf.cert,
        KEY: material.leaf.key,
        CA: material.ca.cert,
        CA_KEY: material.ca.key,
        NEXT: material.next_ca.cert,
        NEXT_KEY: material.next_ca.key,
        PREVIOUS: material.previous,
        UNTIL: until.isoformat(timespec="seconds").encode() if until else b"",
    }
    kept = {key: value for key, value in others.items() if key not in KEYS}
    return kept | {key: value for key, value in ours.items() if value or key in (CERT, KEY)}


def _moment(text: bytes) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.decode("ascii"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# What is wrong with them, in words; None: nothing


def ca_fault(pair: Pair, now: datetime) -> str | None:
    """Say why this CA cannot sign what will be trusted."""
    cert = certificate(pair.cert)
    if cert is None or not is_authority(cert):
        return "the CA is missing, or no CA of ours"
    if fault := _time_fault(cert, "the CA", now):
        return fault
    if not is_pair(cert, pair.key) or not isinstance(cert.public_key(), ec.EllipticCurvePublicKey):
        return "the CA's key is missing, or another one's"
    return None


def leaf_fault(leaf: Pair, ca: Pair, now: datetime) -> str | None:
    """Say why this leaf would not be trusted by whoever trusts the CA; the CA's key does not matter."""
    cert, authority = certificate(leaf.cert), certificate(ca.cert)
    if cert is None:
        return "the certificate is missing, or cannot be read"
    if not is_pair(cert, leaf.key):
        return "the certificate's key is missing, or another one's"
    if authority is None or not is_authority(authority) or not is_signed_by(cert, authority):
        return "the certificate is not signed by the CA"
    return _time_fault(authority, "the CA", now) or _time_fault(cert, "the certificate", now)


def _time_fault(cert: x509.Certificate, what: str, now: datetime) -> str | None:
    if now < cert.not_valid_before_utc:
        return f"{what} is not valid before {cert.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC"
    if now >= cert.not_valid_after_utc:
        return f"{what} expired on {cert.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"
    return None
