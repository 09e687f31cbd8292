"""The port of a rule that was meant for the one dialled."""

from collections.abc import Hashable, Iterable, Iterator
from typing import Final

from msgspec import Struct

from webhook.evaluate.ends import PodEnd
from webhook.evaluate.match import ports_match
from webhook.judge.near_miss_peers import FAR, Miss, Packet
from webhook.model.addresses import NamedPort, PortMatch, PortRange, Protocol
from webhook.model.labels import AllOf
from webhook.model.objects import PodClass
from webhook.model.peers import EndpointPeer, Peer, PodMatch
from webhook.model.policy import Direction
from webhook.model.refs import PolicyRef
from webhook.model.tier import CompiledPolicy, CompiledRule
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.changes import Memo

_DNS: Final = 53


# A rule, and what of it but for its peers keeps the packet from it: one thing at most, or it is not near.
NearRule = tuple[CompiledRule, tuple[Miss, ...]]


class Dialled(Struct, frozen=True, gc=False, cache_hash=True):
    """All of a packet that the ports of rules are compared with; `service_port`: the one that the client dialled.

    `target`: a pod with the ports, and nothing else, of the one where it arrives; None: no pod. `node_ports`: those of
    Services that select it, each with the Service.
    """

    direction: Direction
    protocol: Protocol
    port: int
    service_port: int | None
    target: PodClass | None = None
    node_ports: tuple[tuple[int, str], ...] = ()


_Arrival = tuple[PodClass, tuple[tuple[int, str], ...]]
_NEAR: Final = Memo[tuple[PolicyRef, Dialled], tuple[NearRule, ...]](20_000)
_ARRIVALS: Final = Memo[PodClass, tuple[Hashable, _Arrival]](5_000)


def dialled_by(view: View, packet: Packet) -> Dialled:
    """Return what of a packet ports are compared with."""
    target: PodClass | None = packet.subject.pod_class
    if packet.direction is Direction.EGRESS:
        target = packet.other.pod_class if isinstance(packet.other, PodEnd) else None
    arrival = _arrival(view, target) if target is not None else ()
    return Dialled(packet.direction, packet.protocol, packet.port, packet.service_port, *arrival)


def _arrival(view: View, target: PodClass) -> _Arrival:
    version, answers = view.version_of(target.namespace), view.memo(_ARRIVALS)
    known = answers.get(target)
    if known is None or known[0] != version:
        services = view.services.selecting(target)
        view.budget.spend(len(services))
        nodes = [(port.node, f"{one.namespace}/{one.name}") for one in services for port in one.ports if port.node]
        known = answers[target] = version, (PodClass("", ports=target.ports), tuple(nodes))
    return known[1]


def near_rules(view: View, compiled: CompiledPolicy, dialled: Dialled) -> tuple[NearRule, ...]:
    """Return the rules of a NetworkPolicy that are near to a packet by their ports, looked for once for all packets."""
    key, answers = (compiled.ref, dialled), view.memo(_NEAR)
    found = answers.get(key)
    if found is None:
        found = answers[key] = (*near_by_port(view, compiled.rules, dialled),)
    return found


def near_by_port(view: View, rules: Iterable[CompiledRule], dialled: Dialled) -> Iterator[NearRule]:
    """Yield the rules that are near to a packet by their ports."""
    for rule in rules:
        view.budget.spend(1 + len(rule.ports or ()) + len(rule.not_ports))
        closed = _match(rule.ports, dialled) is Truth.NO
        if rule.unclear is not None or (rule.conditional is not None and not closed):
            continue
        missed = [min(_port_misses(rule, dialled), default=FAR)] if closed else []
        if rule.not_ports and _match(rule.not_ports, dialled) is not Truth.NO:
            have = f"{dialled.port}/{dialled.protocol}"
            missed.append(Miss(3, "port", f"not {', '.join(map(str, rule.not_ports))}", have))
        if len(missed) <= 1 and FAR not in missed:
            yield rule, tuple(missed)


def _match(ports: tuple[PortMatch, ...] | None, dialled: Dialled) -> Truth:
    return ports_match(ports, dialled.protocol, dialled.port, dialled.target)


def _port_misses(rule: CompiledRule, dialled: Dialled) -> Iterator[Miss]:
    """Yield what of the ports of a rule is another one than the packet's."""
    have = f"{dialled.port}/{dialled.protocol}"
    for port in rule.ports or ():
        if port.protocol != dialled.protocol:
            if _spoken(port, dialled.port, dialled.protocol, dialled.target):
                yield Miss(1, "protocol", port.protocol, dialled.protocol)
        elif dialled.service_port is not None and _spoken(port, dialled.service_port, dialled.protocol, None):
            yield Miss(0, "port", str(port), have)
        elif (service := _node_port_of(port, dialled)) is not None:
            yield Miss(0, "port", f"{port}, the node port of Service {service}", have)
        elif any(_names_pods(port, peer) for peer in rule.peers or ()):  # anybody, or look-ups: about others
            yield Miss(3, "port", f"{port}{_nobodys(port, dialled)}", have)


def _spoken(port: PortMatch, number: int, protocol: Protocol, target: PodClass | None) -> bool:
    """Say whether the rule would be about that number if it were written for `protocol`."""
    if isinstance(port, PortRange):
        return port.first <= number <= port.last
    return ports_match((NamedPort(protocol, port.name),), protocol, number, target) is Truth.YES


def _node_port_of(port: PortMatch, dialled: Dialled) -> str | None:
    """Return the Service of which a port is the node port."""
    if not isinstance(port, PortRange) or port.first != port.last:
        return None
    return next((service for number, service in dialled.node_ports if number == port.first), None)


def cut_short(view: View, rule: CompiledRule, packet: Packet) -> Iterator[Miss]:
    """Yield the ranges of a rule that hold the port, where the enforcer takes no more than the first of a range."""
    for port in () if view.dialect.ports.ranges else rule.ports or ():
        if isinstance(port, PortRange) and port.protocol == packet.protocol and port.first < packet.port <= port.last:
            have = f"{packet.port}/{packet.protocol}"
            yield Miss(0, "port", f"{port}, of which {view.dialect.name} takes the first alone", have)


def _nobodys(port: PortMatch, dialled: Dialled) -> str:
    """Say of a name that nobody there gives it to a port."""
    target = dialled.target
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
