"""Labels that select one workload and nobody else, or as few others as can be."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from webhook.families.unseen import seen
from webhook.model.dialect import Unseen
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
    lasting = _lasting(shapes, view.settings.pending_labels, view.dialect.unseen)
    if not lasting:
        return None
    strangers = [(group, shapes_of(group)) for group in _strangers(view, ref)]
    view.budget.spend(sum(1 + len(group.pods) for group, _ in strangers))
    start = own if own and set(own.pairs) <= set(lasting.pairs) else lasting
    best = _chosen(strangers, start, avoid)
    for pair in lasting.pairs:
        if not best.others and not best.reached:
            break
        longer = _chosen(strangers, Labels((*best.labels.pairs, pair)), avoid)
        if len(longer.others) + len(longer.reached) < len(best.others) + len(best.reached):
            best = longer
    return best


def _chosen(strangers: Iterable[tuple[Group, list[Shape]]], labels: Labels, avoid: Sequence[Shape]) -> Chosen:
    selector = Selector.exactly(labels)
    others = tuple({group.ref: group for group, shapes in strangers if _any(selector, shapes)}.values())
    return Chosen(labels, others, tuple(shape for shape in avoid if _any(selector, (shape,))))


def _strangers(view: View, ref: WorkloadRef) -> list[Group]:
    """Return everybody else of the namespace: by running pods, and by templates that may still make some."""
    made = [w for w in view.workloads(ref.namespace) if w.owner is None and w.ref.kind != "Pod"]
    found = [*view.groups(ref.namespace), *(Group(workload.ref, template=workload) for workload in made)]
    return sorted((group for group in found if group.ref != ref), key=lambda group: group.ref)


def _any(selector: Selector, shapes: Iterable[Shape]) -> bool:
    return any(selector.matches(shape.labels) is not Truth.NO for shape in shapes)


def _lasting(shapes: Iterable[Shape], pending: LabelKeys, unseen: Unseen | None) -> Labels:
    """Return the labels that all have in common and that policy sees, without those that come and go with a pod."""
    common: set[tuple[str, str]] | None = None
    for shape in shapes:
        pairs = {(k, v) for k, v in shape.labels.pairs if k not in pending and seen(k, unseen)}
        common = pairs if common is None else common & pairs
    return Labels(common or ())


def shapes_of(group: Group) -> list[Shape]:
    """Return the different shapes of a group."""
    pods: dict[Shape, Pod] = {pod.shape: pod for pod in group.pods}
    return [group.template.template.shape] if group.template else list(pods)
