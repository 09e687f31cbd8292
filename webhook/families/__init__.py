"""Policy families, whose modules compile their objects to the same ordered tiers when they arrive: kinds, and dialects.

A new family is its module and its line in FAMILIES; nothing else knows which there are, and none is loaded
before an object of its kinds, or an enforcer that reads policy its way, is met.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Final, NoReturn

from msgspec import Struct

from webhook.enforcers import ENFORCERS, in_force
from webhook.enforcers.calico import SERVED, STORED
from webhook.families.enforced import compile_policy
from webhook.model.crd_policies import CompileContext, CrdPolicy
from webhook.model.dialect import BOTH_APIS, GENERIC, Certainty, Dialect, Kind, Support
from webhook.model.labels import Predicate
from webhook.model.policy import Direction
from webhook.model.tier import Action, CompiledPolicy, CompiledRule, Tier, compiled_policy
from webhook.wire import shapes
from webhook.wire.objects import UNSERVED, Projected, crd_policy
from webhook.wire.objects import project as project_known
from webhook.wire.shapes import Malformed, Problem, Raw

__all__ = [
    "FAMILIES", "POLICIES", "REFERENCES", "WIDE", "Compiled", "Family",
    "compile_crd_policy", "compile_policy", "dialect_of", "project",
]  # fmt: skip


def both(name: str) -> tuple[Kind, Kind]:
    """Return a kind of Calico's in the group that is served and in the one that it is stored as."""
    return (SERVED, name), (STORED, name)


# Calico's.
NETWORK_POLICY: Final = "NetworkPolicy"
GLOBAL: Final = "GlobalNetworkPolicy"
CALICO_POLICIES: Final = (*both(NETWORK_POLICY), *both(GLOBAL))
SETS: Final = (*both("NetworkSet"), *both("GlobalNetworkSet"))
TIERS: Final = both("Tier")
HOSTS: Final = both("HostEndpoint")
FELIX: Final = both("FelixConfiguration")
POOLS: Final = both("IPPool")
ACCOUNT: Final[Kind] = ("", "ServiceAccount")

# Cilium's.
CILIUM_POLICY: Final[Kind] = ("cilium.io", "CiliumNetworkPolicy")
CILIUM_CLUSTERWIDE: Final[Kind] = ("cilium.io", "CiliumClusterwideNetworkPolicy")
CIDR_GROUPS: Final[tuple[Kind, ...]] = (("cilium.io", "CiliumCIDRGroup"),)
NODE_CONFIG: Final[Kind] = ("cilium.io", "CiliumNodeConfig")

# Known by name only.
_UNREAD_WIDE: Final = frozenset[Kind]().union(*(one.unread_wide for one in ENFORCERS.values()))
_UNREAD: Final = _UNREAD_WIDE.union(*(one.unread for one in ENFORCERS.values()))


class Kinds(Struct, frozen=True):
    """The kinds of one family."""

    policies: frozenset[Kind]
    """Those that are compiled."""
    references: frozenset[Kind] = frozenset()
    """Those that policies, or dialects, refer to."""
    wide: frozenset[Kind] = frozenset()
    """Those of both that are cluster-scoped."""


FAMILIES: Final = {  # by the module below this room whose FAMILY compiles them
    "admin": Kinds(BOTH_APIS, wide=BOTH_APIS),
    "calico": Kinds(
        frozenset(CALICO_POLICIES),
        frozenset({*SETS, *TIERS, *HOSTS, *FELIX, *POOLS, ACCOUNT}),
        frozenset({*both(GLOBAL), *both("GlobalNetworkSet"), *TIERS, *HOSTS, *FELIX, *POOLS}),
    ),
    "cilium": Kinds(
        frozenset({CILIUM_POLICY, CILIUM_CLUSTERWIDE}),
        frozenset({*CIDR_GROUPS, NODE_CONFIG}),
        frozenset({CILIUM_CLUSTERWIDE, *CIDR_GROUPS}),
    ),
    "opaque": Kinds(_UNREAD, wide=_UNREAD_WIDE),
}


class Doubtful(Malformed):
    """An object that one set-up takes and another refuses, or whose meaning depends on what is not known."""


def doubt(path: str, expected: str) -> NoReturn:
    """Raise Doubtful for one reason."""
    raise Doubtful(Problem(path, expected))


