"""A finding's flows and near misses in words: the ends, the port that policy sees, who decides, what is missing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from webhook.model.addresses import Block
from webhook.model.answers import CLOSED, Destination, Finding, FlowVerdict, Host, NearMiss, Side, Verdict
from webhook.model.policy import Direction
from webhook.model.refs import PolicyRef, WorkloadRef

Cut = Callable[[str], str]  # makes a name safe to print, and short enough
Facts = Mapping[str, str]
_MOST_HITS: Final = 2
DENY_RULES = "deny rules"  # the standing of rules that deny whatever another rule allows
_MOST_POLICIES = 2
_MOST_PORTS = 4


def side_of(flow: FlowVerdict, direction: Direction) -> Side:
    """Return one direction's answer."""
    return flow.egress if direction is Direction.EGRESS else flow.ingress


def fate(flows: Iterable[FlowVerdict]) -> str:
    """Return what becomes of packets that are stopped: `time out`, or `be refused` where a refusal answers them."""
    return "be refused" if any(flow.egress.refused or flow.ingress.refused for flow in flows) else "time out"


def stopped(finding: Finding, direction: Direction) -> tuple[tuple[FlowVerdict, ...], tuple[Side, ...]]:
    """Return the flows that `direction` does not let pass in full, and its answers.

    Those alone that a NetworkPolicy can open, where there are any; all flows where none is stopped.
    """
    every = [(flow, side_of(flow, direction)) for flow in finding.flows]
    shut = [one for one in every if one[1].verdict in CLOSED]
    told = [one for one in shut if not one[1].final] or shut or every
    return tuple([flow for flow, _ in told]), tuple([side for _, side in told])


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


def ports(flows: Sequence[FlowVerdict]) -> str:
    """Return the ports on which packets arrive: `5432/TCP`, `53/UDP,TCP`, `80,443/TCP`."""
    if len(flows) == 1:  # as for nearly all
        return f"{flows[0].port}/{flows[0].protocol}"
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
    return f"{cut(kind)} {name}".lstrip() if (kind := ref.kind_word) else name.lstrip()


def place(ref: PolicyRef, direction: Direction, position: str = "") -> str:
    """Return where a rule is in its policy: `ingress[0]`, deny rules of their own list `ingressDeny[0]`."""
    section = direction.value.lower() + ("Deny" if position == DENY_RULES else "")
    return f"{section}[{ref.rule}]" if ref.rule is not None else "rule"


def rule(ref: PolicyRef, direction: Direction, position: str, cut: Cut) -> str:
    """Return a rule as its author finds it, and where its policy is: `(Admin tier, priority 10)`."""
    stands = f" ({cut(position)})" if position and position != DENY_RULES else ""
    return f"{policy(ref, cut)} {place(ref, direction, position)}{stands}"


def deciders(sides: Iterable[Side], direction: Direction, cut: Cut, otherwise: Iterable[PolicyRef] = ()) -> str:
    """Return what stops packets: `denied by` a rule and where it is, or `isolated by` policies.

    `otherwise`: those that isolate, where the sides name none.
    """
    rules: dict[str, None] = {}
    ends: dict[str, None] = {}
    refs: dict[PolicyRef, None] = {}
    for one in sides:
        if one.denied_by is not None:
            rules[f"denied by {rule(one.denied_by, direction, one.position, cut)}"] = None
        elif _ends_a_tier(one):
            ends[_at_the_end(one, cut)] = None
        else:
            refs |= dict.fromkeys([ref.at(None) for ref in one.policies])
    if not refs and not rules and not ends:
        refs = dict.fromkeys(ref.at(None) for ref in otherwise)
    by = some([policy(ref, cut) for ref in refs], _MOST_POLICIES)
    return " and ".join([*rules, *ends, *([f"isolated by {by}"] if by else [])])


def isolates(sides: Iterable[Side]) -> bool:
    """Say whether packets are stopped for want of a rule that admits them, and by no rule that denies them."""
    return all(one.denied_by is None and not _ends_a_tier(one) for one in sides)


def _ends_a_tier(one: Side) -> bool:
    return one.denied_by is None and one.final and bool(one.position)


def _at_the_end(one: Side, cut: Cut) -> str:
    by = some((policy(ref.at(None), cut) for ref in one.policies), _MOST_POLICIES)
    return f"isolated by {by} ({cut(one.position)}), whose tier ends in Deny"


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


