"""The read side of a world. A view answers look-ups; it decides nothing about packets.

It is made of listers, each of some kinds, so that a view over another (`overlay`, `proposed`, `seen`) replaces only
those that differ.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import Protocol, TypeVar

from msgspec import Struct

from webhook.model.addresses import FAMILIES, Address, Block, Family, Served, merged
from webhook.model.budget import Budget, Purse
from webhook.model.crd_policies import CompileContext, CrdPolicy, Unevaluated
from webhook.model.dialect import Dialect
from webhook.model.hints import ConfigMap
from webhook.model.labels import AskedLabels, Lookup
from webhook.model.objects import Account, Namespace, Node, Pod, PodClass, Service, Workload
from webhook.model.policy import Direction, Policy
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.model.settings import Enforcer, Settings
from webhook.model.tier import CompiledPolicy
from webhook.model.truth import Truth
from webhook.world.changes import Answers, Memo, Memos
from webhook.world.services import Declarations

K = TypeVar("K")
V = TypeVar("V")
Selecting = tuple[tuple[CompiledPolicy, Truth], ...]
Asking = Callable[[PodClass], Lookup]  # what conditions may ask of pods of a class
_BLOCKS: Memo[Family, tuple[Block, ...]] = Memo(len(FAMILIES))


class Group(Struct, frozen=True):
    """Pods under one topmost controller. Without pods it is judged by `template`."""

    ref: WorkloadRef
    pods: tuple[Pod, ...] = ()
    template: Workload | None = None


class Beneath(Struct, frozen=True):
    """A view with everybody who is in another one, but for pods of the classes `proposed`.

    `put`: the workloads that the other one has on top, each with what is here in its place.
    """

    view: "View"
    proposed: tuple[PodClass, ...] = ()
    put: tuple[tuple[Workload, Workload | None], ...] = ()


class NamespaceLister(Protocol):
    """Namespaces."""

    def get(self, name: str) -> Namespace:
        """Return the namespace; one that nobody gave has at least its name label."""

    def __contains__(self, name: str) -> bool:
        """Say whether the namespace, or something in it, is here."""

    def names(self) -> Iterable[str]:
        """Return the names of all namespaces, sorted."""


class AccountLister(Protocol):
    """ServiceAccounts."""

    def get(self, namespace: str, name: str) -> Account | None:
        """Return a ServiceAccount; None: not known."""


class NodeLister(Protocol):
    """Nodes."""

    def every(self) -> Iterable[Node]:
        """Return all nodes."""

    def at(self, address: Address) -> Node | None:
        """Return the node with that address."""


class PodLister(Protocol):
    """Pods, under whoever controls them."""

    def at(self, address: Address) -> Pod | None:
        """Return the pod that has an address of its own."""

    def of(self, ref: WorkloadRef) -> tuple[Pod, ...]:
        """Return the live pods that `ref` controls, itself or through others, by name."""

    def top(self, pod: Pod) -> WorkloadRef:
        """Return the topmost controller of a pod; the pod itself without one."""

    def groups(self, namespace: str) -> tuple[Group, ...]:
        """Return everybody of a namespace."""

    def behind(self, service: Service) -> tuple[Group, ...]:
        """Return who is behind a Service's selector; a workload without pods by its template."""

    def families(self) -> Iterable[Family]:
        """Return the address families that pods have."""


class WorkloadLister(Protocol):
    """Workloads, bare Pods included, and the ConfigMaps that their variables are read from."""

    def get(self, ref: WorkloadRef) -> Workload | None:
        """Return a workload."""

    def every(self, namespace: str | None = None) -> Iterable[Workload]:
        """Return the workloads of one namespace, or all."""

    def scrapers(self) -> tuple[Workload, ...]:
        """Return the workloads that scrape what is annotated, those included that something else controls."""

    def mentioning(self, names: Iterable[tuple[str, str]]) -> tuple[WorkloadRef, ...]:
        """Return the workloads whose declarations may mean one of these (namespace, name), sorted."""

    def reaching(self, names: Collection[tuple[str, str]]) -> tuple[WorkloadRef, ...]:
        """Return the workloads that may reach one of these (namespace, name), or an address, sorted.

        That is by what they declare, or by what their containers are given.
        """

    def telling(self, names: Collection[tuple[str, str]]) -> set[WorkloadRef]:
        """Return who may mean one of these names, or an address, by what its containers are given."""

    def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        """Return what a ConfigMap says of hosts and ports."""