class Compiled(Struct, frozen=True):
    """A policy compiled, in one or several parts. `problems`: `path: what is wrong`, where a field is not in force."""

    policies: tuple[CompiledPolicy, ...] = ()
    problems: tuple[str, ...] = ()


NOTHING = Compiled()


class Family(Struct, frozen=True):
    """How one policy family is compiled; its kinds are in FAMILIES.

    `compile` never raises but `Malformed`, which makes the policy one that may do anything to the pods for which
    `scope` holds (None: any in its namespace). `dialects`: by enforcer.
    """

    name: str
    compile: Callable[[CrdPolicy, CompileContext], Compiled]
    scope: Callable[[CrdPolicy], Predicate | None] = lambda _: None
    dialects: Mapping[str, Callable[[CompileContext], Dialect]] = {}


POLICIES: Final[dict[Kind, str]] = {kind: name for name, kinds in FAMILIES.items() for kind in kinds.policies}
REFERENCES: Final[frozenset[Kind]] = frozenset(kind for kinds in FAMILIES.values() for kind in kinds.references)
WIDE: Final[frozenset[Kind]] = frozenset(kind for kinds in FAMILIES.values() for kind in kinds.wide)
_FIRST: Final = Tier(float("-inf"), "")


@cache
def family_of(kind: Kind) -> Family | None:
    """Return the family of a kind of policy, loaded when it is first asked for; None: no kind of any."""
    return _loaded(POLICIES[kind]) if kind in POLICIES else None


@cache
def _loaded(name: str) -> Family:
    found: Family = import_module(f"{__name__}.{name}").FAMILY
    return found


def project(raw: Raw, default_namespace: str = "default") -> Projected | None:
    """Read one object of any kind that a verdict depends on. None: not a kind of ours. Raises Malformed."""
    kind, version = raw.get("kind"), raw.get("apiVersion")
    if isinstance(kind, str) and isinstance(version, str):
        known = (version.rpartition("/")[0], kind)
        if known in POLICIES or known in REFERENCES or known == UNSERVED:
            return crd_policy(raw, None if known in WIDE else shapes.namespace(raw, default_namespace))
    return project_known(raw, default_namespace)


def dialect_of(compile_context: CompileContext) -> Dialect:
    """Return how the enforcer reads policies; one of its own that no family describes reads them as the API says."""
    name = compile_context.enforcer.name
    if "+" in name:
        return _side_by_side(name.split("+"))
    record = ENFORCERS.get(name)
    if record is not None and record.dialect is not None:
        return record.dialect(compile_context)
    reading = _loaded(record.family if record else "admin").dialects.get(name)
    return GENERIC if reading is None else reading(compile_context)


def _side_by_side(names: list[str]) -> Dialect:
    """Return the dialect of enforcers that must all let a packet pass: nobody's, so that no policy is sure."""
    every = " and ".join(names)
    why = f"{every} enforce policy side by side, and each must let a packet pass"
    return Dialect("+".join(names), certainty=Certainty(network_policies=why))


def support_of(kind: Kind, compile_context: CompileContext) -> Support:
    """Say what becomes of a kind of policy under this enforcer."""
    dialect = compile_context.dialect
    if kind in dialect.evaluated:
        return Support.EVALUATED
    if kind in dialect.inert or not in_force(kind[0], compile_context.enforcer.name):
        return Support.INERT
    return Support.DOUBTFUL


def compile_crd_policy(value: CrdPolicy, compile_context: CompileContext) -> Compiled:
    """Compile a policy: one that nothing enforces has no rules, one that is not understood may do anything."""
    kind = (value.group, value.ref.kind)
    family = family_of(kind)
    support = support_of(kind, compile_context)
    if family is None or support is Support.INERT:
        return NOTHING
    try:
        if support is Support.EVALUATED:
            return family.compile(value, compile_context)
        why = "its kind is not evaluated here"
    except Malformed as error:
        why = str(error)
    return anything(value, why)


def anything(value: CrdPolicy, why: str) -> Compiled:
    """Return a policy, compiled, that may let through or drop anything of the pods that it may select."""
    rules = tuple(CompiledRule(value.ref, unclear=why, action=action) for action in (Action.ALLOW, Action.DENY))
    scope = family.scope(value) if (family := family_of((value.group, value.ref.kind))) else None
    namespace = value.namespace or ""
    policies = tuple(compiled_policy(value.ref, d, rules, _FIRST, namespace=namespace, scope=scope) for d in Direction)
    return Compiled(policies, (why,))
