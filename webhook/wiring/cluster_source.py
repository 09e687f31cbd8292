"""Objects of a cluster, read once, and `--source cluster`, a world that follows an API server."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Generic, TypeVar

from msgspec import Struct
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from webhook.api.backend import PREFIX, Check
from webhook.cluster.client import Connection, connect
from webhook.cluster.client_configuration import Access
from webhook.cluster.discovery import Served, Watcher, clock, served
from webhook.cluster.errors import ClusterError, ForbiddenError, NotServedError
from webhook.cluster.kinds import KINDS, Collection, Kind, Phase, Raw, Standing, collections
from webhook.cluster.list_watch import Reading
from webhook.cluster.reflector import Pace
from webhook.families import project
from webhook.model.hints import CUTS
from webhook.model.settings import Settings
from webhook.wire.objects import DECLARING, Projected
from webhook.wire.shapes import Malformed
from webhook.wiring.cluster_snapshot import FOUND, kind_name, without
from webhook.wiring.informer_cache import InformerCache
from webhook.wiring.snapshot import State
from webhook.world import View, World

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


OPTIONAL: Final = frozenset({"Node", "ConfigMap", "ServiceAccount"})  # without it only less is known
STALE_SECONDS: Final = 120.0  # a watch that is well is heard of about every minute, and asked again after 75 s
_LOOK_AGAIN: Final = 0.2  # seconds


class Cluster:
    """A world that is listed, then watched. Before every kind was listed it is not judged by."""

    def __init__(
        self,
        access: Access,
        settings: Settings,
        *,
        stale_after: float = STALE_SECONDS,
        pace: Pace = Pace(),  # noqa: B008 - frozen
        clock: Callable[[], float] = clock,
    ) -> None:
        """Name the cluster; nothing is sent yet. `stale_after`: seconds without a word of a kind."""
        self._access = access
        self._stale_after = stale_after
        self._pace = pace
        self._clock = clock
        self._cache = InformerCache(World(settings, complete=not access.namespaces))
        self._watcher: Watcher | None = None
        self._complete = False  # once all that is served was listed, a family that comes later holds nothing up

    def configure(self, settings: Settings) -> None:
        """Judge by other settings from here on."""
        self._cache.world.configure(settings)

    def view(self) -> View | None:
        """Return the world; None until all that may decide a verdict was listed."""
        return self._cache.world if self._required and all(map(_usable, self._required)) else None

    def version(self) -> int | None:
        """Return the world's."""
        return self._cache.world.version

    def stale(self) -> str | None:
        """Say what the world may be behind in, `pods not heard of for 130 s`; None: it is fresh."""
        if self._cache.spoiled:
            return self._cache.spoiled
        now = self._clock()
        ages = [(one.age(now) or 0.0, one.where) for one in self._required if required(one.kind)]
        age, where = max(ages, default=(0.0, None))
        return f"{where} not heard of for {age:.0f} s" if age > self._stale_after else None

    def checks(self) -> tuple[Check, ...]:
        """Return one condition for each kind."""
        if self._watcher is None:
            return (Check("cluster", ok=False, detail="not connected yet"),)
        now, standings = self._clock(), self._watcher.standings
        self._complete = self._complete or all(map(_usable, standings))
        return tuple(self._check(standing, now) for standing in standings)

    def collectors(self) -> tuple[Collector, ...]:
        """Return the metrics of the watches."""
        return (Gauges(lambda: self._watcher.standings if self._watcher else (), self._clock, self._cache),)

    async def ready(self) -> None:
        """Wait until there is a world, with all policy families that are served."""
        while not all(check.ok for check in self.checks()):  # noqa: ASYNC110 - a kind may become readable at any time, and nothing tells
            await asyncio.sleep(_LOOK_AGAIN)
        self._cache.settle()

    async def run(self) -> None:
        """Watch until cancelled. Raises BadConfigError where it is not known whom to connect to."""
        async with connect(self._access.kubeconfig, self._access.context) as connection:
            unasked = self._access.unasked
            self._watcher = Watcher(
                connection,
                self._cache,
                [kind for kind in KINDS if kind.name not in unasked],
                families=[family for family in FOUND if family[1] not in unasked],
                namespaces=self._access.namespaces,
                pace=self._pace,
                clock=self._clock,
            )
            await self._watcher.run()

    @property
    def _required(self) -> tuple[Standing, ...]:
        """The collections without which nothing is judged; empty before there is a connection."""
        return self._watcher.required if self._watcher else ()

    def _check(self, standing: Standing, now: float) -> Check:
        name = str(standing.where)
        detail = "" if standing.phase is Phase.LIVE else standing.phase.value
        if standing.reason:
            detail = f"{detail}: {standing.reason}" if detail else standing.reason
        if _only_helps(standing.kind) and not standing.phase.listed:
            detail = f"{detail}; {without([(standing.kind.group, standing.kind.name)])}"
        age = standing.age(now) or 0.0
        if age > self._stale_after:
            detail = f"{detail}; " * bool(detail) + f"not heard of for {age:.0f} s"
        late = self._complete and standing not in self._required
        return Check(name, late or _usable(standing), detail)


def required(kind: Kind) -> bool:
    """Say whether nothing can be judged without a kind. Without others less is known, and said not to be."""
    return kind in KINDS and kind.name not in OPTIONAL


def _only_helps(kind: Kind) -> bool:
    """Say whether a kind declares who is reached and decides nothing, so that nothing waits for it."""
    return (kind.group, kind.name) in DECLARING


def _usable(standing: Standing) -> bool:
    if required(standing.kind):
        return standing.phase.listed
    return standing.phase is not Phase.WAITING or _only_helps(standing.kind)


# -- metrics: every label is a kind, or what may be cut, a fixed few whatever arrives ----------------------------------


class Gauges(Collector):
    """Reads the watcher when it is asked; keeps nothing."""

    def __init__(
        self, standings: Callable[[], Iterable[Standing]], clock: Callable[[], float], cache: InformerCache
    ) -> None:
        """`clock` is the watcher's."""
        self._standings = standings
        self._clock = clock
        self._cache = cache

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; of several collections of a kind the worst counts."""
        now = self._clock()
        ages: dict[str, float] = {}
        listed: dict[str, bool] = {}
        for one in self._standings():
            kind = str(one.kind)
            listed[kind] = listed.get(kind, True) and one.phase.listed
            if (age := one.age(now)) is not None:
                ages[kind] = max(age, ages.get(kind, 0.0))
        yield _gauge("watch_age_seconds", "Seconds since the API server was last heard of a kind.", ages)
        yield _gauge("watch_listed", "1 where a kind was listed completely, 0 where it is not known.", listed)
        yield _gauge("world_objects", "Objects that verdicts may rest on.", self._cache.objects())
        yield _counter(
            "watch_lists", "Complete lists of a kind; more than one: a watch could not go on.", self._cache.lists
        )
        yield _counter("watch_troubles", "Failures to list or watch a kind.", self._cache.troubles)
        cuts: dict[str, int] = {what: self._cache.cuts[what] for what in CUTS}
        yield _counter("watch_cuts", "Times that an object was too long to be read whole, by what was.", cuts, "what")


def _gauge(name: str, text: str, values: dict[str, float] | dict[str, bool] | dict[str, int]) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, text, labels=("kind",))
    for kind, value in sorted(values.items()):
        family.add_metric((kind,), float(value))
    return family


def _counter(name: str, text: str, values: dict[str, int], label: str = "kind") -> Metric:
    family = CounterMetricFamily(PREFIX + name, text, labels=(label,))
    for word, value in sorted(values.items()):
        family.add_metric((word,), value)
    return family
