"""NetworkPolicy as enforcers take it that do not take all of its ports (`Dialect.port_names`, `port_ranges`)."""

from collections.abc import Iterator

from msgspec import structs

from webhook.model.dialect import Dialect
from webhook.model.policy import Direction, Policy, Rule, Section
from webhook.model.ports import FIRST_PORT, LAST_PORT, NamedPort, PortMatch, PortRange

_EITHER = "names all ports, or a range of which only the first is taken here"


def as_taken(policy: Policy, dialect: Dialect) -> Policy:
    """Return `policy` as the enforcer takes it; one that it may or may not take is unreadable."""
    if policy.unreadable is not None:
        return policy
    if dialect.uncertain:
        return structs.replace(policy, unreadable=dialect.uncertain)
    if dialect.port_names and any(isinstance(port, NamedPort) for port in _ports(policy)):
        return structs.replace(policy, unreadable=dialect.port_names)
    if dialect.port_ranges:
        return policy
    return structs.replace(policy, ingress=_narrowed(policy.ingress), egress=_narrowed(policy.egress))


def _ports(policy: Policy) -> Iterator[PortMatch]:
    for direction in Direction:
        section = policy.section(direction)
        for rule in section.rules if section else ():
            yield from rule.ports or ()


def _narrowed(section: Section | None) -> Section | None:
    return section and Section(tuple(map(_first_only, section.rules)))


def _first_only(rule: Rule) -> Rule:
    ports = tuple(_first(port) for port in rule.ports or ())
    if any(isinstance(port, PortRange) and (port.first, port.last) == (FIRST_PORT, LAST_PORT) for port in ports):
        return structs.replace(rule, unclear=rule.unclear or _EITHER)
    return structs.replace(rule, ports=None if rule.ports is None else ports)


def _first(port: PortMatch) -> PortMatch:
    whole = isinstance(port, PortRange) and (port.first, port.last) == (FIRST_PORT, LAST_PORT)
    return port if isinstance(port, NamedPort) or whole else PortRange(port.protocol, port.first, port.first)
