"""The port of a rule that was meant for the one dialled, and what keeps it from matching."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from webhook.evaluate.match import ports_match
from webhook.judge.near_miss_peers import Miss
from webhook.model.addresses import NamedPort, PortMatch, PortRange, Protocol
from webhook.model.labels import AllOf
from webhook.model.objects import PodClass, Service
from webhook.model.tier import CompiledRule, EndpointPeer, Peer, PodMatch
from webhook.model.truth import Truth
from webhook.world import View

_DNS: Final = 53


class Dialled(Struct, frozen=True):
    """The port that a packet arrives on, and the Service's port that the client dialled."""

    protocol: Protocol
    port: int
    service_port: int | None = None


def port_misses(view: View, rule: CompiledRule, dialled: Dialled, target: PodClass | None) -> Iterator[Miss]:
    """Yield what of the ports of a rule is another one than the packet's; `target`: where it arrives."""
    have = f"{dialled.port}/{dialled.protocol}"
    for port in rule.ports or ():
        if port.protocol != dialled.protocol:
            if _spoken(port, dialled.port, dialled.protocol, target):
                yield Miss(1, "protocol", port.protocol, dialled.protocol)
        elif dialled.service_port is not None and _spoken(port, dialled.service_port, dialled.protocol, None):
            yield Miss(0, "port", str(port), have)
        elif (service := _node_port_of(view, port, target)) is not None:
            yield Miss(0, "port", f"{port}, the node port of Service {service.namespace}/{service.name}", have)
        elif any(_is_about(port, peer) for peer in rule.peers or ()):  # anybody, or look-ups: about others
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


def cut_short(view: View, rule: CompiledRule, dialled: Dialled) -> Iterator[Miss]:
    """Yield the ranges of a rule that hold the port, where the enforcer takes no more than the first of a range."""
    for port in () if view.dialect.ports.ranges else rule.ports or ():
        if isinstance(port, PortRange) and port.protocol == dialled.protocol and port.first < dialled.port <= port.last:
            have = f"{dialled.port}/{dialled.protocol}"
            yield Miss(0, "port", f"{port}, of which {view.dialect.name} takes the first alone", have)


def _nobodys(port: PortMatch, target: PodClass | None) -> str:
    """Say of a name that nobody there gives it to a port."""
    if not isinstance(port, NamedPort) or target is None or any(p.name == port.name for p in target.ports):
        return ""
    return " (no container calls a port so)"


def _is_about(port: PortMatch, peer: Peer) -> bool:
    """Say whether a peer names pods, by their own labels or by those of their namespace."""
    match peer:
        case PodMatch(namespace=namespace, namespaces=namespaces, pods=pods):
            look_up = isinstance(port, PortRange) and port.first == port.last == _DNS
            return bool(pods.requirements or (namespace is None and namespaces.requirements and not look_up))
        case EndpointPeer():
            return True
        case AllOf(peers):
            return any(_is_about(port, part) for part in peers)
        case _:
            return False
