"""Policies by namespace, compiled once, with the isolations that select a shape remembered per shape."""

from collections.abc import Mapping

from webhook.families.networkpolicy import compile_policy
from webhook.model.labels import NO_KEYS, LabelKeys
from webhook.model.objects import Shape
from webhook.model.policy import Direction, Policy
from webhook.model.refs import PolicyRef
from webhook.model.tier import Isolation
from webhook.model.truth import Truth
from webhook.world.index import discard
from webhook.world.view import Selecting

REMEMBERED = 200_000  # (shape, direction) pairs; templates under review pass through here too


class Policies:
    """An index of policies. Only a change of the same namespace's policies forgets what selects a shape."""

    def __init__(self, pending: LabelKeys) -> None:
        """Start empty; `pending` are the labels that templates may still be given."""
        self.by_namespace: dict[str, dict[PolicyRef, Policy]] = {}
        self._isolations: dict[tuple[str, Direction], dict[PolicyRef, tuple[Isolation, ...]]] = {}
        self._selecting: dict[str, dict[tuple[Shape, Direction], Selecting]] = {}
        self._pending = pending

    def expect(self, pending: LabelKeys) -> None:
        """Take other labels for those that templates may still be given."""
        self._pending = pending
        self._selecting.clear()

    def put(self, policy: Policy) -> None:
        """Add or replace a policy."""
        self.drop(policy.namespace, policy.ref)
        self.by_namespace.setdefault(policy.namespace, {})[policy.ref] = policy
        compiled = compile_policy(policy)
        for direction in Direction:
            if found := tuple(i for i in compiled if i.direction is direction):
                self._isolations.setdefault((policy.namespace, direction), {})[policy.ref] = found

    def drop(self, namespace: str, ref: PolicyRef) -> None:
        """Remove a policy, if it is here."""
        self._selecting.pop(namespace, None)
        discard(self.by_namespace, namespace, ref)
        for direction in Direction:
            discard(self._isolations, (namespace, direction), ref)

    def named(self, namespace: str) -> Mapping[PolicyRef, Policy]:
        """Return the policies of a namespace."""
        return self.by_namespace.get(namespace, {})

    def isolations(self, namespace: str, direction: Direction) -> list[Isolation]:
        """Return every isolation of a namespace, sorted by policy."""
        here = self._isolations.get((namespace, direction), {})
        return [isolation for ref in sorted(here) for isolation in here[ref]]

    def selecting(self, shape: Shape, direction: Direction) -> Selecting:
        """Return what isolates, or may isolate, pods of `shape`, sorted by policy."""
        remembered = self._selecting.setdefault(shape.namespace, {})
        found = remembered.get((shape, direction))
        if found is None:
            isolations = self._isolations.get((shape.namespace, direction), {})
            found = tuple(_matching(isolations, shape, self._pending))
            if len(remembered) >= REMEMBERED:
                remembered.clear()
            remembered[shape, direction] = found
        return found


def _matching(
    isolations: Mapping[PolicyRef, tuple[Isolation, ...]], shape: Shape, pending: LabelKeys
) -> list[tuple[Isolation, Truth]]:
    keys = pending if shape.template else NO_KEYS
    found: list[tuple[Isolation, Truth]] = []
    for _, compiled in sorted(isolations.items()):
        for isolation in compiled:
            truth = Truth.MAYBE if isolation.subject is None else isolation.subject.matches(shape.labels, keys)
            if truth is not Truth.NO:
                found.append((isolation, Truth.MAYBE if isolation.unclear else truth))
    return found
