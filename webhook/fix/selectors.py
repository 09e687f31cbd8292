"""Labels that select one workload and nobody else: who else is in the namespace, and who is isolated already."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Final, Generic, TypeVar

from msgspec import Struct, structs

from webhook.model.dialect import Unseen, seen
from webhook.model.labels import NO_LABELS, LabelKeys, Labels
from webhook.model.objects import Pod, PodClass, Workload
from webhook.model.policy import Direction
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.model.truth import Truth
from webhook.world import Group, View
from webhook.world.changes import Memo


class Unwritable(Exception):  # noqa: N818 - carries why no policy can be written; caught in this package
    """No policy opens the need without doing something else."""


def isolated(view: View, pod_class: PodClass, direction: Direction) -> bool:
    """Say whether a pod is sure to be denied what no rule is about where a NetworkPolicy would deny it, too."""
    end = view.dialect.tiers.default_deny or view.dialect.tiers.network_policies
    return any(
        truth is Truth.YES and piece.default_deny and piece.unclear is None and piece.tier == end
        for piece, truth in view.policies.selecting(pod_class, direction)
    )


T = TypeVar("T")
Pair = tuple[str, str]


class ByLabel(Generic[T]):
    """Things with labels, to be asked which of them have all of some."""

    def __init__(self, view: View, members: Iterable[tuple[Labels, T]]) -> None:
        self._found: dict[Pair, list[tuple[int, Labels, T]]] = {}
        for number, (labels, member) in enumerate(members):
            view.budget.spend(1 + len(labels.pairs))
            for pair in labels.pairs:
                self._found.setdefault(pair, []).append((number, labels, member))

    def having(self, view: View, labels: Labels) -> Iterator[T]:
        """Yield what has all of `labels` (not empty), in the order given."""
        rarest = min((self._found.get(pair, []) for pair in labels.pairs), key=len)
        view.budget.spend(len(labels.pairs) + len(rarest))
        for _, mine, member in rarest:
            if all(mine.get(key) == value for key, value in labels.pairs):
                yield member


class _Here:
    """A namespace as it is at a version, each part of it looked through when it is asked for first."""

    def __init__(self, version: Hashable) -> None:
        self.version = version
        self.everybody: ByLabel[Group] | None = None
        self.names: dict[str, set[WorkloadRef]] | None = None
        self.everyone: dict[PodClass, WorkloadRef] | None = None
        self.open: dict[object, Exposed] = {}


_HERE: Final = Memo[str, _Here](1_000)


class Neighbours:
    """Who else is in the namespaces that fixes of one workload are about, as a view has it that stays as it is.

    `beneath`: without workloads on top. `chosen`: how somebody is selected, by what for. `ambiguous`: whose names may
    stand for others.
    """

    def __init__(self, view: View, *, beneath: bool = False) -> None:
        self.view, self.beneath, self.below = view, beneath, view.beneath()
        self.chosen: dict[tuple[WorkloadRef, Hashable], Chosen] = {}
        self.ambiguous: dict[WorkloadRef, bool] = {}
        self._running: dict[WorkloadRef, tuple[PodClass, ...]] = {}

    def running(self, ref: WorkloadRef) -> tuple[PodClass, ...]:
        """Return the different pods of a workload that run."""
        found = self._running.get(ref)
        if found is None:
            found = self._running[ref] = tuple(dict.fromkeys([pod.pod_class for pod in self.view.pods.of(ref)]))
        return found

    def _here(self, namespace: str) -> _Here:
        """Return what was found out about a namespace; policies are those of the memo."""
        answers, version = self.view.memo(_HERE), self.view.version_of(namespace)
        found = answers.get(namespace)
        if found is None or found.version != version:
            found = answers[namespace] = _Here(version)
        return found

    def _groups(self, namespace: str) -> tuple[Group, ...]:
        found = self.view.pods.groups(namespace)
        self.view.budget.spend(len(found))
        return found

    def having(self, namespace: str, labels: Labels) -> Iterator[Group]:
        """Yield everybody that has `labels`: by running pods, and by templates that may still make some."""
        here = self._here(namespace)
        if here.everybody is None:
            made = [w for w in self.view.workloads.every(namespace) if w.owner is None and w.ref.kind != "Pod"]
            found = [*self._groups(namespace), *(Group(workload.ref, template=workload) for workload in made)]
            found.sort(key=lambda group: group.ref)
            pod_classes = ((pod_class.labels, group) for group in found for pod_class in shapes_of(group))
            here.everybody = ByLabel(self.view, pod_classes)
        return here.everybody.having(self.view, labels)

    def called(self, namespace: str, name: str) -> set[WorkloadRef]:
        """Return everybody of that name, whatever the kind."""
        if self.below.view is not self.view:
            found = self._beneath.called(namespace, name)
            put = (one for one, _ in self.below.put if one.ref.name == name and one.ref.namespace == namespace)
            return found.union(one.ref for one in put if one.owner is None)
        here = self._here(namespace)
        if here.names is None:
            names: dict[str, set[WorkloadRef]] = {}
            for group in self._groups(namespace):
                names.setdefault(group.ref.name, set()).add(group.ref)
            here.names = names
        return here.names.get(name, set())

    @cached_property
    def _beneath(self) -> "Neighbours":
        return Neighbours(self.below.view)

    def has_policy(self, namespace: str, name: str) -> bool:
        """Say whether a NetworkPolicy of that name is there."""
        return PolicyRef(namespace, name) in self.view.policies.named(namespace)

    def _everyone(self, namespace: str) -> dict[PodClass, WorkloadRef]:
        """Return each kind of pod that runs, or that a template may still make, with whose it is."""
        found = {pod_class: group.ref for group in self._groups(namespace) for pod_class in shapes_of(group)}
        for one in self.view.workloads.every(namespace):
            if one.owner is None and one.ref.kind != "Pod":
                found.setdefault(one.template.pod_class, one.ref)
        return found

    def exposed(self, namespace: str, direction: Direction, more: Iterable[PodClass], ref: WorkloadRef) -> "Exposed":
        """Return who is not sure to be isolated: running pods, those that a template may still make, and `more`."""
        here = self._here(namespace)
        if here.everyone is None:
            here.everyone = self._everyone(namespace)
        others = tuple(pod_class for pod_class in more if pod_class not in here.everyone)  # none of who is here already
        key = (direction, others, ref if others else None)
        if key not in here.open:
            found = here.everyone | dict.fromkeys(others, ref)
            open_ones = {s: r for s, r in found.items() if not s.host_network and not isolated(self.view, s, direction)}
            by_label = ByLabel(self.view, ((pod_class.labels, pod_class) for pod_class in open_ones))
            here.open[key] = Exposed(open_ones, by_label)
        return here.open[key]


class Exposed:
    """Pods of a namespace that are not sure to be isolated, each kind with whose it is; less those to leave out."""

    def __init__(
        self, whose: dict[PodClass, WorkloadRef], by_label: ByLabel[PodClass], without: Iterable[PodClass] = ()
    ) -> None:
        self.whose = whose
        self._by_label = by_label
        self._without = frozenset(without)

    def less(self, without: Iterable[PodClass]) -> "Exposed":
        """Return the same without some."""
        return Exposed(self.whose, self._by_label, without)

    def having(self, view: View, labels: Labels) -> tuple[PodClass, ...]:
        """Return those that have `labels`."""
        return tuple(pod_class for pod_class in self._by_label.having(view, labels) if pod_class not in self._without)


def shapes_of(group: Group) -> list[PodClass]:
    """Return the different pod classes of a group."""
    pods: dict[PodClass, Pod] = {pod.pod_class: pod for pod in group.pods}
    return [group.template.template.pod_class] if group.template else list(pods)


class Chosen(Struct, frozen=True):
    """The labels to select a workload by, who else in its namespace has them, and what was to be avoided.

    `start`: those of them that were tried first, without which none were.
    """

    labels: Labels
    others: tuple[Group, ...] = ()
    reached: tuple[PodClass, ...] = ()
    start: Labels = NO_LABELS


_CHOICES: Final = Memo[Hashable, tuple[Hashable, Chosen]](5_000)
_OF_PROPOSED: Final = Memo[Hashable, tuple[Hashable, Chosen]](64)  # within one review they are asked for often


def once(
    near: Neighbours, workload: Workload, ref: WorkloadRef, how: Hashable, choose: Callable[[Neighbours], Chosen]
) -> Chosen:
    """Return how one of a namespace is selected, chosen once for all views that differ by others on top of them.

    Whoever has not the labels that were tried first has not those that were chosen, and changes nothing. `how`: what
    is chosen for. Raises Unwritable.
    """
    found = near.chosen.get((ref, how))
    if found is None:
        of_view = _once_here if near.below.view is near.view else _once_beneath
        found = near.chosen[ref, how] = of_view(near, workload, ref, how, choose)
    return found


def _once_beneath(
    near: Neighbours, workload: Workload, ref: WorkloadRef, how: Hashable, choose: Callable[[Neighbours], Chosen]
) -> Chosen:
    """Return the same in a view over another."""
    view, below = near.view, near.below
    put = [pair for pair in below.put if pair[0].ref.namespace == ref.namespace]
    own = [(one, was) for one, was in put if one.ref == ref]
    known = ref == workload.ref or (not own and view.workloads.get(ref) is not None)
    if not known or any(was is not None or one is not workload for one, was in own):
        return choose(near)
    key = (ref, how, workload.template.pod_class, workload.selector) if own else (ref, how)
    answers, version = view.memo(_OF_PROPOSED if own else _CHOICES), below.view.version_of(ref.namespace)
    found = answers.get(key)
    if found is None or found[0] != version:
        try:
            found = answers[key] = version, choose(Neighbours(below.view, beneath=True))
        except Unwritable:
            return choose(near)
    start = found[1].start.pairs
    for one in (one for pair in put for one in pair if one is not None and one.ref != ref):
        value = one.template.pod_class.labels.get
        if all(value(key) == wanted for key, wanted in start):
            return choose(near)
    return found[1]


def _once_here(
    near: Neighbours, workload: Workload, ref: WorkloadRef, how: Hashable, choose: Callable[[Neighbours], Chosen]
) -> Chosen:
    """Return the same in a view in which the client is there as well, so that it adds nobody."""
    view = near.view
    is_there = view.workloads.get(workload.ref) is workload and workload.owner is None and workload.ref.kind != "Pod"
    if not is_there or view.workloads.get(ref) is None:
        return choose(near)
    key = ref, how, ref == workload.ref  # of the client the template is asked, of others the pods that run
    answers, version = view.memo(_CHOICES), view.version_of(ref.namespace)
    found = answers.get(key)
    if found is None or found[0] != version:
        found = answers[key] = version, choose(near)
    return found[1]


def choose(
    near: Neighbours,
    ref: WorkloadRef,
    pod_classes: Sequence[PodClass],
    own: Labels | None,
    avoid: Exposed | None = None,
) -> Chosen | None:
    """Choose labels that select all of `pod_classes`; None where they have none in common that last.

    The workload's `own` matchLabels come first: they cannot change. Where they select another workload, or a class
    to `avoid`, as many of the common labels are added as it takes.
    """
    lasting = _lasting(pod_classes, near.view.settings.pending_labels, near.view.dialect.peers.unseen)
    if not lasting:
        return None
    pairs = set(lasting.pairs)
    start = own if own and set(own.pairs) <= pairs else lasting
    best = structs.replace(_chosen(near, ref, start, avoid), start=start)
    for pair in lasting.pairs if start != lasting else ():
        if not best.others and not best.reached:
            break
        longer = _chosen(near, ref, Labels((*best.labels.pairs, pair)), avoid)
        if len(longer.others) + len(longer.reached) < len(best.others) + len(best.reached):
            best = structs.replace(longer, start=start)
    return best


def _chosen(near: Neighbours, ref: WorkloadRef, labels: Labels, avoid: Exposed | None) -> Chosen:
    others = {group.ref: group for group in near.having(ref.namespace, labels) if group.ref != ref}
    return Chosen(labels, tuple(others.values()), avoid.having(near.view, labels) if avoid else ())


def _lasting(pod_classes: Iterable[PodClass], pending: LabelKeys, unseen: Unseen | None) -> Labels:
    """Return the labels that all have in common and that policy sees, without those that come and go with a pod."""
    common: set[tuple[str, str]] | None = None
    for pod_class in pod_classes:
        pairs = {(k, v) for k, v in pod_class.labels.pairs if k not in pending and seen(k, unseen)}
        common = pairs if common is None else common & pairs
    return Labels(common or ())
