"""`--certificate-secret`: a certificate that the replicas share, kept in a Secret, trusted by a caBundle."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct

from webhook.certificates.certificate_controller import CertificateController
from webhook.certificates.directory import TlsFiles, spoken, write
from webhook.certificates.issue import Issued
from webhook.certificates.material import Material
from webhook.certificates.rotation import Lives
from webhook.cluster import certificate_objects
from webhook.cluster.certificate_objects import Configuration, SecretRef, Stored
from webhook.cluster.client import Connection, connect
from webhook.cluster.client_configuration import Access

_log: Final = logging.getLogger(__name__)
_LONGEST_PAUSE: Final = 10.0  # seconds between two looks: so long may a wiped caBundle go unseen
_SHORTEST_PAUSE: Final = 0.2
_FIRST_PAUSE: Final = 1.0  # while there is nothing to serve with
_LOOKS: Final = 40  # in the life of a leaf, at least
_JITTER: Final = (0.8, 1.2)
_SECOND: Final = timedelta(seconds=1)
_SKEW: Final = timedelta(minutes=1)


class Managed(Struct, frozen=True):
    """Which Secret and which ValidatingWebhookConfiguration, of which cluster; for which names, and for how long."""

    access: Access
    secret: SecretRef
    configuration: str
    names: tuple[str, ...]
    lives: Lives = Lives()


def utc() -> datetime:
    """Return the time by this machine's clock."""
    return datetime.now(UTC)


class SharedCertificate:
    """Keeps the certificate of one replica in `files`, and the Secret and the caBundle for all."""

    def __init__(
        self, managed: Managed, files: TlsFiles, *, clock: Callable[[], datetime] = utc, pause: float = _LONGEST_PAUSE
    ) -> None:
        """Nothing is sent yet. `clock`: this machine's, which may be wrong. `pause`: seconds between looks, at most."""
        self._managed = managed
        self._files = files
        self._clock = ServerClock(clock)
        life = managed.lives.leaf.total_seconds()
        self._usual_pause = min(pause, max(_SHORTEST_PAUSE, life / _LOOKS))
        self._controller: CertificateController | None = None
        self._there = asyncio.Event()

    @property
    def there(self) -> bool:
        """Whether a certificate that API servers may trust is served."""
        return self._there.is_set()

    async def ready(self) -> None:
        """Wait until there is one."""
        await self._there.wait()

    def now(self) -> datetime:
        """Return the time, by the API server's clock as far as it is known."""
        return self._clock.now()

    def troubles(self) -> tuple[str, ...]:
        """Say what is in the way, and what a person should know of this machine's clock."""
        found = self._controller.troubles if self._controller else ()
        skew = self._clock.skew()
        return (*found, skew) if skew else found

    async def run(self, reload: Callable[[], object]) -> None:
        """Keep it until cancelled; `reload` makes the server take up the files. Raises BadConfigError."""

        def put(material: Material) -> None:
            write(self._files, Issued(material.ca.cert, material.leaf.cert, material.leaf.key))
            self._there.set()
            reload()

        access = self._managed.access
        async with connect(access.kubeconfig, access.context) as connection:
            store = ApiServerStore(connection, self._managed, self._clock)
            self._controller = controller = CertificateController(
                store, self._managed.names, self._managed.lives, put, time.monotonic
            )
            while True:
                try:
                    await controller.reconcile()
                except Exception:  # noqa: BLE001 - logged, and the certificate at hand is served on
                    _log.exception("certificate: internal error")
                pause = self._usual_pause if self.there else _FIRST_PAUSE
                await asyncio.sleep(pause * random.uniform(*_JITTER))  # noqa: S311 - no secret


class ServerClock:
    """The API server's clock, between its answers: ours, put right."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._ahead = timedelta()

    def set(self, date: datetime) -> None:
        """Note what the API server's clock shows at this moment, to the second."""
        ahead = self._clock() - date
        if abs(ahead - self._ahead) > _SECOND:  # what is less may be rounding
            self._ahead = ahead

    def now(self) -> datetime:
        """Return the time by that clock."""
        return self._clock() - self._ahead

    def skew(self) -> str | None:
        """Say how wrong our own clock is, if it is by more than a minute."""
        if abs(self._ahead) < _SKEW:
            return None
        side = "ahead of" if self._ahead > timedelta() else "behind"
        return f"this machine's clock is {spoken(abs(self._ahead))} {side} the API server's"


class ApiServerStore:
    """The real API server's objects: a `CertificateStore`."""

    def __init__(self, connection: Connection, managed: Managed, clock: ServerClock) -> None:
        self._connection = connection
        self._managed = managed
        self._clock = clock

    async def configuration(self) -> Configuration | None:
        """See `CertificateStore`."""
        return await certificate_objects.read_configuration(self._connection, self._managed.configuration)

    async def stored(self) -> Stored | None:
        """See `CertificateStore`."""
        stored = await certificate_objects.read_secret(self._connection, self._managed.secret)
        if self._connection.date:
            self._clock.set(self._connection.date)
        return stored

    async def create(self, data: Mapping[str, bytes]) -> None:
        """See `CertificateStore`."""
        await certificate_objects.create_secret(self._connection, self._managed.secret, data)

    async def replace(self, stored: Stored, data: Mapping[str, bytes]) -> None:
        """See `CertificateStore`."""
        await certificate_objects.replace_secret(self._connection, self._managed.secret, stored, data)

    async def publish(self, configuration: Configuration, pem: bytes) -> None:
        """See `CertificateStore`."""
        await certificate_objects.publish_bundle(self._connection, configuration, pem)

    def now(self) -> datetime:
        """See `CertificateStore`."""
        return self._clock.now()
