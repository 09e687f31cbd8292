"""Who says that it connects to a workload, judged from the client's side: a server is reviewed with its clients."""

from collections.abc import Collection, Iterator
from typing import Final

from msgspec import Struct, structs

from webhook.dependencies import Resolved, resolve
from webhook.explain.judge import Judged, judge
from webhook.explain.workload import declared
from webhook.model.addresses import Address, Block
from webhook.model.budget import Exhausted
from webhook.model.dependency import Dependency, NameTarget, WorkloadTarget
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.world import Group, View
from webhook.world.mentions import Name, names_in

MOST: Final = 100  # dependants that one review looks at: a millisecond each where they are kept out
_ENDS: Final = frozenset({"Job", "Pod"})  # kinds that stay when their work is done


class Dependant(Struct, frozen=True):
    """A client's declared dependency as far as it leads to the server, judged without near misses."""

    client: Workload
    judged: Judged


class Dependants(Struct, frozen=True):
    """The dependencies of the first `MOST` clients. `left`: how many clients were not looked at.

    `exhausted`: there was no time for some of them.
    """

    found: tuple[Dependant, ...] = ()
    left: int = 0
    exhausted: bool = False


def judge_dependants(view: View, server: Workload, without: Collection[WorkloadRef] = ()) -> Dependants:
    """Judge what others declare that leads to the pods of a workload's template.

    `view` has the workload, without any pods. `without`: clients that are told of it themselves.
    """
    ref = server.ref
    names = {(ref.namespace, name) for name in (ref.name, *(s.name for s in view.services_of(server.template.shape)))}
    others = (one for one in view.mentioning(names) if one != ref and one not in without)
    refs = sorted(others, key=lambda one: one.namespace != ref.namespace)  # its own first, whoever else claims it
    found: list[Dependant] = []
    for number, one in enumerate(refs[:MOST]):
        try:
            client = view.workload(one)
            found += _of_client(view, client, ref, names) if client is not None and _lives(view, client) else ()
        except Exhausted:
            return Dependants(tuple(found), len(refs) - number, exhausted=True)
    return Dependants(tuple(found), len(refs[MOST:]))


def _lives(view: View, client: Workload) -> bool:
    """Say whether a client may still connect: what has ended stays in the cluster for a while."""
    return client.ref.kind not in _ENDS or bool(view.pods_of(client.ref))


def _of_client(view: View, client: Workload, server: WorkloadRef, names: Collection[Name]) -> Iterator[Dependant]:
    told: set[str] = set()
    for item in declared(client):
        if not isinstance(item, Dependency) or not may_lead(view, client, item, names):
            continue
        resolved = _part(resolve(view, client, item), server)
        if resolved.found.flows and resolved.text not in told:
            told.add(resolved.text)
            yield Dependant(client, judge(view, client, resolved, near=False))


def may_lead(view: View, client: Workload, item: Dependency, names: Collection[Name]) -> bool:
    """Say whether an item may lead to a server that is known under `names`: most items of a client do not."""
    view.budget.spend()
    match item.target:
        case NameTarget(host=host):
            return any(name in names or _aliased(view, name) for name in names_in(host, client.ref.namespace))
        case WorkloadTarget(name=name):
            return any(name == own for _, own in names)
        case Address() as address:
            return view.pod_at(address) is not None or view.service_at(address) is not None
        case Block() as block:
            return block.size == 1


def _aliased(view: View, name: Name) -> bool:
    """Say whether a Service leads where its own selector does not say."""
    service = view.service(*name)
    return service is not None and service.selector is None


def _part(resolved: Resolved, server: WorkloadRef) -> Resolved:
    flows = tuple(f for f in resolved.found.flows if isinstance(f.to, Group) and f.to.ref == server)
    return structs.replace(resolved, found=structs.replace(resolved.found, flows=flows, missing=()))
