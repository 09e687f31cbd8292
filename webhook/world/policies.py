"""Policies of every family, compiled once; those that select a class are remembered per class."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Protocol

from msgspec import Struct

from webhook.families import Compiled, compile_crd_policy, compile_policy
from webhook.model.budget import Budget
from webhook.model.crd_policies import CompileContext, CrdPolicy, Unevaluated
from webhook.model.labels import NO_KEYS, AskedLabels, LabelKeys, Operator, holds
from webhook.model.objects import PodClass
from webhook.model.policy import Direction, Policy
from webhook.model.refs import PolicyRef
from webhook.model.tier import CompiledPolicy, asks_of_senders, sort_key
from webhook.model.truth import Truth
from webhook.world.changes import Clock, Stamps, discard
from webhook.world.pod_labels import labels_of
from webhook.world.view import Selecting, View

REMEMBERED: Final = 100_000  # labels of pod classes with what selects them, 25 MiB: templates under review leave some
_COMPILED, _UNREAD = 10, 16  # steps for each rule, peer and port, or for each value where those are not known yet
EVERYWHERE = ""  # the namespace under which cluster-wide policies stand
Pair = tuple[str, str]
ByLabel = tuple[Direction, Pair | None]  # where a policy is found by a label that its subject must have


class ContextSource(Protocol):
    """What policies are compiled in."""

    @property
    def current(self) -> CompileContext:
        """The context: the same value until anything in it differs."""

    @property
    def ready(self) -> CompileContext | None:
        """The context where it is known without work."""


class Fixed(Struct, frozen=True):
    """A context that stays."""

    current: CompileContext

    @property
    def ready(self) -> CompileContext:
        """The context."""
        return self.current


def pay_for(budget: Budget, policy: Policy | CrdPolicy, context: CompileContext) -> None:
    """Spend what compiling a policy costs, before it is compiled; nothing is made of one that nobody evaluates."""
    if isinstance(policy, CrdPolicy):
        evaluated = (policy.group, policy.ref.kind) in context.dialect.evaluated
        budget.spend_on(policy.spec if evaluated else (), _UNREAD)
        return
    for rule in (*policy.ingress, *policy.egress):
        budget.spend(_COMPILED * (1 + len(rule.peers or ()) + len(rule.ports or ())))


class _Compiled:
    """What a namespace's policies, or the cluster-wide ones, were compiled to, in a context."""

    def __init__(self, context: CompileContext, pending: LabelKeys) -> None:
        self.context, self.pending = context, pending
        self.compiled_policies: dict[Direction, dict[PolicyRef, tuple[CompiledPolicy, ...]]] = {
            direction: {} for direction in Direction
        }
        self.by_label: dict[ByLabel, dict[PolicyRef, None]] = {}
        self.problems: dict[PolicyRef, tuple[str, ...]] = {}
        self.asked: dict[Direction, tuple[int, tuple[AskedLabels, ...]]] = {}  # as after a change of that number
        self._labels: dict[PolicyRef, list[ByLabel]] = {}

    def put(self, policy: Policy | CrdPolicy) -> None:
        if isinstance(policy, Policy):
            parts = Compiled(compile_policy(policy, self.context.dialect))
        else:
            parts = compile_crd_policy(policy, self.context)
        if parts.problems:
            self.problems[policy.ref] = parts.problems
        keys = self._labels[policy.ref] = []
        for direction in Direction:
            if found := tuple(i for i in parts.policies if i.direction is direction):
                self.compiled_policies[direction][policy.ref] = found
                keys += [(direction, self._label_of(direction, compiled)) for compiled in found]
        for key in keys:
            self.by_label.setdefault(key, {})[policy.ref] = None

    def drop(self, ref: PolicyRef) -> None:
        self.problems.pop(ref, None)
        for key in self._labels.pop(ref, ()):
            discard(self.by_label, key, ref)
        for compiled_policies in self.compiled_policies.values():
            compiled_policies.pop(ref, None)

    def _label_of(self, direction: Direction, compiled: CompiledPolicy) -> Pair | None:
        """Return a label that all it selects are sure to have, the one under which fewest policies are."""
        pairs: list[Pair] = [
            (one.key, next(iter(one.values)))
            for one in (compiled.subject.requirements if compiled.subject is not None else ())
            if one.operator is Operator.IN and len(one.values) == 1 and one.key not in self.pending
        ]
        return min(pairs, key=lambda pair: len(self.by_label.get((direction, pair), ())), default=None)


