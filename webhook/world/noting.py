"""A view that notes what is asked of it: whatever an answer rests on beside what `View.memo` does.

What that is, and how long an answer holds by it, is `world.rests`.
"""

from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import Any, Final

from webhook.model.addresses import Address, Block, Family, Served
from webhook.model.crd_policies import CrdPolicy
from webhook.model.hints import ConfigMap
from webhook.model.labels import Labels
from webhook.model.objects import Pod, PodClass, Service, Workload
from webhook.model.policy import Direction, Policy
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.model.tier import CompiledPolicy
from webhook.world.rests import ANYWHERE, Call, Rests
from webhook.world.view import (
    Group,
    NamespaceLister,
    PodLister,
    PolicyLister,
    Selecting,
    ServiceLister,
    View,
    WorkloadLister,
)

MOST: Final = 200  # look-ups that one answer that is remembered may rest on


class _Notes:
    """What was asked so far."""

    def __init__(self) -> None:
        self.spaces: dict[str, None] = {}
        self.refs: set[WorkloadRef] = set()
        self.selected: set[tuple[str, Labels]] = set()
        self.everybody: set[str] = set()
        self.policed: set[str] = set()
        self.calls: dict[Call, Any] = {}
        self.passing = False

    def of(self, ref: WorkloadRef) -> None:
        self.spaces[ref.namespace] = None
        self.refs.add(ref)

    def all_of(self, namespace: str) -> None:
        self.spaces[namespace] = None
        self.everybody.add(namespace)

    def everything(self) -> None:
        self.passing = True
        self.everybody.add(ANYWHERE)


class Noting(View):
    """`base`, with notes of what it is asked. It must not change while this is in use."""

    def __init__(self, base: View) -> None:
        """Start with nothing asked."""
        self.base = base
        self.settings, self.complete, self.purse, self.memos = base.settings, base.complete, base.purse, base.memos
        self.accounts, self.nodes = base.accounts, base.nodes
        self._notes = notes = _Notes()
        self.namespaces = _Namespaces(base.namespaces, notes)
        self.pods, self.workloads = _Pods(base.pods, notes), _Workloads(base.workloads, notes)
        self.services, self.policies = _Services(base.services, notes), _Policies(base.policies, notes)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever else a view has
        """Return what else the base has: of that it is not known what is asked."""
        self._notes.everything()
        return getattr(self.base, name)

    def version_of(self, *namespaces: str) -> Hashable:
        """Return the base's."""
        for namespace in namespaces:
            self._notes.all_of(namespace)
        return self.base.version_of(*namespaces)

    def families(self) -> tuple[Family, ...]:
        """Return the base's."""
        found = self._notes.calls["", "families", ()] = self.base.families()
        return found

    def pod_blocks(self, family: Family) -> tuple[Block, ...]:
        """Return the base's."""
        return self.base.pod_blocks(family)

    def take(self, rests: Rests) -> None:
        """Note what an answer rests on that was remembered."""
        notes = self._notes
        notes.spaces.update(dict.fromkeys(rests.spaces))
        notes.refs |= rests.refs
        notes.selected |= rests.selected
        notes.everybody |= rests.everybody
        notes.policed |= rests.policed
        notes.calls.update(rests.calls)
        notes.passing |= rests.passing

    def rests(self) -> Rests | None:
        """Return what was noted; None: that is too much to be worth it."""
        notes, base = self._notes, self.base
        if len(notes.spaces) + len(notes.refs) + len(notes.selected) + len(notes.calls) > MOST:
            return None
        spaces = tuple(notes.spaces)
        return Rests(
            base.memos.now,
            spaces,
            base.version_of(*spaces),
            frozenset(notes.refs),
            frozenset(notes.selected),
            frozenset(notes.everybody),
            frozenset({*notes.policed, *(ref.namespace for ref in notes.refs)}),
            tuple(notes.calls.items()),
            notes.passing,
        )


class _Namespaces:
    def __init__(self, base: NamespaceLister, notes: _Notes) -> None:
        self._base, self._notes = base, notes
        self.get = base.get  # labels of namespaces are what `View.memo` rests on

    def __contains__(self, name: str) -> bool:
        found = self._notes.calls["namespaces", "__contains__", (name,)] = name in self._base
        return found

    def names(self) -> Iterable[str]:
        found = self._notes.calls["namespaces", "names", ()] = self._base.names()
        return found


