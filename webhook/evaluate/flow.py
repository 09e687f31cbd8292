"""One source and one other end: both directions of a packet, on every address family of both, through meshes, too.

Istio ambient tunnels between enrolled pods to port 15008 of the other pod (istio.io, ambient and NetworkPolicy);
Linkerd's proxies may dial 4143, the other proxy's own (linkerd.io); Istio's sidecars dial the port asked for.
"""

from typing import Final

from msgspec import Struct, structs

from webhook.evaluate.coverage import judge_coverage
from webhook.evaluate.ends import AMBIENT, INJECTED, WAYPOINT, Outside, PodEnd, ends_of_pod
from webhook.evaluate.match import Packet
from webhook.evaluate.node_and_service_peers import from_node, to_node
from webhook.evaluate.side import decide, judge_side, of_host
from webhook.model.addresses import FAMILIES, FAMILY_NAME, Address, Block, Family, Protocol
from webhook.model.answers import OPEN, Side, Verdict, both, together
from webhook.model.labels import NO_LABELS, LabelKeys, Labels
from webhook.model.objects import Pod, Shape, Template
from webhook.model.policy import Direction
from webhook.model.tier import Action, Entry, Isolation, position
from webhook.model.truth import Truth
from webhook.world import View

Pair = tuple[Verdict, Side, Side]
_ANY: Final = LabelKeys.of(("*",))


def judge_pair(
    view: View, source: PodEnd, target: PodEnd, protocol: Protocol, port: int, families: tuple[Family, ...] = ()
) -> Pair:
    """Judge one source and one destination pod, on every family of both and of the Service (`families`; empty: any)."""
    if not by_address(view, source, target) and view.dialect.families == FAMILIES:
        return _one(view, source, target, None, protocol, port)
    common = common_families(view, source, target, families)
    if not common:
        nothing = Side(Verdict.UNKNOWN, isolated=None, reason="the two ends have no address family in common")
        return Verdict.UNKNOWN, nothing, nothing
    answers = {family: _one(view, source, target, family, protocol, port) for family in common}
    if len(answers) == 1:
        return next(iter(answers.values()))
    verdict = together(v for v, _, _ in answers.values())
    egress = _merged({f: a[1] for f, a in answers.items()})
    return verdict, egress, _merged({f: a[2] for f, a in answers.items()})


def _unpoliced(view: View) -> Side:
    """Return the answer for an address family that the enforcer does not police as policies say."""
    reason = f"{view.dialect.name} does not support IPv6, and what it lets pass is not known"
    return Side(Verdict.UNKNOWN, isolated=None, reason=reason)


def common_families(view: View, source: PodEnd, target: PodEnd, families: tuple[Family, ...]) -> tuple[Family, ...]:
    """Return the families on which the two may talk; a pod to come has those that the cluster has."""
    kept = [f for f in _families(view, source) if f in _families(view, target)]
    return tuple(f for f in kept if not families or f in families)


def _families(view: View, end: PodEnd) -> tuple[Family, ...]:
    """Return the families of a pod; one to come on the host network has those of the nodes."""
    if end.addresses or not end.shape.host_network:
        return end.families or view.families()
    return families_of_nodes(view)


def families_of_nodes(view: View) -> tuple[Family, ...]:
    """Return the families that nodes have, and so whatever comes to run on their network."""
    of_nodes = {address.family for node in view.nodes.every() for address in node.addresses}
    return tuple(sorted(of_nodes)) or view.families()


def _one(view: View, source: PodEnd, target: PodEnd, family: Family | None, protocol: Protocol, port: int) -> Pair:
    if family is not None and family not in view.dialect.families and _selected(view, source, target):
        side = _unpoliced(view)
        return side.verdict, side, side
    egress = judge_side(view, Direction.EGRESS, source, target, family, protocol, port)
    ingress = judge_side(view, Direction.INGRESS, target, source, family, protocol, port)
    if source.shape.host_network:
        ingress = from_node(view, source.node, target, ingress)
    if target.shape.host_network:
        egress = to_node(view, source, target.node, egress)
    return both(egress.verdict, ingress.verdict), egress, ingress


def _selected(view: View, source: PodEnd, target: PodEnd) -> bool:
    """Say whether any policy is about either end."""
    return _selected_by(view, source, Direction.EGRESS) or _selected_by(view, target, Direction.INGRESS)


def _selected_by(view: View, end: PodEnd, direction: Direction) -> bool:
    return not end.shape.host_network and bool(view.policies.selecting(end.shape, direction))


def by_address(view: View, source: PodEnd, target: PodEnd) -> bool:
    """Say whether addresses matter to the answer; nothing isolates pods on the host network."""
    sides = ((Direction.EGRESS, source, target), (Direction.INGRESS, target, source))
    return any(
        isolation.by_address if other.shape.host_network else isolation.pods_apart
        for direction, subject, other in sides
        if not subject.shape.host_network
        for isolation, _ in view.policies.selecting(subject.shape, direction)
    )


def _merged(sides: dict[Family, Side]) -> Side:
    """Join the answers of two families; where they differ, say which one fails."""
    verdict = together(side.verdict for side in sides.values())
    first = next(iter(sides.values()))
    if all(side == first for side in sides.values()):
        return first
    denied = sorted((s for s in sides.values() if s.verdict is Verdict.DENIED), key=lambda s: not s.final)
    (worst, *_) = (*denied, *(s for s in sides.values() if s.verdict is not Verdict.ALLOWED), first)
    parts = ", ".join(f"{FAMILY_NAME[f]} {side.verdict}" for f, side in sides.items())
    why = next((side.reason for side in sides.values() if side.verdict is not Verdict.ALLOWED and side.reason), None)
    reason = None if verdict in (Verdict.ALLOWED, Verdict.DENIED) else f"{parts}: {why}" if why else parts
    by = first.admitted_by if verdict is Verdict.ALLOWED else None
    final = worst.final and verdict is Verdict.DENIED
    return structs.replace(worst, verdict=verdict, admitted_by=by, reason=reason, final=final)


