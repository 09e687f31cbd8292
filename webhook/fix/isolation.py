"""Whom a NetworkPolicy may be written for without closing anything: who is isolated where it would isolate, too."""

from collections.abc import Iterable, Iterator
from itertools import product

from webhook.evaluate import PodEnd, ends_of_pod, judge_side, template_end
from webhook.model.objects import Shape
from webhook.model.policy import Direction
from webhook.model.ports import ContainerPort
from webhook.model.refs import WorkloadRef
from webhook.model.truth import Truth
from webhook.model.verdict import Verdict
from webhook.world import View

Ports = tuple[ContainerPort, ...]


def isolated(view: View, shape: Shape, direction: Direction) -> bool:
    """Say whether a pod is sure to be denied what no rule is about where a NetworkPolicy would deny it, too."""
    end = view.dialect.tiers.default_deny or view.dialect.tiers.network_policies
    return any(
        truth is Truth.YES and piece.isolates and piece.unclear is None and piece.tier == end
        for piece, truth in view.selecting(shape, direction)
    )


def lost(view: View, after: View, ends: Iterable[tuple[Shape, Ports]], direction: Direction) -> set[WorkloadRef]:
    """Return with whom connections passed in `view` and do not in `after`, on the ports that anybody declares."""
    found: set[WorkloadRef] = set()
    for (shape, own), (ref, other, theirs) in product(ends, [*_everybody(view)]):
        for port in own if direction is Direction.INGRESS else theirs:
            for family in other.families or view.families():
                asked = (direction, PodEnd(shape), other, family, port.protocol, port.number)
                if judge_side(view, *asked).verdict is not Verdict.ALLOWED:
                    continue
                if judge_side(after, *asked).verdict is not Verdict.ALLOWED:
                    found.add(ref)
    return found


def _everybody(view: View) -> Iterator[tuple[WorkloadRef, PodEnd, Ports]]:
    for namespace in view.namespaces():
        for group in view.groups(namespace):
            if group.template is not None:
                yield group.ref, template_end(view, group.template), group.template.template.declares
            for pod in {pod.shape: pod for pod in group.pods}.values():
                yield group.ref, ends_of_pod(pod), pod.declares
