"""What a policy family is to the rest: its kinds, how they compile, and the dialects of who enforces it."""

from collections.abc import Callable, Mapping
from typing import Final, NoReturn

from msgspec import Struct

from webhook.enforcers import ENFORCERS
from webhook.enforcers.calico import SERVED, STORED
from webhook.model.crd_policies import CompileContext, CrdPolicy
from webhook.model.dialect import BOTH_APIS, Dialect, Kind
from webhook.model.labels import Predicate
from webhook.model.tier import CompiledPolicy
from webhook.wire.shapes import Malformed, Problem


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
