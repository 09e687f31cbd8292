"""Who has to be judged again after changes of a world that is followed: whom they can touch, and nobody else.

The world as it was is laid over the world as it is, and `touched` is asked, as before a write. What may touch anybody
at all, and is rare, has everybody judged again.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from msgspec import structs

from webhook.model.addresses import Address
from webhook.model.crd_policies import CompileContext, CrdPolicy
from webhook.model.hints import ConfigMap, MapUse
from webhook.model.inbound import ISTIO_GATEWAY, Backend, Binding, Call, Exposure, Ingress, Route
from webhook.model.objects import Endpoints, EndpointSlice, Namespace, Pod, PodClass, Service, Workload
from webhook.model.policy import Policy
from webhook.model.refs import WorkloadRef
from webhook.review.blast_radius import candidates
from webhook.review.touched import Change, Written, change_of, touched
from webhook.world import Drop, Put, View, World
from webhook.world.changes import Value
from webhook.world.proposed import Proposed

Before = Mapping[Drop, Value | None]
Pair = tuple[Value | None, Value | None]  # before and after
_ANYBODYS: Final = frozenset(  # kinds that say who sends, where nodes are, or what is not known
    {"Node", "Gap", "IngressClass", "Gateway", "GatewayClass", ISTIO_GATEWAY, "ServiceMonitor", "PodMonitor"}
)
_ACCOUNT: Final = "ServiceAccount"
_API_SERVER: Final = ("default", "kubernetes")  # a Service that nobody has to name


def judged_again(world: World, before: Before, context: CompileContext) -> frozenset[WorkloadRef] | None:
    """Return who may be judged otherwise than before the changes; None: anybody.

    `before`: the objects that changed, as they were, of a `Journal`. `context`: what policies were compiled in.
    """
    pairs = {key: (old, world.named(key)) for key, old in before.items()}
    pairs = {key: pair for key, pair in pairs.items() if pair[0] != pair[1] or key.kind in (_ACCOUNT, *_ANYBODYS)}
    accounts = sum(key.kind == _ACCOUNT for key in pairs)
    first = bool(accounts) and len(world.accounts) <= accounts  # without any, nothing is known of who pods run as
    if first or not _same(context, world.compile_context) or any(map(_is_anybodys, pairs, pairs.values())):
        return None
    view = Proposed(world, [key if old is None else Put(old) for key, (old, _) in pairs.items() if _is_laid(key)])
    change = _change(world, pairs)
    reach = touched(view, world, change)
    if reach.everybody or reach.look_ups or reach.senders or _API_SERVER in reach.names:
        return None
    return frozenset({*candidates(view, world, reach), *_others(world, pairs.values())})


def _same(one: CompileContext, other: CompileContext) -> bool:
    """Say whether what agents tell is the same; of what policies refer to `touched` knows."""
    return one is other or all(
        getattr(one, field) == getattr(other, field) for field in ("enforcer", "dialect", "flags", "settings", "nodes")
    )


def _is_anybodys(key: Drop, pair: Pair) -> bool:
    """Say whether anybody may be touched; by a namespace that comes or goes those whose names may lead there."""
    return key.kind in _ANYBODYS or (key.kind == "Namespace" and None in pair)


def _is_laid(key: Drop) -> bool:
    """Say whether an object as it was is laid over the world: what else there is, is told in other ways."""
    return key.kind not in ("Pod", "EndpointSlice", "Endpoints", "ConfigMap", _ACCOUNT)


def _change(world: World, pairs: Mapping[Drop, Pair]) -> Change:
    written: list[Written] = []
    services: set[tuple[str, str]] = set()
    moved: set[tuple[WorkloadRef, PodClass]] = set()
    for key, (old, new) in pairs.items():
        if key.kind == _ACCOUNT:
            moved.update(_of_account(world, key))
        elif (
            isinstance(old, Workload) and isinstance(new, Workload) and old.template.pod_class == new.template.pod_class
        ):
            moved.update((ref, new.template.pod_class) for one in (old, new) for ref in _with_owner(one))
        else:
            for value in (old, new):
                match value:
                    case Policy() | CrdPolicy() | Namespace() | Service():
                        written.append(value)
                    case Workload():
                        written.append(value)
                        moved.update((ref, value.template.pod_class) for ref in _with_owner(value))
                    case Pod():
                        refs = {world.pods.top(value), *((value.bare.ref,) if value.bare else ())}
                        moved.update((ref, value.pod_class) for ref in refs)
                    case EndpointSlice():
                        services.add((value.namespace, value.service))
                    case Endpoints():
                        services.add((value.namespace, value.name))
                    case _:
                        pass
    services.update(_listing(world, {a for pair in pairs.values() for a in _addresses(pair)}))
    found = change_of(written)
    return structs.replace(found, services=found.services | services, moved=frozenset(moved))


def _addresses(pair: Pair) -> Iterator[Address]:
    return (address for value in pair if isinstance(value, Pod) for address in value.addresses)


def _listing(view: View, addresses: Collection[Address]) -> Iterator[tuple[str, str]]:
    """Yield the Services without selectors that list one of these addresses."""
    for service in view.services.unselecting() if addresses else ():
        view.budget.spend()
        if any(address in addresses for address, _, _ in view.services.endpoints(service)):
            yield service.namespace, service.name


def _with_owner(workload: Workload) -> Iterator[WorkloadRef]:
    yield workload.ref
    if workload.owner is not None:
        yield WorkloadRef(workload.owner.kind, workload.ref.namespace, workload.owner.name)


def _of_account(view: View, key: Drop) -> Iterator[tuple[WorkloadRef, PodClass]]:
    """Yield who runs, or will run, as a ServiceAccount."""
    for workload in view.workloads.every(key.namespace):
        view.budget.spend()
        if key.name == (workload.template.service_account or "default"):
            yield workload.ref, workload.template.pod_class
    for group in view.pods.groups(key.namespace):
        view.budget.spend()
        yield from ((group.ref, pod.pod_class) for pod in group.pods if pod.pod_class.account == key.name)


def _others(world: World, pairs: Iterable[Pair]) -> Iterator[WorkloadRef]:
    """Yield whom a change touches by what it tells: of settings, of ways in, and of who asks the API server."""
    for value in (value for pair in pairs for value in pair):
        match value:
            case ConfigMap():
                yield from (one.ref for one in world.workloads.every(value.namespace) if _uses(one, value.name))
            case Ingress() | Route() | Call() | Exposure():
                yield from _behind(world, value.backends)
            case Binding():
                every = (one for space, _ in value.accounts for one in world.workloads.every(space))
                yield from (one.ref for one in every)
            case _:
                pass


def _uses(workload: Workload, name: str) -> bool:
    return any(isinstance(one, MapUse) and one.name == name for box in workload.hints for one in box.given)


def _behind(world: World, backends: Iterable[Backend]) -> Iterator[WorkloadRef]:
    """Yield whom ways in lead to; of a Service that selects nobody it may be anybody of its namespace."""
    for space, name in dict.fromkeys((one.namespace, one.service) for one in backends):
        service = world.services.get(space, name)
        if service is None or service.selector is None:
            yield from (one.ref for one in world.workloads.every(space))
        else:
            yield from (group.ref for group in world.pods.behind(service))
