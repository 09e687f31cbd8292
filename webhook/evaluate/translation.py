"""What is dialled and what policy sees: a Service's own address before translation, and the tunnels of meshes.

AWS' controller resolves rules to addresses, ClusterIPs among them (its pkg/resolvers/endpoints.go and
pkg/k8s/service_utils.go). Istio ambient tunnels to port 15008, Linkerd's proxies may dial 4143, sidecars of Istio none.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct, structs

from webhook.evaluate.ends import AMBIENT, INJECTED, WAYPOINT, Outside, PodEnd, ends_of_pod, namespace_matches
from webhook.evaluate.flow import Pair, judge_pair
from webhook.evaluate.match import Packet
from webhook.evaluate.rules import rules_or_answer
from webhook.evaluate.side import decide
from webhook.model.addresses import (
    FIRST_PORT,
    IPV4,
    LAST_PORT,
    Block,
    Family,
    NamedPort,
    PortMatch,
    PortRange,
    Protocol,
)
from webhook.model.answers import Side, Verdict
from webhook.model.labels import EVERYTHING, NO_LABELS, Labels
from webhook.model.objects import Pod, PodClass, Service, ServicePort, Template
from webhook.model.peers import Peer, PodMatch
from webhook.model.policy import BlockPeer, Direction, UnclearPeer
from webhook.model.tier import CompiledPolicy, CompiledRule, with_rules
from webhook.model.truth import Truth
from webhook.world import View

_MOVED: Final = "opens a Service whose port is not its pods' port, which older controllers do not"


def judge_cluster_ip(view: View, source: PodEnd, service: Service, protocol: Protocol, port: int) -> Side:
    """Judge what a pod sends to a Service, of which only its own address and `port` are seen."""
    selecting = rules_or_answer(view, source.pod_class, Direction.EGRESS)
    if isinstance(selecting, Side):
        return selecting
    block = service.cluster_ips[0].block if service.cluster_ips else Block(IPV4, 0, 32)
    resolved = tuple((_resolved(view, compiled, service, protocol, port), truth) for compiled, truth in selecting)
    packet = Packet(Direction.EGRESS, source, Outside(block), block.family, protocol, port)
    return decide(view, resolved, packet)


def _resolved(view: View, compiled: CompiledPolicy, service: Service, protocol: Protocol, port: int) -> CompiledPolicy:
    """Return a compiled policy whose rules say of this one Service and port what the rules amount to."""
    asked = (protocol, port)
    rules = tuple(one for rule in compiled.rules for one in _rules_of(view, rule, service, asked))
    return with_rules(compiled, rules)


def _rules_of(view: View, rule: CompiledRule, service: Service, asked: tuple[Protocol, int]) -> Iterator[CompiledRule]:
    if rule.unclear is not None:
        yield rule
        return
    for peer in (None,) if rule.peers is None else rule.peers:
        found, why = _matches(view, peer, rule, service, asked)
        if found is not Truth.NO:
            unsure = None if found is Truth.YES else (UnclearPeer(why),)
            yield structs.replace(rule, peers=unsure, ports=None)


def _matches(
    view: View, peer: Peer | None, rule: CompiledRule, service: Service, asked: tuple[Protocol, int]
) -> tuple[Truth, str]:
    """Say whether one peer of a rule opens the Service's address and port; and why that is not sure."""
    match peer:
        case None:
            return _numbered(rule.ports, asked), ""
        case BlockPeer():
            held = _held(peer, service)
            return min(
                held, _numbered(rule.ports, asked)
            ), "its block may hold the Service's own address, which is not known"
        case PodMatch():
            stands = _stands(view, peer, service)
            opened = Truth.NO if stands is Truth.NO else _opened(view, rule.ports, service, asked)
            return min(stands, opened), _MOVED if opened is Truth.MAYBE else "selects a namespace of unknown labels"
        case _:
            return Truth.MAYBE, "may be about the Service's address"


def _numbered(ports: tuple[PortMatch, ...] | None, asked: tuple[Protocol, int]) -> Truth:
    """Say whether a rule without pods opens a port: names have nobody to resolve on."""
    protocol, port = asked
    return Truth.of(
        ports is None
        or any(isinstance(p, PortRange) and p.protocol == protocol and p.first <= port <= p.last for p in ports)
    )


