"""What a flow log would have workloads declare: flows that passed and that nobody declares, as items of connects-to.

That something was seen is no right to it: whoever asks decides what becomes of this.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from webhook.dependencies import parse, resolve
from webhook.evaluate import Flow
from webhook.judge import judge_dns
from webhook.judge.workload import declared
from webhook.model.addresses import IPV6, Address, Block
from webhook.model.answers import Dependency, Host
from webhook.model.objects import Workload
from webhook.model.refs import KIND_OF_WORD, SHORT_KINDS, WorkloadRef
from webhook.review.evidence import Compared, Evidence
from webhook.review.observed import ObservedFlow
from webhook.world import Group, View

MOST_ITEMS: Final = 200  # of one workload, those included that it has
_KINDS: Final = frozenset(KIND_OF_WORD.values())


class Suggested(Struct, frozen=True):
    """`items` for the annotation of one workload. `left`: flows that no item can name, or that are too many."""

    items: tuple[str, ...] = ()
    left: tuple[Compared, ...] = ()


def suggested(view: View, found: Evidence) -> Mapping[WorkloadRef, Suggested]:
    """Return what each workload would have to declare for what was seen to pass."""
    flows: dict[WorkloadRef, list[Compared]] = {}
    for one in found.undeclared:
        if isinstance(one.flow.source, WorkloadRef) and not one.dropped:
            flows.setdefault(one.flow.source, []).append(one)
    workloads = {ref: workload for ref in flows if (workload := view.workloads.get(ref)) is not None}
    return {ref: _of(view, workload, flows[ref]) for ref, workload in workloads.items()}


def _of(view: View, workload: Workload, flows: Sequence[Compared]) -> Suggested:
    """Return the items of one workload; a name has a look-up implied, which then need not be said."""
    look_up = judge_dns(view, workload)
    implied = {(one.to, one.protocol, one.port) for one in look_up.flows} if look_up is not None else set()
    items: dict[str, bool] = {}
    asking: dict[str, bool] = {}
    left: list[Compared] = []
    room = MOST_ITEMS - len(declared(workload))
    for one in flows:
        item = declaration(view, workload, one.flow)
        if item is None or len(items) >= room:
            left.append(one)
            continue
        flow = one.flow
        some = asking if (flow.target, flow.protocol, flow.port) in implied else items
        some[item.text] = item.by_name
    more = () if any(items.values()) else asking
    return Suggested(tuple(dict.fromkeys((*items, *more))), tuple(left))


class Item(Struct, frozen=True):
    """An item as a person would write it. `by_name`: a look-up comes first."""

    text: str
    by_name: bool


def declaration(view: View, client: Workload, flow: ObservedFlow) -> Item | None:
    """Return a flow as who dialled would declare it, looked up again; None where no item stands for it."""
    for text in _texts(view, client, flow):
        for item in parse(text):
            if isinstance(item, Dependency):
                found = resolve(view, client, item)
                if any(_is(one, flow) for one in found.found.flows):
                    return Item(text, found.by_name)
    return None


def _is(one: Flow, flow: ObservedFlow) -> bool:
    to = one.to.ref if isinstance(one.to, Group) else one.to
    return (to, one.protocol, one.port) == (flow.target, flow.protocol, flow.port)


def _texts(view: View, client: Workload, flow: ObservedFlow) -> Iterator[str]:
    """Yield what may stand for a flow, the best first: a Service, the workload itself, an address or a name."""
    spoken = "" if flow.protocol == "TCP" else f"/{flow.protocol}"
    match flow.target:
        case WorkloadRef() as ref:
            where = "" if ref.namespace == client.ref.namespace else f".{ref.namespace}"
            for name, port in _services(view, ref, flow):
                yield f"{name}{where}:{port}{spoken}"
            if ref.kind in _KINDS:
                yield f"{SHORT_KINDS.get(ref.kind, ref.kind.lower())}/{ref.name}{where}:{flow.port}{spoken}"
        case Block() as block:
            address = str(Address(block.family, block.first))
            yield f"{f'[{address}]' if block.family == IPV6 else address}:{flow.port}{spoken}"
        case Host() as host:
            yield f"{host.name}:{flow.port}{spoken}"
            yield f"{host.name}.:{flow.port}{spoken}"
        case None:
            return


def _services(view: View, ref: WorkloadRef, flow: ObservedFlow) -> Iterator[tuple[str, int]]:
    """Yield the Services before a workload with their ports, and behind a headless one the pod's own."""
    server = view.workloads.get(ref)
    pod_classes = [pod.pod_class for pod in view.pods.of(ref)] or (
        [server.template.pod_class] if server is not None else []
    )
    for pod_class in dict.fromkeys(pod_classes):
        for service in view.services.selecting(pod_class):
            yield from ((service.name, port.port) for port in service.ports if port.protocol == flow.protocol)
            if service.headless:
                yield service.name, flow.port