def judge_outside(view: View, source: PodEnd, block: Block, protocol: Protocol, port: int) -> Pair:
    """Judge addresses outside the cluster: only the source's side counts, and every address of the block."""
    if source.shape.host_network:
        side = of_host(view, source.shape, Direction.EGRESS)
        return side.verdict, side, OPEN
    if block.family not in view.dialect.families and view.policies.selecting(source.shape, Direction.EGRESS):
        side = _unpoliced(view)
        return side.verdict, side, OPEN
    if block.size == 1:
        egress = judge_side(view, Direction.EGRESS, source, Outside(block), block.family, protocol, port)
        if (node := view.nodes.at(Address(block.family, block.first))) is not None:
            egress = to_node(view, source, node.name, egress)
    else:
        egress = judge_coverage(view, source, block, protocol, port)
    return egress.verdict, egress, OPEN


def judge_from_outside(view: View, block: Block, target: PodEnd, protocol: Protocol, port: int) -> Side:
    """Judge what one address, of a node or outside the cluster, sends to a pod: only the target's side counts."""
    if block.family not in view.dialect.families and _selected_by(view, target, Direction.INGRESS):
        return _unpoliced(view)
    ingress = judge_side(view, Direction.INGRESS, target, Outside(block), block.family, protocol, port)
    node = view.nodes.at(Address(block.family, block.first))
    return ingress if node is None else from_node(view, node.name, target, ingress)


# -- pods that nobody has seen -----------------------------------------------------------------------------------------


def is_shut_to(view: View, source: PodEnd, shape: Shape, protocol: Protocol, port: int) -> bool:
    """Say whether policy lets a pod in nowhere, on no port, at whatever pods have the labels of `shape` and others.

    Pods on the host network are left out: nobody supposes them, and policy is not about them.
    """
    if source.shape.host_network or view.policies.doubt(shape, Direction.INGRESS) is not None:
        return False
    pieces: list[tuple[Isolation, Truth]] = []
    for namespace in (shape.namespace, ""):
        for one in view.policies.isolations(namespace, Direction.INGRESS):
            view.budget.spend(1 + len(one.entries))
            selects = Truth.MAYBE if one.subject is None else one.subject.matches(shape.labels, _ANY)
            selects = selects if one.scope is None else min(selects, Truth.MAYBE)
            if selects is not Truth.NO:
                pieces.append((structs.replace(one, entries=tuple(map(_at_any_port, one.entries))), selects))
    selecting = tuple(sorted(pieces, key=lambda pair: position(pair[0])))
    ends = [Packet(Direction.INGRESS, PodEnd(shape), source, family, protocol, port) for family in view.families()]
    return bool(selecting) and all(decide(view, selecting, one).verdict is Verdict.DENIED for one in ends)


def _at_any_port(entry: Entry) -> Entry:
    """Return a rule without what it asks of pods that nobody has seen: one that allows allows more, others may not."""
    if entry.action is Action.ALLOW:
        return structs.replace(entry, ports=None, not_ports=(), own=None)
    asks = entry.ports is not None or entry.not_ports or entry.own is not None
    return structs.replace(entry, unclear=entry.unclear or "it asks for ports or labels of its own") if asks else entry


_SIDECARS: Final = ("istio-injection", "sidecar.istio.io/inject", "istio.io/rev")
SIDES: Final = (Direction.EGRESS, Direction.INGRESS)
_ON: Final = frozenset({"enabled", "true"})


class Member(Struct, frozen=True):
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
    shape = member.end.shape
    ambient, linkerd = _ambient(view, shape), _linkerd(view, member)
    if not ambient and not linkerd:
        return OUTSIDE
    return Membership(ambient, (_value(view, shape, WAYPOINT) or "") if ambient else "", linkerd)


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
    if _ambient(view, member.end.shape):
        return "Istio"
    if _linkerd(view, member):
        return "Linkerd"
    on = any(_value(view, member.end.shape, key) in _ON for key in _SIDECARS[:2])
    return "Istio" if on or _value(view, member.end.shape, _SIDECARS[2]) else None


def carried(
    view: View, found: Tunnel, ends: tuple[PodEnd, PodEnd], protocol: Protocol, families: tuple[Family, ...], pair: Pair
) -> Pair:
    """Judge the port of the tunnel, too: where the two answers differ, it cannot be told."""
    if protocol != "TCP":
        return pair  # neither mesh carries anything else
    if found.port is None:
        quiet = not any(
            view.policies.selecting(end.shape, direction) for end, direction in zip(ends, SIDES, strict=True)
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


def _ambient(view: View, shape: Shape) -> bool:
    return not shape.host_network and _value(view, shape, AMBIENT) == "ambient"


def _linkerd(view: View, member: Member) -> bool:
    shape, template = member.end.shape, member.template
    if shape.host_network:
        return False
    if template is None:
        return shape.labels.get(INJECTED) is not None
    said = view.namespaces.get(shape.namespace).injected if template.injected is None else template.injected
    return said is True


def _value(view: View, shape: Shape, key: str) -> str | None:
    """Return a label of the pod, else of its namespace."""
    own = shape.labels.get(key)
    return view.namespaces.get(shape.namespace).labels.get(key) if own is None else own
