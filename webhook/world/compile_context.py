"""What policies are compiled in: who enforces, told by what runs, and the objects that policies refer to.

Of agents a DaemonSet counts only where it wants pods: resource definitions, settings and annotations alone are
leftovers (reference: policy semantics, section 7).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, TypeVar

from msgspec import structs

from webhook.enforcers import AGENTS, ENFORCERS, NAMESPACES, Found, in_force
from webhook.enforcers.record import Data, Flags
from webhook.families import dialect_of
from webhook.model.crd_policies import CompileContext, CrdPolicy, Unevaluated, UnlistedKind
from webhook.model.dialect import Dialect, Kind
from webhook.model.labels import NO_LABELS, Labels
from webhook.model.objects import Node, Workload
from webhook.model.settings import GENERIC, UNRECOGNISED, Enforcer, Settings
from webhook.world.changes import Clock, discard
from webhook.world.pod_labels import Namespaces

SWITCHES: Final = frozenset(("kube-system", one.switches) for one in ENFORCERS.values() if one.switches)  # ConfigMaps
_NETWORKING: Final = "networking.k8s.io"
_FEW: Final = "ready=few"
Agents = Mapping[tuple[str, str], Data]  # by the namespace and name of a ConfigMap
C = TypeVar("C")


class Contexts:
    """An index of what policies refer to and of what tells who enforces; `current` is the context that follows."""

    def __init__(self, clock: Clock, namespaces: Namespaces, settings: Settings) -> None:
        """Start with nothing but `namespaces` and `settings`."""
        self._clock = clock
        self._namespaces = namespaces
        self._settings = settings
        self._references: dict[Kind, dict[tuple[str | None, str], CrdPolicy]] = {}
        self._daemon_sets: dict[tuple[str, str], Workload] = {}
        self._agents: dict[tuple[str, str], Labels] = {}  # what ConfigMaps set
        self._nodes: dict[str, Flags] = {}
        self._flags: dict[Flags, int] = {}  # how many nodes have them
        self._groups: dict[str, int] = {}  # API groups of policies -> how many there are
        self._put = 0  # when any of this changed
        self._checked = self._made = -1
        self._changed = 0
        self._context = CompileContext()
        self._namespaced = False

    # -- what there is ---------------------------------------------------------------------------------------------

    def configure(self, settings: Settings) -> None:
        """Take other settings."""
        self._settings = settings
        self._put = self._clock.tick()

    def put(self, value: CrdPolicy) -> None:
        """Add or replace a reference."""
        self._references.setdefault((value.group, value.ref.kind), {})[value.namespace, value.ref.name] = value
        self._put = self._clock.tick()

    def drop(self, kind: Kind, namespace: str | None, name: str) -> None:
        """Remove a reference, if it is here."""
        discard(self._references, kind, (namespace, name))
        self._put = self._clock.tick()

    def get(self, kind: Kind, namespace: str | None, name: str) -> CrdPolicy | None:
        """Return a reference."""
        return self._references.get(kind, {}).get((namespace, name))

    def has(self, value: CrdPolicy) -> bool:
        """Say whether an equal reference is here."""
        return self.get((value.group, value.ref.kind), value.namespace, value.ref.name) == value

    def put_daemon_set(self, value: Workload) -> None:
        """Take a DaemonSet, which counts where agents run."""
        if value.ref.namespace in NAMESPACES:
            self._daemon_sets[value.ref.namespace, value.ref.name] = value
            self._put = self._clock.tick()

    def drop_daemon_set(self, namespace: str, name: str) -> None:
        """Remove a DaemonSet, if it is here."""
        if self._daemon_sets.pop((namespace, name), None) is not None:
            self._put = self._clock.tick()

    def set_agent(self, namespace: str, name: str, settings: Labels) -> None:
        """Take what a ConfigMap sets for an agent; it may set nothing."""
        if settings == self._agents.get((namespace, name), NO_LABELS):
            return
        self._agents.pop((namespace, name), None)
        if settings:
            self._agents[namespace, name] = settings
        self._put = self._clock.tick()

    def put_node(self, value: Node) -> None:
        """Take a node, of which only the flags count."""
        if self._nodes.get(value.name) != value.flags:
            self.drop_node(value.name)
            self._nodes[value.name] = value.flags
            self._count(self._flags, value.flags, 1)

    def drop_node(self, name: str) -> None:
        """Remove a node, if it is here."""
        flags = self._nodes.pop(name, None)
        if flags is not None:
            self._count(self._flags, flags, -1)

    def count(self, group: str, more: int) -> None:
        """Take `more` policies of an API group, or fewer: that there are any may tell who enforces."""
        self._count(self._groups, group, more)

    def _count(self, counts: dict[C, int], key: C, more: int) -> None:
        before = counts.get(key, 0)
        if after := before + more:
            counts[key] = after
        else:
            counts.pop(key, None)
        if not before or not after:
            self._put = self._clock.tick()

    # -- what follows ----------------------------------------------------------------------------------------------

    @property
    def ready(self) -> CompileContext | None:
        """`current`, where nothing has changed since it was made."""
        changed = max(self._put, self._namespaces.changed if self._namespaced else 0)
        return self._context if changed <= self._made else None

    @property
    def current(self) -> CompileContext:
        """What policies are compiled in: the same value until anything in it differs."""
        if self._checked != self._clock.now:
            self._checked = self._clock.now
            if self.ready is None:
                self._renew()
        return self._context

    @property
    def changed(self) -> int:
        """When `current` last became another value."""
        _ = self.current
        return self._changed

    def _renew(self) -> None:
        before, relabelled = self._context, self._namespaced and self._namespaces.changed > self._made
        bare = CompileContext(
            self._enforcer(),
            {
                kind: tuple(found[key] for key in sorted(found, key=_by_name))
                for kind, found in self._references.items()
            },
            self._namespaces.by_name,
            {name: value.flags for (_, name), value in sorted(self._daemon_sets.items())},
            {key: found.as_dict() for key, found in sorted(self._agents.items())},
            nodes=frozenset(flag for flags in self._nodes.values() for flag in flags),
        )
        dialect = dialect_of(bare)
        now = structs.replace(bare, enforcer=as_set(bare.enforcer, dialect), dialect=dialect)
        self._made = self._clock.now
        # Whatever has a namespace has its labels, too.
        self._namespaced = any(namespace for found in self._references.values() for namespace, _ in found)
        if relabelled or now != structs.replace(before, memo=now.memo):
            self._context, self._changed = now, self._clock.now

    def _enforcer(self) -> Enforcer:
        match self._settings.detect:
            case "":
                return self._settings.enforcer
            case "cluster":
                switches = {key: self._agents.get(key, NO_LABELS).as_dict() for key in SWITCHES}
                return from_cluster(self._daemon_sets.values(), set(self._nodes.values()), switches)
            case "files":
                return from_files({*self._groups, *(group for group, _ in self._references if group)})


def as_set(enforcer: Enforcer, dialect: Dialect) -> Enforcer:
    """Return who enforces as its own settings have it, by which one may drop nothing."""
    if dialect.certainty.unenforced:
        return structs.replace(enforcer, decisive=False, enforces=False, why=dialect.certainty.unenforced)
    if dialect.certainty.undecided:
        return structs.replace(enforcer, decisive=False, why=dialect.certainty.undecided)
    return enforcer


def _by_name(key: tuple[str | None, str]) -> tuple[str, str]:
    return key[0] or "", key[1]


# -- kinds of policy that may not be read ------------------------------------------------------------------------------


class UnlistedKinds:
    """An index of the kinds that are known only by name: whatever one of them may select cannot be judged."""

    def __init__(self, clock: Clock) -> None:
        """Start empty."""
        self.changed = 0
        self._clock = clock
        self._every: dict[Kind, UnlistedKind] = {}
        self._under: tuple[int, dict[str, Unevaluated | None]] = (0, {})  # when it was found, by enforcer

    def put(self, unlisted: UnlistedKind) -> None:
        """Add or replace."""
        self._every[unlisted.group, unlisted.kind] = unlisted
        self.changed = self._clock.tick()

    def drop(self, kind: Kind) -> None:
        """Remove, if it is here."""
        self._every.pop(kind, None)
        self.changed = self._clock.tick()

    def under(self, enforcer: str) -> Unevaluated | None:
        """Return why no answer under `enforcer` can be trusted."""
        if self._under[0] < self.changed:
            self._under = self.changed, {}
        found = self._under[1]
        if enforcer not in found:
            found[enforcer] = self._first(enforcer)
        return found[enforcer]

    def _first(self, enforcer: str) -> Unevaluated | None:
        for _, unlisted in sorted(self._every.items()):
            if unlisted.group == _NETWORKING or in_force(unlisted.group, enforcer):
                return Unevaluated(
                    (),
                    f"{unlisted.kind}.{unlisted.group} may not be read ({unlisted.reason}), so that one may apply here",
                )
        return None


# -- who enforces ------------------------------------------------------------------------------------------------------


def from_cluster(
    workloads: Iterable[Workload], nodes: Collection[Flags] = (), settings: Agents | None = None
) -> Enforcer:
    """Return who enforces. Only what is known not to enforce: nobody.

    `nodes`: the flags of each node, or the different ones among them; `settings`: the data of `SWITCHES`.
    """
    found = [*_daemon_sets(workloads, settings or {}), *_distribution(nodes)]
    active = {one.enforcer: one for one in sorted(found, key=lambda one: bool(one.why)) if one.enforces is not False}
    if len(active) == 1:
        return _single(next(iter(active.values())))
    if active:
        names = sorted(active)
        return Enforcer("+".join(names), decisive=False, why=f"{' and '.join(names)} run here, and each must allow")
    if found:
        return Enforcer("none", decisive=False, enforces=False, why=found[0].why)
    return UNRECOGNISED


def _single(one: Found) -> Enforcer:
    return Enforcer(one.enforcer, decisive=ENFORCERS[one.enforcer].decisive and not one.why, why=one.why)


def _daemon_sets(workloads: Iterable[Workload], settings: Agents) -> Iterator[Found]:
    for one in sorted(workloads, key=lambda workload: workload.ref):
        agent = AGENTS.get(one.ref.name) if one.ref.kind == "DaemonSet" and one.ref.namespace in NAMESPACES else None
        if agent is None or not one.replicas:
            continue
        record, read = agent
        found = read(one.flags, settings.get(("kube-system", record.switches), {}))
        if found.enforces is not False and _FEW in one.flags:
            found = structs.replace(found, why=f"most pods of {one.ref.name} are not ready")
        yield found


def _distribution(nodes: Collection[Flags]) -> Iterator[Found]:
    """Yield what nodes show of enforcers that are built into a distribution."""
    for one in ENFORCERS.values():
        if one.of_nodes is not None:
            yield from one.of_nodes(nodes)


def from_files(groups: Collection[str]) -> Enforcer:
    """Return the one enforcer of whose API groups objects are there, else the API's own semantics."""
    for one in ENFORCERS.values():
        if groups and one.of_files.issuperset(groups):
            return Enforcer(one.name)
    return GENERIC
