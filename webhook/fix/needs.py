"""What has to open: one need for each side of a flow that is denied."""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct, structs

from webhook.explain import Judged
from webhook.model.addresses import Block
from webhook.model.objects import Service, Workload
from webhook.model.policy import Direction
from webhook.model.ports import Protocol
from webhook.model.refs import WorkloadRef
from webhook.model.verdict import CLOSED, FlowVerdict, Host, Side, Verdict
from webhook.world import Group

Party = WorkloadRef | Block


class Need(Struct, frozen=True, order=True, repr_omit_defaults=True):
    """`subject` must be let to, or be reachable from, `other` on a port.

    `dialled`: what the Service's selector asks, where policy sees the Service.
    """

    direction: Direction
    subject: WorkloadRef
    other: Party
    protocol: Protocol
    port: int
    dialled: tuple[tuple[str, str], ...] | None = (
        None  # labels of the Service's selector, where policy sees the Service
    )


def openable(flow: FlowVerdict) -> bool:
    """Say whether a flow does not pass, or may not where a mesh carries it to another port."""
    return flow.verdict in CLOSED or (flow.verdict is Verdict.UNKNOWN and flow.tunnel is not None)


def may_open(judged: Judged) -> bool:
    """Say whether something of an answer does not pass, so that a policy may open it."""
    return judged.verdict in CLOSED or (judged.verdict is Verdict.UNKNOWN and any(map(openable, judged.flows)))


def needs(workload: Workload, judged: Iterable[Judged], *, by_service: bool = False) -> Iterator[Need]:
    """Yield what has to open, for every flow that does not pass. `by_service`: egress is judged by the Service."""
    for answer in judged:
        dialled = _dialled(answer) if by_service else {}
        fronts = dict(fronts_of(answer)) if by_service else {}
        for flow in answer.flows:
            if openable(flow):
                for need in _of_flow(workload.ref, flow):
                    out = need.direction is Direction.EGRESS
                    yield _at_front(need, flow, dialled, fronts) if out and by_service else need


def _at_front(
    need: Need,
    flow: FlowVerdict,
    dialled: Mapping[object, tuple[tuple[str, str], ...]],
    fronts: Mapping[object, Service],
) -> Need:
    """Return a need as policy sees it before translation: whom the Service selects, else its own address and port."""
    front = fronts.get(flow.to)
    if front is not None and front.cluster_ips and flow.service_port is not None:
        return structs.replace(need, other=front.cluster_ips[0].block, port=flow.service_port)
    return structs.replace(need, dialled=dialled.get(flow.to))


def fronts_of(answer: Judged) -> Iterator[tuple[object, Service]]:
    """Yield the addresses that somebody listed behind Services, each with its Service."""
    for flow in answer.resolved.found.flows if answer.resolved else ():
        if isinstance(flow.to, Block) and flow.through is not None:
            yield flow.to, flow.through


def _dialled(answer: Judged) -> dict[object, tuple[tuple[str, str], ...]]:
    """Return by who stands behind a Service what its selector asks."""
    flows = answer.resolved.found.flows if answer.resolved else ()
    behind = ((f.to.ref, f.through.selector) for f in flows if isinstance(f.to, Group) and f.through)
    return {ref: selector.pairs for ref, selector in behind if selector}


def _of_flow(source: WorkloadRef, flow: FlowVerdict) -> Iterator[Need]:
    to = flow.to
    if isinstance(to, Host):
        return
    for port in (flow.port, *(() if flow.tunnel is None else (flow.tunnel,))):
        if _to_open(flow.egress):
            yield Need(Direction.EGRESS, source, to, flow.protocol, port)
        if _to_open(flow.ingress) and isinstance(to, WorkloadRef):
            yield Need(Direction.INGRESS, to, source, flow.protocol, port)


def _to_open(side: Side) -> bool:
    """Say whether a rule is missing: also where none is sure to let the packet through, and something isolates."""
    return side.verdict in CLOSED or (side.verdict is Verdict.UNKNOWN and side.isolated is True)
