"""What has to open: one need for each side of a flow that is denied."""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from webhook.explain import Judged
from webhook.model.addresses import Block
from webhook.model.objects import Workload
from webhook.model.policy import Direction
from webhook.model.ports import Protocol
from webhook.model.refs import WorkloadRef
from webhook.model.verdict import FlowVerdict, Host, Side, Verdict

Party = WorkloadRef | Block


class Need(Struct, frozen=True, order=True):
    """`subject` must be let to, or be reachable from, `other` on a port."""

    direction: Direction
    subject: WorkloadRef
    other: Party
    protocol: Protocol
    port: int


CLOSED: Final = (Verdict.DENIED, Verdict.PARTIAL)


def needs(workload: Workload, judged: Iterable[Judged]) -> Iterator[Need]:
    """Yield what has to open, for every flow that does not pass."""
    for answer in judged:
        for flow in answer.flows:
            if flow.verdict in CLOSED:
                yield from _of_flow(workload.ref, flow)


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
