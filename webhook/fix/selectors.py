"""Labels that select one workload and nobody else, or as few others as can be."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from webhook.fix.neighbours import Exposed, Neighbours
from webhook.model.dialect import Unseen, seen
from webhook.model.labels import LabelKeys, Labels
from webhook.model.objects import Shape
from webhook.model.refs import WorkloadRef
from webhook.world import Group


class Chosen(Struct, frozen=True):
    """The labels to select a workload by, who else in its namespace has them, and what was to be avoided."""

    labels: Labels
    others: tuple[Group, ...] = ()
    reached: tuple[Shape, ...] = ()


def choose(
    near: Neighbours, ref: WorkloadRef, shapes: Sequence[Shape], own: Labels | None, avoid: Exposed | None = None
) -> Chosen | None:
    """Choose labels that select all of `shapes`; None where they have none in common that last.

    The workload's `own` matchLabels come first: they cannot change. Where they select another workload, or a shape
    to `avoid`, as many of the common labels are added as it takes.
    """
    lasting = _lasting(shapes, near.view.settings.pending_labels, near.view.dialect.peers.unseen)
    if not lasting:
        return None
    pairs = set(lasting.pairs)
    start = own if own and set(own.pairs) <= pairs else lasting
    best = _chosen(near, ref, start, avoid)
    for pair in lasting.pairs if start != lasting else ():
        if not best.others and not best.reached:
            break
        longer = _chosen(near, ref, Labels((*best.labels.pairs, pair)), avoid)
        if len(longer.others) + len(longer.reached) < len(best.others) + len(best.reached):
            best = longer
    return best


def _chosen(near: Neighbours, ref: WorkloadRef, labels: Labels, avoid: Exposed | None) -> Chosen:
    others = {group.ref: group for group in near.having(ref.namespace, labels) if group.ref != ref}
    return Chosen(labels, tuple(others.values()), avoid.having(labels) if avoid else ())


def _lasting(shapes: Iterable[Shape], pending: LabelKeys, unseen: Unseen | None) -> Labels:
    """Return the labels that all have in common and that policy sees, without those that come and go with a pod."""
    common: set[tuple[str, str]] | None = None
    for shape in shapes:
        pairs = {(k, v) for k, v in shape.labels.pairs if k not in pending and seen(k, unseen)}
        common = pairs if common is None else common & pairs
    return Labels(common or ())
