"""The shared certificate, kept: what the Secret and the caBundle hold is looked at, and repaired or renewed."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Protocol

from webhook.cluster.certificate_objects import Configuration, OvertakenError, Stored
from webhook.cluster.errors import ClusterError
from webhook.tls.files import TlsError
from webhook.tls.material import Material, from_data, leaf_fault, to_data
from webhook.tls.names import general_names
from webhook.tls.rotation import Lives, Situation, advance, damage
from webhook.tls.trust import Published, bundle, same

_log: Final = logging.getLogger(__name__)
_ATTEMPTS: Final = 5  # after that the next look is early enough


class Vault(Protocol):
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


class Keeper:
    """One replica's part. Every replica does the same, and whoever comes first does it for all."""

    def __init__(
        self,
        vault: Vault,
        names: tuple[str, ...],
        lives: Lives,
        put: Callable[[Material], None],
        monotonic: Callable[[], float],
    ) -> None:
        """`put` makes a material's leaf the one that is served; may raise TlsError. `monotonic`: seconds."""
        self._vault = vault
        self._names = general_names(names)
        self._lives = lives
        self._put = put
        self._monotonic = monotonic
        self._published = Published()
        self._known: Material | None = None
        self.serving: Material | None = None
        self.troubles: tuple[str, ...] = ()

    async def look(self) -> None:
        """Look once, and do what there is to do. What fails is in `troubles`, and done at the next look."""
        troubles: list[str] = []
        for _ in range(_ATTEMPTS):
            troubles.clear()
            try:
                await self._look(troubles)
                break
            except OvertakenError as error:
                troubles.append(str(error))
        for trouble in troubles:
            if trouble not in self.troubles:
                _log.warning("certificate: %s", trouble)
        self.troubles = tuple(troubles)

    async def _look(self, troubles: list[str]) -> None:
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
            configuration = await self._vault.configuration()
        except ClusterError as error:
            troubles.append(str(error))
            return None
        bundles = [entry.bundle for entry in configuration.entries] if configuration else None
        self._published.see(bundles, self._monotonic())
        return configuration

    async def _material(self, troubles: list[str]) -> Material | None:
        """Return what the Secret holds, once it holds what it is to hold; None where nothing can be relied on."""
        try:
            stored = await self._vault.stored()
        except ClusterError as error:
            troubles.append(str(error))
            return None
        found = from_data(stored.data) if stored else None
        sound = found if found and leaf_fault(found.leaf, found.ca, self._vault.now()) is None else None
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
        if damage(step.material, self._vault.now()) is None:
            self._known = step.material
        return step.material

    async def _write(self, stored: Stored | None, material: Material) -> None:
        data = to_data(material, stored.data if stored else {})
        if stored:
            await self._vault.replace(stored, data)
        else:
            await self._vault.create(data)

    async def _publish(self, configuration: Configuration, material: Material, troubles: list[str]) -> None:
        wanted = bundle(material, self._vault.now())
        if all(same(entry.bundle, wanted) for entry in configuration.entries):
            return
        try:
            await self._vault.publish(configuration, wanted)
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
        if self._published.holds(self.serving, material, self._lives, self._vault.now(), self._monotonic()):
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
            now=self._vault.now(),
            names=self._names,
            lives=self._lives,
            live=self._published.live,
            settled=self._published.settled(self._lives, self._monotonic()),
            serving=self.serving,
            known=self._known,
        )
