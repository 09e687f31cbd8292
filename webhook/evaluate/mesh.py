"""Meshes between two pods: whose proxies dial another port than the one that was asked for.

Istio ambient tunnels between enrolled pods to port 15008 of the other pod (istio.io, ambient and NetworkPolicy);
Linkerd's proxies may dial 4143, the other proxy's own (linkerd.io); Istio's sidecars dial the port asked for.
"""

from typing import Final

from msgspec import Struct, structs

from webhook.evaluate.ends import AMBIENT, INJECTED, WAYPOINT, PodEnd, ends_of_pod
from webhook.evaluate.flow import Pair, judge_pair
from webhook.model.addresses import Family, Protocol
from webhook.model.answers import Side, Verdict
from webhook.model.labels import NO_LABELS, Labels
from webhook.model.objects import Pod, PodClass, Template
from webhook.model.policy import Direction
from webhook.world import View

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
