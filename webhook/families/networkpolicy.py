"""`networking.k8s.io/v1` NetworkPolicy, as the API's documentation has it.

A policy selects pods of its own namespace, and isolates them in the directions that `policyTypes` names. A pod that no
policy isolates in a direction may have every connection there; one that is isolated only those that a rule allows, of
any of the policies that isolate it. So policies add up: they have no order, and none denies what another one allows.
A connection between two pods is open where egress of its source and ingress of its target both allow it; answers come
back with it. What an enforcer changes of this is its dialect, which `families.enforced` lays around it.

Source: the API types' comments (`k8s.io/api/networking/v1`).
"""

from webhook.model.peers import Peer, PodMatch
from webhook.model.policy import BlockPeer, Direction, NetworkPolicyPeer, Policy, UnclearPeer
from webhook.model.tier import CompiledPolicy, CompiledRule, with_rules


def policy_types(policy: Policy) -> frozenset[Direction]:
    """Return the directions in which a policy isolates the pods that it selects.

    They are those of `policyTypes`. Where it names none: Ingress, and Egress if there are rules for it. None of a
    policy that cannot be read: what it isolates is not known.
    """
    if policy.unreadable is not None:
        return frozenset()
    return policy.types or frozenset(Direction if policy.egress else (Direction.INGRESS,))


def isolates(policy: Policy, direction: Direction) -> bool:
    """Say whether a policy isolates the pods that it selects in one direction."""
    return direction in policy_types(policy)


def compile_policy(policy: Policy) -> tuple[CompiledPolicy, ...]:
    """Return a policy compiled: for each direction in which it isolates, one part.

    One that cannot be read may isolate in both, and allow anything or nothing there.
    """
    if policy.unreadable is not None:
        return tuple(compiled_without_rules(policy, direction, policy.unreadable) for direction in Direction)
    return tuple(compile_direction(policy, direction) for direction in Direction if isolates(policy, direction))


def compile_direction(policy: Policy, direction: Direction) -> CompiledPolicy:
    """Return the rules of one direction compiled, as if `policyTypes` named it."""
    return with_rules(compiled_without_rules(policy, direction), allowed(policy, direction))


def compiled_without_rules(policy: Policy, direction: Direction, unclear: str | None = None) -> CompiledPolicy:
    """Return a policy that isolates in one direction and allows nothing; `unclear`: why it may, and may not.

    It selects the pods of its own namespace whose labels `podSelector` selects; an empty one selects all of them.
    """
    return CompiledPolicy(policy.ref, policy.namespace, direction, policy.subject, unclear=unclear, default_deny=True)


def allowed(policy: Policy, direction: Direction) -> tuple[CompiledRule, ...]:
    """Return what the rules of one direction allow: each, connections with one of its peers, on one of its ports.

    No peers, or an empty list, are all peers; no ports, or an empty list, all ports of all protocols. A port by its
    name is the one that the connection's target calls so; one with `endPort` is the range that ends there.
    """
    return tuple(
        CompiledRule(
            policy.ref.at(rule.index),
            None if rule.peers is None else tuple(_peer(policy, peer) for peer in rule.peers),
            rule.ports,
            rule.unclear,
        )
        for rule in policy.rules(direction)
    )


def _peer(policy: Policy, peer: NetworkPolicyPeer) -> Peer:
    """Return whom a peer matches.

    `ipBlock`: the addresses of its block that are in none of its exceptions. `podSelector` alone: the pods of the
    policy's own namespace that it selects. `namespaceSelector`: the pods of the namespaces that it selects, all of them
    or, with `podSelector` beside it, those that this selects.
    """
    if isinstance(peer, BlockPeer | UnclearPeer):
        return peer
    if peer.namespaces is None:
        return PodMatch(policy.namespace, pods=peer.pods, own=True)
    return PodMatch(None, peer.namespaces, peer.pods)