def _held(peer: BlockPeer, service: Service) -> Truth:
    if not service.cluster_ips:
        return Truth.YES if peer.block.prefix == 0 and not peer.excepts else Truth.MAYBE
    address = service.cluster_ips[0]
    return Truth.of(peer.block.holds(address) and not any(inner.holds(address) for inner in peer.excepts))


def _stands(view: View, peer: PodMatch, service: Service) -> Truth:
    """Say whether a peer opens the Service: its `spec.selector`, read as labels, must be what the peer selects."""
    if peer.namespace is None:
        here = namespace_matches(view, peer, service.namespace)
    else:
        here = Truth.of(peer.namespace == service.namespace)
    return min(here, peer.pods.matches(service.selector or NO_LABELS))


def _opened(view: View, ports: tuple[PortMatch, ...] | None, service: Service, asked: tuple[Protocol, int]) -> Truth:
    """Say whether the pods' ports of a rule come to the Service's port: each to the first one that leads to it."""
    if ports is None:
        return Truth.YES
    best = Truth.NO
    pod_classes = list(_behind(view, service))
    for port in ports:
        if port.protocol != asked[0]:
            continue
        if isinstance(port, PortRange) and (port.first, port.last) == (FIRST_PORT, LAST_PORT):
            return Truth.YES
        for number, own in _led(port, service, pod_classes):
            last = max(number, port.last) if isinstance(port, PortRange) and port.first != port.last else number
            if number <= asked[1] <= last:
                best = max(best, Truth.YES if own == number else Truth.MAYBE)
    return best


def _led(port: PortMatch, service: Service, pod_classes: list[PodClass]) -> Iterator[tuple[int, int | None]]:
    """Yield the Service's port that leads to a rule's port, and the number that pods have it under."""
    of_protocol = [one for one in service.ports if one.protocol == port.protocol]
    wanted: int | str = port.name if isinstance(port, NamedPort) else port.first
    for one in of_protocol:
        if _target(one) == wanted:
            numbers = {wanted} if isinstance(wanted, int) else _numbers(pod_classes, wanted, port.protocol)
            yield one.port, next(iter(numbers)) if len(numbers) == 1 else None
            return
    for one in of_protocol:
        target = _target(one)
        if isinstance(target, str) == isinstance(wanted, str):
            continue
        name, number = (target, wanted) if isinstance(target, str) else (wanted, target)
        numbers = _numbers(pod_classes, str(name), port.protocol)
        if number in numbers and (isinstance(wanted, str) or len(numbers) == 1):
            yield one.port, int(number)
            return


def _target(port: ServicePort) -> int | str:
    return port.port if port.target is None else port.target


def _behind(view: View, service: Service) -> Iterator[PodClass]:
    for group in view.pods.behind(service):
        if group.template is not None:
            yield group.template.template.pod_class
        yield from (pod.pod_class for pod in group.pods)


def _numbers(pod_classes: list[PodClass], name: str, protocol: Protocol) -> set[int]:
    """Return the numbers that pods behind the Service give a port's name."""
    return {p.number for pod_class in pod_classes for p in pod_class.ports if p.name == name and p.protocol == protocol}


def lacking(view: View, source: PodEnd, service: Service, backends: list[PodClass]) -> Iterator[str]:
    """Yield labels that rules ask of pods, which the backends carry and the Service's own selector does not name."""
    named = service.selector or NO_LABELS
    for compiled, _ in view.policies.selecting(source.pod_class, Direction.EGRESS):
        for rule in compiled.rules:
            for peer in rule.peers or ():
                if (
                    not isinstance(peer, PodMatch)
                    or _stands(view, structs.replace(peer, pods=EVERYTHING), service) is Truth.NO
                ):
                    continue
                if all(peer.pods.matches(pod_class.labels) is Truth.YES for pod_class in backends):
                    yield from (r.key for r in peer.pods.requirements if r.matches(named) is Truth.NO)


_SIDECARS: Final = ("istio-injection", "sidecar.istio.io/inject", "istio.io/rev")
SIDES: Final = (Direction.EGRESS, Direction.INGRESS)
_ON: Final = frozenset({"enabled", "true"})


class Member(Struct, frozen=True, gc=False):
    """A pod as meshes see it. `template`: it is one to come, of this template."""

    end: PodEnd
    template: Template | None = None


