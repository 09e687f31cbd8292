"""Pods and nodes by what is looked for: shape, label, controller, address. A change touches only its own entries."""

from collections.abc import Iterable, Iterator

from webhook.model.addresses import Address, Family
from webhook.model.labels import Labels
from webhook.model.objects import Node, Owner, Pod, PodClass, Workload
from webhook.model.refs import WorkloadRef
from webhook.world.changes import Clock, Sparse, Stamps, discard

OwnerKey = tuple[str, str, str]  # namespace, kind, name
HASH_LABEL = "pod-template-hash"
DEEPEST = 5  # controllers above a pod that are followed; a longer chain, or a circle, ends there


class PodIndex:
    """An index of pods."""

    def __init__(self, clock: Clock) -> None:
        """Start empty."""
        self.stamps = Stamps(clock)
        self.by_namespace: dict[str, dict[str, Pod]] = {}
        self.by_shape: dict[PodClass, dict[str, Pod]] = {}
        self.by_owner: dict[OwnerKey, dict[str, Pod]] = {}
        self.hashed: dict[OwnerKey, dict[OwnerKey, int]] = {}  # Deployment by its ReplicaSet's name -> ReplicaSets
        self.bare: dict[str, dict[str, Pod]] = {}
        self._by_label: dict[tuple[str, str, str], dict[PodClass, None]] = {}
        self._by_address: Sparse[Address, Pod] = Sparse()
        self._families: dict[Family, int] = {4: 0, 6: 0}

    def get(self, namespace: str, name: str) -> Pod | None:
        """Return a pod."""
        return self.by_namespace.get(namespace, {}).get(name)

    def put(self, pod: Pod) -> None:
        """Add or replace a pod."""
        if (old := self.get(pod.namespace, pod.name)) is not None:
            self._remove(old)
        self.by_namespace.setdefault(pod.namespace, {})[pod.name] = pod
        members = self.by_shape.get(pod.pod_class)
        if members is None:
            members = self.by_shape[pod.pod_class] = {}
            for name, value in pod.pod_class.labels.pairs:
                self._by_label.setdefault((pod.namespace, name, value), {})[pod.pod_class] = None
        members[pod.name] = pod
        for address in pod.addresses:
            self._by_address.put(address, pod)
            self._families[address.family] += 1
        self._put_owner(pod)
        self.stamps.change(pod.namespace, empty=False)

    def drop(self, namespace: str, name: str) -> None:
        """Remove a pod, if it is here."""
        old = self.get(namespace, name)
        if old is not None:
            self._remove(old)
            self.stamps.change(namespace, empty=namespace not in self.by_namespace)

    def _put_owner(self, pod: Pod) -> None:
        if pod.bare is not None:
            self.bare.setdefault(pod.namespace, {})[pod.name] = pod
        if pod.owner is None:
            return
        owner = (pod.namespace, pod.owner.kind, pod.owner.name)
        self.by_owner.setdefault(owner, {})[pod.name] = pod
        if deployment := hashed_owner(pod):
            counts = self.hashed.setdefault((pod.namespace, "Deployment", deployment), {})
            counts[owner] = counts.get(owner, 0) + 1

    def _remove(self, pod: Pod) -> None:
        discard(self.by_namespace, pod.namespace, pod.name)
        if discard(self.by_shape, pod.pod_class, pod.name):
            for name, value in pod.pod_class.labels.pairs:
                discard(self._by_label, (pod.namespace, name, value), pod.pod_class)
        for address in pod.addresses:
            self._by_address.drop(address, pod)
            self._families[address.family] -= 1
        if pod.bare is not None:
            discard(self.bare, pod.namespace, pod.name)
        if pod.owner is None:
            return
        owner = (pod.namespace, pod.owner.kind, pod.owner.name)
        discard(self.by_owner, owner, pod.name)
        if deployment := hashed_owner(pod):
            key = (pod.namespace, "Deployment", deployment)
            self.hashed[key][owner] -= 1
            if not self.hashed[key][owner]:
                discard(self.hashed, key, owner)

    def selected(self, namespace: str, labels: Labels) -> Iterator[Pod]:
        """Yield the live pods that carry all of `labels` (not empty)."""
        candidates = [self._by_label.get((namespace, k, v), {}) for k, v in labels.pairs]
        smallest, *others = sorted(candidates, key=len)
        for pod_class in smallest:
            if all(pod_class in other for other in others):
                yield from (pod for pod in self.by_shape[pod_class].values() if pod.live)

    def owned_by(self, owners: Iterable[OwnerKey]) -> Iterator[Pod]:
        """Yield the pods whose controller is one of `owners`."""
        for owner in owners:
            yield from self.by_owner.get(owner, {}).values()

    def at(self, address: Address) -> Pod | None:
        """Return the live pod with that address, unless it is its node's: those are shared.

        Of two, which is so between two events only, the first by name: the order of events tells nothing.
        """
        found = [p for p in self._by_address.get(address) if p.live and not p.pod_class.host_network]
        return min(found, key=lambda p: (p.namespace, p.name), default=None)

    def families(self) -> tuple[Family, ...]:
        """Return the address families that pods have."""
        return tuple(family for family, count in self._families.items() if count)


def hashed_owner(pod: Pod) -> str | None:
    """Return the Deployment's name where the ReplicaSet's is that with the template's hash behind it."""
    owner: Owner | None = pod.owner
    tail = pod.pod_class.labels.get(HASH_LABEL)
    if owner is None or owner.kind != "ReplicaSet" or not tail or not owner.name.endswith(f"-{tail}"):
        return None
    return owner.name.removesuffix(f"-{tail}")


# -- controllers -------------------------------------------------------------------------------------------------------


class Owners:
    """Workloads by their controller."""

    def __init__(self, pods: PodIndex) -> None:
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


# -- nodes -------------------------------------------------------------------------------------------------------------


class Nodes:
    """An index of nodes."""

    def __init__(self, clock: Clock) -> None:
        """Start empty."""
        self.changed = 0
        self._clock = clock
        self._by_name: dict[str, Node] = {}
        self._found_at: tuple[int, dict[Address, Node]] = (-1, {})  # made when it is asked for

    def get(self, name: str) -> Node | None:
        """Return a node."""
        return self._by_name.get(name)

    def put(self, value: Node) -> None:
        """Add or replace a node."""
        self._by_name[value.name] = value
        self.changed = self._clock.tick()

    def drop(self, name: str) -> None:
        """Remove a node, if it is here."""
        self._by_name.pop(name, None)
        self.changed = self._clock.tick()

    def every(self) -> Iterable[Node]:
        """Return all nodes."""
        return self._by_name.values()

    def at(self, address: Address) -> Node | None:
        """Return the node with that address; of two, the first by name."""
        made, found = self._found_at
        if made < self.changed:
            by_name = sorted(self._by_name.values(), key=lambda node: node.name, reverse=True)
            found = {address: node for node in by_name for address in node.addresses}
            self._found_at = self.changed, found
        return found.get(address)
