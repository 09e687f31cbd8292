"""Peers known by where they are: on a node, on the host network, in the world outside, or behind a Service.

Enforcers differ on whether a packet to the own node arrives once policy let it out, or even where it did not.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from msgspec import structs

from webhook.evaluate.ends import End, Outside, PodEnd, pods_match
from webhook.model.addresses import Address, Family, Protocol, is_link_local
from webhook.model.answers import Side, Verdict
from webhook.model.dialect import visible
from webhook.model.labels import NO_KEYS, Labels, Selector
from webhook.model.objects import Node, PodClass, Service, ServicePort
from webhook.model.peers import EndpointPeer, Peer, Place, PlacePeer, PodMatch, ServicePeer, ServicesPeer, ServiceWish
from webhook.model.policy import BlockPeer
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


def either_way(matches: Iterable[Peer]) -> bool:
    """Say whether peers are about such an address whoever has it: the own node, or somebody outside."""
    return {PlacePeer(Place.OWN_NODE), PlacePeer(Place.WORLD)} <= {m for m in matches if isinstance(m, PlacePeer)}


def _is_pod(other: End) -> bool:
    return is_some_pod(other) if isinstance(other, Outside) else not other.pod_class.host_network


def _is_host(view: View, other: End) -> bool:
    """Say whether the other end is a node, or a pod on its host network."""
    if isinstance(other, Outside):
        return not other.pod and node_of(view, other) is not None
    return other.pod_class.host_network


def node_of(view: View, other: Outside) -> Node | None:
    """Return the node that has the one address; many together are outside, whoever has one of them."""
    return view.nodes.at(Address(other.block.family, other.block.first)) if other.block.size == 1 else None


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
    every = {n.name: nodes.matches(n.labels) for n in view.nodes.every()}
    if other.node:
        return every.get(other.node, Truth.MAYBE)
    seen = set(every.values())
    return seen.pop() if len(seen) == 1 else Truth.MAYBE


def serves(
    view: View, peer: ServicePeer, other: End, port: tuple[Protocol, int] | None, family: Family | None
) -> Truth:
    """Say whether `other` is an endpoint of a Service (`port`: on a port that it serves, where the peer asks)."""
    service = view.services.get(peer.namespace, peer.name)
    if service is None:
        return Truth.NO if view.complete else Truth.MAYBE
    if is_some_pod(other):
        return Truth.MAYBE
    wanted = set(_addresses(view, other, family))
    listed = view.services.serving(service)
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
    if other.pod_class.host_network and not other.addresses:
        own = (a for node in view.nodes.every() if node.name == other.node for a in node.addresses)
    yield from (a for a in own if family in (None, a.family))


def _asked(peer: ServicePeer, ports: set[tuple[Protocol, int | None]], port: tuple[Protocol, int] | None) -> Truth:
    if not peer.by_port:
        return Truth.YES
    return Truth.MAYBE if port is None else Truth.of(port in ports or (port[0], None) in ports)


def _selected(view: View, service: Service, peer: ServicePeer, other: End, port: tuple[Protocol, int] | None) -> Truth:
    """Where no endpoint is listed: the pods that the Service selects will be, on the ports that it will find there."""
    if isinstance(other, Outside) or service.selector is None or other.pod_class.namespace != service.namespace:
        return Truth.MAYBE if isinstance(other, Outside) and other.block.size > 1 else Truth.NO
    keys = view.settings.pending_labels if other.pod_class.template else NO_KEYS
    found = Selector.exactly(service.selector).matches(other.pod_class.labels, keys)
    if not peer.by_port:
        return found
    return min(found, Truth.MAYBE if port is None else Truth.of(any(_leads(one, other, port) for one in service.ports)))


def _leads(served: ServicePort, pod: PodEnd, port: tuple[Protocol, int]) -> bool:
    """Say whether a Service's port leads to `port` of a pod."""
    target = served.port if served.target is None else served.target
    named = (p.number for p in pod.pod_class.ports if (p.name, p.protocol) == (target, served.protocol))
    return (served.protocol, next(named, None) if isinstance(target, str) else target) == port


Held = Callable[[BlockPeer], Truth]


def behind(view: View, peer: ServicesPeer, other: End, family: Family | None, held: Held) -> Truth:
    """Say whether `other` is behind one of the Services; in a world that is not whole, others may be there.

    `held`: whether a block holds it.
    """
    by_wish = [list(_wanted(view, wish)) for wish in peer.wanted]
    found = [service for some in by_wish for service in some]
    if not found:
        return Truth.of(peer.or_any) if view.complete else Truth.MAYBE
    if peer.or_any and not any(service.selector or view.services.serving(service) for service in found):
        return Truth.MAYBE  # nobody is behind them: to some versions that is as if there were none
    best = max(_stands(view, peer, service, other, family, held) for service in found)
    named = all(some and w.labels is None and w.namespace for w, some in zip(peer.wanted, by_wish, strict=True))
    return best if view.complete or named else max(best, Truth.MAYBE)


def _wanted(view: View, wish: ServiceWish) -> Iterator[Service]:
    for namespace in (wish.namespace,) if wish.namespace else view.namespaces.names():
        view.budget.spend()
        if wish.labels is None:
            service = view.services.get(namespace, wish.name)
            yield from () if service is None else (service,)
        else:
            services = list(view.services.within(namespace))
            view.budget.spend(len(services))
            yield from (s for s in services if wish.labels.matches(s.labels) is Truth.YES)