class Membership(Struct, frozen=True):
    """Whose proxies take what a pod sends and gets: Istio's in ambient mode, with its waypoint, and Linkerd's."""

    ambient: bool = False
    waypoint: str = ""
    linkerd: bool = False


class Tunnel(Struct, frozen=True):
    """Where a mesh carries packets to. `port` None: to a pod that is not known."""

    mesh: str
    port: int | None


OUTSIDE: Final = Membership()


def membership(view: View, member: Member) -> Membership:
    """Return the meshes that a pod is in whose proxies dial another port."""
    pod_class = member.end.pod_class
    ambient, linkerd = _ambient(view, pod_class), _linkerd(view, member)
    if not ambient and not linkerd:
        return OUTSIDE
    return Membership(ambient, (_value(view, pod_class, WAYPOINT) or "") if ambient else "", linkerd)


def running(pod: Pod) -> Member:
    """Return a pod as a member; a bare one that is on no node may not have its proxy yet."""
    bare = pod.bare if not pod.node else None
    return Member(ends_of_pod(pod), bare.template if bare is not None else None)


def tunnel(source: Membership, target: Membership, service: Labels = NO_LABELS) -> Tunnel | None:
    """Return where packets between two pods go instead; None where they go where they were sent.

    `service`: the labels of the Service that was dialled.
    """
    if source.ambient and target.ambient:
        by_way = target.waypoint or service.get(WAYPOINT)
        if by_way and by_way != "none":
            return Tunnel(f"Istio's waypoint {by_way}", None)
        return Tunnel("Istio in ambient mode", 15008)
    if source.linkerd and target.linkerd:
        return Tunnel("Linkerd", 4143)
    return None


def mesh_of(view: View, member: Member) -> str | None:
    """Return the mesh that a pod is in, as far as labels and annotations tell."""
    if _ambient(view, member.end.pod_class):
        return "Istio"
    if _linkerd(view, member):
        return "Linkerd"
    on = any(_value(view, member.end.pod_class, key) in _ON for key in _SIDECARS[:2])
    return "Istio" if on or _value(view, member.end.pod_class, _SIDECARS[2]) else None


def carried(
    view: View, found: Tunnel, ends: tuple[PodEnd, PodEnd], protocol: Protocol, families: tuple[Family, ...], pair: Pair
) -> Pair:
    """Judge the port of the tunnel, too: where the two answers differ, it cannot be told."""
    if protocol != "TCP":
        return pair  # neither mesh carries anything else
    if found.port is None:
        quiet = not any(
            view.policies.selecting(end.pod_class, direction) for end, direction in zip(ends, SIDES, strict=True)
        )
        return pair if quiet else _unknown(pair, f"{found.mesh} stands between the two, whose pods are not known")
    other = judge_pair(view, *ends, protocol, found.port, families)
    if other[0] is pair[0] and (other[0] is not Verdict.PARTIAL or _why(other) == _why(pair)):
        return pair
    why = f"{found.mesh} may carry this to port {found.port}, where it is {other[0]}; where it was sent it is {pair[0]}"
    return _unknown(pair, why)


def _why(pair: Pair) -> tuple[str | None, ...]:
    """Return which address families pass, as the reasons of a partial answer tell."""
    return tuple(side.reason for side in pair[1:])


def _unknown(pair: Pair, why: str) -> Pair:
    sides: list[Side] = [
        structs.replace(side, verdict=Verdict.UNKNOWN, reason=why, admitted_by=None) for side in pair[1:]
    ]
    return Verdict.UNKNOWN, sides[0], sides[1]


def _ambient(view: View, pod_class: PodClass) -> bool:
    return not pod_class.host_network and _value(view, pod_class, AMBIENT) == "ambient"


def _linkerd(view: View, member: Member) -> bool:
    pod_class, template = member.end.pod_class, member.template
    if pod_class.host_network:
        return False
    if template is None:
        return pod_class.labels.get(INJECTED) is not None
    said = view.namespaces.get(pod_class.namespace).injected if template.injected is None else template.injected
    return said is True


def _value(view: View, pod_class: PodClass, key: str) -> str | None:
    """Return a label of the pod, else of its namespace."""
    own = pod_class.labels.get(key)
    return view.namespaces.get(pod_class.namespace).labels.get(key) if own is None else own
