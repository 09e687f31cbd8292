"""Whom API servers trust, since when, and whether a new leaf may be served by that."""

from collections.abc import Sequence
from datetime import datetime

from webhook.tls.issue import issued_at
from webhook.tls.material import Material, distinct, fingerprint, is_authority, is_valid, leaf_fault, pem_of, read_all
from webhook.tls.rotation import Lives


class Published:
    """The CAs that were seen in the caBundle of every webhook, and since when without a break."""

    def __init__(self) -> None:
        self.known = False
        """Whether anything was ever read."""
        self.live = b""
        """Our CAs in any of the caBundles, PEM."""
        self._since: dict[bytes, float] | None = {}
        self._from_the_start: frozenset[bytes] = frozenset()

    def see(self, bundles: Sequence[bytes] | None, at: float) -> None:
        """Note what was read at `at` (seconds, of a clock that never jumps). None: no webhook is there to trust us."""
        first, self.known = not self.known, True
        if not bundles:
            self._since, self.live = None, b""
            return
        certs = [distinct(read_all(bundle)) for bundle in bundles]
        common = frozenset.intersection(*(frozenset(map(fingerprint, each)) for each in certs))
        before = self._since or {}
        self._since = {one: before.get(one, at) for one in common}
        self._from_the_start = common if first else self._from_the_start & common
        self.live = pem_of(cert for cert in distinct(cert for each in certs for cert in each) if is_authority(cert))

    def settled(self, lives: Lives, at: float) -> frozenset[bytes] | None:
        """Return the fingerprints of CAs that every API server has heard of; None: nobody is there to hear."""
        if self._since is None:
            return None
        return frozenset(one for one, since in self._since.items() if at - since >= lives.settle.total_seconds())

    def holds(self, serving: Material | None, offered: Material, lives: Lives, now: datetime, at: float) -> bool:
        """Whether to go on as it is, because API servers may not trust the CA of what is offered yet.

        What is served goes on as long as it is trusted. Who serves nothing yet waits a little, but only where API
        servers trust somebody else whom they can call meanwhile.
        """
        if self._since is None:
            return False
        (new,) = read_all(offered.ca.cert)[:1]
        live = {fingerprint(cert) for cert in read_all(self.live) if is_valid(cert, now)}
        if serving is None:
            since = self._since.get(fingerprint(new), at)
            old = fingerprint(new) in self._from_the_start and now - issued_at(new) >= lives.heard
            return not old and at - since < lives.heard.total_seconds() and bool(live - {fingerprint(new)})
        if serving.ca.cert == offered.ca.cert or leaf_fault(serving.leaf, serving.ca, now):
            return False
        (mine,) = read_all(serving.ca.cert)[:1]
        return fingerprint(mine) in live and fingerprint(new) not in (self.settled(lives, at) or ())


def bundle(material: Material, now: datetime) -> bytes:
    """Return the caBundle, PEM: the CA that signs, the one before, and the one to come."""
    return pem_of(cert for cert in material.authorities if is_valid(cert, now))


def same(one: bytes, other: bytes) -> bool:
    """Whether two caBundles trust the same CAs, and any at all."""
    theirs = {fingerprint(cert) for cert in read_all(other)}
    return bool(theirs) and {fingerprint(cert) for cert in read_all(one)} == theirs
