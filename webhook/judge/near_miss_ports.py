"""What of a rule, but for its peers, keeps a packet from it: the port that was meant for the one dialled."""

from collections.abc import Iterator
from typing import Final

from webhook.evaluate.ends import PodEnd
from webhook.evaluate.match import ports_match
from webhook.judge.near_miss_peers import FAR, Miss, Packet, families_of, matched
from webhook.model.addresses import NamedPort, PortMatch, PortRange, Protocol
from webhook.model.labels import AllOf
from webhook.model.objects import PodClass, Service
from webhook.model.peers import EndpointPeer, Peer, PodMatch
from webhook.model.policy import Direction
from webhook.model.tier import CompiledRule
from webhook.model.truth import Truth
from webhook.world import View

_DNS: Final = 53


def lets_through(view: View, rule: CompiledRule, packet: Packet) -> bool:
    """Say whether nothing keeps a packet from a rule."""
    beside = next(beside_peers(view, rule, packet), None)
    return beside is None and matched(view, rule, packet.other, families_of(view, packet))


def beside_peers(view: View, rule: CompiledRule, packet: Packet) -> Iterator[Miss]:
    """Yield one miss for each part of a rule that does not match, but for its peers."""
    target: PodClass | None = packet.subject.pod_class
    if packet.direction is Direction.EGRESS:
        target = packet.other.pod_class if isinstance(packet.other, PodEnd) else None
    closed = ports_match(rule.ports, packet.protocol, packet.port, target) is Truth.NO
    if rule.unclear is not None or (rule.conditional is not None and not closed):
        yield FAR
        return
    if closed:
        yield min(_port_misses(view, rule, packet, target), default=FAR)
    if rule.not_ports and ports_match(rule.not_ports, packet.protocol, packet.port, target) is not Truth.NO:
        yield Miss(3, "port", f"not {', '.join(map(str, rule.not_ports))}", f"{packet.port}/{packet.protocol}")
    own = rule.subject_peers
    if own is not None and not matched(view, CompiledRule(rule.ref, own), packet.subject, families_of(view, packet)):
        yield FAR


def _port_misses(view: View, rule: CompiledRule, packet: Packet, target: PodClass | None) -> Iterator[Miss]:
    """Yield what of the ports of a rule is another one than the packet's; `target`: where it arrives."""
    have = f"{packet.port}/{packet.protocol}"
    for port in rule.ports or ():
        if port.protocol != packet.protocol:
            if _spoken(port, packet.port, packet.protocol, target):
                yield Miss(1, "protocol", port.protocol, packet.protocol)
        elif packet.service_port is not None and _spoken(port, packet.service_port, packet.protocol, None):
            yield Miss(0, "port", str(port), have)
        elif (service := _node_port_of(view, port, target)) is not None:
            yield Miss(0, "port", f"{port}, the node port of Service {service.namespace}/{service.name}", have)
        elif any(_names_pods(port, peer) for peer in rule.peers or ()):  # anybody, or look-ups: about others
            yield Miss(3, "port", f"{port}{_nobodys(port, target)}", have)


def _spoken(port: PortMatch, number: int, protocol: Protocol, target: PodClass | None) -> bool:
    """Say whether the rule would be about that number if it were written for `protocol`."""
    alike = (
        PortRange(protocol, port.first, port.last) if isinstance(port, PortRange) else NamedPort(protocol, port.name)
    )
    return ports_match((alike,), protocol, number, target) is Truth.YES


def _node_port_of(view: View, port: PortMatch, target: PodClass | None) -> Service | None:
    if target is None or not isinstance(port, PortRange) or port.first != port.last:
        return None
    services = view.services.selecting(target)
    return next((s for s in services if any(p.node == port.first for p in s.ports)), None)


def cut_short(view: View, rule: CompiledRule, packet: Packet) -> Iterator[Miss]:
    """Yield the ranges of a rule that hold the port, where the enforcer takes no more than the first of a range."""
    for port in () if view.dialect.ports.ranges else rule.ports or ():
        if isinstance(port, PortRange) and port.protocol == packet.protocol and port.first < packet.port <= port.last:
            have = f"{packet.port}/{packet.protocol}"
            yield Miss(0, "port", f"{port}, of which {view.dialect.name} takes the first alone", have)


def _nobodys(port: PortMatch, target: PodClass | None) -> str:
    """Say of a name that nobody there gives it to a port."""
    if not isinstance(port, NamedPort) or target is None or any(p.name == port.name for p in target.ports):
        return ""
    return " (no container calls a port so)"


def _names_pods(port: PortMatch, peer: Peer) -> bool:
    """Say whether a peer names pods, by their own labels or by those of their namespace."""
    match peer:
        case PodMatch(namespace=namespace, namespaces=namespaces, pods=pods):
            look_up = isinstance(port, PortRange) and port.first == port.last == _DNS
            return bool(pods.requirements or (namespace is None and namespaces.requirements and not look_up))
        case EndpointPeer():
            return True
        case AllOf(peers):
            return any(_names_pods(port, part) for part in peers)
        case _:
            return False
