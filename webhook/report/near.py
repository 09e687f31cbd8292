"""Near misses in words: the rule that would have let the packet through but for one thing."""

from typing import Final

from webhook.model.finding import Finding
from webhook.model.policy import Direction
from webhook.model.verdict import FlowVerdict, NearMiss, Side
from webhook.report import flows
from webhook.report.flows import Cut

MISPLACED: Final = ", and belongs into "  # of a near miss of field `namespace`
_SERVICE_PORT: Final = ", the Service's port"


def near_misses(finding: Finding, cut: Cut) -> tuple[str, ...]:
    """Return one sentence for each near miss, nearest first."""
    return tuple(_of_finding(finding, miss, cut) for miss in finding.near_misses)


def _of_finding(finding: Finding, miss: NearMiss, cut: Cut) -> str:
    ends = _ENDS.get(finding.id, _AS_CLIENT)
    for flow in finding.flows:
        for direction in Direction:
            side = flows.side(flow, direction)
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
