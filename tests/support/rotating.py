"""Replicas, API servers that hear late, and everything that can happen to a Secret, in time that a test turns on."""

import asyncio
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from webhook.certificates.certificate_controller import CertificateController
from webhook.certificates.issue import read_all
from webhook.certificates.material import KEYS, Material
from webhook.certificates.rotation import Lives
from webhook.cluster.certificate_objects import Configuration, Entry, Stored
from webhook.cluster.errors import OvertakenError, RefusedError, UnreachableError

NOW = datetime(2026, 11, 20, 12, 30, 15, tzinfo=UTC)
NAME = "npp.npp-system.svc"
WEBHOOKS = ("advisory.netpol-preflight.io", "enforcing.netpol-preflight.io")


def is_trusted(leaf: bytes, bundle: bytes, now: datetime, name: str = NAME) -> bool:
    """Whether an API server with this caBundle would speak to whoever serves this leaf."""
    cas = [cert for cert in read_all(bundle) if cert.not_valid_before_utc <= now <= cert.not_valid_after_utc]
    if not cas:
        return False
    verifier = PolicyBuilder().store(Store(cas)).time(now).build_server_verifier(x509.DNSName(name))
    try:
        verifier.verify(x509.load_pem_x509_certificate(leaf), [])
    except VerificationError:
        return False
    return True


class ApiServers:
    """One store, and several API servers that hear of a new caBundle up to `lag` seconds later."""

    def __init__(self, seed: int = 0, *, configured: bool = True, lag: float = 0.0, count: int = 1) -> None:
        self.chance = random.Random(seed)
        self.start = NOW
        self.passed = 0.0  # seconds
        self.data: dict[str, bytes] | None = None
        self.bundles: dict[str, bytes] | None = dict.fromkeys(WEBHOOKS, b"") if configured else None
        self.config_version = 0
        self.secret_version = 0
        self.writes: list[str] = []
        self.backups: list[dict[str, bytes]] = []
        self._lag = lag
        self._heard: list[list[tuple[float, dict[str, bytes]]]] = [[] for _ in range(count)]

    @property
    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.passed)

    def configure(self, bundles: dict[str, bytes] | None) -> None:
        """Write the configuration, or delete it."""
        self.bundles = bundles
        self.config_version += 1
        for heard in self._heard:
            latest = max((at for at, _ in heard), default=0.0)  # nobody hears the older one later
            heard.append((max(latest, self.passed + self.chance.uniform(0, self._lag)), dict(bundles or {})))

    def views(self) -> list[bytes]:
        """Return each caBundle that some API server calls with at this moment."""
        found = set()
        for heard in self._heard:
            past = [bundles for at, bundles in heard if at <= self.passed]
            found |= set(past[-1].values()) if past else set()
        return sorted(found)

    def set(self, data: dict[str, bytes] | None) -> None:
        """Write the Secret, or delete it."""
        if self.data:
            self.backups = [*self.backups, self.data][-20:]
        self.data = data
        self.secret_version += 1

    def harm(self) -> str:
        """Do something to the Secret that people and machines do."""
        deeds = ("delete", "garbage", "garbage", "swap", "drop", "rollback")
        deed = self.chance.choice(deeds) if self.data else "rollback"
        key = self.chance.choice(KEYS)
        match deed, self.data:
            case "garbage", dict(data):
                self.set({**data, key: b"garbage"})
            case "swap", dict(data):  # a key of another certificate, a certificate in another's place
                self.set({**data, key: data[self.chance.choice(sorted(data))]})
            case "drop", dict(data):
                self.set({each: value for each, value in data.items() if each != key})
            case "rollback", _ if self.backups:
                key = ""
                self.set(self.chance.choice(self.backups))
            case _:
                self.set(None)
        return f"{deed} {key}"


class Door:
    """A `CertificateStore`: one replica's way to the API servers. Others get a turn, and things fail, at every step."""

    def __init__(self, api: ApiServers, failing: float = 0.0, refuses: frozenset[str] = frozenset()) -> None:
        self.api = api
        self.failing = failing
        self.refuses = refuses

    async def _step(self, verb: str) -> None:
        for _ in range(self.api.chance.randrange(4)):
            await asyncio.sleep(0)
        if verb in self.refuses:
            raise RefusedError(f"HTTP 403: {verb}: forbidden", 403)
        if self.api.chance.random() < self.failing:
            raise UnreachableError("cannot reach the API server")

    def _written(self, verb: str) -> None:
        self.api.writes.append(verb)
        if self.api.chance.random() < self.failing:
            raise UnreachableError("the connection was cut")  # it was done all the same

    async def configuration(self) -> Configuration | None:
        await self._step("read configuration")
        bundles = self.api.bundles
        if bundles is None:
            return None
        entries = tuple(Entry(name, bundle) for name, bundle in bundles.items())
        return Configuration("npp", str(self.api.config_version), entries)

    async def stored(self) -> Stored | None:
        await self._step("read secret")
        data = self.api.data
        return None if data is None else Stored(dict(data), {"version": self.api.secret_version})

    async def create(self, data: Mapping[str, bytes]) -> None:
        await self._step("create secret")
        if self.api.data is not None:
            raise OvertakenError("HTTP 409: exists")
        self.api.set(dict(data))
        self._written("create secret")

    async def replace(self, stored: Stored, data: Mapping[str, bytes]) -> None:
        await self._step("update secret")
        if self.api.data is None or stored.raw["version"] != self.api.secret_version:
            raise OvertakenError("HTTP 409: modified")
        self.api.set(dict(data))
        self._written("update secret")

    async def publish(self, configuration: Configuration, pem: bytes) -> None:
        await self._step("patch configuration")
        if self.api.bundles is None or configuration.version != str(self.api.config_version):
            raise OvertakenError("HTTP 409: modified")
        self.api.configure(dict.fromkeys(self.api.bundles, pem))
        self._written("patch configuration")

    def now(self) -> datetime:
        return self.api.now


class Replica:
    """A controller, and what it serves."""

    def __init__(
        self, api: ApiServers, lives: Lives, *, failing: float = 0.0, names: tuple[str, ...] = (NAME,)
    ) -> None:
        self.door = Door(api, failing)
        self.controller = CertificateController(self.door, names, lives, lambda _: None, lambda: api.passed)

    @property
    def serving(self) -> Material | None:
        return self.controller.serving
