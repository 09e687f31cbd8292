"""What is known of a cluster, listed once or read from a snapshot: values, gaps by kind, and what to say of them."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from webhook.cluster.client import Connection, connect
from webhook.cluster.client_configuration import Access
from webhook.cluster.discovery import Served, served
from webhook.cluster.errors import ClusterError, ForbiddenError, NotServedError
from webhook.cluster.kinds import KINDS, Collection, Kind, Raw, collections
from webhook.cluster.list_watch import Reading
from webhook.families import project
from webhook.model.foreign import Gap
from webhook.report.run import Failure
from webhook.report.safe import clean
from webhook.wire.objects import DECLARING, Projected
from webhook.wire.shapes import Malformed
from webhook.wiring.gaps import FAMILIES, FOUND, kind_name, without
from webhook.wiring.snapshot import Snapshot, State, restored, shown
from webhook.world.changes import Value

THEN: Final = "forbidden when the snapshot was taken"
NETWORK_POLICY: Final = "NetworkPolicy.networking.k8s.io"
INBOUND: Final = {kind_name(kind, group): (group, kind) for group, kind in DECLARING}
UNNEEDED: Final = frozenset({"Node", "ConfigMap", "ServiceAccount", *INBOUND})  # without them nothing is judged wrong


class ClusterSnapshot(Struct, frozen=True):
    """`complete`: what is not in `values` does not exist. `notes`: what a person should know of that."""

    taken: datetime
    cluster: str
    values: tuple[Value, ...]
    complete: bool
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()


def of_snapshot(path: str, snapshot: Snapshot) -> ClusterSnapshot:
    """Return what a snapshot says. An object that cannot be read is a failure; the others count."""
    found = contents(snapshot)
    return ClusterSnapshot(
        snapshot.taken,
        snapshot.cluster,
        (*found.values, *gaps(snapshot.kinds, {})),
        complete=not snapshot.namespaces and not any(lost(snapshot.kinds)),
        failures=tuple(Failure(path, 0, text) for text in found.broken),
        notes=tuple(f"{clean(path)}: {note}" for note in notes(snapshot.kinds, {}, snapshot.namespaces)),
    )


def of_cluster(taken: datetime, listed: "ListedCluster[Projected]") -> ClusterSnapshot:
    """Return what a cluster says. An object that the API server took and we cannot read is left out, and named."""
    return ClusterSnapshot(
        taken,
        listed.cluster,
        (*listed.found, *gaps(listed.kinds, listed.reasons)),
        complete=not any(lost(listed.kinds)),
        notes=(*notes(listed.kinds, listed.reasons), *(clean(f"left out: {one}") for one in listed.unreadable)),
    )


def notes(kinds: Mapping[str, State], reasons: Mapping[str, str], namespaces: Iterable[str] = ()) -> Iterator[str]:
    """Yield what is not known and what that does to answers."""
    if some := ", ".join(namespaces):
        yield f"of namespaces {clean(some)} only: what is elsewhere is not known"
    partial = set(lost(kinds))
    if declaring := [name for name in forbidden(kinds) if name in INBOUND]:
        why = reasons.get(declaring[0], THEN) if len(declaring) == 1 else "forbidden"
        effect = without(INBOUND[name] for name in declaring)
        yield clean(f"{', '.join(declaring)} may not be read ({why}): {effect}")
    for name in forbidden(kinds):
        if name in INBOUND:
            continue
        if name in partial:
            effect = "the world is partial, what is not in it may exist all the same"
        elif name in UNNEEDED:
            effect = "less is known"
        else:
            effect = "verdicts that such a policy may decide are unknown"
        yield clean(f"{name} may not be read ({reasons.get(name, THEN)}): {effect}")


class Contents(Struct):
    """What a world is made of. `broken`: objects that cannot be read, as `objects[3]: why`."""

    values: list[Projected] = []
    broken: list[str] = []


def contents(snapshot: Snapshot) -> Contents:
    """Return the values of a snapshot's objects."""
    found = Contents()
    for index, record in enumerate(snapshot.objects):
        try:
            value = restored(record)
        except (Malformed, msgspec.ValidationError) as error:
            found.broken.append(f"objects[{index}]: {shown(str(error))}")
            continue
        if value is not None:
            found.values.append(value)
    return found


def gaps(kinds: Mapping[str, State], reasons: Mapping[str, str]) -> Iterator[Gap]:
    """Yield a gap for each kind of policy that may not be read: what it may select cannot be judged."""
    for group, kind in (("networking.k8s.io", "NetworkPolicy"), *FAMILIES):
        name = kind_name(kind, group)
        if kinds.get(name) == "forbidden":
            yield Gap(kind, group, reasons.get(name, THEN))


