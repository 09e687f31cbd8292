"""When a certificate is made anew, and by which CA: decisions, with the time passed in.

A CA is trusted before it signs and for as long as what it signed lives:

1. after two thirds of a CA's life the next one is put beside it, and both go into the caBundle;
2. when the caBundle has had it for `Lives.settle`, it becomes the CA, and signs a new leaf;
3. when the last leaf of the CA before has ended, that one is forgotten.
"""

from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from msgspec import Struct
from msgspec.structs import replace

from webhook.certificates.issue import (
    Pair,
    certificate,
    distinct,
    fingerprint,
    is_authority,
    is_valid,
    issued_at,
    names_of,
    new_ca,
    newest,
    pem_of,
    read_all,
    sign,
)
from webhook.certificates.material import Material, ca_fault, leaf_fault

_SETTLE: Final = timedelta(minutes=5)
_HEARD: Final = timedelta(seconds=10)
_SECOND: Final = timedelta(seconds=1)  # X.509 knows nothing shorter


class Lives(Struct, frozen=True):
    """How long certificates are valid; each is renewed after two thirds of that."""

    leaf: timedelta = timedelta(days=90)
    ca: timedelta = timedelta(days=5 * 365)

    @property
    def settle(self) -> timedelta:
        """How long a CA is in the caBundle before it is relied on: every API server has heard of it by then."""
        return min(_SETTLE, self.ca / 10)

    @property
    def heard(self) -> timedelta:
        """How long a CA that was made in need is in the caBundle before a replica that starts is ready with it."""
        return min(_HEARD, self.settle)


class Situation(Struct, frozen=True):
    """What a decision rests on, besides what is in the Secret.

    `live`: PEM of the CAs that API servers trust, by the caBundle. `settled`: fingerprints of those that they have
    trusted for long enough, None where there is no caBundle and nobody to be trusted by. `serving`: what this replica
    serves with. `known`: what it last saw whole in the Secret.
    """

    now: datetime
    names: tuple[x509.GeneralName, ...]
    lives: Lives
    live: bytes = b""
    settled: frozenset[bytes] | None = None
    serving: Material | None = None
    known: Material | None = None


class Advance(Struct, frozen=True):
    """What the Secret is to hold, and why that is not what it holds; no reasons: it is."""

    material: Material
    reasons: tuple[str, ...]


def damage(material: Material, now: datetime) -> str | None:
    """Say what is wrong with the CA that signs or with the leaf; None: both can be relied on."""
    return leaf_fault(material.leaf, material.ca, now) or ca_fault(material.ca, now)


def advance(found: Material | None, at: Situation) -> Advance:
    """Return what the Secret is to hold when `found` is what it holds (None: there is no Secret)."""
    reasons: list[str] = []
    material = _whole(found, at, reasons)
    for step in (_rotated, _signed, _recalled, _vouched, _forgotten):
        material = step(material, at, reasons)
    return Advance(material, tuple(reasons))


def _whole(found: Material | None, at: Situation, reasons: list[str]) -> Material:
    """Return something with a leaf that can be trusted: what was found, or what is remembered, or made from nothing."""
    fault = damage(found, at.now) if found else "there is no certificate yet"
    if found and fault is None:
        return found
    if at.known and damage(at.known, at.now) is None:
        reasons.append(f"{fault if found else 'the Secret is gone'}: restored")
        return _trusting(at.known, at)
    if found and leaf_fault(found.leaf, found.ca, at.now) is None:
        return found  # only the CA's key is lost: it is replaced as one that is old
    reasons.append(str(fault))
    if found and ca_fault(found.ca, at.now) is None:
        return _trusting(found, at)
    if found and ca_fault(found.next_ca, at.now) is None:
        return _trusting(_promoted(found, at), at)
    ca = new_ca(at.now, at.lives.ca)
    fresh = Material(ca, sign(ca, at.names, at.now, at.lives.leaf))
    return _trusting(fresh, at, *(found.authorities if found else ()))


def _rotated(material: Material, at: Situation, reasons: list[str]) -> Material:
    ready = ca_fault(material.next_ca, at.now) is None
    if ready and (at.settled is None or _print(material.next_ca) in at.settled):
        reasons.append("every API server has heard of the next CA")
        return _promoted(material, at)
    old = _is_old(material.ca, at.now)
    if (old or ca_fault(material.ca, at.now)) and not ready:
        reasons.append("the CA is old: the next one is made" if old else "the CA cannot sign: the next one is made")
        return replace(material, next_ca=new_ca(at.now, at.lives.ca))
    if material.next_ca != Pair() and not ready:
        reasons.append("the next CA cannot be used, and is not needed yet")
        return replace(material, next_ca=Pair())
    return material


