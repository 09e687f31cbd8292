"""Labels that select one workload and nobody else, or as few others as can be."""

from collections.abc import Iterable

from msgspec import Struct

from webhook.model.labels import LabelKeys, Labels, Selector
from webhook.model.objects import Pod, Shape, Workload
from webhook.model.refs import WorkloadRef
from webhook.model.truth import Truth
from webhook.world import Group, View


class Chosen(Struct, frozen=True):
    """The labels to select a workload by, and who else in its namespace has them."""

    labels: Labels
    others: tuple[Group, ...] = ()


def choose(view: View, ref: WorkloadRef, workload: Workload | None) -> Chosen | None:
    """Choose labels for `ref`; None where it has none that last.

    Its own `spec.selector.matchLabels` come first: they cannot change. Where they select others too, as many of
    the template's labels are added as it takes.
    """
    pods = view.pods_of(ref)
    shapes = [pod.shape for pod in pods] or ([workload.template.shape] if workload else [])
    lasting = _lasting(shapes, view.settings.pending_labels)
    if not lasting:
        return None
    own = workload.selector if workload else None
    start = own if own and set(own.pairs) <= set(lasting.pairs) else lasting
    best = Chosen(start, _others(view, ref, start))
    for pair in lasting.pairs:
        if not best.others:
            break
        longer = Labels((*best.labels.pairs, pair))
        others = _others(view, ref, longer)
        if len(others) < len(best.others):
            best = Chosen(longer, others)
    return best


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