MISPLACED: Final = ", and belongs into "  # of a near miss of field `namespace`
_SERVICE_PORT: Final = ", the Service's port"


def near_misses(finding: Finding, cut: Cut) -> tuple[str, ...]:
    """Return one sentence for each near miss, nearest first."""
    return tuple(_of_finding(finding, miss, cut) for miss in finding.near_misses)


def _of_finding(finding: Finding, miss: NearMiss, cut: Cut) -> str:
    ends = _ENDS.get(finding.id, _AS_CLIENT)
    for flow in finding.flows:
        for direction, side in ((Direction.EGRESS, flow.egress), (Direction.INGRESS, flow.ingress)):
            if miss in side.near_misses:
                return sentence(miss, direction, side, flow, cut, ends)
    direction = Direction.EGRESS if finding.id == "NP101" else Direction.INGRESS
    return sentence(miss, direction, None, None, cut, ends)


_AS_CLIENT: Final = ("this workload", "the destination")
_AS_SERVER: Final = ("the client", "this workload")
_AS_NEITHER: Final = ("the client", "the server")
_ENDS: Final = {
    **dict.fromkeys(("NP108", "NP109"), _AS_SERVER),
    **dict.fromkeys(("NP501", "NP502", "NP503"), _AS_NEITHER),
}


def sentence(
    miss: NearMiss,
    direction: Direction,
    side: Side | None,
    flow: FlowVerdict | None,
    cut: Cut,
    ends: tuple[str, str] = _AS_CLIENT,
) -> str:
    """Return one near miss of `side`, which is one of `flow`: what the policy wants, and what it meets.

    `ends`: what the source and the destination are called.
    """
    subject, other = ends if direction is Direction.EGRESS else ends[::-1]
    if miss.field == "podLabels" and side is not None and not _selects(side, miss):
        words, end = "{name} selects {want}; {end} has {have}", subject
    else:
        words, end = _WORDS.get(miss.field, _ANYTHING), other
    if miss.field == "namespace" and MISPLACED in miss.want:
        words = "{name} would {let} it, but selects pods of {want}"
    if miss.have.startswith("is "):
        words = words.replace(" has {have}", " {have}")
    return words.format(
        name=f"{cut(miss.policy.kind_word)} {cut(miss.policy.name)}".lstrip(),
        admits="admits" if direction is Direction.INGRESS else "lets out to",
        let="admit" if direction is Direction.INGRESS else "let out",
        end=end,
        want=cut(miss.want),
        have=cut(miss.have),
        service=_SERVICE_PORT if flow and _is_service_port(miss, flow) else "",
    )


def _selects(side: Side, miss: NearMiss) -> bool:
    """Say whether the policy isolates the pod at all, so that it is the rule's peer that missed."""
    return any(ref.at(None) == miss.policy.at(None) for ref in side.policies)


def _is_service_port(miss: NearMiss, flow: FlowVerdict) -> bool:
    number = miss.want.partition("/")[0]
    return miss.field == "port" and flow.service_port != flow.port and number == str(flow.service_port)


_ANYTHING: Final = "{name} {admits} {want}; {end} has {have}"
_WORDS: Final = {
    "podLabels": _ANYTHING,
    "namespaceLabels": "{name} {admits} namespaces with {want}; the namespace of {end} has {have}",
    "namespace": "{name} {admits} pods of namespace {want} only; {end} is in {have}",
    "serviceAccount": "{name} {admits} pods of service account {want}; {end} runs as {have}",
    "cidr": "{name} {admits} {want}; the address is {have}",
    "port": "{name} opens {want}{service}; the packet arrives on {have}",
    "protocol": "{name} opens {want}; the packet is {have}",
    "policyTypes": "{name} needs policyTypes {want}; it has {have}",
}


def who(finding: Finding, cut: Cut) -> str:
    """Return `namespace/name` of the workload, or of those that one slip hits."""
    if finding.hits:
        names = some((f"{cut(ref.namespace)}/{cut(ref.name)}" for ref in finding.hits), _MOST_HITS)
        return f"{len(finding.hits)} workloads ({names})"
    workload = finding.workload
    return f"{cut(workload.namespace)}/{cut(workload.name)}" if workload else "the cluster"


def pair(finding: Finding, cut: Cut) -> str:
    """Return the workload and what it depends on."""
    return who(finding, cut) + (f" -> {cut(finding.dependency)}" if finding.dependency else "")