class _Pods:
    def __init__(self, base: PodLister, notes: _Notes) -> None:
        self._base, self._notes = base, notes

    def at(self, address: Address) -> Pod | None:
        found = self._notes.calls["pods", "at", (address,)] = self._base.at(address)
        return found

    def of(self, ref: WorkloadRef) -> tuple[Pod, ...]:
        self._notes.of(ref)
        return self._base.of(ref)

    def top(self, pod: Pod) -> WorkloadRef:
        found = self._base.top(pod)
        self._notes.of(found)
        return found

    def groups(self, namespace: str) -> tuple[Group, ...]:
        self._notes.all_of(namespace)
        found = self._base.groups(namespace)
        for group in found:
            self._notes.of(group.ref)
        return found

    def behind(self, service: Service) -> tuple[Group, ...]:
        found, notes = self._base.behind(service), self._notes
        notes.spaces[service.namespace] = None
        if service.selector is not None:
            notes.selected.add((service.namespace, service.selector))
        for group in found:
            notes.refs.add(group.ref)
        return found

    def families(self) -> Iterable[Family]:
        self._notes.everything()
        return self._base.families()


class _Workloads:
    def __init__(self, base: WorkloadLister, notes: _Notes) -> None:
        self._base, self._notes = base, notes

    def get(self, ref: WorkloadRef) -> Workload | None:
        self._notes.of(ref)
        return self._base.get(ref)

    def every(self, namespace: str | None = None) -> Iterable[Workload]:
        if namespace is None:
            self._notes.everything()
        else:
            self._notes.all_of(namespace)
        return self._base.every(namespace)

    def scrapers(self) -> tuple[Workload, ...]:
        self._notes.everything()
        return self._base.scrapers()

    def mentioning(self, names: Iterable[tuple[str, str]]) -> tuple[WorkloadRef, ...]:
        self._notes.everything()
        return self._base.mentioning(names)

    def reaching(self, names: Collection[tuple[str, str]]) -> tuple[WorkloadRef, ...]:
        self._notes.everything()
        return self._base.reaching(names)

    def telling(self, names: Collection[tuple[str, str]]) -> set[WorkloadRef]:
        self._notes.everything()
        return self._base.telling(names)

    def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        found = self._notes.calls["workloads", "config_map", (namespace, name)] = self._base.config_map(namespace, name)
        return found


class _Services:
    def __init__(self, base: ServiceLister, notes: _Notes) -> None:
        self._base, self._notes = base, notes

    def get(self, namespace: str, name: str) -> Service | None:
        self._notes.spaces[namespace] = None
        return self._base.get(namespace, name)

    def within(self, namespace: str) -> Iterable[Service]:
        self._notes.spaces[namespace] = None
        return self._base.within(namespace)

    def selecting(self, pod_class: PodClass) -> tuple[Service, ...]:
        self._notes.spaces[pod_class.namespace] = None
        return self._base.selecting(pod_class)

    def published(self) -> Iterable[Service]:
        self._notes.passing = True
        return self._base.published()

    def unselecting(self) -> Iterable[Service]:
        self._notes.passing = True
        return self._base.unselecting()

    def at(self, address: Address) -> Service | None:
        found = self._notes.calls["services", "at", (address,)] = self._base.at(address)
        return found

    def outside_at(self, address: Address) -> tuple[Service, ...]:
        found = self._notes.calls["services", "outside_at", (address,)] = self._base.outside_at(address)
        return found

    def families(self) -> Iterable[Family]:
        self._notes.passing = True
        return self._base.families()

    def endpoints(self, service: Service) -> tuple[tuple[Address, int | None, str], ...]:
        self._notes.spaces[service.namespace] = None
        return self._base.endpoints(service)

    def serving(self, service: Service) -> Mapping[Address, Served]:
        self._notes.spaces[service.namespace] = None
        return self._base.serving(service)


class _Policies:
    """Policies: they are what `View.memo` rests on, so that of them only whose they are is noted."""

    def __init__(self, base: PolicyLister, notes: _Notes) -> None:
        self._base, self._notes = base, notes
        self.context = base.context
        self.asked, self.problems, self.unevaluated = base.asked, base.problems, base.unevaluated

    def selecting(self, pod_class: PodClass, direction: Direction) -> Selecting:
        if direction is Direction.INGRESS:  # what lets the client out is asked anyway
            self._notes.policed.add(pod_class.namespace)
        return self._base.selecting(pod_class, direction)

    def compiled_policies(self, namespace: str, direction: Direction) -> Iterable[CompiledPolicy]:
        self._notes.policed.add(namespace)
        return self._base.compiled_policies(namespace, direction)

    def named(self, namespace: str) -> Mapping[PolicyRef, Policy]:
        self._notes.policed.add(namespace)
        return self._base.named(namespace)

    def crd_policies(self, namespace: str) -> Mapping[PolicyRef, CrdPolicy]:
        self._notes.policed.add(namespace)
        return self._base.crd_policies(namespace)
