"""The shared certificate, kept: what the Secret and the caBundle hold is looked at, and repaired or renewed."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from webhook.certificates.directory import TlsError
from webhook.certificates.issue import (
    distinct,
    fingerprint,
    general_names,
    is_authority,
    is_valid,
    issued_at,
    pem_of,
    read_all,
)
from webhook.certificates.material import Material, from_data, leaf_fault, to_data
from webhook.certificates.rotation import Lives, Situation, advance, damage
from webhook.cluster.certificate_objects import Configuration, Stored
from webhook.cluster.errors import ClusterError, OvertakenError

_log: Final = logging.getLogger(__name__)
_ATTEMPTS: Final = 5  # after that the next look is early enough


class CertificateStore(Protocol):
    """An API server's Secret and configuration. All raise ClusterError, and writing OvertakenError."""

    async def configuration(self) -> Configuration | None:
        """Return what has the caBundle, None where there is none."""
        ...

    async def stored(self) -> Stored | None:
        """Return the Secret, None where there is none."""
        ...

    async def create(self, data: Mapping[str, bytes]) -> None:
        """Create the Secret."""
        ...

    async def replace(self, stored: Stored, data: Mapping[str, bytes]) -> None:
        """Put other data into the Secret that was read."""
        ...

    async def publish(self, configuration: Configuration, pem: bytes) -> None:
        """Put one caBundle into every webhook of the configuration that was read."""
        ...

    def now(self) -> datetime:
        """Return the time by the API server's clock, which is the one that certificates are judged by."""
        ...


class CertificateController:
    """One replica's part. Every replica does the same, and whoever comes first does it for all."""

    def __init__(
        self,
        store: CertificateStore,
        names: tuple[str, ...],
        lives: Lives,
        put: Callable[[Material], None],
        monotonic: Callable[[], float],
    ) -> None:
        """`put` makes a material's leaf the one that is served; may raise TlsError. `monotonic`: seconds."""
        self._store = store
        self._names = general_names(names)
        self._lives = lives
        self._put = put
        self._monotonic = monotonic
        self._published = Published()
        self._known: Material | None = None
        self.serving: Material | None = None
        self.troubles: tuple[str, ...] = ()

    async def reconcile(self) -> None:
        """Look once, and do what there is to do. What fails is in `troubles`, and done at the next look."""
        troubles: list[str] = []
        for _ in range(_ATTEMPTS):
            troubles.clear()
            try:
                await self._reconcile_once(troubles)
                break
            except OvertakenError as error:
                troubles.append(str(error))
        for trouble in troubles:
            if trouble not in self.troubles:
                _log.warning("certificate: %s", trouble)
        self.troubles = tuple(troubles)

    async def _reconcile_once(self, troubles: list[str]) -> None:
        # The configuration first: whoever wrote the Secret after that also changes the configuration after that, and a
        # caBundle that is made of an old Secret meets a new configuration and is refused.
        configuration = await self._configuration(troubles)
        material = await self._material(troubles)
        if material is None:
            return
        if configuration is not None:
            await self._publish(configuration, material, troubles)
        if not self.serving or material == self._known:  # what could not be put right is better than nothing only
            self._serve(material, troubles)

    async def _configuration(self, troubles: list[str]) -> Configuration | None:
        try:
            configuration = await self._store.configuration()
        except ClusterError as error:
            troubles.append(str(error))
            return None
        bundles = [entry.bundle for entry in configuration.entries] if configuration else None
        self._published.see(bundles, self._monotonic())
        return configuration

    async def _material(self, troubles: list[str]) -> Material | None:
        """Return what the Secret holds, once it holds what it is to hold; None where nothing can be relied on."""
        try:
            stored = await self._store.stored()
        except ClusterError as error:
            troubles.append(str(error))
            return None
        found = from_data(stored.data) if stored else None
        sound = found if found and leaf_fault(found.leaf, found.ca, self._store.now()) is None else None
        if not sound and not self._published.known:
            return None  # what API servers trust must be known before they are told to trust somebody else
        step = advance(found, self._situation())
        if step.reasons:
            try:
                await self._write(stored, step.material)
            except OvertakenError:
                raise
            except ClusterError as error:
                troubles.append(str(error))
                return sound  # old, or not wholly right, but trusted
            _log.info("certificate written to the Secret: %s", "; ".join(step.reasons))
        if damage(step.material, self._store.now()) is None:
            self._known = step.material
        return step.material

    async def _write(self, stored: Stored | None, material: Material) -> None:
        data = to_data(material, stored.data if stored else {})
        if stored:
            await self._store.replace(stored, data)
        else:
            await self._store.create(data)

    async def _publish(self, configuration: Configuration, material: Material, troubles: list[str]) -> None:
        wanted = bundle(material, self._store.now())
        if all(same(entry.bundle, wanted) for entry in configuration.entries):
            return
        try:
            await self._store.publish(configuration, wanted)
        except OvertakenError:
            raise
        except ClusterError as error:
            troubles.append(str(error))
            return
        self._published.see([wanted], self._monotonic())
        _log.info("caBundle written to `%s`, CAs in it: %d", configuration.name, wanted.count(b"-----BEGIN"))

    def _serve(self, material: Material, troubles: list[str]) -> None:
        if self.serving and self.serving.leaf == material.leaf:
            self.serving = material
            return
        if self._published.holds(self.serving, material, self._lives, self._store.now(), self._monotonic()):
            if not self.serving:
                troubles.append("waiting until every API server has heard of its new CA")
            return
        try:
            self._put(material)
        except TlsError as error:
            troubles.append(str(error))
            return
        self.serving = material

    def _situation(self) -> Situation:
        return Situation(
            now=self._store.now(),
            names=self._names,
            lives=self._lives,
            live=self._published.live,
            settled=self._published.settled(self._lives, self._monotonic()),
            serving=self.serving,
            known=self._known,
        )


# -- whom API servers trust, since when, and whether a new leaf may be served by that ----------------------------------


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
