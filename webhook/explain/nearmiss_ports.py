"""The port, or the protocol, that keeps a rule from being about a packet: what was most likely meant by it."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from webhook.evaluate.match import ports_match
from webhook.explain.nearmiss_labels import Miss
from webhook.model.addresses import NamedPort, PortMatch, PortRange, Protocol
from webhook.model.objects import Service, Shape
from webhook.model.tier import EndpointPeer, Entry, Every, Match, PodMatch
from webhook.model.truth import Truth
from webhook.world import View

_DNS: Final = 53


class Dialled(Struct, frozen=True):
    """The port that a packet arrives on, and the Service's port that the client dialled."""

    protocol: Protocol
    port: int
    service_port: int | None = None


def port_misses(view: View, entry: Entry, dialled: Dialled, target: Shape | None) -> Iterator[Miss]:
    """Yield what of the ports of a rule is another one than the packet's; `target`: where it arrives."""
    have = f"{dialled.port}/{dialled.protocol}"
    for port in entry.ports or ():
        if port.protocol != dialled.protocol:
            if _spoken(port, dialled.port, dialled.protocol, target):
                yield Miss(1, "protocol", port.protocol, dialled.protocol)
        elif dialled.service_port is not None and _spoken(port, dialled.service_port, dialled.protocol, None):
            yield Miss(0, "port", str(port), have)
        elif (service := _node_port_of(view, port, target)) is not None:
            yield Miss(0, "port", f"{port}, the node port of Service {service.namespace}/{service.name}", have)
        elif any(_is_about(port, match) for match in entry.matches or ()):  # anybody, or look-ups: about others
            yield Miss(3, "port", f"{port}{_nobodys(port, target)}", have)


def _spoken(port: PortMatch, number: int, protocol: Protocol, target: Shape | None) -> bool:
    """Say whether the entry would be about that number if it were written for `protocol`."""
    alike = (
        PortRange(protocol, port.first, port.last) if isinstance(port, PortRange) else NamedPort(protocol, port.name)
    )
    return ports_match((alike,), protocol, number, target) is Truth.YES


def _node_port_of(view: View, port: PortMatch, target: Shape | None) -> Service | None:
    if target is None or not isinstance(port, PortRange) or port.first != port.last:
        return None
    services = view.services_of(target)
    return next((s for s in services if any(p.node == port.first for p in s.ports)), None)


def cut_short(view: View, entry: Entry, dialled: Dialled) -> Iterator[Miss]:
    """Yield the ranges of a rule that hold the port, where the enforcer takes no more than the first of a range."""
    for port in () if view.dialect.ports.ranges else entry.ports or ():
        if isinstance(port, PortRange) and port.protocol == dialled.protocol and port.first < dialled.port <= port.last:
            have = f"{dialled.port}/{dialled.protocol}"
            yield Miss(0, "port", f"{port}, of which {view.dialect.name} takes the first alone", have)


def _nobodys(port: PortMatch, target: Shape | None) -> str:
    """Say of a name that nobody there gives it to a port."""
    if not isinstance(port, NamedPort) or target is None or any(p.name == port.name for p in target.ports):
        return ""
    return " (no container calls a port so)"


def _is_about(port: PortMatch, match: Match) -> bool:
    """Say whether a peer names pods, by their own labels or by those of their namespace."""
    match match:
        case PodMatch(namespace=namespace, namespaces=namespaces, pods=pods):
            look_up = isinstance(port, PortRange) and port.first == port.last == _DNS
            return bool(pods.requirements or (namespace is None and namespaces.requirements and not look_up))
        case EndpointPeer():
            return True
        case Every(peers):
            return any(_is_about(port, peer) for peer in peers)
        case _:
            return False
