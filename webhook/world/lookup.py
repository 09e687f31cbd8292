"""Pods put under their controllers, and workloads without pods taken by their template: for any view."""

from collections.abc import Callable, Iterable

from webhook.model.labels import Labels, Selector
from webhook.model.objects import Owner, Pod
from webhook.model.refs import WorkloadRef
from webhook.model.truth import Truth
from webhook.world.owners import DEEPEST
from webhook.world.pods import hashed_owner
from webhook.world.view import Group, View

NAME_LABEL = "kubernetes.io/metadata.name"


def by_controller(view: View, pods: Iterable[Pod]) -> dict[WorkloadRef, list[Pod]]:
    """Group pods by their topmost controller."""
    found: dict[WorkloadRef, list[Pod]] = {}
    for pod in pods:
        found.setdefault(view.top(pod), []).append(pod)
    return found


def backends(view: View, namespace: str, labels: Labels, selected: Callable[[], Iterable[Pod]]) -> tuple[Group, ...]:
    """Return the groups behind a Service that selects `labels`."""
    found = {ref: Group(ref, tuple(sorted(ps, key=_name))) for ref, ps in by_controller(view, selected()).items()}
    for group in templates(view, namespace):
        shape = group.template.template.shape if group.template else None
        if shape and Selector.exactly(labels).matches(shape.labels) is Truth.YES and group.ref not in found:
            found[group.ref] = group
    return tuple(found[ref] for ref in sorted(found))


def groups(view: View, namespace: str, pods: Iterable[Pod]) -> tuple[Group, ...]:
    """Return every group of a namespace."""
    found = {ref: Group(ref, tuple(sorted(ps, key=_name))) for ref, ps in by_controller(view, pods).items()}
    for group in templates(view, namespace):
        found.setdefault(group.ref, group)
    return tuple(found[ref] for ref in sorted(found))


def templates(view: View, namespace: str) -> Iterable[Group]:
    """Yield the uncontrolled workloads of a namespace that have no live pods."""
    for workload in view.workloads(namespace):
        if workload.owner is None and workload.ref.kind != "Pod" and not view.pods_of(workload.ref):
            yield Group(workload.ref, template=workload)


def controllers(view: View, pod: Pod) -> tuple[WorkloadRef, ...]:
    """Return who controls a pod, the topmost last; of a pod that nobody controls, the pod itself.

    The same as `owners.Owners` keeps an index of, walked by look-ups.
    """
    owner = pod.owner
    if owner is None:
        return (WorkloadRef("Pod", pod.namespace, pod.name),)
    found = [WorkloadRef(owner.kind, pod.namespace, owner.name)]
    if view.workload(found[0]) is None and (deployment := hashed_owner(pod)):
        found.append(WorkloadRef("Deployment", pod.namespace, deployment))
    for _ in range(DEEPEST):
        workload = view.workload(found[-1])
        above: Owner | None = workload.owner if workload else None
        if above is None:
            break
        found.append(WorkloadRef(above.kind, pod.namespace, above.name))
    return tuple(found)


def _name(pod: Pod) -> str:
    return pod.name
