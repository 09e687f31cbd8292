"""One side of a rule (EntityRule): its peers, and its protocols and ports.

Source: `projectcalico/calico` libcalico-go/lib/backend/syncersv1/updateprocessors/rules.go, libcalico-go/lib/validator,
felix/calc/rule_scanner.go; `projectcalico/api` pkg/lib/numorstring.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from webhook.families import doubt
from webhook.families.calico.addresses import blocks, peers, sets
from webhook.families.calico.labels import ACCOUNT, OF_ACCOUNTS, OF_SPACES, endpoints, selecting, within
from webhook.families.calico.selector import conjunction, negation
from webhook.model.addresses import (
    FAMILIES,
    FIRST_PORT,
    LAST_PORT,
    PROTOCOLS,
    Block,
    Family,
    NamedPort,
    PortMatch,
    PortRange,
    Protocol,
)
from webhook.model.crd_policies import CompileContext
from webhook.model.labels import ALWAYS, AllOf, AnyOf, NoneOf, Operator, Predicate, Requirement
from webhook.model.peers import EndpointPeer, Peer, ServicePeer
from webhook.model.policy import BlockPeer
from webhook.wire.shapes import Raw, fail, mapping, sequence, shown, string, strings

Protocols = tuple[Protocol, ...]
_NUMBERS: Final[dict[int, Protocol]] = {6: "TCP", 17: "UDP", 132: "SCTP"}
_WITHOUT_PORTS: Final = ("ICMP", "ICMPv6", "UDPLite")
_NAMES: Final = {name.lower(): name for name in (*PROTOCOLS, *_WITHOUT_PORTS)}
_LAST_PROTOCOL: Final = 255
_RANGE: Final = re.compile(r"(\d{1,9}):(\d{1,9})", re.ASCII)
_NUMBER: Final = re.compile(r"\d{1,9}", re.ASCII)
_LONGEST_NAME: Final = 15
_NAME: Final = re.compile(r"(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")  # IsValidPortName of k8s.io/apimachinery
KEYS: Final = frozenset(
    {
        "nets",
        "notNets",
        "selector",
        "notSelector",
        "namespaceSelector",
        "serviceAccounts",
        "services",
        "ports",
        "notPorts",
        "domains",
    }
)
POD: Final = EndpointPeer(ALWAYS)
_ALONE: Final = (
    "selector",
    "notSelector",
    "namespaceSelector",
    "serviceAccounts",
    "nets",
    "notNets",
    "ports",
    "notPorts",
)
Factor = tuple[Peer, ...]  # any of these


class Ports(Struct, frozen=True):
    """What `ports` or `notPorts` lists: ranges and names."""

    ranges: tuple[tuple[int, int], ...] = ()
    names: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.ranges or self.names)

    @property
    def whole(self) -> bool:
        """Whether every port is among them."""
        return any(first <= FIRST_PORT and last >= LAST_PORT for first, last in self.ranges)

    def matches(self, protocols: Protocols, *, named: bool) -> tuple[PortMatch, ...]:
        """Return the ranges, with `named` the names too, of some protocols."""
        ranges: Iterable[PortMatch] = (PortRange(p, *ends) for p in protocols for ends in self.ranges)
        names: Iterable[PortMatch] = (NamedPort(p, name) for p in protocols for name in self.names if named)
        return (*ranges, *names)


def protocol(raw: Raw, key: str, path: str, problems: list[str]) -> str | None:
    """Read `protocol` or `notProtocol` as one of PROTOCOLS or any other text; None when absent. Raises Malformed."""
    value, path = raw.get(key), f"{path}.{key}"
    if value is None:
        return None
    number = int(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value
    if isinstance(number, int) and not isinstance(number, bool):
        if not 1 <= number <= _LAST_PROTOCOL:
            fail(path, f"expected a protocol from 1 to {_LAST_PROTOCOL}, not {shown(value)}")
        return _NUMBERS.get(number, str(number))
    name = _NAMES.get(value.lower()) if isinstance(value, str) else None
    if name is None:
        fail(path, f"expected {', '.join(_NAMES.values())} or a number, not {shown(value)}")
    if name != value:
        problems.append(f"{path}: expected `{name}`: API servers may refuse {shown(value)}")
    return name


def carried(spoken: str | None, excluded: str | None) -> Protocols:
    """Return the protocols whose packets a rule may match."""
    return tuple(p for p in PROTOCOLS if spoken in (None, p) and excluded != p)


def ports(raw: Raw, key: str, path: str) -> Ports:
    """Read `ports` or `notPorts`. Raises Malformed."""
    ranges: list[tuple[int, int]] = []
    names: list[str] = []
    for index, value in enumerate(sequence(raw, key, path)):
        where = f"{path}.{key}[{index}]"
        if isinstance(value, int) and not isinstance(value, bool):
            ranges.append(_ends(value, value, where))
        elif not isinstance(value, str):
            fail(where, f"expected a port, FIRST:LAST or a port's name, not {shown(value)}")
        elif _NUMBER.fullmatch(value):
            ranges.append(_ends(int(value), int(value), where))
        elif (found := _RANGE.fullmatch(value)) is not None:
            ranges.append(_ends(int(found[1]), int(found[2]), where))
        elif len(value) > _LONGEST_NAME or not _NAME.fullmatch(value):
            fail(where, f"expected a port, FIRST:LAST or a port's name, not {shown(value)}")
        else:
            names.append(value)
    return Ports(tuple(ranges), tuple(names))


def _ends(first: int, last: int, path: str) -> tuple[int, int]:
    if not FIRST_PORT <= first <= last <= LAST_PORT:
        fail(path, f"expected ports from {FIRST_PORT} to {LAST_PORT}, the lower one first, not {first}:{last}")
    return first, last


class Entity(Struct, frozen=True):
    """One side of a rule; what is set must all hold.

    `positive`: labels of an endpoint or a network set; `own`: they name no namespace, and so mean the policy's.
    `negative`: of those that it is not, where there is no `positive`. `service`: namespace and name. `domains`: names
    that only some editions of Calico know.
    """

    positive: Predicate | None = None
    own: bool = False
    negative: Predicate | None = None
    nets: tuple[Block, ...] = ()
    not_nets: tuple[Block, ...] = ()
    service: tuple[str, str] | None = None
    ports: Ports = Ports()
    not_ports: Ports = Ports()
    domains: bool = False

    def families(self) -> set[Family]:
        """Return the IP families of packets that this can match: blocks of one family mean that family."""
        found = set(FAMILIES)
        for listed in (self.nets, self.not_nets):
            if listed:
                found &= {block.family for block in listed}
        return found


def entity(raw: Raw, path: str, namespace: str | None, problems: list[str]) -> Entity:
    """Read a side of a rule of a policy in `namespace` (None: of a cluster-wide one). Raises Malformed."""
    if strange := sorted(str(key) for key in raw if key not in KEYS):
        doubt(path, f"expected {', '.join(sorted(KEYS))}, not `{strange[0]}`, which a newer Calico may have")
    spaces = selecting(raw, "namespaceSelector", path, OF_SPACES)
    accounts = _accounts(mapping(raw, "serviceAccounts", path), f"{path}.serviceAccounts")
    selector = selecting(raw, "selector", path)
    negative = selecting(raw, "notSelector", path)
    positive = [part for part in (spaces, accounts, selector) if part is not None]
    own = spaces is None and namespace is not None and bool(positive or negative is not None)
    if own and namespace is not None:
        positive.insert(0, within(namespace))
    if positive and negative is not None:
        positive, negative = [*positive, negation(negative)], None
    return Entity(
        conjunction(positive) if positive else None,
        own,
        negative,
        blocks(raw, "nets", path, problems),
        blocks(raw, "notNets", path, problems),
        _service(raw, path, problems),
        ports(raw, "ports", path),
        ports(raw, "notPorts", path),
        bool(raw.get("domains")),
    )


def _accounts(raw: Raw, path: str) -> Predicate | None:
    names = frozenset(strings(raw, "names", path))
    selector = selecting(raw, "selector", path, OF_ACCOUNTS)
    named = Requirement(ACCOUNT, Operator.IN, names) if names else None
    parts = [part for part in (named, selector) if part is not None]
    return conjunction(parts) if parts else None


def _service(raw: Raw, path: str, problems: list[str]) -> tuple[str, str] | None:
    if raw.get("services") is None:
        return None
    inner, where = mapping(raw, "services", path), f"{path}.services"
    name = string(inner, "name", where)
    if not name:
        fail(f"{where}.name", "expected a Service's name")
    if beside := [key for key in _ALONE if raw.get(key)]:
        doubt(where, f"expected no {beside[0]} beside it, which API servers refuse")
    if not (namespace := string(inner, "namespace", where)):
        problems.append(f"{where}.namespace: expected a namespace: without one no Service is meant")
    return namespace, name


def labelled(side: Entity, compile_context: CompileContext, problems: list[str]) -> tuple[Factor, Factor] | None:
    """Return whom the labels of a side select: pods, and addresses of network sets; None: labels do not matter."""
    if side.positive is None:
        return None
    return endpoints(side.positive, own=side.own), sets(side.positive, compile_context, problems)


def addressed(
    side: Entity, family: Family | None, compile_context: CompileContext, problems: list[str], *, by_port: bool
) -> list[Factor]:
    """Return what else a side asks for. `family`: the rule's only one; `by_port`: Services mean their ports, too."""
    found: list[Factor] = []
    if side.negative is not None:
        found.append((neither((*endpoints(side.negative), *sets(side.negative, compile_context, problems))),))
    kept = [block for block in side.nets if family in (None, block.family)]
    if side.nets:
        found.append(peers(kept))
    elif family is not None:
        found.append((BlockPeer(Block(family, 0, 0)),))
    if excluded := [block for block in side.not_nets if family in (None, block.family)]:
        found.append((neither(peers(excluded)),))
    if side.service is not None:
        found.append((ServicePeer(*side.service, by_port),) if side.service[0] else ())
    return found


def neither(matches: Sequence[Peer]) -> Peer:
    """Return ends that are none of `matches`."""
    return NoneOf(tuple(matches))


def combined(factors: Sequence[Factor]) -> tuple[Peer, ...] | None:
    """Return the ends that one of each factor matches: the alternatives of an entry; None: any end."""
    if not factors:
        return None
    if not all(factors):
        return ()
    base = max(factors, key=len)
    others = [factor for factor in factors if factor is not base]
    if not others:
        return base
    rest = tuple(factor[0] if len(factor) == 1 else AnyOf(factor) for factor in others)
    return tuple(AllOf((peer, *rest)) for peer in base)
