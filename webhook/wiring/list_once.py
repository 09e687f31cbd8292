"""Every object of a cluster, read once: what may be read, and what may not or is not there, by kind."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from msgspec import Struct

from webhook.cluster.client import Connection, connect
from webhook.cluster.client_configuration import Access
from webhook.cluster.discovery import Served, served
from webhook.cluster.errors import ClusterError, ForbiddenError, NotServedError
from webhook.cluster.kinds import KINDS, Collection, Kind, Raw, collections
from webhook.cluster.list_watch import Reading
from webhook.families import project
from webhook.wire.objects import Projected
from webhook.wire.shapes import Malformed
from webhook.wiring.cluster_snapshot import FOUND, kind_name
from webhook.wiring.snapshot import State

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
        """Forget a list that failed."""
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
