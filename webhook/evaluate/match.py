"""Does one rule of a policy match the packet? Every answer is YES, NO or MAYBE."""

from collections.abc import Iterable

from msgspec import Struct

from webhook.evaluate.ends import End, Outside, PodEnd, pods_match, supposed_blocks
from webhook.evaluate.node_and_service_peers import (
    at_place,
    behind,
    either_way,
    may_be_own_node,
    node_matches,
    node_of,
    on_host_network,
    serves,
)
from webhook.model.addresses import Block, Family, NamedPort, PortMatch, Protocol
from webhook.model.labels import AllOf, AnyOf, NoneOf, holds
from webhook.model.objects import PodClass
from webhook.model.peers import EndpointPeer, NodePeer, Peer, PlacePeer, PodMatch, ServicePeer, ServicesPeer
from webhook.model.policy import BlockPeer, Direction, UnclearPeer
from webhook.model.tier import CompiledRule
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.pod_labels import labels_of


class Packet(Struct, frozen=True, gc=False):
    """One direction of one packet: whether `subject` may talk to `other` on this port.

    `family` None: no rule in question looks at addresses.
    """

    direction: Direction
    subject: PodEnd
    other: End
    family: Family | None
    protocol: Protocol
    port: int

    @property
    def target(self) -> PodClass | None:
        """The pod that port names resolve on; None: no pod."""
        if self.direction is Direction.INGRESS:
            return self.subject.pod_class
        return self.other.pod_class if isinstance(self.other, PodEnd) else None


def rule_matches(view: View, rule: CompiledRule, packet: Packet) -> Truth:
    """Say whether `rule` is about the packet."""
    view.budget.spend(1 + len(rule.peers or ()) + len(rule.ports or ()) + len(rule.not_ports))
    if rule.unclear is not None:
        return Truth.MAYBE
    found = Truth.YES if rule.ports is None else _ports_match(rule.ports, packet)
    if found is Truth.NO:
        return found
    if rule.not_ports:
        found = min(found, _ports_match(rule.not_ports, packet).negated())
    if found is not Truth.NO and rule.subject_peers is not None:
        found = min(found, _subject_matches(view, rule.subject_peers, packet))
    if found is not Truth.NO and rule.peers is not None:
        found = min(found, peers_match(view, rule, packet.other, packet.family, packet))
    return found if rule.conditional is None else min(found, Truth.MAYBE)


def _ports_match(ports: tuple[PortMatch, ...], packet: Packet) -> Truth:
    """Say whether the packet's port is among `ports`; a pod of which nothing is known may give any name to any port."""
    protocol, port, other = packet.protocol, packet.port, packet.other
    if packet.direction is Direction.INGRESS:
        return ports_match(ports, protocol, port, packet.subject.pod_class)
    if isinstance(other, PodEnd):
        return ports_match(ports, protocol, port, other.pod_class)
    found = ports_match(ports, protocol, port, None)
    named = other.pod and any(isinstance(one, NamedPort) and one.protocol == protocol for one in ports)
    return Truth.MAYBE if found is Truth.NO and named else found


def _subject_matches(view: View, own: tuple[Peer, ...], packet: Packet) -> Truth:
    """Say whether the subject, seen as an end, is what a rule says of its own side."""
    seen = Packet(packet.direction, packet.subject, packet.subject, packet.family, packet.protocol, packet.port)
    return any_of(peer_matches(view, peer, packet.subject, packet.family, seen) for peer in own)


def peers_match(
    view: View, rule: CompiledRule, other: End, family: Family | None, packet: Packet | None = None
) -> Truth:
    """Say whether any peer of `rule` is the other end. Without `packet` there is no subject: places are not known."""
    if rule.peers is None or (isinstance(other, Outside) and may_be_own_node(view, other) and either_way(rule.peers)):
        return Truth.YES
    pod = other.pod_class if isinstance(other, PodEnd) and not other.pod_class.host_network else None
    best = Truth.NO
    for peer in rule.peers:  # what most rules hang on: a loop takes half of the time of `any_of`
        if pod is not None and isinstance(peer, PodMatch):
            found = pods_match(view, peer, pod)
        else:
            found = peer_matches(view, peer, other, family, packet)
        if found is Truth.YES:
            return found
        best = best if found is Truth.NO else found
    return best


