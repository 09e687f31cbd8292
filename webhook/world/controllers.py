"""Pods put under their controllers, and workloads without pods taken by their template."""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Final

from webhook.model.addresses import Address, Family
from webhook.model.labels import NO_KEYS, Labels, Selector
from webhook.model.objects import UNKNOWN_ACCOUNT, Owner, Pod, PodClass, Service, Template, Workload
from webhook.model.refs import EXPECTED, WorkloadRef
from webhook.model.settings import Expected
from webhook.model.truth import Truth
from webhook.world.changes import Clock
from webhook.world.pods import DEEPEST, Owners, PodIndex, hashed_owner
from webhook.world.view import Group, View

POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"


_EVERYBODY: Final = None  # beside the selectors of Services


class Pods:
    """The pods of a world, under their controllers. Groups are remembered as long as nothing in a namespace changes."""

    def __init__(self, view: View, clock: Clock, index: PodIndex, changed: Callable[[str], int]) -> None:
        """Start empty. `changed`: when workloads of a namespace, or settings, changed last."""
        self.owners = Owners(index)
        self._view, self._clock, self._index, self._changed = view, clock, index, changed
        self._known: dict[str, _Known] = {}

    def put(self, pod: Pod) -> None:
        """Add or replace a pod."""
        self._index.put(pod)
        self._let_go(pod.namespace)

    def drop(self, namespace: str, name: str) -> None:
        """Remove a pod, if it is here."""
        self._index.drop(namespace, name)
        self._let_go(namespace)

    def _let_go(self, namespace: str) -> None:
        """Keep no pods that are not there any more."""
        self._known.pop(namespace, None)

    def get(self, namespace: str, name: str) -> Pod | None:
        """Return a pod."""
        return self._index.get(namespace, name)

    def names(self) -> Mapping[str, Collection[str]]:
        """Return the names of all pods by namespace, finished ones, too."""
        return self._index.by_namespace

    def at(self, address: Address) -> Pod | None:
        """Return the pod that has an address of its own."""
        return self._index.at(address)

    def families(self) -> tuple[Family, ...]:
        """Return the address families that pods have."""
        return self._index.families()

    def of(self, ref: WorkloadRef) -> tuple[Pod, ...]:
        """Return the live pods below `ref`, by name."""
        here = self._remembered(ref.namespace).of
        found = here.get(ref)
        if found is None:
            found = self.owners.pods_of(ref)
            if found or self._view.workloads.get(ref) is not None:  # names that are only asked about have no end
                here[ref] = found
        return found

    def top(self, pod: Pod) -> WorkloadRef:
        """Return the topmost controller of a pod; the pod itself without one."""
        return self.owners.top(pod)

    def behind(self, service: Service) -> tuple[Group, ...]:
        """Return who is behind a Service's selector; a workload without pods by its template."""
        namespace, labels = service.namespace, service.selector
        if labels is None:
            return ()
        here = self._remembered(namespace).groups
        if labels not in here:
            here[labels] = backends(self._view, namespace, labels, partial(self._index.selected, namespace, labels))
        return here[labels]

    def groups(self, namespace: str) -> tuple[Group, ...]:
        """Return everybody of a namespace."""
        here = self._remembered(namespace).groups
        if _EVERYBODY not in here:
            live = (pod for pod in self._index.by_namespace.get(namespace, {}).values() if pod.live)
            here[_EVERYBODY] = groups(self._view, namespace, live)
        return here[_EVERYBODY]

    def _remembered(self, namespace: str) -> "_Known":
        known = self._known.get(namespace)
        if known is None or known.checked != self._clock.now:
            changed = max(self._index.stamps.of(namespace), self._changed(namespace))
            if known is None or changed > known.made:
                known = self._known[namespace] = _Known(self._clock.now)
            known.checked = self._clock.now
        return known


class _Known:
    """What is remembered of a namespace, as found after change number `made`."""

    def __init__(self, made: int) -> None:
        self.made = self.checked = made
        self.of: dict[WorkloadRef, tuple[Pod, ...]] = {}
        self.groups: dict[Labels | None, tuple[Group, ...]] = {}  # by what a Service selects; None: everybody


def by_controller(view: View, pods: Iterable[Pod]) -> dict[WorkloadRef, list[Pod]]:
    """Group pods by their topmost controller."""
    found: dict[WorkloadRef, list[Pod]] = {}
    for pod in pods:
        view.budget.spend()
        found.setdefault(view.pods.top(pod), []).append(pod)
    return found


def backends(view: View, namespace: str, labels: Labels, selected: Callable[[], Iterable[Pod]]) -> tuple[Group, ...]:
    """Return the groups behind a Service that selects `labels`."""
    found = {ref: Group(ref, tuple(sorted(ps, key=_name))) for ref, ps in by_controller(view, selected()).items()}
    selector = Selector.exactly(labels)
    later: list[Workload] = []
    for workload in view.workloads.every(namespace):
        view.budget.spend()
        if workload.owner is not None or workload.ref in found:  # what has an owner stands for no group
            continue
        selects = selector.matches(workload.template.pod_class.labels, view.settings.pending_labels)
        if selects is Truth.YES:
            found.update(_template(view, workload))
        elif selects is Truth.MAYBE and _gives(workload, labels):
            later.append(workload)
    if not found:  # whoever will have the labels, where nobody has them yet
        for workload in later:
            found.update(_template(view, workload))
    return tuple(found[ref] for ref in sorted(found)) or _expected_behind(view, namespace, selector)