def lost(kinds: Mapping[str, State]) -> Iterator[str]:
    """Yield kinds that may not be read and are no policies, so that what is not there may exist all the same."""
    policies = {NETWORK_POLICY, *(kind_name(kind, group) for group, kind in FAMILIES)}
    for name, state in kinds.items():
        if state == "forbidden" and name not in policies and name not in UNNEEDED:
            yield name


def forbidden(kinds: Mapping[str, State]) -> list[str]:
    """Return the kinds that may not be read, sorted."""
    return sorted(name for name, state in kinds.items() if state == "forbidden")


T = TypeVar("T")
Told = Callable[[int, int], object]  # objects read, and how many there are as far as is known


class ListedCluster(Struct, Generic[T], frozen=True):
    """What a cluster has. `reasons`: why a kind may not be read. `unreadable`: objects that are not what they say."""

    cluster: str
    kinds: dict[str, State]
    reasons: dict[str, str]
    found: list[T]
    unreadable: list[str]


async def list_once(
    access: Access, keep: Callable[[Raw, Projected], T], told: Told = lambda _, __: None
) -> ListedCluster[T]:
    """List everything once; `keep` says what is kept of each object. Raises ClusterError: half a cluster is none."""
    async with connect(access.kubeconfig, access.context) as connection:
        families = await _families(connection)
        visit = _Visit(keep, told)
        try:
            async with asyncio.TaskGroup() as group:
                for kind in (*KINDS, *families.kinds.values()):
                    for where in collections(kind, access.namespaces):
                        group.create_task(visit.read(connection, where))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed
        return visit.result(connection.server, families)


async def _families(connection: Connection) -> Served:
    """Ask which policy families are served; whoever may not ask does not know of any."""
    try:
        return await served(connection, FOUND)
    except ForbiddenError as error:
        return Served(troubles={group: str(error) for group, _ in FOUND})


class _Visit(Generic[T]):
    """Takes what lists bring."""

    def __init__(self, keep: Callable[[Raw, Projected], T], told: Told) -> None:
        self._keep = keep
        self._told = told
        self._found: dict[Collection, list[T]] = {}
        self._unreadable: dict[Collection, list[str]] = {}
        self._ahead: dict[Collection, int] = {}
        self._missing: dict[Kind, ClusterError] = {}

    async def read(self, connection: Connection, where: Collection) -> None:
        """Read one collection. Raises ClusterError where that is neither forbidden nor absent."""
        try:
            await Reading.of(connection, where, bare=where.kind.bare == "all").list_into(self)
        except (ForbiddenError, NotServedError) as error:
            self._missing[where.kind] = error

    def begin(self, where: Collection) -> None:
        """Forget a list that came to nothing."""
        self._found[where], self._unreadable[where] = [], []

    def take(self, where: Collection, raws: list[Raw], remaining: int) -> None:
        """Keep what is wanted of some objects."""
        for raw in raws:
            try:
                value = project(raw)
            except Malformed as error:
                self._unreadable[where].append(f"{where}: {_name(raw)}: {error}")
                continue
            if value is not None:
                self._found[where].append(self._keep(raw, value))
        self._ahead[where] = remaining
        done = sum(map(len, self._found.values()))
        self._told(done, done + sum(self._ahead.values()))

    def end(self, where: Collection) -> None:
        """Expect no more of this list."""
        self._ahead[where] = 0

    def result(self, cluster: str, families: Served) -> ListedCluster[T]:
        """Return all of it, in an order that does not depend on which answer came first."""
        kinds: dict[str, State] = {kind_name(kind, group): "absent" for group, kind in sorted(FOUND)}
        reasons = {}
        for group, word in FOUND:
            if reason := families.trouble_of((group, word)):
                kinds[kind_name(word, group)] = "forbidden"
                reasons[kind_name(word, group)] = reason
        for kind in (*KINDS, *families.kinds.values()):
            name = kind_name(kind.name, kind.group)
            missing = self._missing.get(kind)
            kinds[name] = "ok" if missing is None else "forbidden" if isinstance(missing, ForbiddenError) else "absent"
            if isinstance(missing, ForbiddenError):
                reasons[name] = str(missing)
        gone = {where for where in self._found if where.kind in self._missing}
        places = sorted(where for where in self._found if where not in gone)
        return ListedCluster(
            cluster,
            dict(sorted(kinds.items())),
            reasons,
            [one for where in places for one in self._found[where]],
            [text for where in places for text in self._unreadable[where]],
        )


def _name(raw: Raw) -> str:
    metadata = raw.get("metadata") or {}
    return f"{metadata.get('namespace', '')}/{metadata.get('name', '')}".lstrip("/")
