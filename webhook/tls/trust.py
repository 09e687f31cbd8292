"""Whom API servers trust, since when, and whether a new leaf may be served by that."""

from collections.abc import Sequence
from datetime import datetime

from webhook.tls.material import Material, distinct, fingerprint, is_authority, is_valid, leaf_fault, pem_of, read_all
from webhook.tls.rotation import Lives


class Published:
    """The CAs that were seen in the caBundle of every webhook, and since when without a break."""

    def __init__(self) -> None:
        self._since: dict[bytes, float] | None = {}
        self.live = b""
        """Our CAs in any of the caBundles, PEM."""

    def see(self, bundles: Sequence[bytes] | None, at: float) -> None:
        """Note what was read at `at` (seconds, of a clock that never jumps). None: no webhook is there to trust us."""
        if not bundles:
            self._since, self.live = None, b""
            return
        certs = [distinct(read_all(bundle)) for bundle in bundles]
        common = set.intersection(*({fingerprint(cert) for cert in each} for each in certs))
        before = self._since or {}
        self._since = {one: before.get(one, at) for one in common}
        self.live = pem_of(cert for cert in distinct(cert for each in certs for cert in each) if is_authority(cert))

    def settled(self, lives: Lives, at: float) -> frozenset[bytes] | None:
        """Return the fingerprints of CAs that every API server has heard of; None: nobody is there to hear."""
        if self._since is None:
            return None
        return frozenset(one for one, since in self._since.items() if at - since >= lives.settle.total_seconds())


def bundle(material: Material, now: datetime) -> bytes:
    """Return the caBundle, PEM: the CA that signs, the one before, and the one to come."""
    return pem_of(cert for cert in material.authorities if is_valid(cert, now))


def same(one: bytes, other: bytes) -> bool:
    """Whether two caBundles trust the same CAs."""
    return set(map(fingerprint, read_all(one))) == set(map(fingerprint, read_all(other))) and bool(read_all(other))


def holds(
    serving: Material | None, offered: Material, published: Published, settled: frozenset[bytes] | None, now: datetime
) -> bool:
    """Whether to go on with what is served, because API servers trust that, and may not trust the new CA yet."""
    if serving is None or serving.ca.cert == offered.ca.cert or leaf_fault(serving.leaf, serving.ca, now):
        return False
    if settled is None:
        return False
    mine, new = (fingerprint(read_all(material.ca.cert)[0]) for material in (serving, offered))
    return new not in settled and mine in map(fingerprint, read_all(published.live))
