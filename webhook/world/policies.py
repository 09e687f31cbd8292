"""Policies of every family, compiled once, with the pieces that select a shape remembered per shape."""

from collections.abc import Callable, Mapping
from typing import Final

from webhook.families import compile_foreign, compile_policy
from webhook.families.family import Compiled
from webhook.model.budget import Budget
from webhook.model.compile_context import CompileContext
from webhook.model.expression import holds
from webhook.model.foreign import Foreign
from webhook.model.labels import NO_KEYS, LabelKeys, Operator
from webhook.model.objects import Shape
from webhook.model.policy import Direction, Policy
from webhook.model.refs import PolicyRef
from webhook.model.tier import Isolation, position
from webhook.model.truth import Truth
from webhook.world.index import Memo, discard
from webhook.world.view import Asking, Selecting

REMEMBERED: Final = 300_000  # labels of shapes and pieces that select them; templates under review pass through, too
EVERYWHERE = ""  # the namespace under which cluster-wide policies stand
Pair = tuple[str, str]
ByLabel = tuple[str, Direction, Pair | None]  # where a policy is found by a label that its subject must have
By = dict[tuple[str, Direction], dict[PolicyRef, tuple[Isolation, ...]]]


class Policies:
    """An index of policies. Only a change of the same namespace's policies forgets what selects a shape.

    `around` tells what policies are compiled in; whoever changes that calls `recompile`. A namespace's are compiled
    again when somebody asks for them, so that no change of the surroundings holds up everybody.
    """

    def __init__(
        self,
        pending: LabelKeys,
        around: Callable[[], CompileContext],
        asking: Asking,
        budget: Callable[[], Budget],
        memo: Memo,
    ) -> None:
        """Start empty; `pending` are the labels that templates may still be given. `budget`: the view's.

        `memo`: what is remembered of the same shapes, and forgotten with them.
        """
        self.by_namespace: dict[str, dict[PolicyRef, Policy]] = {}
        self.foreign: dict[str, dict[PolicyRef, Foreign]] = {}
        self._isolations: By = {}
        self._by_label: dict[ByLabel, dict[PolicyRef, None]] = {}
        self._labels: dict[tuple[str, Direction, PolicyRef], list[ByLabel]] = {}
        self._selecting: dict[str, dict[tuple[Shape, Direction], Selecting]] = {}
        self._weight = 0  # of all that was put there since it was emptied
        self._pending = pending
        self._compiled_in = around
        self._asking = asking
        self._budget = budget
        self._memo = memo
        self._problems: dict[PolicyRef, tuple[str, ...]] = {}
        self._stale = False
        self._in: CompileContext | None = None
        self._waiting: set[str] = set()  # namespaces whose policies are to be compiled

    def expect(self, pending: LabelKeys) -> None:
        """Take other labels for those that templates may still be given."""
        self._pending = pending
        self._selecting.clear()
        self._by_label.clear()
        self._labels.clear()
        for (namespace, direction), found in self._isolations.items():
            for ref, pieces in found.items():
                self._put_by_label(namespace, direction, ref, pieces)

    def put(self, policy: Policy | Foreign) -> None:
        """Add or replace a policy."""
        namespace = policy.namespace or EVERYWHERE
        self.drop(namespace, policy.ref)
        self._unremember(namespace)
        if isinstance(policy, Policy):
            self.by_namespace.setdefault(namespace, {})[policy.ref] = policy
        else:
            self.foreign.setdefault(namespace, {})[policy.ref] = policy
        if not self._stale and namespace not in self._waiting:
            self._compile(namespace, policy)

    def recompile(self) -> None:
        """Hear that what policies are compiled in may have changed."""
        self._stale = True

    def forget(self) -> None:
        """Hear that the labels of namespaces or accounts have changed, for which policies of other families ask."""
        if any(self.foreign.values()):
            self._selecting.clear()

    def _compile(self, namespace: str, policy: Policy | Foreign) -> None:
        around = self._compiled_in()
        if isinstance(policy, Policy):
            compiled = Compiled(compile_policy(policy, around.dialect))
        else:
            compiled = compile_foreign(policy, around)
        if compiled.problems:
            self._problems[policy.ref] = compiled.problems
        for direction in Direction:
            if found := tuple(i for i in compiled.pieces if i.direction is direction):
                self._isolations.setdefault((namespace, direction), {})[policy.ref] = found
                self._put_by_label(namespace, direction, policy.ref, found)

    def _put_by_label(
        self, namespace: str, direction: Direction, ref: PolicyRef, pieces: tuple[Isolation, ...]
    ) -> None:
        keys = [(namespace, direction, self._label_of(namespace, direction, piece)) for piece in pieces]
        self._labels[namespace, direction, ref] = keys
        for key in keys:
            self._by_label.setdefault(key, {})[ref] = None

    def _label_of(self, namespace: str, direction: Direction, piece: Isolation) -> Pair | None:
        """Return a label that whatever a piece selects is sure to have, the one that fewest policies stand under."""
        pairs: list[Pair] = [
            (one.key, next(iter(one.values)))
            for one in (piece.subject.requirements if piece.subject is not None else ())
            if one.operator is Operator.IN and len(one.values) == 1 and one.key not in self._pending
        ]
        return min(pairs, key=lambda pair: len(self._by_label.get((namespace, direction, pair), ())), default=None)

    def _renew(self) -> None:
        """Put aside what was compiled in other surroundings."""
        if not self._stale:
            return
        self._stale = False
        now = self._compiled_in()
        if now != self._in:
            self._in = now
            self._isolations.clear()
            self._by_label.clear()
            self._labels.clear()
            self._problems.clear()
            self._selecting.clear()
            self._waiting = {*self.by_namespace, *self.foreign}

    def _of(self, namespace: str, direction: Direction) -> Mapping[PolicyRef, tuple[Isolation, ...]]:
        """Return the pieces of a namespace's own policies, compiled again where they wait for it."""
        self._renew()
        if namespace in self._waiting:
            self._waiting.remove(namespace)
            for index in (self.by_namespace, self.foreign):
                for policy in index.get(namespace, {}).values():
                    self._compile(namespace, policy)
        return self._isolations.get((namespace, direction), {})

    def drop(self, namespace: str, ref: PolicyRef) -> bool:
        """Remove a policy; True if it was here."""
        known = ref in self.by_namespace.get(namespace, {}) or ref in self.foreign.get(namespace, {})
        if not known:
            return False
        self._unremember(namespace)
        self._problems.pop(ref, None)
        discard(self.by_namespace, namespace, ref)
        discard(self.foreign, namespace, ref)
        for direction in Direction:
            for key in self._labels.pop((namespace, direction, ref), ()):
                discard(self._by_label, key, ref)
            discard(self._isolations, (namespace, direction), ref)
        return True

    def _unremember(self, namespace: str) -> None:
        if namespace == EVERYWHERE:
            self._selecting.clear()
        self._selecting.pop(namespace, None)

    def named(self, namespace: str) -> Mapping[PolicyRef, Policy]:
        """Return the NetworkPolicies of a namespace."""
        return self.by_namespace.get(namespace, {})

    def problems(self) -> Mapping[PolicyRef, tuple[str, ...]]:
        """Return what is wrong with policies of other families."""
        for namespace in (*self.by_namespace, *self.foreign):
            self._of(namespace, Direction.EGRESS)
        return self._problems

    def isolations(self, namespace: str, direction: Direction) -> list[Isolation]:
        """Return every piece of a namespace's own policies, in the order in which they are asked."""
        here = self._of(namespace, direction)
        return sorted((isolation for ref in here for isolation in here[ref]), key=position)

    def selecting(self, shape: Shape, direction: Direction) -> Selecting:
        """Return what selects, or may select, pods of `shape`, in the order in which it is asked."""
        self._renew()
        found = self._selecting.get(shape.namespace, {}).get((shape, direction))
        if found is None:
            found = self._matching(shape, direction)
            self._weight += 1 + len(shape.labels.pairs) + len(found)
            if self._weight > REMEMBERED:
                self._weight = 0
                self._selecting.clear()
                self._memo.clear()
            self._selecting.setdefault(shape.namespace, {})[shape, direction] = found
        return found

    def _matching(self, shape: Shape, direction: Direction) -> Selecting:
        keys = self._pending if shape.template else NO_KEYS
        own = self._compiled_in().dialect.without_policy
        found = [(isolation, Truth.YES) for isolation in own if isolation.direction is direction]
        for namespace in (EVERYWHERE, shape.namespace):
            here = self._of(namespace, direction)
            refs = {
                ref: None
                for pair in (None, *shape.labels.pairs)
                for ref in self._by_label.get((namespace, direction, pair), ())
            }
            self._budget().spend(1 + len(shape.labels.pairs))
            for compiled in map(here.__getitem__, refs):
                self._budget().spend(len(compiled))
                for isolation in compiled:
                    truth = selects(isolation, shape, keys, self._asking)
                    if truth is not Truth.NO:
                        found.append((isolation, truth))
        return tuple(sorted(found, key=lambda pair: position(pair[0])))


def selects(isolation: Isolation, shape: Shape, keys: LabelKeys, asking: Asking) -> Truth:
    """Say whether a piece of a policy that may be about its namespace selects pods of `shape`.

    `keys`: labels that the pods may still be given.
    """
    truth = Truth.MAYBE if isolation.subject is None else isolation.subject.matches(shape.labels, keys)
    if isolation.scope is not None and truth is not Truth.NO:
        truth = min(truth, holds(isolation.scope, asking(shape)))
    return Truth.MAYBE if isolation.unclear and truth is not Truth.NO else truth
