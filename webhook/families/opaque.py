"""Policies that are known by name only: whatever they may select, anything may come of them.

Antrea's own policies, those of Amazon's VPC CNI, Google's policies by domain name, and OVN-Kubernetes' EgressFirewall.
"""

from typing import Final

from webhook.families.family import Compiled, Family
from webhook.families.surroundings import Surroundings
from webhook.model.dialect import Kind
from webhook.model.foreign import ANTREA, AWS, GKE, OVN, Foreign
from webhook.model.policy import Direction
from webhook.model.tier import Action, Entry, Neither, Place, PlacePeer, Tier, piece
from webhook.wire.shapes import fail

_EGRESS_FIREWALL: Final = "EgressFirewall"
EGRESS_FIREWALLS: Final[frozenset[Kind]] = frozenset((group, _EGRESS_FIREWALL) for group in OVN)
_CLUSTER_WIDE: Final[frozenset[Kind]] = frozenset((group, "ClusterNetworkPolicy") for group in ANTREA | AWS)
_NAMESPACED: Final[frozenset[Kind]] = frozenset(
    {
        *EGRESS_FIREWALLS,
        *((group, "NetworkPolicy") for group in ANTREA),
        *((group, "ApplicationNetworkPolicy") for group in AWS),
        *((group, "FQDNNetworkPolicy") for group in GKE),
    }
)
_BEFORE_ALL: Final = Tier(float("-inf"), _EGRESS_FIREWALL)
_OUTSIDE: Final = (Neither((PlacePeer(Place.POD),)),)


def compile_policy(policy: Foreign, _: Surroundings) -> Compiled:
    """Return what is known of an EgressFirewall: it may deny what its pods send to anything that is no pod.

    Raises Malformed for every other kind: what it says is not read.
    """
    if (policy.group, policy.ref.kind) not in EGRESS_FIREWALLS:
        fail("kind", f"{policy.ref.kind} of {policy.group} is known by name only")
    entry = Entry(policy.ref, _OUTSIDE, action=Action.DENY, conditional="may deny it: its rules are not evaluated")
    return Compiled((piece(policy.ref, Direction.EGRESS, (entry,), _BEFORE_ALL, namespace=policy.namespace or ""),))


FAMILY: Final = Family("opaque", policies=_CLUSTER_WIDE | _NAMESPACED, compile=compile_policy, wide=_CLUSTER_WIDE)