def _gives(workload: Workload, labels: Labels) -> bool:
    """Say whether pods of a workload may get the labels that tell them from each other."""
    name, index = labels.get(POD_NAME), labels.get(POD_INDEX)
    if name is None and index is None:
        return True
    if workload.ref.kind != "StatefulSet":
        return False
    stem, _, ordinal = (name or f"{workload.ref.name}-{index}").rpartition("-")
    return stem == workload.ref.name and ordinal.isdecimal() and index in (None, ordinal)


def groups(view: View, namespace: str, pods: Iterable[Pod]) -> tuple[Group, ...]:
    """Return every group of a namespace."""
    found = {ref: Group(ref, tuple(sorted(ps, key=_name))) for ref, ps in by_controller(view, pods).items()}
    for workload in view.workloads.every(namespace):
        view.budget.spend()
        if workload.ref not in found:
            found.update(_template(view, workload))
    return with_expected(view, namespace, (found[ref] for ref in sorted(found)))


def _template(view: View, workload: Workload) -> dict[WorkloadRef, Group]:
    """Return the group of an uncontrolled workload that has no live pods."""
    if workload.owner is not None or workload.ref.kind == "Pod" or view.pods.of(workload.ref):
        return {}
    return {workload.ref: Group(workload.ref, template=workload)}


# -- pods that nobody has seen, and the configuration expects (`Settings.expected`) ------------------------------------


def made_of(expected: Expected) -> Workload:
    """Return pods that an operator will make as the template that they stand for; their ServiceAccount is not known."""
    named = tuple(port for port in expected.ports if port.name)
    pod_class = PodClass(expected.ref.namespace, expected.labels, named, template=True, account=UNKNOWN_ACCOUNT)
    return Workload(expected.ref, Template(pod_class, expected.ports))


def with_expected(view: View, namespace: str, found: Iterable[Group]) -> tuple[Group, ...]:
    """Return everybody of a namespace, sorted, with those that are expected and of whose labels nobody is seen."""
    seen = tuple(group for group in found if group.ref.kind != EXPECTED)
    more: list[Group] = []
    for one in view.settings.expected:
        view.budget.spend()
        workload = view.workloads.get(one.ref) if one.ref.namespace == namespace else None
        if workload is not None and not any(_may_have(view, group, one.labels) for group in seen):
            more.append(Group(one.ref, template=workload))
    return tuple(sorted((*seen, *more), key=lambda group: group.ref)) if more else seen


def or_expected(view: View, namespace: str, labels: Labels, found: Iterable[Group]) -> tuple[Group, ...]:
    """Return the groups behind a Service that selects `labels`: who is seen, else who is expected."""
    seen = tuple(group for group in found if group.ref.kind != EXPECTED)
    return seen or _expected_behind(view, namespace, Selector.exactly(labels))


def _expected_behind(view: View, namespace: str, selector: Selector) -> tuple[Group, ...]:
    keys = view.settings.pending_labels
    return tuple(
        group
        for group in (view.pods.groups(namespace) if view.settings.expected else ())
        if group.ref.kind == EXPECTED and group.template
        if selector.matches(group.template.template.pod_class.labels, keys) is not Truth.NO
    )


def _may_have(view: View, group: Group, labels: Labels) -> bool:
    """Say whether any pod of a group has some labels, or may get them."""
    view.budget.spend(len(group.pods))
    pod_classes = {pod.pod_class: None for pod in group.pods} or (
        [group.template.template.pod_class] if group.template else []
    )
    selector, later = Selector.exactly(labels), view.settings.pending_labels
    return any(selector.matches(one.labels, later if one.template else NO_KEYS) is not Truth.NO for one in pod_classes)


# -- whose pods they are -----------------------------------------------------------------------------------------------


def maker_of(view: View, workload: Workload) -> Workload | None:
    """Return the workload that makes another one, where it is here."""
    owner, ref = workload.owner, workload.ref
    return view.workloads.get(WorkloadRef(owner.kind, ref.namespace, owner.name)) if owner is not None else None


def controllers(view: View, pod: Pod) -> tuple[WorkloadRef, ...]:
    """Return who controls a pod, the topmost last; of a pod that nobody controls, the pod itself.

    The same as `owners.Owners` keeps an index of, walked by look-ups.
    """
    owner = pod.owner
    if owner is None:
        return (WorkloadRef("Pod", pod.namespace, pod.name),)
    found = [WorkloadRef(owner.kind, pod.namespace, owner.name)]
    if view.workloads.get(found[0]) is None and (deployment := hashed_owner(pod)):
        found.append(WorkloadRef("Deployment", pod.namespace, deployment))
    for _ in range(DEEPEST):
        workload = view.workloads.get(found[-1])
        above: Owner | None = workload.owner if workload else None
        if above is None:
            break
        found.append(WorkloadRef(above.kind, pod.namespace, above.name))
    return tuple(found)


def _name(pod: Pod) -> str:
    return pod.name