def _stands(view: View, peer: ServicesPeer, service: Service, other: End, family: Family | None, held: Held) -> Truth:
    if service.selector is not None:
        return _is_backend(view, service, other)
    serving = view.services.serving(service)
    view.budget.spend(len(serving))
    addresses = (a for a in serving if family is None or a.family == family)
    blocks = (BlockPeer(address.block, pods=peer.pods, nodes=peer.nodes) for address in addresses)
    return max((held(block) for block in blocks), default=Truth.NO)


def _is_backend(view: View, service: Service, other: End) -> Truth:
    if isinstance(other, Outside):
        return Truth.MAYBE if is_some_pod(other) else Truth.NO
    pod_class = other.pod_class
    selector = (
        None if service.selector is None else visible(Selector.exactly(service.selector), view.dialect.peers.unseen)
    )
    if selector is None or pod_class.host_network or pod_class.namespace != service.namespace:
        return Truth.NO
    return selector.matches(pod_class.labels, view.settings.pending_labels if pod_class.template else NO_KEYS)


OWN_NODE: Final = Side(Verdict.ALLOWED, isolated=True, reason="a node always reaches its own pods")


def to_node(view: View, source: PodEnd, node: str, egress: Side) -> Side:
    """What a pod sends to its own node may be dropped, whatever policy says (`NodeReading.own_accepts`)."""
    if egress.verdict is not Verdict.ALLOWED and view.dialect.nodes.pods_reach_own is not Truth.NO:
        return egress if source.pod_class.host_network else _past_policy(view, source, node, egress)
    after = view.dialect.nodes.own_accepts
    if after is Truth.YES or egress.verdict is Verdict.DENIED or source.pod_class.host_network:
        return egress
    if source.node and node:
        if source.node != node:
            return egress
        if after is Truth.NO:
            setting = view.dialect.nodes.own_setting
            reason = f"{view.dialect.name} drops what pods send to their own node ({setting})"
            return structs.replace(egress, verdict=Verdict.DENIED, final=True, admitted_by=None, reason=reason)
    if egress.verdict is not Verdict.ALLOWED:
        return egress
    reason = "whether a pod reaches its own node is a setting, and it is not known which node it is on"
    return structs.replace(egress, verdict=Verdict.UNKNOWN, admitted_by=None, reason=reason)


def from_node(view: View, node: str, target: PodEnd, ingress: Side) -> Side:
    """A node always reaches its own pods (`networking.k8s.io/v1` NetworkPolicySpec.ingress); others ask the rules."""
    if ingress.verdict is Verdict.ALLOWED or not view.dialect.nodes.own_reaches_pods:
        return ingress
    if node and target.node:
        return OWN_NODE if node == target.node else ingress
    reason = "a pod on the host network reaches pods of its own node whatever the policy; its node is not known"
    if ingress.verdict is Verdict.DENIED:
        entities = view.dialect.own.entities
        others = "fromEntities: [host, remote-node] lets the rest in" if entities else "a block of node addresses does"
        reason += f"; from other nodes it is denied: no selector matches it, {others}"
    return Side(Verdict.UNKNOWN, ingress.isolated, ingress.policies, reason=reason)


def _past_policy(view: View, source: PodEnd, node: str, egress: Side) -> Side:
    """What policy does not let out may reach the pod's own node all the same (`NodeReading.pods_reach_own`)."""
    past = view.dialect.nodes.pods_reach_own
    known = bool(source.node and node)
    if past is Truth.NO or (known and source.node != node):
        return egress
    if known and past is Truth.YES:
        return structs.replace(egress, verdict=Verdict.ALLOWED, reason="a pod reaches its own node whatever the policy")
    reason = "a pod may reach its own node whatever the policy" + ("" if known else "; its node is not known")
    return structs.replace(egress, verdict=Verdict.UNKNOWN, reason=reason)


def node_matters(view: View, source: PodEnd, target: PodEnd) -> bool:
    """Say whether the answer may differ by the nodes that two pods are on, whatever the rules are."""
    if source.pod_class.host_network:
        return True
    dialect = view.dialect
    settled = dialect.nodes.own_accepts is Truth.YES and dialect.nodes.pods_reach_own is Truth.NO
    return target.pod_class.host_network and not settled


def on_host_network(view: View, peer: PodMatch | EndpointPeer, pod_class: PodClass | None) -> Truth:
    """Say whether a peer matches pods on the host network, of `pod_class`, or a node (None)."""
    dialect = view.dialect
    if isinstance(peer, EndpointPeer):
        return Truth.NO
    if dialect.nodes.host_namespace is not None:
        return _in_namespace(peer, dialect.nodes.host_namespace)
    if dialect.nodes.host_pods is Truth.NO or pod_class is None:
        return Truth.NO
    return min(dialect.nodes.host_pods, pods_match(view, peer, pod_class))


def _in_namespace(peer: PodMatch, labels: Labels) -> Truth:
    """Hosts are in a namespace of their own: sure only for a rule that asks for the label that says so."""
    if peer.namespace is not None or peer.pods.requirements or peer.namespaces.matches(labels) is Truth.NO:
        return Truth.NO
    named = any(requirement.key in labels.as_dict() for requirement in peer.namespaces.requirements)
    return Truth.YES if named else Truth.MAYBE
