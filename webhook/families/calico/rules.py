"""One rule -> rules, in the order in which they are asked.

Source: `projectcalico/calico` felix/calc/rule_scanner.go, felix/rules.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from webhook.families import doubt
from webhook.families.calico.dialects import NAMES_WITHOUT_PROTOCOL, Version
from webhook.families.calico.entity import (
    POD,
    Entity,
    Factor,
    Protocols,
    addressed,
    carried,
    combined,
    entity,
    labelled,
    neither,
    protocol,
)
from webhook.model.addresses import FAMILIES, PROTOCOLS, Family, PortMatch, PortRange
from webhook.model.crd_policies import CompileContext
from webhook.model.policy import Direction
from webhook.model.refs import PolicyRef
from webhook.model.tier import Action, CompiledRule
from webhook.wire.shapes import Raw, fail, integer, mapping, shown

LOG: Final = "Log"
_ACTIONS: Final = {action.value: action for action in Action}
_KEYS: Final = frozenset(
    {
        "action",
        "ipVersion",
        "protocol",
        "notProtocol",
        "icmp",
        "notICMP",
        "source",
        "destination",
        "http",
        "metadata",
    }
)
_ICMP: Final = ("ICMP", "ICMPv6")
_BY_REQUEST: Final = "looks at HTTP requests, which only an application layer policy of Calico does"
_BY_CLIENT_PORT: Final = "looks at the port that the client sends from, which changes from connection to connection"
_BY_NAME: Final = "names domains, and which addresses these are cannot be told"
_UNKNOWN_ICMP: Final = "has notICMP without protocol ICMP, and what becomes of it is not known"


class Context(Struct, frozen=True):
    """What the rules of one policy are read in. `namespace` None: a cluster-wide policy."""

    ref: PolicyRef
    namespace: str | None
    compile_context: CompileContext
    version: Version
    problems: list[str]


class Rule(Struct, frozen=True):
    """A rule as it is written."""

    ref: PolicyRef
    action: Action
    protocols: Protocols
    family: Family | None  # the only one whose packets it matches
    source: Entity
    destination: Entity
    conditional: str | None
    unclear: str | None


def compile_rule(context: Context, direction: Direction, index: int, raw: Raw, path: str) -> Iterator[CompiledRule]:
    """Yield the rules of a rule; none for one that only logs, or never matches TCP, UDP or SCTP. Raises Malformed."""
    if strange := sorted(str(key) for key in raw if key not in _KEYS):
        doubt(path, f"expected {', '.join(sorted(_KEYS))}, not `{strange[0]}`, which a newer Calico may have")
    action = raw.get("action")
    if not isinstance(action, str) or (action != LOG and action not in _ACTIONS):
        fail(f"{path}.action", f"expected Allow, Deny, Log or Pass, not {shown(action)}")
    rule = _rule(context, direction, index, raw, path)
    if rule is not None and action != LOG:
        yield from _Entries(context, direction, rule).found()


def _rule(context: Context, direction: Direction, index: int, raw: Raw, path: str) -> Rule | None:
    """Read a rule; None: no packet is like that."""
    spoken = protocol(raw, "protocol", path, context.problems)
    excluded = protocol(raw, "notProtocol", path, context.problems)
    sides = [
        entity(mapping(raw, key, path), f"{path}.{key}", context.namespace, context.problems)
        for key in ("source", "destination")
    ]
    _check_ports(sides, spoken, path, context.version)
    _check_services(sides, direction, path)
    if len({block.family for side in sides for block in (*side.nets, *side.not_nets)}) > 1:
        context.problems.append(f"{path}: expected blocks of one address family: API servers may refuse both in a rule")
    families = sides[0].families() & sides[1].families() & _versions(raw, path)
    protocols = carried(spoken, excluded)
    icmp = _icmp(raw, spoken, path)
    if not families or not protocols:
        return None
    return Rule(
        context.ref.at(index),
        _ACTIONS.get(str(raw.get("action")), Action.ALLOW),
        protocols,
        next(iter(families)) if len(families) == 1 else None,
        sides[0],
        sides[1],
        _conditional(raw, sides),
        icmp,
    )


def _check_ports(sides: list[Entity], spoken: str | None, path: str, version: Version) -> None:
    """Fail as Felix does: on ports without a protocol that has them; the newer ones take names without any."""
    listed = [found for side in sides for found in (side.ports, side.not_ports) if found]
    if not listed or spoken in PROTOCOLS:
        return
    if spoken is None and version >= NAMES_WITHOUT_PROTOCOL and not any(found.ranges for found in listed):
        return
    fail(f"{path}.protocol", "expected TCP, UDP or SCTP beside ports")


def _check_services(sides: list[Entity], direction: Direction, path: str) -> None:
    key, wrong = ("source", sides[0]) if direction is Direction.EGRESS else ("destination", sides[1])
    if wrong.service is not None:
        doubt(
            f"{path}.{key}.services", f"expected none in the {key} of {direction} rules, where API servers refuse them"
        )


def _versions(raw: Raw, path: str) -> set[Family]:
    said = integer(raw, "ipVersion", path)
    found = {family for family in FAMILIES if said in (None, family)}
    if not found:
        fail(f"{path}.ipVersion", f"expected 4 or 6, not {shown(said)}")
    return found


def _icmp(raw: Raw, spoken: str | None, path: str) -> str | None:
    if mapping(raw, "icmp", path) and spoken not in _ICMP:
        fail(f"{path}.icmp", "expected protocol ICMP or ICMPv6 beside it")
    return _UNKNOWN_ICMP if mapping(raw, "notICMP", path) and spoken not in _ICMP else None


def _conditional(raw: Raw, sides: list[Entity]) -> str | None:
    if raw.get("http") is not None:
        return _BY_REQUEST
    if any(side.domains for side in sides):
        return _BY_NAME
    source = sides[0]
    return _BY_CLIENT_PORT if (source.ports and not source.ports.whole) or source.not_ports else None


class _Entries:
    """The rules of one rule: two where port names are meant, which only pods have."""

    def __init__(self, context: Context, direction: Direction, rule: Rule) -> None:
        self._rule = rule
        self._context = context
        self._egress = direction is Direction.EGRESS

    def found(self) -> Iterator[CompiledRule]:
        rule, around, problems = self._rule, self._context.compile_context, self._context.problems
        target = labelled(rule.destination, around, problems)
        if not rule.destination.ports.names and not rule.destination.not_ports.names:
            yield from self._compiled([] if target is None else [(*target[0], *target[1])], named=False)
            return
        pods: Factor = (POD,) if target is None else target[0]
        yield from self._compiled([pods] if self._egress or target is not None else [], named=True)
        if rule.destination.ports.names and not rule.destination.ports.ranges:
            return
        if target is not None:
            yield from self._compiled([target[1], (neither(pods),)], named=False)
        elif self._egress:
            yield from self._compiled([(neither(pods),)], named=False)

    def _compiled(self, target: list[Factor], *, named: bool) -> Iterator[CompiledRule]:
        """Yield the rule of destinations `target`; `named`: port names count."""
        source, destination = self._source(), [*target, *self._addressed(self._rule.destination, other=self._egress)]
        own, other = (source, destination) if self._egress else (destination, source)
        matches, mine = combined(other), combined(own)
        found = self._ports(named=named)
        if matches == () or mine == () or found == ():
            return
        rule = self._rule
        excluded = rule.destination.not_ports.matches(rule.protocols, named=named)
        yield CompiledRule(rule.ref, matches, found, rule.unclear, rule.action, mine, excluded, rule.conditional)

    def _source(self) -> list[Factor]:
        found = labelled(self._rule.source, self._context.compile_context, self._context.problems)
        whose: list[Factor] = [] if found is None else [(*found[0], *found[1])]
        return [*whose, *self._addressed(self._rule.source, other=not self._egress)]

    def _addressed(self, side: Entity, *, other: bool) -> list[Factor]:
        """Return what a side asks of addresses; a rule's only IP family is asked of the `other` end."""
        family = self._rule.family if other or side.nets or side.not_nets else None
        return addressed(side, family, self._context.compile_context, self._context.problems, by_port=self._egress)

    def _ports(self, *, named: bool) -> tuple[PortMatch, ...] | None:
        rule = self._rule
        if rule.destination.ports:
            return rule.destination.ports.matches(rule.protocols, named=named)
        return None if rule.protocols == PROTOCOLS else tuple(map(PortRange, rule.protocols))
