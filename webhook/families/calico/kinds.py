"""The kinds of this family, in the group that is served and in the one that they are stored as."""

from typing import Final, NoReturn

from webhook.model.dialect import Kind
from webhook.wire.shapes import Malformed, Problem

SERVED: Final = "projectcalico.org"
STORED: Final = "crd.projectcalico.org"
NETWORK_POLICY: Final = "NetworkPolicy"
GLOBAL: Final = "GlobalNetworkPolicy"


def kind(name: str) -> tuple[Kind, Kind]:
    """Return a kind in both groups."""
    return (SERVED, name), (STORED, name)


POLICIES: Final = (*kind(NETWORK_POLICY), *kind(GLOBAL))
SETS: Final = (*kind("NetworkSet"), *kind("GlobalNetworkSet"))
TIERS: Final = kind("Tier")
HOSTS: Final = kind("HostEndpoint")
FELIX: Final = kind("FelixConfiguration")
POOLS: Final = kind("IPPool")
ACCOUNT: Final[Kind] = ("", "ServiceAccount")
REFERENCES: Final = (*SETS, *TIERS, *HOSTS, *FELIX, *POOLS, ACCOUNT)
WIDE: Final = (*kind(GLOBAL), *kind("GlobalNetworkSet"), *TIERS, *HOSTS, *FELIX, *POOLS)


class Doubtful(Malformed):
    """An object that one set-up takes and another refuses, or whose meaning depends on what is not known."""


def doubt(path: str, expected: str) -> NoReturn:
    """Raise Doubtful for one reason."""
    raise Doubtful(Problem(path, expected))