class ServiceLister(Protocol):
    """Services and their endpoints."""

    def get(self, namespace: str, name: str) -> Service | None:
        """Return a Service."""

    def within(self, namespace: str) -> Iterable[Service]:
        """Return the Services of a namespace."""

    def selecting(self, pod_class: PodClass) -> tuple[Service, ...]:
        """Return the Services that select pods of `pod_class`, by name."""

    def published(self) -> Iterable[Service]:
        """Return the Services that are to be reached from outside: of type LoadBalancer or NodePort, or by address."""

    def unselecting(self) -> Iterable[Service]:
        """Return the Services without a selector: they lead to another name, or to addresses that somebody lists."""

    def at(self, address: Address) -> Service | None:
        """Return the Service with that cluster address."""

    def outside_at(self, address: Address) -> tuple[Service, ...]:
        """Return the Services with that external or load balancer address, sorted: anybody can take one."""

    def families(self) -> Iterable[Family]:
        """Return the address families that cluster addresses have."""

    def endpoints(self, service: Service) -> tuple[tuple[Address, int | None, str], ...]:
        """Return (address, port or None, port name) of the listed endpoints."""

    def serving(self, service: Service) -> Mapping[Address, Served]:
        """Return on which ports each listed endpoint serves (None: every one), ready or not."""


class PolicyLister(Protocol):
    """Policies of every family, compiled."""

    @property
    def context(self) -> CompileContext:
        """What they are compiled in."""

    def selecting(self, pod_class: PodClass, direction: Direction) -> Selecting:
        """Return what selects, or may select, pods of `pod_class`, in the order in which it is asked."""

    def unevaluated(self, pod_class: PodClass, direction: Direction) -> Unevaluated | None:
        """Return why answers on this side of `pod_class` cannot be trusted."""

    def compiled_policies(self, namespace: str, direction: Direction) -> Iterable[CompiledPolicy]:
        """Return every piece of a namespace's own policies (empty: of cluster-wide ones), in the order asked."""

    def asked(self, namespace: str, direction: Direction) -> tuple[AskedLabels, ...]:
        """Return the labels by which a namespace's own policies (empty: cluster-wide ones) tell pods apart that send.

        By those for egress they are let out, by those for ingress let in by others. There may be more labels.
        """

    def named(self, namespace: str) -> Mapping[PolicyRef, Policy]:
        """Return the NetworkPolicies of a namespace."""

    def crd_policies(self, namespace: str) -> Mapping[PolicyRef, CrdPolicy]:
        """Return the policies of other families of a namespace (empty: the cluster-wide ones)."""

    def problems(self) -> Mapping[PolicyRef, tuple[str, ...]]:
        """Return what is wrong with policies of other families: parts that are not in force, or not understood."""


class View:
    """What `evaluate` and everything above it may ask.

    `complete`: what is not here does not exist.
    """

    settings: Settings
    complete: bool
    namespaces: NamespaceLister
    accounts: AccountLister
    nodes: NodeLister
    pods: PodLister
    workloads: WorkloadLister
    services: ServiceLister
    policies: PolicyLister
    inbound: Declarations
    memos: Memos
    purse: Purse

    @property
    def budget(self) -> Budget:
        """What may be spent: the budget of the innermost `within`, or no limit. Loops over what is here spend it."""
        return self.purse.budget

    def within(self, budget: Budget) -> Purse:
        """Answer within a budget: `Exhausted` comes out of any look-up or judgement that takes more.

        One review runs to its end before the next begins.
        """
        return self.purse.within(budget)

    def memo(self, memo: Memo[K, V]) -> Answers[K, V]:
        """Return the answers that are remembered, as long as nothing that policy sees but pods and Services changes.

        Whatever else they rest on is part of the key, or compared: `version_of`.
        """
        return self.memos.of(memo)

    def ground(self) -> tuple["View", tuple[Workload, ...]] | None:
        """Return the view whose answers are remembered, and the workloads that are on top of it here.

        None: these may change more than look-ups that they answer to.
        """
        return self, ()

    def version_of(self, *namespaces: str) -> Hashable:
        """Return what differs as soon as a pod, a workload, a Service or an endpoint of these namespaces does."""
        raise NotImplementedError

    def beneath(self) -> "Beneath":
        """Return what this view is over, where it has the same but for some workloads: else the view itself.

        What that rests on changes less often, so that more is remembered.
        """
        return Beneath(self)

    @property
    def compile_context(self) -> CompileContext:
        """What policies are compiled in."""
        return self.policies.context

    @property
    def enforcer(self) -> Enforcer:
        """Who enforces policy: as set, or as found out."""
        return self.policies.context.enforcer

    @property
    def dialect(self) -> Dialect:
        """How the enforcer reads policies."""
        return self.policies.context.dialect

    def families(self) -> tuple[Family, ...]:
        """Return the address families that pods have, or get; IPv4 where nothing tells."""
        found = {*self.pods.families(), *self.services.families()}
        found |= {family for family in FAMILIES if self.pod_blocks(family)}
        return tuple(f for f in FAMILIES if f in found) or (4,)

    def pod_blocks(self, family: Family) -> tuple[Block, ...]:
        """Return the blocks that new pods get their addresses from; empty: not known."""
        answers = self.memo(_BLOCKS)
        found = answers.get(family)
        if found is None:
            said = self.dialect.blocks.pod_ranges
            every = (b for n in self.nodes.every() for b in n.pod_blocks) if said is None else said
            found = answers[family] = merged(b for b in every if b.family == family)
        return found
