"""Does one entry of a policy match the packet? Every answer is YES, NO or MAYBE."""

from collections.abc import Iterable

from webhook.evaluate.ends import End, Outside
from webhook.model.addresses import Address, Block, Family
from webhook.model.labels import NO_KEYS, LabelKeys
from webhook.model.objects import Shape
from webhook.model.policy import BlockPeer, UnclearPeer
from webhook.model.ports import NamedPort, PortMatch, Protocol
from webhook.model.tier import Entry, Match, PodMatch
from webhook.model.truth import Truth
from webhook.world import View

MISS_PODS = frozenset({"cilium", "gke-dataplane-v2"})  # blocks miss pods and nodes, unless a setting says otherwise
BEFORE_TRANSLATION = frozenset(
    {"aws"}
)  # egress is judged by the Service's address too, which a block may or may not hold
ANY_KEY = LabelKeys(prefixes=("",))


def entry_matches(
    view: View, entry: Entry, other: End, family: Family | None, protocol: Protocol, port: int, target: Shape | None
) -> Truth:
    """Say whether `entry` admits the packet. `target`: the pod that port names resolve on; None: no pod."""
    if entry.unclear is not None:
        return Truth.MAYBE
    ports = ports_match(entry.ports, protocol, port, target)
    if ports is Truth.NO:
        return Truth.NO
    return min(ports, peers_match(view, entry, other, family))


def peers_match(view: View, entry: Entry, other: End, family: Family | None) -> Truth:
    """Say whether any peer of `entry` is the other end."""
    if entry.matches is None:
        return Truth.YES
    best = Truth.NO
    for match in entry.matches:
        found = peer_matches(view, match, other, family)
        if found is Truth.YES:
            return Truth.YES
        best = max(best, found)
    return best


def peer_matches(view: View, match: Match, other: End, family: Family | None) -> Truth:
    """Say whether one peer is the other end."""
    match match:
        case UnclearPeer():
            return Truth.MAYBE
        case BlockPeer():
            return block_matches(view, match, other, family)
        case PodMatch():
            if isinstance(other, Outside) or other.shape.host_network:
                return (
                    Truth.NO
                )  # host-network pods are seen as their node (concept page, NetworkPolicy and hostNetwork)
            return pods_match(view, match, other.shape)


def pods_match(view: View, match: PodMatch, shape: Shape) -> Truth:
    """Say whether a pod of `shape` is among the pods of `match`."""
    if match.namespace is not None:
        if match.namespace != shape.namespace:
            return Truth.NO
        here = Truth.YES
    else:
        here = namespace_matches(view, match, shape.namespace)
        if here is Truth.NO:
            return Truth.NO
    keys = view.settings.pending_labels if shape.template else NO_KEYS
    return min(here, match.pods.matches(shape.labels, keys))


def namespace_matches(view: View, match: PodMatch, name: str) -> Truth:
    """Say whether the namespace selector of `match` selects `name`; labels of a namespace nobody gave are not known."""
    namespace = view.namespace(name)
    return match.namespaces.matches(namespace.labels, ANY_KEY if namespace.synthetic else NO_KEYS)


def block_matches(view: View, peer: BlockPeer, other: End, family: Family | None) -> Truth:
    """Say whether an ipBlock holds the other end's address, pod addresses included."""
    found = _block_matches(view, peer, other, family)
    if isinstance(other, Outside) and view.node_at(Address(other.block.family, other.block.first)) is None:
        return found
    name = view.enforcer.name
    if name in MISS_PODS:
        return min(found, Truth.MAYBE)
    return Truth.MAYBE if name in BEFORE_TRANSLATION else found


def _block_matches(view: View, peer: BlockPeer, other: End, family: Family | None) -> Truth:
    if isinstance(other, Outside):
        return _holds(peer, other.block)
    if family is None:
        message = "an ipBlock is matched one address family at a time"
        raise AssertionError(message)
    address = other.address(family)
    if address is not None:
        return _holds(peer, address.block)
    if other.shape.host_network:
        return _every(_holds(peer, a.block) for n in view.nodes() for a in n.addresses if a.family == family)
    if other.addresses or peer.block.family != family:
        return Truth.NO
    if (pools := view.pod_blocks(family)) and peer.block.prefix != 0:
        return _every(_holds(peer, pool) for pool in pools)
    return Truth.YES if peer.block.prefix == 0 and not _excepts_pools(view, peer, family) else Truth.MAYBE


def _excepts_pools(view: View, peer: BlockPeer, family: Family) -> bool:
    """Say whether a pod's address, wherever it may come from, can be among the exceptions."""
    pools = view.pod_blocks(family)
    return any(inner.overlaps(pool) for inner in peer.excepts for pool in pools) if pools else bool(peer.excepts)


def _holds(peer: BlockPeer, block: Block) -> Truth:
    """Say whether the peer holds all (YES), some (MAYBE) or none of a block's addresses."""
    if not peer.block.overlaps(block) or any(inner.covers(block) for inner in peer.excepts):
        return Truth.NO
    whole = peer.block.covers(block) and not any(inner.overlaps(block) for inner in peer.excepts)
    return Truth.YES if whole else Truth.MAYBE


def _every(parts: Iterable[Truth]) -> Truth:
    """Return what all parts agree on; MAYBE where they differ or there are none."""
    seen = set(parts)
    return seen.pop() if len(seen) == 1 else Truth.MAYBE


def ports_match(ports: tuple[PortMatch, ...] | None, protocol: Protocol, port: int, target: Shape | None) -> Truth:
    """Say whether a packet to `port` is let through. Names resolve on `target`, by name and protocol."""
    if ports is None:
        return Truth.YES
    best = Truth.NO
    for entry in ports:
        if entry.protocol != protocol:
            continue
        if isinstance(entry, NamedPort):
            best = max(best, named_port_is(entry, port, target))
        elif entry.first <= port <= entry.last:
            return Truth.YES
    return best


def named_port_is(entry: NamedPort, port: int, target: Shape | None) -> Truth:
    """Say whether the name stands for `port` on `target`.

    A name given twice to different numbers: the first is what Kubernetes finds; for the others it depends on the CNI.
    """
    if target is None:
        return Truth.NO
    numbers = [p.number for p in target.ports if p.name == entry.name and p.protocol == entry.protocol]
    if port not in numbers:
        return Truth.NO
    return Truth.YES if numbers[0] == port else Truth.MAYBE
