"""A proposed change, read through to a view that stays as it is."""

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from typing import Literal
from weakref import proxy

from webhook.families import compile_policy
from webhook.model.addresses import Address, Block, Family
from webhook.model.crd_policies import CrdPolicy, Unevaluated
from webhook.model.hints import ConfigMap
from webhook.model.labels import EVERY_LABEL, NO_KEYS, NO_LABELS, AskedLabels
from webhook.model.objects import Namespace, Pod, PodClass, Service, Workload
from webhook.model.policy import Direction, Policy
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.model.tier import CompiledPolicy, Precedence, Tier, sort_key
from webhook.model.truth import Truth
from webhook.world.changes import Clock, Memos
from webhook.world.controllers import backends, controllers, groups, or_expected, with_expected
from webhook.world.policies import selects
from webhook.world.view import Beneath, Group, NamespaceLister, PolicyLister, Selecting, View, WorkloadLister
from webhook.world.workloads import mentions, reaches, scrapes, tells

Mine = Mapping[WorkloadRef, Workload]


class Overlay(View):
    """`base` with some workloads and policies put on top. The base must not change while this is in use.

    Its pods and policies do not outlive it.
    """

    pods: "Pods"

    def __init__(self, base: View, puts: Iterable[Workload | Policy] = (), *, anew: bool = False) -> None:
        """Put values over `base`; what has the same kind, namespace and name is hidden.

        `anew`: so are the pods of such a workload, as if it had been rolled out: its template counts.
        """
        self.base = base
        self.settings, self.complete, self.purse = base.settings, base.complete, base.purse
        self.accounts, self.nodes, self.services, self.inbound = base.accounts, base.nodes, base.services, base.inbound
        mine = self._mine = dict[WorkloadRef, Workload]()
        self._anew = anew
        self._beneath: Beneath | Literal[False] | None = None
        policies: list[Policy] = []
        for value in puts:
            if isinstance(value, Workload):
                mine[value.ref] = value
            else:
                policies.append(value)
        self.workloads = _Workloads(base.workloads, mine)
        me: View = proxy(self)  # what closes no circle goes with its review, and waits for no garbage collector
        self.pods = Pods(me, base, mine, anew=anew)
        filled = {ref.namespace for ref in mine}
        self.namespaces = Spaces(base.namespaces, filled)
        self.policies, self.memos = base.policies, base.memos
        if policies:
            filled.update([one.namespace for one in policies])
            self.policies = _Policies(me, base.policies, policies)
        if policies or (anew and not base.complete):
            self.memos = Memos(Clock(), lambda: 0)

    def ground(self) -> tuple[View, tuple[Workload, ...]] | None:
        """Return the view whose answers are remembered, and the workloads that are on top of it here."""
        if self.memos is not self.base.memos:
            return self, ()
        below = self.base.ground()
        if below is None or self.pods.reowned or (self._mine and self.settings.expected):
            return None
        mine = tuple(self._mine.values())
        here = False not in [one.ref.namespace in self.base.namespaces for one in mine]
        return (below[0], (*below[1], *mine)) if here else None

    def version_of(self, *namespaces: str) -> Hashable:
        """Return what differs as soon as a pod, a workload, a Service or an endpoint of these namespaces does."""
        mine = [one for ref, one in self._mine.items() if ref.namespace in namespaces]
        seen = tuple((one.ref, one.owner, one.template.pod_class, one.selector) for one in mine)
        return self.base.version_of(*namespaces), seen, self._anew

    def beneath(self) -> Beneath:
        """Return what this is over, where the workloads on top are either new, or judged by the pods that they have."""
        if self._beneath is None:
            mine = [(one, self.base.workloads.get(one.ref)) for one in self._mine.values()]
            new = [pair for pair in mine if not self.base.pods.of(pair[0].ref)]
            more = self.pods.reowned or any(was is not None for _, was in new)
            if more or self._anew or self.settings.expected or self.policies is not self.base.policies:
                self._beneath = False
            else:
                below = self.base.beneath()
                proposed = (*below.proposed, *(one.template.pod_class for one, _ in new))
                put = (*below.put, *mine)
                self._beneath = Beneath(below.view, proposed, put)
        return self._beneath or Beneath(self)  # which is not kept: it would close a circle

    def families(self) -> tuple[Family, ...]:
        """Return the address families that pods have, or get; what is on top has no addresses."""
        return self.base.families() if self.policies.context is self.base.policies.context else super().families()

    def pod_blocks(self, family: Family) -> tuple[Block, ...]:
        """Return the blocks that new pods get their addresses from; empty: not known."""
        same = self.policies.context is self.base.policies.context
        return self.base.pod_blocks(family) if same else super().pod_blocks(family)


