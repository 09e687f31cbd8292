"""Where the other end stands: on a node, in the world outside, or behind a Service."""

from collections.abc import Iterable, Iterator

from webhook.evaluate.ends import End, Outside, PodEnd
from webhook.model.addresses import Address, Family, is_link_local
from webhook.model.labels import NO_KEYS, Selector
from webhook.model.objects import Node, Service, ServicePort
from webhook.model.ports import Protocol
from webhook.model.tier import Match, Place, PlacePeer, ServicePeer
from webhook.model.truth import Truth
from webhook.world import View


def at_place(view: View, place: Place, other: End, subject: PodEnd | None, family: Family | None) -> Truth:
    """Say whether `other` stands at `place`, as seen from `subject`'s node."""
    match place:
        case Place.POD:
            return Truth.of(_is_pod(other))
        case Place.WORLD:
            if not isinstance(other, Outside) or other.pod or node_of(view, other) is not None:
                return Truth.NO
            return Truth.MAYBE if is_link_local(other.block) else Truth.YES
        case Place.API_SERVER:
            api_server = ServicePeer("default", "kubernetes")
            return Truth.NO if _is_pod(other) else serves(view, api_server, other, None, family)
        case Place.OWN_NODE | Place.OTHER_NODE:
            if may_be_own_node(view, other):
                return Truth.MAYBE if place is Place.OWN_NODE else Truth.NO
            own = _on_node_of(view, other, subject)
            return own if place is Place.OWN_NODE or not _is_host(view, other) else own.negated()


def is_some_pod(other: End) -> bool:
    """Say whether it is a pod of which nothing is known but its address."""
    return isinstance(other, Outside) and other.pod


def may_be_own_node(view: View, other: End) -> bool:
    """Say whether the own node may have the address on one of its interfaces, of which no Node object tells."""
    if not isinstance(other, Outside) or other.pod or not is_link_local(other.block):
        return False
    of_cloud = any(address.block == other.block for address in view.dialect.dns.addresses)
    return not of_cloud and node_of(view, other) is None


def either_way(matches: Iterable[Match]) -> bool:
    """Say whether peers are about such an address whoever has it: the own node, or somebody outside."""
    return {PlacePeer(Place.OWN_NODE), PlacePeer(Place.WORLD)} <= {m for m in matches if isinstance(m, PlacePeer)}


def _is_pod(other: End) -> bool:
    return is_some_pod(other) if isinstance(other, Outside) else not other.shape.host_network


def _is_host(view: View, other: End) -> bool:
    """Say whether the other end is a node, or a pod on its host network."""
    if isinstance(other, Outside):
        return not other.pod and node_of(view, other) is not None
    return other.shape.host_network


def node_of(view: View, other: Outside) -> Node | None:
    """Return the node that has the one address; many together are outside, whoever has one of them."""
    return view.node_at(Address(other.block.family, other.block.first)) if other.block.size == 1 else None


def _on_node_of(view: View, other: End, subject: PodEnd | None) -> Truth:
    if not _is_host(view, other):
        return Truth.NO
    if isinstance(other, PodEnd):
        here = other.node
    else:
        node = node_of(view, other)
        here = node.name if node else ""
    there = subject.node if subject else ""
    if here and there:
        return Truth.of(here == there)
    return Truth.MAYBE


def node_matches(view: View, nodes: Selector, other: End) -> Truth:
    """Say whether `other` is a node that `nodes` selects, or on its host network."""
    if not _is_host(view, other):
        return Truth.NO
    if isinstance(other, Outside):
        node = node_of(view, other)
        return Truth.MAYBE if node is None else nodes.matches(node.labels)
    every = {n.name: nodes.matches(n.labels) for n in view.nodes()}
    if other.node:
        return every.get(other.node, Truth.MAYBE)
    seen = set(every.values())
    return seen.pop() if len(seen) == 1 else Truth.MAYBE


def serves(
    view: View, peer: ServicePeer, other: End, port: tuple[Protocol, int] | None, family: Family | None
) -> Truth:
    """Say whether `other` is an endpoint of a Service (`port`: on a port that it serves, where the peer asks)."""
    service = view.service(peer.namespace, peer.name)
    if service is None:
        return Truth.NO if view.complete else Truth.MAYBE
    if is_some_pod(other):
        return Truth.MAYBE
    wanted = set(_addresses(view, other, family))
    listed = view.serving(service)
    if wanted and listed:
        ports = {port for address in wanted for port in listed.get(address, ())}
        return _asked(peer, ports, port) if wanted & listed.keys() else Truth.NO
    return _selected(view, service, peer, other, port)


def _addresses(view: View, other: End, family: Family | None) -> Iterator[Address]:
    if isinstance(other, Outside):
        if other.block.size == 1:
            yield Address(other.block.family, other.block.first)
        return
    own: Iterable[Address] = other.addresses
    if other.shape.host_network and not other.addresses:
        own = (a for node in view.nodes() if node.name == other.node for a in node.addresses)
    yield from (a for a in own if family in (None, a.family))


def _asked(peer: ServicePeer, ports: set[tuple[Protocol, int | None]], port: tuple[Protocol, int] | None) -> Truth:
    if not peer.by_port:
        return Truth.YES
    return Truth.MAYBE if port is None else Truth.of(port in ports or (port[0], None) in ports)


def _selected(view: View, service: Service, peer: ServicePeer, other: End, port: tuple[Protocol, int] | None) -> Truth:
    """Where no endpoint is listed: the pods that the Service selects will be, on the ports that it will find there."""
    if isinstance(other, Outside) or service.selector is None or other.shape.namespace != service.namespace:
        return Truth.MAYBE if isinstance(other, Outside) and other.block.size > 1 else Truth.NO
    keys = view.settings.pending_labels if other.shape.template else NO_KEYS
    found = Selector.exactly(service.selector).matches(other.shape.labels, keys)
    if not peer.by_port:
        return found
    return min(found, Truth.MAYBE if port is None else Truth.of(any(_leads(one, other, port) for one in service.ports)))


def _leads(served: ServicePort, pod: PodEnd, port: tuple[Protocol, int]) -> bool:
    """Say whether a Service's port leads to `port` of a pod."""
    target = served.port if served.target is None else served.target
    named = (p.number for p in pod.shape.ports if (p.name, p.protocol) == (target, served.protocol))
    return (served.protocol, next(named, None) if isinstance(target, str) else target) == port
