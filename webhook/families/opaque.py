"""Policies that are known by name only: whatever pods they may select, anything may come of them.

Antrea's own policies, those of Amazon's VPC CNI, and Google's policies by domain name.
"""

from typing import Final, NoReturn

from webhook.families.family import Family
from webhook.families.surroundings import Surroundings
from webhook.model.dialect import Kind
from webhook.model.foreign import ANTREA, AWS, GKE, Foreign
from webhook.wire.shapes import fail

_CLUSTER_WIDE: Final[frozenset[Kind]] = frozenset((group, "ClusterNetworkPolicy") for group in ANTREA | AWS)
_NAMESPACED: Final[frozenset[Kind]] = frozenset(
    {
        *((group, "NetworkPolicy") for group in ANTREA),
        *((group, "ApplicationNetworkPolicy") for group in AWS),
        *((group, "FQDNNetworkPolicy") for group in GKE),
    }
)


def compile_policy(policy: Foreign, _: Surroundings) -> NoReturn:
    """Raise Malformed: what such a policy says is not read."""
    fail("kind", f"{policy.ref.kind} of {policy.group} is known by name only")


FAMILY: Final = Family("opaque", policies=_CLUSTER_WIDE | _NAMESPACED, compile=compile_policy, wide=_CLUSTER_WIDE)
