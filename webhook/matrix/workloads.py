"""Who stands in a matrix: every workload under its topmost controller, with the pods that it may be met as."""

from collections.abc import Iterable

from msgspec import Struct

from webhook.evaluate.ends import template_end
from webhook.evaluate.mesh import Member, running
from webhook.model.labels import Labels
from webhook.model.objects import Pod, Workload
from webhook.model.refs import WorkloadRef
from webhook.world import View
from webhook.world.owners import DEEPEST
from webhook.world.pods import HASH_LABEL


class WorkloadPods(Struct, frozen=True):
    """A workload and its pods, running or to come; never without one. `several`: more than one, or there may be."""

    ref: WorkloadRef
    members: tuple[Member, ...]
    several: bool


def everybody_of(view: View) -> tuple[WorkloadPods, ...]:
    """Return everybody, sorted by namespace, name and kind."""
    return tuple(one for namespace in view.namespaces() for one in _of_namespace(view, namespace))


def _of_namespace(view: View, namespace: str) -> list[WorkloadPods]:
    pods: dict[WorkloadRef, list[Pod]] = {}
    templates: dict[WorkloadRef, list[Workload]] = {}
    for group in view.groups(namespace):
        if group.template is not None:
            ref = _without_hash(group.ref, group.template.template.shape.labels)
            templates.setdefault(ref, []).append(group.template)
        else:
            pods.setdefault(_without_hash(group.ref, group.pods[0].shape.labels), []).extend(group.pods)
    for workload in view.workloads(namespace):
        if workload.owner is not None and (top := _missing_top(view, workload)) is not None:
            templates.setdefault(top, []).append(workload)
    found = [_running(view, ref, some) for ref, some in pods.items()]
    found += [_to_come(view, ref, some) for ref, some in templates.items() if ref not in pods]
    return sorted(found, key=lambda one: (one.ref.name, one.ref.kind))


def _without_hash(ref: WorkloadRef, labels: Labels) -> WorkloadRef:
    """Return the Deployment of a ReplicaSet that says no owner, where its name ends in its template's hash."""
    tail = labels.get(HASH_LABEL)
    if ref.kind != "ReplicaSet" or not tail or not ref.name.endswith(f"-{tail}"):
        return ref
    return WorkloadRef("Deployment", ref.namespace, ref.name.removesuffix(f"-{tail}"))


def _missing_top(view: View, workload: Workload) -> WorkloadRef | None:
    """Return the topmost controller of an owned workload; None where that is here, and stands for itself."""
    ref = workload.ref
    above: Workload | None = workload
    for _ in range(DEEPEST):
        if above is None or above.owner is None:
            break
        ref = WorkloadRef(above.owner.kind, ref.namespace, above.owner.name)
        above = view.workload(ref)
    return ref if above is None else None


def _running(view: View, ref: WorkloadRef, pods: list[Pod]) -> WorkloadPods:
    return WorkloadPods(ref, tuple(map(running, pods)), len(pods) > 1 or _may_grow(view, ref, ()))


def _to_come(view: View, ref: WorkloadRef, templates: list[Workload]) -> WorkloadPods:
    """Return a workload without pods: by its own template, else by those below it that are scaled up, else by all."""
    own = [t for t in templates if t.ref == ref]
    chosen = own or [t for t in templates if t.replicas != 0] or templates
    return WorkloadPods(
        ref,
        tuple(Member(template_end(view, t), t.template) for t in chosen),
        len(chosen) > 1 or _may_grow(view, ref, chosen),
    )


def _may_grow(view: View, ref: WorkloadRef, templates: Iterable[Workload]) -> bool:
    """Say whether there may be a second pod: not of a bare Pod, and not where `replicas: 1` is written down."""
    if ref.kind == "Pod":
        return False
    written = view.workload(ref)
    return all(w.replicas != 1 for w in ([written] if written else templates))
