"""A view of some namespaces alone: what is in others, and what is cluster-wide policy, is as if it were not there."""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager

from webhook.model.addresses import FAMILIES, Address, Block, Family, Served
from webhook.model.budget import Budget
from webhook.model.compile_context import CompileContext
from webhook.model.dialect import Dialect
from webhook.model.foreign import Doubt, Foreign
from webhook.model.hints import ConfigMap
from webhook.model.labels import Labels
from webhook.model.objects import Account, Namespace, Node, Pod, Service, Shape, Workload
from webhook.model.policy import Direction, Policy
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.model.settings import Enforcer, Settings
from webhook.model.tier import Isolation
from webhook.world.inbound import Declarations
from webhook.world.lookup import NAME_LABEL
from webhook.world.view import Group, Selecting, View

_NO_DECLARATIONS = Declarations()


class Seen:
    """`base` as far as namespaces are `shown`. Nodes, and who enforces policy, are nobody's own and stay."""

    def __init__(self, base: View, shown: Callable[[str], bool]) -> None:
        """Show what is in namespaces that `shown` takes."""
        self._base = base
        self._shown = shown
        self._memo: dict[object, object] = {}

    @property
    def settings(self) -> Settings:
        """The settings that answers depend on."""
        return self._base.settings

    @property
    def complete(self) -> bool:
        """Whether what is not here does not exist."""
        return self._base.complete

    @property
    def memo(self) -> dict[object, object]:
        """Answers that hold for this view."""
        return self._memo

    @property
    def budget(self) -> Budget:
        """What may be spent."""
        return self._base.budget

    def within(self, budget: Budget) -> AbstractContextManager[None]:
        """Answer within a budget."""
        return self._base.within(budget)

    def namespace(self, name: str) -> Namespace:
        """Return the namespace; of one that is not shown its name alone."""
        if self._shown(name):
            return self._base.namespace(name)
        return Namespace(name, Labels({NAME_LABEL: name}), synthetic=True)

    def has_namespace(self, name: str) -> bool:
        """Say whether the namespace is shown, and here."""
        return self._shown(name) and self._base.has_namespace(name)

    def namespaces(self) -> Iterable[str]:
        """Return the names of the namespaces that are shown, sorted."""
        return [name for name in self._base.namespaces() if self._shown(name)]

    def selecting(self, shape: Shape, direction: Direction) -> Selecting:
        """Return what selects pods of `shape`, of policies that are shown."""
        if not self._shown(shape.namespace):
            return ()
        return tuple((i, truth) for i, truth in self._base.selecting(shape, direction) if self._names(i.ref))

    def _names(self, ref: PolicyRef) -> bool:
        return ref.namespace is not None and self._shown(ref.namespace)

    @property
    def enforcer(self) -> Enforcer:
        """Who enforces policy."""
        return self._base.enforcer

    @property
    def dialect(self) -> Dialect:
        """How the enforcer reads policies."""
        return self._base.dialect

    @property
    def compile_context(self) -> CompileContext:
        """What policies are compiled in."""
        return self._base.compile_context

    def account(self, namespace: str, name: str) -> Account | None:
        """Return a ServiceAccount; None: not known."""
        return self._base.account(namespace, name) if self._shown(namespace) else None

    def doubt(self, shape: Shape, direction: Direction) -> Doubt | None:
        """Return why answers on this side of `shape` cannot be trusted."""
        return self._base.doubt(shape, direction)

    def isolations(self, namespace: str, direction: Direction) -> Iterable[Isolation]:
        """Return every piece of a namespace's own policies."""
        return self._base.isolations(namespace, direction) if namespace and self._shown(namespace) else ()

    def policies(self, namespace: str) -> Mapping[PolicyRef, Policy]:
        """Return the policies of a namespace."""
        return self._base.policies(namespace) if self._shown(namespace) else {}

    def foreign(self, namespace: str) -> Mapping[PolicyRef, Foreign]:
        """Return the policies of other families of a namespace."""
        return self._base.foreign(namespace) if namespace and self._shown(namespace) else {}

    def problems(self) -> Mapping[PolicyRef, tuple[str, ...]]:
        """Return what is wrong with policies of other families."""
        return {ref: found for ref, found in self._base.problems().items() if self._names(ref)}

    def service(self, namespace: str, name: str) -> Service | None:
        """Return a Service."""
        return self._base.service(namespace, name) if self._shown(namespace) else None

    def services(self, namespace: str) -> Iterable[Service]:
        """Return the Services of a namespace."""
        return self._base.services(namespace) if self._shown(namespace) else ()

    def services_of(self, shape: Shape) -> tuple[Service, ...]:
        """Return the Services that select pods of `shape`."""
        return self._base.services_of(shape) if self._shown(shape.namespace) else ()

    def published(self) -> Iterable[Service]:
        """Return the Services that are to be reached from outside."""
        return [service for service in self._base.published() if self._shown(service.namespace)]

    @property
    def inbound(self) -> Declarations:
        """Nothing: an Ingress or a route tells of controllers and Gateways elsewhere."""
        return _NO_DECLARATIONS

    def scrapers(self) -> tuple[Workload, ...]:
        """Return the workloads that scrape what is annotated."""
        return tuple(workload for workload in self._base.scrapers() if self._shown(workload.ref.namespace))

    def mentioning(self, names: Iterable[tuple[str, str]]) -> tuple[WorkloadRef, ...]:
        """Return the workloads whose declarations may mean one of these names."""
        return tuple(ref for ref in self._base.mentioning(names) if self._shown(ref.namespace))

    def reaching(self, names: Collection[tuple[str, str]]) -> tuple[WorkloadRef, ...]:
        """Return the workloads that may reach one of these names, or an address."""
        return tuple(ref for ref in self._base.reaching(names) if self._shown(ref.namespace))

    def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        """Return what a ConfigMap says of hosts and ports."""
        return self._base.config_map(namespace, name) if self._shown(namespace) else None

    def workload(self, ref: WorkloadRef) -> Workload | None:
        """Return a workload."""
        return self._base.workload(ref) if self._shown(ref.namespace) else None

    def workloads(self, namespace: str | None = None) -> Iterable[Workload]:
        """Return the workloads of one namespace, or of all that are shown."""
        for name in self.namespaces() if namespace is None else [namespace]:
            if self._shown(name):
                yield from self._base.workloads(name)

    def pods_of(self, ref: WorkloadRef) -> tuple[Pod, ...]:
        """Return the live pods that `ref` controls."""
        return self._base.pods_of(ref) if self._shown(ref.namespace) else ()

    def backends(self, service: Service) -> tuple[Group, ...]:
        """Return who stands behind a Service's selector."""
        return self._base.backends(service) if self._shown(service.namespace) else ()

    def groups(self, namespace: str) -> tuple[Group, ...]:
        """Return everybody of a namespace."""
        return self._base.groups(namespace) if self._shown(namespace) else ()

    def endpoints(self, service: Service) -> tuple[tuple[Address, int | None, str], ...]:
        """Return (address, port or None, port name) of the listed endpoints."""
        return self._base.endpoints(service) if self._shown(service.namespace) else ()

    def serving(self, service: Service) -> Mapping[Address, Served]:
        """Return on which ports each listed endpoint serves."""
        return self._base.serving(service) if self._shown(service.namespace) else {}

    def pod_at(self, address: Address) -> Pod | None:
        """Return the pod that has an address of its own."""
        pod = self._base.pod_at(address)
        return pod if pod is not None and self._shown(pod.namespace) else None

    def service_at(self, address: Address) -> Service | None:
        """Return the Service with that cluster address."""
        service = self._base.service_at(address)
        return service if service is not None and self._shown(service.namespace) else None

    def outside_services_at(self, address: Address) -> tuple[Service, ...]:
        """Return the Services with that external or load balancer address."""
        return tuple(s for s in self._base.outside_services_at(address) if self._shown(s.namespace))

    def node_at(self, address: Address) -> Node | None:
        """Return the node with that address."""
        return self._base.node_at(address)

    def nodes(self) -> Iterable[Node]:
        """Return all nodes."""
        return self._base.nodes()

    def families(self) -> tuple[Family, ...]:
        """Return the address families that pods here have, or get; IPv4 where nothing tells."""
        found = self._memo.get(Seen.families)
        if not isinstance(found, tuple):
            found = self._memo[Seen.families] = tuple(f for f in FAMILIES if self._has(f)) or (4,)
        return found

    def _has(self, family: Family) -> bool:
        pods = (
            a for name in self.namespaces() for group in self.groups(name) for pod in group.pods for a in pod.addresses
        )
        own = (a for name in self.namespaces() for service in self.services(name) for a in service.cluster_ips)
        return bool(self.pod_blocks(family)) or any(a.family == family for some in (pods, own) for a in some)

    def pod_blocks(self, family: Family) -> tuple[Block, ...]:
        """Return the blocks that new pods get their addresses from."""
        return self._base.pod_blocks(family)

    def top(self, pod: Pod) -> WorkloadRef:
        """Return the topmost controller of a pod."""
        return self._base.top(pod)
