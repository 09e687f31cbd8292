"""The peers and subjects of NetworkPolicy, as an enforcer reads their labels (`Dialect`)."""

from collections.abc import Iterator
from typing import Final

from msgspec import structs

from webhook.families.unseen import visible
from webhook.model.dialect import Dialect
from webhook.model.labels import Labels, Operator, Selector
from webhook.model.policy import BlockPeer, Peer, UnclearPeer
from webhook.model.tier import Every, Match, Place, PlacePeer, PodMatch
from webhook.model.truth import Truth

_PLACES: Final = tuple(PlacePeer(place) for place in (Place.OWN_NODE, Place.OTHER_NODE, Place.WORLD))
# Who has no labels at all, and so none that a peer may forbid: nodes, the world, and, perhaps, all pods at once.
STRANGERS: Final[tuple[Match, ...]] = (
    *_PLACES,
    UnclearPeer("asks only what labels are missing, and may so match all pods at once"),
)
_NEGATIVE: Final = frozenset({Operator.NOT_IN, Operator.DOES_NOT_EXIST})


def block_peer(peer: BlockPeer, dialect: Dialect) -> BlockPeer:
    """Return an address block with what it holds here."""
    nodes = dialect.blocks_hold_nodes
    if peer.block.prefix == 0:
        nodes = min(nodes, dialect.whole_blocks_hold_nodes)
    return structs.replace(peer, pods=dialect.blocks_hold_pods, nodes=nodes)


def in_namespace(pods: Selector, namespace: str, dialect: Dialect) -> Selector | None:
    """Return which pods of one namespace a selector selects here; None: none.

    A label that means the namespace takes the policy's own, whatever it is asked to be.
    """
    key, here = dialect.namespace_key, Labels({dialect.namespace_key: namespace})
    kept = []
    for requirement in pods.requirements:
        if not key or requirement.key != key:
            kept.append(requirement)
        elif requirement.operator is not Operator.IN and requirement.matches(here) is Truth.NO:
            return None
    return visible(Selector(tuple(kept)) if len(kept) < len(pods.requirements) else pods, dialect.unseen)


def matches_of(namespace: str, peer: Peer, dialect: Dialect) -> Iterator[Match]:
    """Yield whom a peer of a policy of `namespace` matches."""
    if isinstance(peer, BlockPeer):
        yield block_peer(peer, dialect)
    elif isinstance(peer, UnclearPeer):
        yield peer
    elif peer.namespaces is None:
        pods = in_namespace(peer.pods, namespace, dialect)
        if pods is not None:
            yield from pods_as_seen(PodMatch(namespace, pods=pods, own=True), dialect)
    elif dialect.namespace_key and any(r.key == dialect.namespace_key for r in peer.pods.requirements):
        yield UnclearPeer(f"asks for pods with the label {dialect.namespace_key}, beside a namespaceSelector")
    elif (pods := visible(peer.pods, dialect.unseen)) is not None:
        yield from pods_as_seen(PodMatch(None, peer.namespaces, pods), dialect)
        if dialect.loose_peers and _lacking(peer.namespaces, pods):
            yield from STRANGERS


def pods_as_seen(match: PodMatch, dialect: Dialect) -> Iterator[Match]:
    """Yield pods that a peer selects, as far as it matches them here (`Dialect.pod_peers`)."""
    match dialect.pod_peers:
        case Truth.YES:
            yield match
        case Truth.MAYBE:
            yield Every((match, UnclearPeer("asks for a label that pods have or not, by version")))
        case Truth.NO:
            return


def _lacking(namespaces: Selector, pods: Selector) -> bool:
    every = (*namespaces.requirements, *pods.requirements)
    return bool(namespaces.requirements) and all(r.operator in _NEGATIVE for r in every)
