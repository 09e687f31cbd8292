"""What a finding's flows say, in words: the two ends, the port that policy sees, who decides."""

from collections.abc import Callable, Iterable

from webhook.model.addresses import Block
from webhook.model.finding import Finding
from webhook.model.policy import Direction
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.model.verdict import Destination, FlowVerdict, Host, Side, Verdict

Cut = Callable[[str], str]  # makes a name safe to print, and short enough
_MOST_POLICIES = 2
_MOST_PORTS = 4


def side(flow: FlowVerdict, direction: Direction) -> Side:
    """Return one direction's answer."""
    return flow.egress if direction is Direction.EGRESS else flow.ingress


def closed(finding: Finding, direction: Direction) -> tuple[FlowVerdict, ...]:
    """Return the flows that `direction` does not let pass in full."""
    stopped = (Verdict.DENIED, Verdict.PARTIAL)
    return tuple(flow for flow in finding.flows if side(flow, direction).verdict in stopped)


def destination(to: Destination, cut: Cut) -> str:
    """Return the far end: `namespace/name`, an address or block, or a name outside the cluster."""
    match to:
        case WorkloadRef():
            return f"{cut(to.namespace)}/{cut(to.name)}"
        case Block():
            text = str(to)
            return text.partition("/")[0] if to.size == 1 else text
        case Host():
            return cut(to.name)


def some(words: Iterable[str], most: int) -> str:
    """Join `words` by commas, the first `most` of them, and say how many are left out."""
    every = list(words)
    shown = every if len(every) <= most + 1 else every[:most]
    rest = len(every) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def ports(flows: Iterable[FlowVerdict]) -> str:
    """Return the ports on which packets arrive: `5432/TCP`, `53/UDP,TCP`, `80,443/TCP`."""
    by_protocol: dict[str, list[int]] = {}
    for flow in flows:
        numbers = by_protocol.setdefault(flow.protocol, [])
        if flow.port not in numbers:
            numbers.append(flow.port)
    shared: dict[tuple[int, ...], list[str]] = {}
    for protocol, numbers in by_protocol.items():
        shared.setdefault(tuple(sorted(numbers)), []).append(protocol)
    return " ".join(
        f"{some(map(str, numbers), _MOST_PORTS).replace(', ', ',')}/{','.join(sorted(protocols, reverse=True))}"
        for numbers, protocols in shared.items()
    )


def end(finding: Finding, flows: tuple[FlowVerdict, ...], cut: Cut) -> str:
    """Return the far end of a connection with the port that policy sees; without flows, what was declared."""
    if not flows:
        return cut(finding.dependency or "its dependencies")
    targets = list(dict.fromkeys(destination(flow.to, cut) for flow in flows))
    if len(targets) == 1:
        where = targets[0]
    elif finding.dependency:
        return f"{cut(finding.dependency)} ({some(targets, _MOST_POLICIES)} on {ports(flows)})"
    else:
        where = some(targets, _MOST_POLICIES)
    return f"{_bracketed(where)}:{ports(flows)}"


def _bracketed(where: str) -> str:
    return f"[{where}]" if where.count(":") > 1 else where


def policy(ref: PolicyRef, cut: Cut) -> str:
    """Return `namespace/name`, with the kind before it where it is not a NetworkPolicy."""
    name = f"{cut(ref.namespace)}/{cut(ref.name)}" if ref.namespace else cut(ref.name)
    return name if ref.kind == "NetworkPolicy" else f"{cut(ref.kind)} {name}"


def deciders(finding: Finding, flows: tuple[FlowVerdict, ...], direction: Direction, cut: Cut) -> str:
    """Return the policies that isolate, or deny, in `direction`."""
    refs = dict.fromkeys(ref.at(None) for flow in flows for ref in side(flow, direction).policies)
    return some(
        (policy(ref, cut) for ref in refs or dict.fromkeys(r.at(None) for r in finding.policies)), _MOST_POLICIES
    )


def service_ports(flows: Iterable[FlowVerdict]) -> str | None:
    """Return the Service's ports where packets arrive on other ones: `port 80 of the Service`."""
    moved = sorted({f.service_port for f in flows if f.service_port is not None and f.service_port != f.port})
    return some(map(str, moved), _MOST_PORTS) if moved else None


def reasons(flows: Iterable[FlowVerdict]) -> tuple[str, ...]:
    """Return why flows were not decided, each reason once."""
    found: dict[str, None] = {}
    for flow in flows:
        for one in (flow.egress, flow.ingress):
            if one.reason and one.verdict is Verdict.UNKNOWN:
                found[one.reason] = None
        if flow.verdict is Verdict.UNKNOWN:
            found.update(dict.fromkeys(flow.notes))
    return tuple(found)
