"""Near misses in words: the rule that would have let the packet through but for one thing."""

from typing import Final

from webhook.model.finding import Finding
from webhook.model.policy import Direction
from webhook.model.verdict import NearMiss
from webhook.report import flows
from webhook.report.flows import Cut

_SERVICE_PORT: Final = ", the Service's port"


def near_misses(finding: Finding, cut: Cut) -> tuple[str, ...]:
    """Return one sentence for each near miss, nearest first."""
    moved = {str(f.service_port) for f in finding.flows if f.service_port not in {None, f.port}}
    return tuple(sentence(miss, direction_of(finding, miss), moved, cut) for miss in finding.near_misses)


def direction_of(finding: Finding, miss: NearMiss) -> Direction:
    """Return the direction of the rule that missed."""
    for direction in Direction:
        if any(miss in flows.side(flow, direction).near_misses for flow in finding.flows):
            return direction
    return Direction.EGRESS if finding.id == "NP101" else Direction.INGRESS


def sentence(miss: NearMiss, direction: Direction, service_ports: set[str], cut: Cut) -> str:
    """Return one near miss: what the policy wants, and what it meets.

    `service_ports`: numbers that packets do not arrive on, because the Service turns them into others.
    """
    ingress = direction is Direction.INGRESS
    return _WORDS.get(miss.field, _ANYTHING).format(
        name=cut(miss.policy.name),
        admits="admits" if ingress else "opens the way to",
        end="this workload" if ingress else "the other end",
        want=cut(miss.want),
        have=cut(miss.have),
        service=_SERVICE_PORT if miss.want.partition("/")[0] in service_ports else "",
    )


_ANYTHING: Final = "{name} {admits} {want}; {end} has {have}"
_WORDS: Final = {
    "podLabels": _ANYTHING,
    "namespaceLabels": "{name} {admits} namespaces with {want}; the namespace of {end} has {have}",
    "namespace": "{name} {admits} pods of namespace {want} only; {end} is in {have}",
    "cidr": "{name} {admits} {want}; the address is {have}",
    "port": "{name} opens {want}{service}; the packet arrives on {have}",
    "protocol": "{name} opens {want}; the packet is {have}",
    "policyTypes": "{name} needs policyTypes {want}; it has {have}",
}