class _Selected:
    """What selects the pod classes of a namespace, as found after change number `made`."""

    def __init__(self, made: int) -> None:
        self.made = self.checked = made
        self.answers: dict[tuple[PodClass, Direction], Selecting] = {}


class Policies:
    """An index of policies.

    A namespace's are compiled again when somebody asks for them, so that no change of the context holds up everybody.
    """

    def __init__(
        self,
        view: View,
        clock: Clock,
        contexts: ContextSource,
        changed: Callable[[], int] = lambda: 0,
        unlisted: Callable[[str], Unevaluated | None] = lambda _: None,
    ) -> None:
        """Start empty. `view`: of which labels and the budget are asked.

        `changed`: when anything but policies changed last by which pods are selected. `unlisted`: why nothing can be
        trusted under an enforcer.
        """
        self.stamps = Stamps(clock)
        self.by_namespace: dict[str, dict[PolicyRef, Policy]] = {}
        self.foreign_by_namespace: dict[str, dict[PolicyRef, CrdPolicy]] = {}
        self._view, self._clock, self._contexts = view, clock, contexts
        self._changed, self._unlisted = changed, unlisted
        self._compiled: dict[str, _Compiled] = {}
        self._selected: dict[str, _Selected] = {}
        self._weight = 0  # of all that was put there since it was emptied

    # -- writing ---------------------------------------------------------------------------------------------------

    def put(self, policy: Policy | CrdPolicy) -> None:
        """Add or replace a policy."""
        namespace = policy.namespace or EVERYWHERE
        self._remove(namespace, policy.ref)
        if isinstance(policy, Policy):
            self.by_namespace.setdefault(namespace, {})[policy.ref] = policy
        else:
            self.foreign_by_namespace.setdefault(namespace, {})[policy.ref] = policy
        of_namespace = self._compiled.get(namespace)
        if of_namespace is not None:
            if of_namespace.context is self._contexts.ready:
                of_namespace.put(policy)
            else:
                del self._compiled[namespace]
        self.stamps.change(namespace, empty=False)

    def drop(self, namespace: str, ref: PolicyRef) -> bool:
        """Remove a policy; True if it was here."""
        if not self._remove(namespace, ref):
            return False
        empty = namespace not in self.by_namespace and namespace not in self.foreign_by_namespace
        if empty:
            self._compiled.pop(namespace, None)
        self.stamps.change(namespace, empty=empty)
        return True

    def _remove(self, namespace: str, ref: PolicyRef) -> bool:
        known = ref in self.named(namespace) or ref in self.crd_policies(namespace)
        if known:
            discard(self.by_namespace, namespace, ref)
            discard(self.foreign_by_namespace, namespace, ref)
            if (of_namespace := self._compiled.get(namespace)) is not None:
                of_namespace.drop(ref)
        return known

    # -- reading ---------------------------------------------------------------------------------------------------

    @property
    def context(self) -> CompileContext:
        """What they are compiled in."""
        return self._contexts.current

    def named(self, namespace: str) -> Mapping[PolicyRef, Policy]:
        """Return the NetworkPolicies of a namespace."""
        return self.by_namespace.get(namespace, {})

    def crd_policies(self, namespace: str) -> Mapping[PolicyRef, CrdPolicy]:
        """Return the policies of other families of a namespace (empty: the cluster-wide ones)."""
        return self.foreign_by_namespace.get(namespace, {})

    def _of(self, namespace: str) -> _Compiled:
        """Return a namespace's own policies, compiled again where they were in another context."""
        context, pending = self._contexts.current, self._view.settings.pending_labels
        found = self._compiled.get(namespace)
        if found is None or found.context is not context or found.pending is not pending:
            found = _Compiled(context, pending)
            for index in (self.named(namespace), self.crd_policies(namespace)):
                for policy in index.values():
                    found.put(policy)
            if self.named(namespace) or self.crd_policies(namespace):
                self._compiled[namespace] = found
        return found

    def problems(self) -> Mapping[PolicyRef, tuple[str, ...]]:
        """Return what is wrong with policies of other families."""
        spaces = {**self.by_namespace, **self.foreign_by_namespace}
        return {ref: found for namespace in spaces for ref, found in self._of(namespace).problems.items()}

    def compiled_policies(self, namespace: str, direction: Direction) -> list[CompiledPolicy]:
        """Return every compiled policy of a namespace, in the order in which they are asked."""
        here = self._of(namespace).compiled_policies[direction]
        return sorted((compiled for ref in here for compiled in here[ref]), key=sort_key)

    def asked(self, namespace: str, direction: Direction) -> tuple[AskedLabels, ...]:
        """Return the labels by which a namespace's own policies of a direction tell pods apart that send."""
        usual = self.context.dialect.without_policy if namespace == EVERYWHERE else ()
        if not self.named(namespace) and not self.crd_policies(namespace):
            return _asked_by([compiled for compiled in usual if compiled.direction is direction])
        here, changed = self._of(namespace), self.stamps.of(namespace)
        known = here.asked.get(direction)
        if known is None or known[0] != changed:
            every = (usual, *here.compiled_policies[direction].values())
            kept = [compiled for some in every for compiled in some if compiled.direction is direction]
            self._view.budget.spend(len(kept))
            known = here.asked[direction] = changed, _asked_by(kept)
        return known[1]

    def unevaluated(self, pod_class: PodClass, direction: Direction) -> Unevaluated | None:  # noqa: ARG002 - the same for both, so far
        """Return why answers on this side of `pod_class` cannot be trusted."""
        dialect = self.context.dialect
        if pod_class.host_network:
            return Unevaluated((), dialect.nodes.selected) if dialect.nodes.selected else None
        why = dialect.certainty.doubt
        return Unevaluated((), why) if why else self._unlisted(self.context.enforcer.name)

    def selecting(self, pod_class: PodClass, direction: Direction) -> Selecting:
        """Return what selects, or may select, pods of `pod_class`, in the order in which it is asked."""
        here = self._selected.get(pod_class.namespace)
        if here is None or here.checked != self._clock.now:
            here = self._still_selected(pod_class.namespace, here)
        found = here.answers.get((pod_class, direction))
        if found is None:
            found = tuple(sorted(self._matching(pod_class, direction), key=lambda pair: sort_key(pair[0])))
            self._weight += 1 + len(pod_class.labels.pairs) + len(found)
            here.answers[pod_class, direction] = found
            if self._weight > REMEMBERED:
                self._weight = 0
                self._selected.clear()
                self._view.memos.clear()
        return found

    def _still_selected(self, namespace: str, here: _Selected | None) -> _Selected:
        changed = max(self.stamps.of(EVERYWHERE), self.stamps.of(namespace), self._changed())
        if here is None or changed > here.made:
            here = self._selected[namespace] = _Selected(self._clock.now)
        here.checked = self._clock.now
        return here

    def _matching(self, pod_class: PodClass, direction: Direction) -> Iterator[tuple[CompiledPolicy, Truth]]:
        view = self._view
        keys = view.settings.pending_labels if pod_class.template else NO_KEYS
        for compiled in self.context.dialect.without_policy:
            if compiled.direction is direction:
                yield compiled, Truth.YES
        pairs = (None, *pod_class.labels.pairs)
        for namespace in (EVERYWHERE, pod_class.namespace):
            if namespace not in self.by_namespace and namespace not in self.foreign_by_namespace:
                continue
            of_namespace = self._of(namespace)
            refs = {ref: None for pair in pairs for ref in of_namespace.by_label.get((direction, pair), ())}
            view.budget.spend(len(pairs))
            for compiled_policies in map(of_namespace.compiled_policies[direction].__getitem__, refs):
                view.budget.spend(len(compiled_policies))
                for compiled in compiled_policies:
                    truth = selects(view, compiled, pod_class, keys)
                    if truth is not Truth.NO:
                        yield compiled, truth


def _asked_by(compiled_policies: Iterable[CompiledPolicy]) -> tuple[AskedLabels, ...]:
    asked = AskedLabels(one for compiled in compiled_policies for one in asks_of_senders(compiled))
    return (asked,) if asked else ()


def selects(view: View, compiled: CompiledPolicy, pod_class: PodClass, keys: LabelKeys) -> Truth:
    """Say whether a compiled policy that may be about its namespace selects pods of `pod_class`.

    `keys`: labels that the pods may still be given.
    """
    truth = Truth.MAYBE if compiled.subject is None else compiled.subject.matches(pod_class.labels, keys)
    if compiled.scope is not None and truth is not Truth.NO:
        truth = min(truth, holds(compiled.scope, labels_of(view, pod_class)))
    return Truth.MAYBE if compiled.unclear and truth is not Truth.NO else truth
