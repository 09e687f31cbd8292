"""What has to open, one need for each denied side of a flow; and the names of the policies that open it.

Two policies that open different things never share a name, so that applying one fix never undoes another.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct, structs

from webhook.fix.selectors import Neighbours
from webhook.judge import Judged
from webhook.model.addresses import Block, Protocol
from webhook.model.answers import CLOSED, FlowVerdict, Host, Side, Verdict
from webhook.model.objects import Service, Workload
from webhook.model.policy import Direction
from webhook.model.refs import WorkloadRef
from webhook.world import Group

OtherEnd = WorkloadRef | Block


class Need(Struct, frozen=True, order=True, repr_omit_defaults=True):
    """`subject` must be let to, or be reachable from, `other` on a port.

    `dialled`: what the Service's selector asks, where policy sees the Service.
    """

    direction: Direction
    subject: WorkloadRef
    other: OtherEnd
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
        services = dict(clusterips_of(answer)) if by_service else {}
        for flow in answer.flows:
            if openable(flow):
                for need in _of_flow(workload.ref, flow):
                    out = need.direction is Direction.EGRESS
                    yield _at_clusterip(need, flow, dialled, services) if out and by_service else need


def _at_clusterip(
    need: Need,
    flow: FlowVerdict,
    dialled: Mapping[object, tuple[tuple[str, str], ...]],
    services: Mapping[object, Service],
) -> Need:
    """Return a need as policy sees it before translation: whom the Service selects, else its own address and port."""
    cluster_ip = services.get(flow.to)
    if cluster_ip is not None and cluster_ip.cluster_ips and flow.service_port is not None:
        return structs.replace(need, other=cluster_ip.cluster_ips[0].block, port=flow.service_port)
    return structs.replace(need, dialled=dialled.get(flow.to))


def clusterips_of(answer: Judged) -> Iterator[tuple[object, Service]]:
    """Yield the addresses that somebody listed behind Services, each with its Service."""
    for flow in answer.resolved.found.flows if answer.resolved else ():
        if isinstance(flow.to, Block) and flow.through is not None:
            yield flow.to, flow.through


def _dialled(answer: Judged) -> dict[object, tuple[tuple[str, str], ...]]:
    """Return by who is behind a Service what its selector asks."""
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


LONGEST: Final = 253  # a DNS subdomain
_HASH: Final = 6  # hexadecimal digits: names need to differ, not to resist attack
_WORDS: Final = {Direction.EGRESS: "to", Direction.INGRESS: "from"}
_STRANGE: Final = re.compile(r"[^a-z0-9.]+")
_DOTS: Final = re.compile(r"-?\.[.-]*")
_AMBIGUOUS: Final = re.compile(r"-(?:to|from|egress|ingress)(?:-|$)|\.|[^a-z0-9.-]")


def name(near: Neighbours, needs: Sequence[Need], rest: Sequence[object] = ()) -> str:
    """Return the name for a policy that opens `needs`, which have one subject and one direction, and keeps `rest`."""
    text = said(needs)
    if text is None:
        return _cut(f"allow-{needs[0].subject.name}-{needs[0].direction.lower()}", _hashed(needs, rest))
    return text if len(text) <= LONGEST and is_clear(near, needs, rest) else _cut(text, _hashed(needs, rest))


def said(needs: Sequence[Need]) -> str | None:
    """Return a name that says what a policy opens; None: it opens addresses, or several other ends."""
    subject, direction, other = needs[0].subject, needs[0].direction, needs[0].other
    if not isinstance(other, WorkloadRef) or len({need.other for need in needs}) > 1:
        return None
    where = "" if other.namespace == subject.namespace else f".{other.namespace}"
    ports = "-".join(map(str, dict.fromkeys([need.port for need in needs]))) + _protocols(needs)
    return f"allow-{subject.name}-{_WORDS[direction]}-{other.name}{where}-{ports}"


def is_clear(near: Neighbours, needs: Sequence[Need], rest: Sequence[object] = ()) -> bool:
    """Say whether what is `said` of a policy stands for nothing else."""
    ends = (needs[0].subject, needs[0].other)
    numbers = {need.port for need in needs}
    return len(numbers) == 1 and not rest and not any(isinstance(e, WorkloadRef) and ambiguous(near, e) for e in ends)


def _hashed(needs: Sequence[Need], rest: Sequence[object]) -> str:
    return hashlib.sha256(repr([*sorted(map(repr, needs)), *map(repr, rest)]).encode()).hexdigest()[:_HASH]


def free_name(near: Neighbours, namespace: str, wanted: str) -> str:
    """Return `wanted`, or with a number where that is taken: applying must not replace another policy."""
    found, number = wanted, 2
    while near.has_policy(namespace, found):
        found, number = _cut(wanted, str(number)), number + 1
    return found


def ambiguous(near: Neighbours, ref: WorkloadRef) -> bool:
    """Say whether the name alone may stand for something else too."""
    found = near.ambiguous.get(ref)
    if found is None:
        strange = _AMBIGUOUS.search(ref.name) or _AMBIGUOUS.search(ref.namespace)
        found = near.ambiguous[ref] = bool(strange or near.called(ref.namespace, ref.name) - {ref})
    return found


def _protocols(needs: Sequence[Need]) -> str:
    """Return nothing for TCP, which goes without saying."""
    spoken = {need.protocol for need in needs}
    return "" if spoken == {"TCP"} else "-" + "-".join(sorted([protocol.lower() for protocol in spoken]))


def _cut(text: str, tail: str) -> str:
    """Return `text-tail` within the limit, and of nothing but what a name may have in it."""
    plain = _DOTS.sub(".", _STRANGE.sub("-", text.lower()))
    return f"{plain[: LONGEST - len(tail) - 1].rstrip('-.')}-{tail}"
