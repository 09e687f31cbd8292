"""The read side of a world. A view answers look-ups; it decides nothing about packets."""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from msgspec import Struct

from webhook.model.addresses import Address, Block, Family, Served
from webhook.model.budget import Budget
from webhook.model.compile_context import CompileContext
from webhook.model.dialect import Dialect
from webhook.model.expression import Lookup
from webhook.model.foreign import Doubt, Foreign
from webhook.model.hints import ConfigMap
from webhook.model.objects import Account, Namespace, Node, Pod, Service, Shape, Workload
from webhook.model.policy import Direction, Policy
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.model.settings import Enforcer, Settings
from webhook.model.tier import Isolation
from webhook.model.truth import Truth
from webhook.world.inbound import Declarations

Selecting = tuple[tuple[Isolation, Truth], ...]
Asking = Callable[[Shape], Lookup]  # what conditions may ask of pods of a shape


class Group(Struct, frozen=True):
    """Pods under one topmost controller. Without pods it is judged by `template`."""

    ref: WorkloadRef
    pods: tuple[Pod, ...] = ()
    template: Workload | None = None


class View(Protocol):
    """What `evaluate` and everything above it may ask.

    `complete`: what is not here does not exist. `memo` holds answers that follow from the view alone; whoever
    changes the view empties it. `budget` is what whoever asks may still cost: loops over what is here spend it.
    """

    @property
    def settings(self) -> Settings:
        """The settings that answers depend on."""

    @property
    def complete(self) -> bool:
        """Whether what is not here does not exist."""

    @property
    def memo(self) -> dict[object, object]:
        """Answers that hold while the view stays as it is."""

    @property
    def budget(self) -> Budget:
        """What may be spent: the budget of the innermost `within`, or no limit."""

    def within(self, budget: Budget) -> AbstractContextManager[None]:
        """Answer within a budget: `Exhausted` comes out of any look-up or judgement that takes more."""

    def namespace(self, name: str) -> Namespace:
        """Return the namespace; one that nobody gave has at least its name label."""

    def has_namespace(self, name: str) -> bool:
        """Say whether the namespace, or something in it, is here."""

    def namespaces(self) -> Iterable[str]:
        """Return the names of all namespaces, sorted."""

    def selecting(self, shape: Shape, direction: Direction) -> Selecting:
        """Return what selects, or may select, pods of `shape`, in the order in which it is asked."""

    @property
    def enforcer(self) -> Enforcer:
        """Who enforces policy: as set, or as found out."""

    @property
    def dialect(self) -> Dialect:
        """How the enforcer reads policies."""

    @property
    def compile_context(self) -> CompileContext:
        """What policies are compiled in."""

    def account(self, namespace: str, name: str) -> Account | None:
        """Return a ServiceAccount; None: not known."""

    def doubt(self, shape: Shape, direction: Direction) -> Doubt | None:
        """Return why answers on this side of `shape` cannot be trusted."""

    def isolations(self, namespace: str, direction: Direction) -> Iterable[Isolation]:
        """Return every piece of a namespace's own policies (empty: of cluster-wide ones), in the order asked."""

    def policies(self, namespace: str) -> Mapping[PolicyRef, Policy]:
        """Return the policies of a namespace."""

    def foreign(self, namespace: str) -> Mapping[PolicyRef, Foreign]:
        """Return the policies of other families of a namespace (empty: the cluster-wide ones)."""

    def problems(self) -> Mapping[PolicyRef, tuple[str, ...]]:
        """Return what is wrong with policies of other families: parts that are not in force, or not understood."""

    def service(self, namespace: str, name: str) -> Service | None:
        """Return a Service."""

    def services(self, namespace: str) -> Iterable[Service]:
        """Return the Services of a namespace."""

    def services_of(self, shape: Shape) -> tuple[Service, ...]:
        """Return the Services that select pods of `shape`, by name."""

    def published(self) -> Iterable[Service]:
        """Return the Services that are to be reached from outside: of type LoadBalancer or NodePort, or by address."""

    @property
    def inbound(self) -> Declarations:
        """Who declares that something is reached from outside, for reading."""

    def scrapers(self) -> tuple[Workload, ...]:
        """Return the workloads that scrape what is annotated, those included that something else controls."""

    def mentioning(self, names: Iterable[tuple[str, str]]) -> tuple[WorkloadRef, ...]:
        """Return the workloads whose declarations may mean one of these (namespace, name), sorted."""

    def reaching(self, names: Collection[tuple[str, str]]) -> tuple[WorkloadRef, ...]:
        """Return the workloads that may reach one of these (namespace, name), or an address, sorted.

        That is by what they declare, or by what their containers are told.
        """

    def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        """Return what a ConfigMap says of hosts and ports."""

    def workload(self, ref: WorkloadRef) -> Workload | None:
        """Return a workload, a bare Pod included."""

    def workloads(self, namespace: str | None = None) -> Iterable[Workload]:
        """Return the workloads of one namespace, or all, bare Pods included."""

    def pods_of(self, ref: WorkloadRef) -> tuple[Pod, ...]:
        """Return the live pods that `ref` controls, itself or through others, by name."""

    def backends(self, service: Service) -> tuple[Group, ...]:
        """Return who stands behind a Service's selector; a workload without pods by its template."""

    def groups(self, namespace: str) -> tuple[Group, ...]:
        """Return everybody of a namespace."""

    def endpoints(self, service: Service) -> tuple[tuple[Address, int | None, str], ...]:
        """Return (address, port or None, port name) of the listed endpoints."""

    def serving(self, service: Service) -> Mapping[Address, Served]:
        """Return on which ports each listed endpoint serves (None: every one), ready or not."""

    def pod_at(self, address: Address) -> Pod | None:
        """Return the pod that has an address of its own."""

    def service_at(self, address: Address) -> Service | None:
        """Return the Service with that cluster address."""

    def outside_services_at(self, address: Address) -> tuple[Service, ...]:
        """Return the Services with that external or load balancer address, sorted: anybody can take one."""

    def node_at(self, address: Address) -> Node | None:
        """Return the node with that address."""

    def nodes(self) -> Iterable[Node]:
        """Return all nodes."""

    def families(self) -> tuple[Family, ...]:
        """Return the address families that pods have; IPv4 where nothing tells."""

    def pod_blocks(self, family: Family) -> tuple[Block, ...]:
        """Return the blocks that new pods get their addresses from; empty: not known."""

    def top(self, pod: Pod) -> WorkloadRef:
        """Return the topmost controller of a pod; the pod itself without one."""
