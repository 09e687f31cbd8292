"""One side of a rule (EntityRule): which packets it is about by the end that stands there.

Source: `projectcalico/calico` libcalico-go/lib/backend/syncersv1/updateprocessors/rules.go, felix/calc/rule_scanner.go.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from webhook.families.calico.labels import ACCOUNT, OF_ACCOUNTS, OF_SPACES, endpoints, selecting, within
from webhook.families.calico.logic import conjunction, negation
from webhook.families.calico.nets import blocks, peers
from webhook.families.calico.ports import Ports, ports
from webhook.families.calico.sets import sets
from webhook.families.kinds import doubt
from webhook.model.addresses import FAMILIES, Block, Family
from webhook.model.compile_context import CompileContext
from webhook.model.expression import ALWAYS, Expression, Space, Term, Test
from webhook.model.policy import BlockPeer
from webhook.model.tier import EndpointPeer, Every, Match, Neither, ServicePeer
from webhook.wire.shapes import Raw, fail, mapping, string, strings

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
Factor = tuple[Match, ...]  # any of these


class Entity(Struct, frozen=True):
    """One side of a rule; what is set must all hold.

    `positive`: labels of an endpoint or a network set; `own`: they name no namespace, and so mean the policy's.
    `negative`: of those that it is not, where there is no `positive`. `service`: namespace and name. `domains`: names
    that only some editions of Calico know.
    """

    positive: Expression | None = None
    own: bool = False
    negative: Expression | None = None
    nets: tuple[Block, ...] = ()
    not_nets: tuple[Block, ...] = ()
    service: tuple[str, str] | None = None
    ports: Ports = Ports()
    not_ports: Ports = Ports()
    domains: bool = False

    def families(self) -> set[Family]:
        """Return the address families of packets that this can be about: blocks of one family mean that family."""
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


def _accounts(raw: Raw, path: str) -> Expression | None:
    names = frozenset(strings(raw, "names", path))
    selector = selecting(raw, "selector", path, OF_ACCOUNTS)
    named = Term(Space.POD, ACCOUNT, Test.IN, names) if names else None
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
    """Return what else a side asks for. `family`: the only one that the rule is about; `by_port`: so are Services."""
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


def neither(matches: Sequence[Match]) -> Match:
    """Return ends that are none of `matches`."""
    return Neither(tuple(matches))


def combined(factors: Sequence[Factor]) -> tuple[Match, ...] | None:
    """Return the ends that one of each factor matches: the alternatives of an entry; None: any end."""
    if not factors:
        return None
    if not all(factors):
        return ()
    base = max(factors, key=len)
    others = [factor for factor in factors if factor is not base]
    if not others:
        return base
    rest = tuple(factor[0] if len(factor) == 1 else Neither((Neither(factor),)) for factor in others)
    return tuple(Every((match, *rest)) for match in base)
