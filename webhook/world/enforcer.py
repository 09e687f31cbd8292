"""Who enforces policy, told by what runs (reference: policy semantics, section 7).

A DaemonSet counts only where it wants pods: resource definitions, settings and annotations alone are leftovers.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from msgspec import structs

from webhook.enforcers import AGENTS, ENFORCERS, NAMESPACES, Found
from webhook.enforcers.record import Data, Flags
from webhook.model.objects import Workload
from webhook.model.settings import GENERIC, UNRECOGNISED, Enforcer

SWITCHES: Final = frozenset(("kube-system", one.switches) for one in ENFORCERS.values() if one.switches)  # ConfigMaps
_FEW: Final = "ready=few"
Settings = Mapping[tuple[str, str], Data]  # by the namespace and name of a ConfigMap


def from_cluster(
    workloads: Iterable[Workload], nodes: Collection[Flags] = (), settings: Settings | None = None
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


def _daemon_sets(workloads: Iterable[Workload], settings: Settings) -> Iterator[Found]:
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
