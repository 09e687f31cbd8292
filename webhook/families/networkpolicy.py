"""`networking.k8s.io/v1` NetworkPolicy: an unordered set of allow lists; whoever is selected is isolated.

Source: the API types' comments (`k8s.io/api/networking/v1`).
"""

from collections.abc import Iterator

from msgspec import structs

from webhook.model.dialect import GENERIC, Dialect
from webhook.model.policy import BlockPeer, Direction, Peer, PodPeer, Policy, Rule, Section
from webhook.model.tier import Entry, Isolation, Match, PodMatch


def compile_policy(policy: Policy, dialect: Dialect = GENERIC) -> tuple[Isolation, ...]:
    """Return what `policy` comes to: for each direction that it isolates, or may isolate, one piece, or two.

    A second one closes later where the dialect asks other policies before it denies.
    """
    if policy.unreadable is not None:
        return tuple(_placed(policy, d, (), dialect, unclear=policy.unreadable) for d in Direction)
    return tuple(
        piece
        for direction, section in _sections(policy, dialect)
        for piece in compile_section(policy, direction, section, dialect)
    )


def _sections(policy: Policy, dialect: Dialect) -> Iterator[tuple[Direction, Section]]:
    for direction in Direction:
        section = policy.section(direction)
        if section is None and dialect.honours_idle:
            section = dict(policy.idle).get(direction)
        if section is not None:
            yield direction, section


def compile_section(
    policy: Policy, direction: Direction, section: Section, dialect: Dialect = GENERIC
) -> tuple[Isolation, ...]:
    """Compile the rules of one direction as if `policyTypes` named it."""
    entries = tuple(_entry(policy, rule, dialect) for rule in section.rules)
    whole = _placed(policy, direction, entries, dialect)
    if dialect.closing is None:
        return (whole,)
    closing = structs.replace(whole, entries=(), by_address=False, tier=dialect.closing, rank=())
    return structs.replace(whole, isolates=False), closing


def _placed(
    policy: Policy, direction: Direction, entries: tuple[Entry, ...], dialect: Dialect, unclear: str | None = None
) -> Isolation:
    return Isolation(
        ref=policy.ref,
        namespace=policy.namespace,
        direction=direction,
        subject=policy.subject,
        entries=entries,
        by_address=any(isinstance(m, BlockPeer) for e in entries for m in e.matches or ()),
        unclear=unclear,
        tier=dialect.network_policies,
        rank=(*dialect.rank, *(tie.format(namespace=policy.namespace, name=policy.ref.name) for tie in dialect.ties)),
    )


def _entry(policy: Policy, rule: Rule, dialect: Dialect) -> Entry:
    matches = None if rule.peers is None else tuple(_match(policy, peer, dialect) for peer in rule.peers)
    return Entry(policy.ref.at(rule.index), matches, rule.ports, rule.unclear)


def _match(policy: Policy, peer: Peer, dialect: Dialect) -> Match:
    if isinstance(peer, BlockPeer):
        return structs.replace(peer, pods=dialect.blocks_hold_pods, nodes=dialect.blocks_hold_nodes)
    if not isinstance(peer, PodPeer):
        return peer
    if peer.namespaces is None:
        return PodMatch(policy.namespace, pods=peer.pods, own=True)
    return PodMatch(None, peer.namespaces, peer.pods)