def peer_matches(view: View, peer: Peer, other: End, family: Family | None, packet: Packet | None = None) -> Truth:
    """Say whether one peer is the other end."""
    match peer:
        case PodMatch() | EndpointPeer():
            return _by_labels(view, peer, other)
        case BlockPeer():
            return block_matches(view, peer, other, family)
        case UnclearPeer():
            return Truth.MAYBE
        case AllOf(peers):
            view.budget.spend(len(peers))
            return min((peer_matches(view, one, other, family, packet) for one in peers), default=Truth.YES)
        case AnyOf(peers) | NoneOf(peers):
            view.budget.spend(len(peers))
            found = any_of(peer_matches(view, one, other, family, packet) for one in peers)
            return found if isinstance(peer, AnyOf) else found.negated()
        case PlacePeer(place):
            return at_place(view, place, other, packet.subject if packet else None, family)
        case NodePeer(nodes):
            return node_matches(view, nodes, other)
        case ServicePeer():
            return serves(view, peer, other, (packet.protocol, packet.port) if packet else None, family)
        case ServicesPeer():
            return behind(view, peer, other, family, lambda block: block_matches(view, block, other, family))


def _by_labels(view: View, peer: PodMatch | EndpointPeer, other: End) -> Truth:
    """Host-network pods are seen as their node (concept page, NetworkPolicy and hostNetwork)."""
    if isinstance(other, Outside):
        node = view.dialect.nodes.host_namespace is not None and not other.pod and node_of(view, other) is not None
        return on_host_network(view, peer, None) if node else Truth.MAYBE if other.pod else Truth.NO
    if other.pod_class.host_network:
        return on_host_network(view, peer, other.pod_class)
    if isinstance(peer, PodMatch):
        return pods_match(view, peer, other.pod_class)
    return holds(peer.test, labels_of(view, other.pod_class))


def any_of(parts: Iterable[Truth]) -> Truth:
    """Return YES where one part is, else MAYBE where one may be."""
    best = Truth.NO
    for part in parts:
        if part is Truth.YES:
            return Truth.YES
        best = max(best, part)
    return best


def block_matches(view: View, peer: BlockPeer, other: End, family: Family | None) -> Truth:
    """Say whether an ipBlock holds the other end's address; of pods and nodes as far as it holds them at all."""
    if isinstance(other, PodEnd) and peer.pods is Truth.NO and not other.pod_class.host_network:
        return Truth.NO
    if peer.excepts:
        view.budget.spend(len(peer.excepts))
    found = _block_matches(view, peer, other, family)
    if isinstance(other, Outside) and not other.pod:
        if may_be_own_node(view, other) and peer.nodes is not Truth.YES:
            return min(found, Truth.MAYBE)
        node = node_of(view, other)
        return found if node is None else min(found, peer.nodes)
    return min(found, peer.nodes if isinstance(other, PodEnd) and other.pod_class.host_network else peer.pods)


def _block_matches(view: View, peer: BlockPeer, other: End, family: Family | None) -> Truth:
    if isinstance(other, Outside):
        return _holds(peer, other.block)
    if family is None:
        message = "an ipBlock is matched one address family at a time"
        raise AssertionError(message)
    address = other.address(family)
    if address is not None:
        return _holds(peer, address.block)
    if other.pod_class.host_network:
        addresses = [a for node in view.nodes.every() for a in node.addresses]
        view.budget.spend(len(addresses))
        return _every(_holds(peer, a.block) for a in addresses if a.family == family)
    if other.addresses or peer.block.family != family:
        return Truth.NO
    if peer.block.prefix == 0 and not peer.excepts:
        return Truth.YES
    return _every(_holds(peer, pool) for pool in view.pod_blocks(family) or supposed_blocks(view, family))


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


def ports_match(ports: tuple[PortMatch, ...] | None, protocol: Protocol, port: int, target: PodClass | None) -> Truth:
    """Say whether a packet to `port` is let through. Names resolve on `target`, by name and protocol."""
    if ports is None:
        return Truth.YES
    best = Truth.NO
    for rule in ports:
        if rule.protocol != protocol:
            continue
        if isinstance(rule, NamedPort):
            best = max(best, named_port_is(rule, port, target))
        elif rule.first <= port <= rule.last:
            return Truth.YES
    return best


def named_port_is(rule: NamedPort, port: int, target: PodClass | None) -> Truth:
    """Say whether the name stands for `port` on `target`.

    A name given twice to different numbers: the first is what Kubernetes finds; for the others it depends on the CNI.
    """
    if target is None:
        return Truth.NO
    numbers = [p.number for p in target.ports if p.name == rule.name and p.protocol == rule.protocol]
    if port not in numbers:
        return Truth.NO
    return Truth.YES if numbers[0] == port else Truth.MAYBE
