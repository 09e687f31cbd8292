"""`networking.k8s.io/v1` NetworkPolicy: an unordered set of allow lists; whoever is selected is isolated.

Source: the API types' comments (`k8s.io/api/networking/v1`).
"""

from webhook.model.policy import BlockPeer, Direction, Peer, PodPeer, Policy, Rule, Section
from webhook.model.tier import Entry, Isolation, Match, PodMatch


def compile_policy(policy: Policy) -> tuple[Isolation, ...]:
    """Return one Isolation for each direction that `policy` isolates, or may isolate."""
    if policy.unreadable is not None:
        return tuple(
            Isolation(policy.ref, policy.namespace, d, policy.subject, unclear=policy.unreadable) for d in Direction
        )
    sections = ((Direction.EGRESS, policy.egress), (Direction.INGRESS, policy.ingress))
    return tuple(compile_section(policy, d, section) for d, section in sections if section is not None)


def compile_section(policy: Policy, direction: Direction, section: Section) -> Isolation:
    """Compile the rules of one direction as if `policyTypes` named it."""
    entries = tuple(_entry(policy, rule) for rule in section.rules)
    return Isolation(
        ref=policy.ref,
        namespace=policy.namespace,
        direction=direction,
        subject=policy.subject,
        entries=entries,
        by_address=any(isinstance(m, BlockPeer) for e in entries for m in e.matches or ()),
    )


def _entry(policy: Policy, rule: Rule) -> Entry:
    matches = None if rule.peers is None else tuple(_match(policy, peer) for peer in rule.peers)
    return Entry(policy.ref.at(rule.index), matches, rule.ports, rule.unclear)


def _match(policy: Policy, peer: Peer) -> Match:
    if not isinstance(peer, PodPeer):
        return peer
    if peer.namespaces is None:
        return PodMatch(policy.namespace, pods=peer.pods, own=True)
    return PodMatch(None, peer.namespaces, peer.pods)
