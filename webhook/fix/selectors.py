"""Labels that select one workload and nobody else, or as few others as can be."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from webhook.model.labels import LabelKeys, Labels, Selector
from webhook.model.objects import Pod, Shape
from webhook.model.refs import WorkloadRef
from webhook.model.truth import Truth
from webhook.world import Group, View


class Chosen(Struct, frozen=True):
    """The labels to select a workload by, who else in its namespace has them, and what was to be avoided."""

    labels: Labels
    others: tuple[Group, ...] = ()
    reached: tuple[Shape, ...] = ()


def choose(
    view: View, ref: WorkloadRef, shapes: Sequence[Shape], own: Labels | None, avoid: Sequence[Shape] = ()
) -> Chosen | None:
    """Choose labels that select all of `shapes`; None where they have none in common that last.

    The workload's `own` matchLabels come first: they cannot change. Where they select another workload, or a shape
    to `avoid`, as many of the common labels are added as it takes.
    """
    lasting = _lasting(shapes, view.settings.pending_labels)
    if not lasting:
        return None
    start = own if own and set(own.pairs) <= set(lasting.pairs) else lasting
    best = _chosen(view, ref, start, avoid)
    for pair in lasting.pairs:
        if not best.others and not best.reached:
            break
        longer = _chosen(view, ref, Labels((*best.labels.pairs, pair)), avoid)
        if len(longer.others) + len(longer.reached) < len(best.others) + len(best.reached):
            best = longer
    return best


def _chosen(view: View, ref: WorkloadRef, labels: Labels, avoid: Sequence[Shape]) -> Chosen:
    selector = Selector.exactly(labels)
    reached = tuple(shape for shape in avoid if selector.matches(shape.labels) is not Truth.NO)
    return Chosen(labels, _others(view, ref, labels), reached)


def _lasting(shapes: Iterable[Shape], pending: LabelKeys) -> Labels:
    """Return the labels that all have in common, without those that come and go with a pod."""
    common: set[tuple[str, str]] | None = None
    for shape in shapes:
        pairs = {(k, v) for k, v in shape.labels.pairs if k not in pending}
        common = pairs if common is None else common & pairs
    return Labels(common or ())


def _others(view: View, ref: WorkloadRef, labels: Labels) -> tuple[Group, ...]:
    selector = Selector.exactly(labels)
    return tuple(g for g in view.groups(ref.namespace) if g.ref != ref and any_selected(selector, g))


def any_selected(selector: Selector, group: Group) -> bool:
    """Say whether `selector` selects a pod, or the template, of a group."""
    return any(selector.matches(shape.labels) is not Truth.NO for shape in shapes_of(group))


def shapes_of(group: Group) -> list[Shape]:
    """Return the different shapes of a group."""
    pods: dict[Shape, Pod] = {pod.shape: pod for pod in group.pods}
    return [group.template.template.shape] if group.template else list(pods)
