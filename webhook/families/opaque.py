"""Policies that are known by name only: whatever they may select, anything may come of them.

Antrea's own policies, those of Amazon's VPC CNI, Google's policies by domain name, and OVN-Kubernetes' EgressFirewall.
"""

from typing import Final

from webhook.families.family import Compiled, Family
from webhook.model.compile_context import CompileContext
from webhook.model.foreign import EGRESS_FIREWALLS, Foreign
from webhook.model.policy import Direction
from webhook.model.tier import Action, Entry, Neither, Place, PlacePeer, Tier, piece
from webhook.wire.shapes import fail

_EGRESS_FIREWALL: Final = "EgressFirewall"
_BEFORE_ALL: Final = Tier(float("-inf"), _EGRESS_FIREWALL)
_OUTSIDE: Final = (Neither((PlacePeer(Place.POD),)),)


def compile_policy(policy: Foreign, _: CompileContext) -> Compiled:
    """Return what is known of an EgressFirewall: it may deny what its pods send to anything that is no pod.

    Raises Malformed for every other kind: what it says is not read.
    """
    if (policy.group, policy.ref.kind) not in EGRESS_FIREWALLS:
        fail("kind", f"{policy.ref.kind} of {policy.group} is known by name only")
    entry = Entry(policy.ref, _OUTSIDE, action=Action.DENY, conditional="may deny it: its rules are not evaluated")
    return Compiled((piece(policy.ref, Direction.EGRESS, (entry,), _BEFORE_ALL, namespace=policy.namespace or ""),))


FAMILY: Final = Family("opaque", compile=compile_policy)