class Spaces:
    """Namespaces, with those in which something is on top."""

    def __init__(self, base: NamespaceLister, filled: set[str]) -> None:
        self._base, self._filled = base, filled

    def get(self, name: str) -> Namespace:
        """Return the namespace."""
        return self._base.get(name)

    def __contains__(self, name: str) -> bool:
        return name in self._base or name in self._filled

    def names(self) -> Iterable[str]:
        """Return the names of all namespaces, sorted."""
        return sorted({*self._base.names(), *self._filled})


class _Workloads:
    """Workloads, with those on top."""

    def __init__(self, base: WorkloadLister, mine: Mine) -> None:
        self._base, self._mine = base, mine

    def get(self, ref: WorkloadRef) -> Workload | None:
        return self._mine.get(ref) or self._base.get(ref)

    def every(self, namespace: str | None = None) -> Iterable[Workload]:
        mine = {r: w for r, w in self._mine.items() if namespace in (None, r.namespace)}
        yield from (w for w in self._base.every(namespace) if w.ref not in mine)
        yield from mine.values()

    def scrapers(self) -> tuple[Workload, ...]:
        below = [w for w in self._base.scrapers() if w.ref not in self._mine]
        return tuple(sorted((*below, *filter(scrapes, self._mine.values())), key=lambda w: w.ref))

    def mentioning(self, names: Iterable[tuple[str, str]]) -> tuple[WorkloadRef, ...]:
        wanted = set(names)
        below = [ref for ref in self._base.mentioning(wanted) if ref not in self._mine]
        mine = [w.ref for w in self._mine.values() if w.owner is None and mentions(w, wanted)]
        return tuple(sorted((*below, *mine)))

    def reaching(self, names: Collection[tuple[str, str]]) -> tuple[WorkloadRef, ...]:
        mine = (w.ref for w in self._mine.values() if w.owner is None and reaches(w, names))
        return tuple(sorted((*(r for r in self._base.reaching(names) if r not in self._mine), *mine)))

    def telling(self, names: Collection[tuple[str, str]]) -> set[WorkloadRef]:
        mine = {w.ref for w in self._mine.values() if w.owner is None and tells(w, names)}
        return (self._base.telling(names) - self._mine.keys()) | mine

    def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        return self._base.config_map(namespace, name)


class Pods:
    """Pods, under the workloads on top of those that they are below."""

    def __init__(self, view: View, base: View, mine: Mine, *, anew: bool) -> None:
        self._view, self._base, self._mine, self._anew = view, base.pods, mine, anew
        self.reowned = True in [_changes_owners(base, workload) for workload in mine.values()]

    def at(self, address: Address) -> Pod | None:
        """Return the pod that has an address of its own."""
        return self._base.at(address)

    def families(self) -> Iterable[Family]:
        """Return the address families that pods have."""
        return self._base.families()

    def of(self, ref: WorkloadRef) -> tuple[Pod, ...]:
        """Return the live pods below `ref`, by name."""
        if self._anew and ref in self._mine:
            return ()
        if not self.reowned or ref.kind == "Pod":
            return self._base.of(ref)
        below = (pod for pod in self._pods(ref.namespace) if ref in controllers(self._view, pod))
        return tuple(sorted(below, key=lambda pod: pod.name))

    def _pods(self, namespace: str) -> Iterable[Pod]:
        return (pod for group in self._kept(self._base.groups(namespace)) for pod in group.pods)

    def top(self, pod: Pod) -> WorkloadRef:
        """Return the topmost controller of a pod."""
        return controllers(self._view, pod)[-1] if self.reowned else self._base.top(pod)

    def behind(self, service: Service) -> tuple[Group, ...]:
        """Return who is behind a Service's selector."""
        below = self._kept(self._base.behind(service))
        namespace, labels = service.namespace, service.selector
        if labels is None:
            return below
        if self.reowned:
            return backends(self._view, namespace, labels, lambda: (p for g in below for p in g.pods))
        mine = self._of_namespace(namespace)
        found = self._with_templates(below, [w for w in mine if _selects(service, w)]) if mine else below
        return or_expected(self._view, namespace, labels, found)

    def groups(self, namespace: str) -> tuple[Group, ...]:
        """Return everybody of a namespace."""
        if self.reowned:
            return groups(self._view, namespace, self._pods(namespace))
        found = self._with_templates(self._kept(self._base.groups(namespace)), self._of_namespace(namespace))
        return with_expected(self._view, namespace, found)

    def _of_namespace(self, namespace: str) -> list[Workload]:
        return [w for w in self._mine.values() if w.ref.namespace == namespace and w.owner is None]

    def _kept(self, below: tuple[Group, ...]) -> tuple[Group, ...]:
        """Leave out the pods that are as good as gone."""
        return tuple(g for g in below if g.ref not in self._mine) if self._anew else below

    def _with_templates(self, below: tuple[Group, ...], mine: Iterable[Workload]) -> tuple[Group, ...]:
        """Templates on top replace those below; a workload that has pods is judged by its pods."""
        found = {g.ref: g for g in below if g.pods or g.ref not in self._mine}
        for workload in mine:
            if workload.ref not in found and not self.of(workload.ref):
                found[workload.ref] = Group(workload.ref, template=workload)
        return tuple(found[ref] for ref in sorted(found))


