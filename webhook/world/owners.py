"""Who controls whom: the topmost controller of a pod, and the pods below one."""

from webhook.model.objects import Owner, Pod, Workload
from webhook.model.refs import WorkloadRef
from webhook.world.index import discard
from webhook.world.pods import OwnerKey, Pods, hashed_owner

DEEPEST = 5  # controllers above a pod that are followed; a longer chain, or a circle, ends there


class Owners:
    """Workloads by their controller."""

    def __init__(self, pods: Pods) -> None:
        """Start empty, over an index of pods."""
        self._pods = pods
        self._owner: dict[OwnerKey, Owner | None] = {}
        self._owned: dict[OwnerKey, dict[OwnerKey, None]] = {}

    def put(self, workload: Workload) -> None:
        """Add or replace a workload."""
        self.drop(workload)
        ref, owner = workload.ref, workload.owner
        key = (ref.namespace, ref.kind, ref.name)
        self._owner[key] = owner
        if owner is not None:
            self._owned.setdefault((ref.namespace, owner.kind, owner.name), {})[key] = None

    def drop(self, workload: Workload) -> None:
        """Remove a workload, if it is here."""
        key = (workload.ref.namespace, workload.ref.kind, workload.ref.name)
        owner = self._owner.pop(key, None)
        if owner is not None:
            discard(self._owned, (workload.ref.namespace, owner.kind, owner.name), key)

    def top(self, pod: Pod) -> WorkloadRef:
        """Return the topmost controller of a pod.

        A ReplicaSet that is not here is read as its Deployment's where its name ends in the pod's template hash.
        """
        if pod.owner is None:
            return WorkloadRef("Pod", pod.namespace, pod.name)
        owner = pod.owner
        if (pod.namespace, owner.kind, owner.name) not in self._owner and (name := hashed_owner(pod)):
            owner = Owner("Deployment", name)
        for _ in range(DEEPEST):
            above = self._owner.get((pod.namespace, owner.kind, owner.name))
            if above is None:
                break
            owner = above
        return WorkloadRef(owner.kind, pod.namespace, owner.name)

    def pods_of(self, ref: WorkloadRef) -> tuple[Pod, ...]:
        """Return the live pods below `ref`, by name."""
        if ref.kind == "Pod":
            pod = self._pods.get(ref.namespace, ref.name)
            return (pod,) if pod is not None and pod.live else ()
        key = (ref.namespace, ref.kind, ref.name)
        below = [key]
        for _ in range(DEEPEST):
            below += [k for parent in below for k in self._owned.get(parent, {}) if k not in below]
        guessed = {k for parent in below for k in self._pods.hashed.get(parent, {}) if k not in self._owner}
        found = [
            *self._pods.owned_by(below),
            *(p for p in self._pods.owned_by(guessed - {*below}) if _deployment(p) in below),
        ]
        return tuple(sorted((p for p in found if p.live), key=lambda p: p.name))


def _deployment(pod: Pod) -> OwnerKey:
    return (pod.namespace, "Deployment", hashed_owner(pod) or "")