def _signed(material: Material, at: Situation, reasons: list[str]) -> Material:
    """Return the material with a leaf that is trusted, not old, and has every name."""
    leaf, ca = certificate(material.leaf.cert), certificate(material.ca.cert)
    if ca is None or ca_fault(material.ca, at.now):
        return material
    names = at.names
    if leaf is None or leaf_fault(material.leaf, material.ca, at.now):
        pass  # the reason was given when this was found
    elif not set(names) <= set(names_of(leaf)):
        reasons.append("the certificate lacks a name")
        names = tuple(dict.fromkeys((*names, *names_of(leaf))))  # a replica of another release may need the others
    elif _is_old(material.leaf, at.now) and min(at.now + at.lives.leaf, ca.not_valid_after_utc) > (
        leaf.not_valid_after_utc + _SECOND
    ):
        reasons.append("the certificate is old")
    else:
        return material
    return replace(material, leaf=sign(material.ca, names, at.now, at.lives.leaf))


def _recalled(material: Material, at: Situation, reasons: list[str]) -> Material:
    """Return the material with the CAs before that somebody took out while what they signed may still be served."""
    if at.known is None or at.known.previous_until is None or at.now >= at.known.previous_until:
        return material
    signing = {_print(material.ca), _print(material.next_ca)}
    before = tuple(cert for cert in _current(at.known.previous, at.now) if fingerprint(cert) not in signing)
    return _added(material, before, at.known.previous_until, at.now, reasons)


def _vouched(material: Material, at: Situation, reasons: list[str]) -> Material:
    """Return the material with the CA of what this replica serves, as long as that is trusted.

    Another replica that knew nothing of us may have begun anew.
    """
    if at.serving is None or leaf_fault(at.serving.leaf, at.serving.ca, at.now):
        return material
    known = {fingerprint(cert) for cert in material.authorities}
    (mine,), leaf = read_all(at.serving.ca.cert)[:1], certificate(at.serving.leaf.cert)
    if leaf is None or fingerprint(mine) in known or fingerprint(mine) not in map(fingerprint, read_all(at.live)):
        return material
    return _added(material, (mine,), leaf.not_valid_after_utc, at.now, reasons)


def _forgotten(material: Material, at: Situation, reasons: list[str]) -> Material:
    until = material.previous_until
    if not material.previous or (until and at.now < until and _current(material.previous, at.now)):
        return material
    if until is None and (current := _current(material.previous, at.now)):
        reasons.append("it was not said how long the CA before is needed")
        return replace(material, previous_until=max(cert.not_valid_after_utc for cert in current))
    reasons.append("the certificates of the CA before have ended")
    return replace(material, previous=b"", previous_until=None)


# Parts


def _promoted(material: Material, at: Situation) -> Material:
    """Return the material with the next CA as the one that signs."""
    ca = material.next_ca
    before, leaf = certificate(material.ca.cert), certificate(material.leaf.cert)
    done = replace(material, ca=ca, leaf=sign(ca, at.names, at.now, at.lives.leaf), next_ca=Pair())
    if before is None or not is_authority(before):
        return done
    whole = leaf_fault(material.leaf, material.ca, at.now) is None
    end = leaf.not_valid_after_utc if leaf and whole else before.not_valid_after_utc
    return _remembering(done, (before,), end, at.now)


def _trusting(material: Material, at: Situation, *others: x509.Certificate) -> Material:
    """Return the material with every CA of ours that API servers trust already: somebody may be served by it."""
    known = {fingerprint(cert) for cert in material.authorities}
    more = (*others, *read_all(at.live))
    strangers = [cert for cert in more if is_authority(cert) and fingerprint(cert) not in known]
    return _remembering(material, tuple(strangers), at.now + at.lives.leaf, at.now)


def _added(
    material: Material, certs: tuple[x509.Certificate, ...], until: datetime, now: datetime, reasons: list[str]
) -> Material:
    more = _remembering(material, certs, until, now)
    if more != material:  # they are the same where there is no room for so many
        reasons.append("a CA whose certificate may be in use was left out")
    return more


def _remembering(material: Material, certs: tuple[x509.Certificate, ...], until: datetime, now: datetime) -> Material:
    """Return the material with these CAs among the previous ones, until `until` at least."""
    certs = tuple(cert for cert in certs if is_valid(cert, now))
    if not certs:
        return material
    every = distinct((*certs, *_current(material.previous, now)))
    return replace(
        material, previous=pem_of(newest(every)), previous_until=max(until, material.previous_until or until)
    )


def _current(pem: bytes, now: datetime) -> tuple[x509.Certificate, ...]:
    return tuple(cert for cert in read_all(pem) if is_valid(cert, now))


def _is_old(pair: Pair, now: datetime) -> bool:
    cert = certificate(pair.cert)
    if cert is None:
        return True
    start, end = issued_at(cert), cert.not_valid_after_utc
    return now >= start + (end - start) * 2 / 3


def _print(pair: Pair) -> bytes:
    cert = certificate(pair.cert)
    return fingerprint(cert) if cert else b""
