"""Policy families come and go with their CRDs: which are served is asked again and again, and each has a reflector."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from webhook.cluster.client import Connection, Requests
from webhook.cluster.errors import UNREADABLE, ClusterError, ForbiddenError, GarbledError, NotServedError, cleaned
from webhook.cluster.kinds import DISCOVERY, KINDS, Collection, Kind, Live, Phase, Standing, State, collections, overall
from webhook.cluster.reflector import Pace, Reads, Reflector, Sink, jittered
from webhook.enforcers import ENFORCERS

T = TypeVar("T")
Family = tuple[str, str]  # API group, kind
# The first group's objects are what the second's are stored as, or were before: where both are served, one is read.
_STORED_AS: Final = {
    **{served: stored for one in ENFORCERS.values() for served, stored in one.stored_as.items()},
    "traefik.io": "traefik.containo.us",
}
_NEEDED: Final = frozenset({"list", "watch"})


class Served(Struct, frozen=True):
    """What of the wanted is served; and the groups that are there but do not say what they have, with the reason."""

    kinds: Mapping[Family, Kind] = {}
    troubles: Mapping[str, str] = {}

    def trouble_of(self, family: Family) -> str | None:
        """Return why it is not known whether a family is served; None where it is known."""
        return None if family in self.kinds else self.troubles.get(family[0])


def unread(family: Family) -> Kind:
    """Return what stands for a kind of which only the group is known to be there."""
    group, name = family
    return Kind(f"{group}/-", name, name.lower(), namespaced=False)


class _Version(Struct):
    version: str


class _Group(Struct):
    name: str
    versions: list[_Version] = []
    preferred: _Version | None = msgspec.field(name="preferredVersion", default=None)

    @property
    def in_order(self) -> list[str]:
        """The versions, the preferred one first."""
        found = [self.preferred.version] if self.preferred else []
        return list(dict.fromkeys([*found, *(one.version for one in self.versions)]))


class _Groups(Struct):
    groups: list[_Group] = []


class _Resource(Struct):
    name: str
    kind: str
    namespaced: bool = False
    verbs: list[str] = []


class _Resources(Struct):
    resources: list[_Resource] | None = None


async def served(connection: Requests, wanted: Iterable[Family]) -> Served:
    """Ask what is served of `wanted`. Raises ClusterError where the groups cannot be read at all.

    A kind is read in the first version that has it: a group may have different kinds in different versions.
    """
    every = frozenset(wanted)
    names = {group for group, _ in every}
    groups = [one for one in (await _read(connection, "/apis", _Groups)).groups if one.name in names]
    kinds: dict[Family, Kind] = {}
    troubles: dict[str, str] = {}
    for group in groups:
        for version in group.in_order:
            try:
                found = await _kinds(connection, group.name, version)
            except NotServedError:
                continue  # it went away between the two questions
            except ClusterError as error:
                troubles[group.name] = str(error)
                break
            for kind in found:
                if (group.name, kind.name) in every:
                    kinds.setdefault((group.name, kind.name), kind)
    for shown, stored in _STORED_AS.items():
        for name in [name for there, name in kinds if there == shown]:
            kinds.pop((stored, name), None)
    return Served(kinds, troubles)


async def _kinds(connection: Requests, group: str, version: str) -> list[Kind]:
    said = await _read(connection, f"/apis/{group}/{version}", _Resources)
    return [
        Kind(f"{group}/{version}", one.kind, one.name, namespaced=one.namespaced)
        for one in said.resources or ()
        if "/" not in one.name and _NEEDED.issubset(one.verbs)
    ]


async def _read(connection: Requests, path: str, form: type[T]) -> T:
    try:
        return msgspec.json.decode(await connection.get(path, {}), type=form)
    except UNREADABLE as error:
        raise GarbledError(f"`{path}` cannot be read: {cleaned(str(error))}") from error


# -- a reflector for each kind that is served --------------------------------------------------------------------------


class Families:
    """Keeps what is served of `wanted` up to date."""

    def __init__(self, reads: Reads, wanted: Iterable[Family], namespaces: tuple[str, ...]) -> None:
        self._reads = reads
        self._wanted = frozenset(wanted)
        self._namespaces = namespaces
        self._failures = 0
        self._where = Collection(DISCOVERY)
        self.discovery = Standing(self._where)
        self._troubles: dict[Collection, Standing] = {}
        self._kinds: dict[Family, Kind] = {}
        self._running: dict[Collection, tuple[Reflector, asyncio.Task[None]]] = {}
        self._asked = asyncio.Event()

    @property
    def standings(self) -> tuple[Standing, ...]:
        """How far the question is answered, then what is served, sorted."""
        of_kinds = [reflector.standing for reflector, _ in self._running.values()]
        return (self.discovery, *sorted((*of_kinds, *self._troubles.values()), key=lambda one: one.where))

    def ask(self) -> None:
        """Ask again soon: something that was served is not."""
        self._asked.set()

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Ask, start, end, wait; until cancelled."""
        while True:
            self._asked.clear()
            try:
                found = await served(self._reads.connection, self._wanted)
            except ClusterError as error:
                self._fail(error)
                await asyncio.sleep(self._reads.pace.after(self._failures, self._reads.pace.most))
                continue
            self._failures = 0
            self._follow(found, group)
            self._stand(Standing(self._where, Phase.LIVE, "", self._reads.clock()))
            await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(jittered(self._reads.pace.discover)):
                await self._asked.wait()
        except TimeoutError:
            return
        await asyncio.sleep(jittered(self._reads.pace.first))  # many kinds may vanish together

    def _follow(self, found: Served, group: asyncio.TaskGroup) -> None:
        """Start and end reflectors. What a group in trouble had is kept; what it may have is not known."""
        for family, kind in tuple(self._kinds.items()):
            if found.kinds.get(family) != kind and family[0] not in found.troubles:
                self._end(family, kind)
        for family, kind in found.kinds.items():
            if family not in self._kinds:
                self._start(family, kind, group)
        troubles = {
            Collection(unread(family)): reason
            for family in self._wanted
            if family not in self._kinds and (reason := found.trouble_of(family))
        }
        for where in [where for where in self._troubles if where not in troubles]:
            del self._troubles[where]
            self._reads.sink.forget(where)
        for where, reason in troubles.items():
            standing = Standing(where, Phase.FORBIDDEN, reason)
            if self._troubles.get(where) != standing:
                self._troubles[where] = standing
                self._reads.sink.trouble(where, reason)
                self._reads.sink.moved(standing)

    def _start(self, family: Family, kind: Kind, group: asyncio.TaskGroup) -> None:
        self._kinds[family] = kind
        for where in collections(kind, self._namespaces):
            reflector = Reflector(self._reads, where)
            self._running[where] = (reflector, group.create_task(reflector.run(), name=f"watch {where}"))
            self._reads.sink.moved(reflector.standing)

    def _end(self, family: Family, kind: Kind) -> None:
        del self._kinds[family]
        for where in collections(kind, self._namespaces):
            _, task = self._running.pop(where)
            task.cancel()
            self._reads.sink.forget(where)

    def _fail(self, error: ClusterError) -> None:
        self._failures += 1
        self._reads.sink.trouble(self._where, str(error))
        phase = self.discovery.phase
        if isinstance(error, ForbiddenError) and not phase.listed:
            phase = Phase.FORBIDDEN
        elif phase.listed:
            phase = Phase.BEHIND
        self._stand(Standing(self._where, phase, str(error), self.discovery.heard))

    def _stand(self, standing: Standing) -> None:
        before, self.discovery = self.discovery, standing
        if standing.phase is not before.phase:
            self._reads.sink.moved(standing)
        self._reads.moved()


