"""What has to open: one need for each side of a flow that is denied."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from webhook.explain import Judged
from webhook.model.addresses import Block
from webhook.model.objects import Workload
from webhook.model.policy import Direction
from webhook.model.ports import Protocol
from webhook.model.refs import WorkloadRef
from webhook.model.verdict import FlowVerdict, Host, Verdict

Party = WorkloadRef | Block


class Need(Struct, frozen=True, order=True):
    """`subject` must be let to, or be reachable from, `other` on a port."""

    direction: Direction
    subject: WorkloadRef
    other: Party
    protocol: Protocol
    port: int


_CLOSED = (Verdict.DENIED, Verdict.PARTIAL)


def needs(workload: Workload, judged: Iterable[Judged]) -> Iterator[Need]:
    """Yield what has to open, for every flow that does not pass."""
    for answer in judged:
        for flow in answer.flows:
            yield from _of_flow(workload.ref, flow)


def _of_flow(source: WorkloadRef, flow: FlowVerdict) -> Iterator[Need]:
    to = flow.to
    if isinstance(to, Host):
        return
    if flow.egress.verdict in _CLOSED:
        yield Need(Direction.EGRESS, source, to, flow.protocol, flow.port)
    if flow.ingress.verdict in _CLOSED and isinstance(to, WorkloadRef):
        yield Need(Direction.INGRESS, to, source, flow.protocol, flow.port)
