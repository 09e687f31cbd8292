"""The kinds of every policy family, by API group, and which module compiles them."""

from typing import Final, NoReturn

from msgspec import Struct

from webhook.model.dialect import BOTH_APIS, Kind
from webhook.model.foreign import ANTREA, AWS, EGRESS_FIREWALLS, GKE
from webhook.wire.shapes import Malformed, Problem

# Calico's, in the group that is served and in the one that they are stored as.
SERVED: Final = "projectcalico.org"
STORED: Final = "crd.projectcalico.org"
NETWORK_POLICY: Final = "NetworkPolicy"
GLOBAL: Final = "GlobalNetworkPolicy"


def both(name: str) -> tuple[Kind, Kind]:
    """Return a kind of Calico's in both groups."""
    return (SERVED, name), (STORED, name)


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
_OPAQUE_WIDE: Final = frozenset((group, "ClusterNetworkPolicy") for group in ANTREA | AWS)
_OPAQUE: Final = EGRESS_FIREWALLS.union(
    ((group, "NetworkPolicy") for group in ANTREA),
    ((group, "ApplicationNetworkPolicy") for group in AWS),
    ((group, "FQDNNetworkPolicy") for group in GKE),
)


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
    "opaque": Kinds(_OPAQUE_WIDE | _OPAQUE, wide=_OPAQUE_WIDE),
}


class Doubtful(Malformed):
    """An object that one set-up takes and another refuses, or whose meaning depends on what is not known."""


def doubt(path: str, expected: str) -> NoReturn:
    """Raise Doubtful for one reason."""
    raise Doubtful(Problem(path, expected))
