"""Policies that are known by name only (`Enforcer.unread`): whatever they may select, anything may come of them."""

from typing import Final

from webhook.enforcers.ovn import EGRESS_FIREWALL
from webhook.families import Compiled, Family
from webhook.model.crd_policies import CompileContext, CrdPolicy
from webhook.model.labels import NoneOf
from webhook.model.peers import Peer, Place, PlacePeer
from webhook.model.policy import Direction
from webhook.model.tier import Action, CompiledRule, Tier, compiled_policy
from webhook.wire.shapes import fail

_BEFORE_ALL: Final = Tier(float("-inf"), EGRESS_FIREWALL[1])
_OUTSIDE: Final[tuple[Peer, ...]] = (NoneOf((PlacePeer(Place.POD),)),)


def compile_policy(policy: CrdPolicy, _: CompileContext) -> Compiled:
    """Return what is known of an EgressFirewall: it may deny what its pods send to anything that is no pod.

    Raises Malformed for every other kind: what it says is not read.
    """
    if (policy.group, policy.ref.kind) != EGRESS_FIREWALL:
        fail("kind", f"{policy.ref.kind} of {policy.group} is known by name only")
    rule = CompiledRule(
        policy.ref, _OUTSIDE, action=Action.DENY, conditional="may deny it: its rules are not evaluated"
    )
    return Compiled(
        (compiled_policy(policy.ref, Direction.EGRESS, (rule,), _BEFORE_ALL, namespace=policy.namespace or ""),)
    )


FAMILY: Final = Family("opaque", compile=compile_policy)
