"""Whom a NetworkPolicy may be written for without closing anything: who is isolated where it would isolate, too.

A pod that is denied after NetworkPolicy was asked (the Baseline tier) is open to what the tiers behind let through.
A policy that selects it ends that, so it has to let through the same (`outsiders`, `lost`).
"""

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any, Final

from msgspec import Struct

from webhook.evaluate import PodEnd, ends_of_pod, judge_side, template_end
from webhook.fix.needs import Need
from webhook.model.addresses import Block, Family
from webhook.model.expression import ALWAYS
from webhook.model.objects import Shape
from webhook.model.policy import BlockPeer, Direction
from webhook.model.ports import ContainerPort
from webhook.model.refs import WorkloadRef
from webhook.model.tier import Action, EndpointPeer, Entry, Every, Isolation, Match, Place, PlacePeer, PodMatch
from webhook.model.truth import Truth
from webhook.model.verdict import Verdict
from webhook.world import View

_ALL: Final[dict[Family, Block]] = {4: Block(4, 0, 0), 6: Block(6, 0, 0)}


def isolated(view: View, shape: Shape, direction: Direction) -> bool:
    """Say whether a pod is sure to be denied what no rule is about where a NetworkPolicy would deny it, too."""
    end = view.dialect.closing or view.dialect.network_policies
    return any(
        truth is Truth.YES and piece.isolates and piece.unclear is None and piece.tier == end
        for piece, truth in view.selecting(shape, direction)
    )


def denied_behind(view: View, shape: Shape, direction: Direction) -> bool:
    """Say whether a pod that no NetworkPolicy isolates is denied something by a tier behind."""
    return any(piece.isolates or _denies(piece) for piece in _behind(view, shape, direction))


def _denies(piece: Isolation) -> bool:
    return any(entry.action is Action.DENY for entry in piece.entries)


def _behind(view: View, shape: Shape, direction: Direction) -> list[Isolation]:
    last = view.dialect.network_policies
    return [piece for piece, truth in view.selecting(shape, direction) if truth is not Truth.NO and last < piece.tier]


class Outsiders(Struct, frozen=True):
    """What a policy has to let through for addresses that no pod has: `peers`; `note` if that cannot be written."""

    peers: tuple[dict[str, Any], ...] = ()
    note: str | None = None


class Entangled(Exception):  # noqa: N818 - carries why; caught in this package
    """What a tier behind lets through cannot be said in the words of a NetworkPolicy."""


def outsiders(view: View, shape: Shape, direction: Direction) -> Outsiders:
    """Return the addresses outside that tiers behind let through to or from a pod. Raises Entangled."""
    behind = _behind(view, shape, direction)
    if not any(piece.isolates or any(map(denies_all_pods, piece.entries)) for piece in behind):
        names = ", ".join(dict.fromkeys(piece.ref.titled for piece in behind))
        message = f"{names} lets some through that a NetworkPolicy would close: isolate those pods first"
        raise Entangled(message)
    about = [entry for piece in behind for entry in piece.entries if not _only_pods(entry)]
    opening = [entry for entry in about if entry.action is not Action.DENY]
    if not opening and any(piece.isolates for piece in behind):
        return Outsiders()
    if not opening and about and all(any(_everything(entry, family) for entry in about) for family in view.families()):
        return Outsiders()
    if about or any(piece.isolates for piece in behind):
        names = ", ".join(dict.fromkeys(piece.ref.titled for piece in behind))
        message = f"{names} tells addresses apart, too, and whom a NetworkPolicy selects it does not let through itself"
        raise Entangled(message)
    return _outside_pods(view, direction)


def _outside_pods(view: View, direction: Direction) -> Outsiders:
    """Return all addresses but those of pods; where files do not tell which these are, say so instead."""
    apart = view.dialect.blocks_hold_pods is not Truth.NO
    pods = {family: [str(block) for block in view.pod_blocks(family)] for family in view.families()}
    if apart and not all(pods.values()):
        if view.complete:
            message = (
                "a policy would isolate it from addresses outside, and which of all are those of pods is not known"
            )
            raise Entangled(message)
        way = "connect to it" if direction is Direction.INGRESS else "it connects to"
        return Outsiders(note=f"addresses outside the cluster that {way} need a rule of their own")
    return Outsiders(
        tuple(
            {"ipBlock": {"cidr": str(_ALL[family]), **({"except": blocks} if apart else {})}}
            for family, blocks in pods.items()
        )
    )


def denies_all_pods(entry: Entry) -> bool:
    """Say whether an entry denies all pods, on all ports."""
    if entry.action is not Action.DENY or _narrowed(entry):
        return False
    return entry.matches is None or any(map(_any_pod, entry.matches))


def _any_pod(match: Match) -> bool:
    match match:
        case PodMatch(namespace, namespaces, pods):
            return namespace is None and not namespaces.requirements and not pods.requirements
        case EndpointPeer(test):
            return test == ALWAYS
        case PlacePeer(place):
            return place is Place.POD
        case _:
            return False


def _narrowed(entry: Entry) -> bool:
    parts = (entry.ports, entry.unclear, entry.conditional, entry.own)
    return any(part is not None for part in parts) or bool(entry.not_ports)


def _everything(entry: Entry, family: Family) -> bool:
    if _narrowed(entry):
        return False
    whole = (isinstance(m, BlockPeer) and m.block == _ALL[family] and not m.excepts for m in entry.matches or ())
    return entry.matches is None or any(whole)


def _only_pods(entry: Entry) -> bool:
    return entry.matches is not None and all(map(_pods, entry.matches))


def _pods(match: Match) -> bool:
    match match:
        case PodMatch() | EndpointPeer():
            return True
        case PlacePeer(place):
            return place is Place.POD
        case Every(peers):
            return any(map(_pods, peers))
        case _:
            return False


Ports = tuple[ContainerPort, ...]


def lost(
    view: View, after: View, subject: WorkloadRef, ends: Iterable[tuple[Shape, Ports]], direction: Direction
) -> set[Need]:
    """Return what passed in `view`, and does not in `after`, of all that is known: pods, on the ports they declare."""
    found: set[Need] = set()
    for (shape, own), (ref, other, theirs) in product(ends, [*_everybody(view)]):
        for port in own if direction is Direction.INGRESS else theirs:
            for family in other.families or view.families():
                asked = (direction, PodEnd(shape), other, family, port.protocol, port.number)
                if judge_side(view, *asked).verdict is not Verdict.ALLOWED:
                    continue
                if judge_side(after, *asked).verdict is not Verdict.ALLOWED:
                    found.add(Need(direction, subject, ref, port.protocol, port.number))
    return found


def _everybody(view: View) -> Iterator[tuple[WorkloadRef, PodEnd, Ports]]:
    for namespace in view.namespaces():
        for group in view.groups(namespace):
            if group.template is not None:
                yield group.ref, template_end(view, group.template), group.template.template.declares
            for pod in {pod.shape: pod for pod in group.pods}.values():
                yield group.ref, ends_of_pod(pod), pod.declares