_BOOT: Final[int | None] = getattr(time, "CLOCK_BOOTTIME", None)


def clock() -> float:
    """Return seconds that only grow, whatever is done to the time of day, a machine's sleep included if it can tell."""
    return time.monotonic() if _BOOT is None else time.clock_gettime(_BOOT)


class Watcher:
    """Keeps a sink up to date with a cluster: `kinds`, and those of `families` that are served."""

    def __init__(
        self,
        connection: Connection,
        sink: Sink,
        kinds: Sequence[Kind] = KINDS,
        *,
        families: Iterable[Family] = (),
        namespaces: tuple[str, ...] = (),
        pace: Pace = Pace(),  # noqa: B008 - frozen
        clock: Callable[[], float] = clock,
    ) -> None:
        """`namespaces`: only what belongs to them, everything without any."""
        self._synced = asyncio.Event()
        reads = Reads(connection, sink, pace, clock, self._moved, self._missing)
        self._reflectors = [Reflector(reads, where) for kind in kinds for where in collections(kind, namespaces)]
        self._families = Families(reads, families, namespaces) if (families := tuple(families)) else None

    async def run(self) -> None:
        """Watch until cancelled, which closes every stream. No ClusterError ends it."""
        async with asyncio.TaskGroup() as group:
            for reflector in self._reflectors:
                group.create_task(reflector.run(), name=f"watch {reflector.where}")
            if self._families:
                await self._families.run(group)

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Every collection: those of the kinds in the order given, then discovery and what it found."""
        fixed = tuple(reflector.standing for reflector in self._reflectors)
        return fixed + (self._families.standings if self._families else ())

    @property
    def required(self) -> tuple[Standing, ...]:
        """The collections of the kinds given, and whether it is known which families are served."""
        fixed = tuple(reflector.standing for reflector in self._reflectors)
        return (*fixed, self._families.discovery) if self._families else fixed

    @property
    def state(self) -> State:
        """`Listing` until all that may be read was listed once, then `Live`."""
        return overall(self.standings)

    async def synced(self) -> None:
        """Wait for the first `Live`."""
        await self._synced.wait()

    def _moved(self) -> None:
        if isinstance(self.state, Live):
            self._synced.set()

    def _missing(self) -> None:
        if self._families:
            self._families.ask()
