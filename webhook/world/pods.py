"""Pods by what people look for: shape, label, controller, address. A pod's change touches only its own entries."""

from collections.abc import Iterable, Iterator

from webhook.model.addresses import Address, Family
from webhook.model.labels import Labels
from webhook.model.objects import Owner, Pod, Shape
from webhook.world.index import Sparse, discard

OwnerKey = tuple[str, str, str]  # namespace, kind, name
HASH_LABEL = "pod-template-hash"


class Pods:
    """An index of pods."""

    def __init__(self) -> None:
        """Start empty."""
        self.by_namespace: dict[str, dict[str, Pod]] = {}
        self.by_shape: dict[Shape, dict[str, Pod]] = {}
        self.by_owner: dict[OwnerKey, dict[str, Pod]] = {}
        self.hashed: dict[OwnerKey, dict[OwnerKey, int]] = {}  # Deployment by its ReplicaSet's name -> ReplicaSets
        self.bare: dict[str, dict[str, Pod]] = {}
        self._by_label: dict[tuple[str, str, str], dict[Shape, None]] = {}
        self._by_address: Sparse[Address, Pod] = Sparse()
        self._families: dict[Family, int] = {4: 0, 6: 0}

    def get(self, namespace: str, name: str) -> Pod | None:
        """Return a pod."""
        return self.by_namespace.get(namespace, {}).get(name)

    def put(self, pod: Pod) -> None:
        """Add or replace a pod."""
        self.drop(pod.namespace, pod.name)
        self.by_namespace.setdefault(pod.namespace, {})[pod.name] = pod
        members = self.by_shape.get(pod.shape)
        if members is None:
            members = self.by_shape[pod.shape] = {}
            for name, value in pod.shape.labels.pairs:
                self._by_label.setdefault((pod.namespace, name, value), {})[pod.shape] = None
        members[pod.name] = pod
        for address in pod.addresses:
            self._by_address.put(address, pod)
            self._families[address.family] += 1
        self._put_owner(pod)

    def drop(self, namespace: str, name: str) -> None:
        """Remove a pod, if it is here."""
        old = self.get(namespace, name)
        if old is not None:
            self._forget(old)

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

    def _forget(self, pod: Pod) -> None:
        discard(self.by_namespace, pod.namespace, pod.name)
        if discard(self.by_shape, pod.shape, pod.name):
            for name, value in pod.shape.labels.pairs:
                discard(self._by_label, (pod.namespace, name, value), pod.shape)
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
        for shape in smallest:
            if all(shape in other for other in others):
                yield from (pod for pod in self.by_shape[shape].values() if pod.live)

    def owned_by(self, owners: Iterable[OwnerKey]) -> Iterator[Pod]:
        """Yield the pods whose controller is one of `owners`."""
        for owner in owners:
            yield from self.by_owner.get(owner, {}).values()

    def at(self, address: Address) -> Pod | None:
        """Return the live pod with that address, unless it is its node's: those are shared.

        Of two, which is so between two events only, the first by name: the order of events tells nothing.
        """
        found = [p for p in self._by_address.get(address) if p.live and not p.shape.host_network]
        return min(found, key=lambda p: (p.namespace, p.name), default=None)

    def families(self) -> tuple[Family, ...]:
        """Return the address families that pods have."""
        return tuple(family for family, count in self._families.items() if count)


def hashed_owner(pod: Pod) -> str | None:
    """Return the Deployment's name where the ReplicaSet's is that with the template's hash behind it."""
    owner: Owner | None = pod.owner
    tail = pod.shape.labels.get(HASH_LABEL)
    if owner is None or owner.kind != "ReplicaSet" or not tail or not owner.name.endswith(f"-{tail}"):
        return None
    return owner.name.removesuffix(f"-{tail}")