class _Policies:
    """Policies, with NetworkPolicies on top: a few, which are looked through one by one."""

    def __init__(self, view: View, base: PolicyLister, own: Iterable[Policy]) -> None:
        self._view, self._base, self.context = view, base, base.context
        self._own: dict[str, dict[PolicyRef, Policy]] = {}
        for one in own:
            self._own.setdefault(one.namespace, {})[one.ref] = one
        self._compiled: dict[str, tuple[CompiledPolicy, ...]] = {}
        self._selected: dict[tuple[PodClass, Direction], Selecting] = {}

    def _of(self, namespace: str) -> tuple[CompiledPolicy, ...]:
        found = self._compiled.get(namespace)
        if found is None:
            every = self._own.get(namespace, {}).values()
            found = tuple([compiled for one in every for compiled in compile_policy(one, self.context.dialect)])
            self._compiled[namespace] = found
        return found

    def selecting(self, pod_class: PodClass, direction: Direction) -> Selecting:
        mine = self._own.get(pod_class.namespace)
        if not mine:
            return self._base.selecting(pod_class, direction)
        found = self._selected.get((pod_class, direction))
        if found is None:
            kept = [pair for pair in self._base.selecting(pod_class, direction) if pair[0].ref not in mine]
            found = tuple(sorted([*kept, *self._matching(pod_class, direction)], key=_place))
            self._selected[pod_class, direction] = found
        return found

    def _matching(self, pod_class: PodClass, direction: Direction) -> Iterator[tuple[CompiledPolicy, Truth]]:
        keys = self._view.settings.pending_labels if pod_class.template else NO_KEYS
        every = self._of(pod_class.namespace)
        self._view.budget.spend(len(every))
        for compiled in every:
            if compiled.direction is direction:
                truth = selects(self._view, compiled, pod_class, keys)
                if truth is not Truth.NO:
                    yield compiled, truth

    def unevaluated(self, pod_class: PodClass, direction: Direction) -> Unevaluated | None:
        return self._base.unevaluated(pod_class, direction)

    def compiled_policies(self, namespace: str, direction: Direction) -> Iterable[CompiledPolicy]:
        mine = self._own.get(namespace, {})
        kept = [i for i in self._base.compiled_policies(namespace, direction) if i.ref not in mine]
        return sorted([*kept, *(i for i in self._of(namespace) if i.direction is direction)], key=sort_key)

    def asked(self, namespace: str, direction: Direction) -> tuple[AskedLabels, ...]:  # noqa: ARG002 - what is tried out is judged once
        return (EVERY_LABEL,)

    def named(self, namespace: str) -> Mapping[PolicyRef, Policy]:
        return {**self._base.named(namespace), **self._own.get(namespace, {})}

    def crd_policies(self, namespace: str) -> Mapping[PolicyRef, CrdPolicy]:
        return self._base.crd_policies(namespace)

    def problems(self) -> Mapping[PolicyRef, tuple[str, ...]]:
        return self._base.problems()


def _changes_owners(base: View, workload: Workload) -> bool:
    """Say whether pods, too, may be under another controller than in the base."""
    old = base.workloads.get(workload.ref)
    if old is None:
        return workload.owner is not None or workload.ref.kind == "ReplicaSet"
    return old.owner != workload.owner


def _place(pair: tuple[CompiledPolicy, Truth]) -> tuple[Tier, str, Precedence, PolicyRef]:
    return sort_key(pair[0])


def _selects(service: Service, workload: Workload) -> bool:
    labels = workload.template.pod_class.labels
    return all(labels.get(k) == v for k, v in (service.selector or NO_LABELS).pairs)
