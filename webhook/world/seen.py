"""A view of some namespaces alone: what is in others, and what is cluster-wide policy, is as if it were not there."""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping

from webhook.model.addresses import Address, Family, Served
from webhook.model.crd_policies import CompileContext, CrdPolicy, Unevaluated
from webhook.model.hints import ConfigMap
from webhook.model.labels import AskedLabels
from webhook.model.objects import Account, Namespace, Pod, PodClass, Service, Workload
from webhook.model.policy import Direction, Policy
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.model.tier import CompiledPolicy
from webhook.world.changes import Clock, Memos
from webhook.world.pod_labels import unlabelled
from webhook.world.services import Declarations
from webhook.world.view import Group, Selecting, View

_NO_DECLARATIONS = Declarations(Clock())


class Seen(View):
    """`base` as far as namespaces are `shown`. Nodes, and who enforces policy, are nobody's own and stay.

    No declarations are: an Ingress or a route tells of controllers and Gateways elsewhere.
    """

    def __init__(self, base: View, shown: Callable[[str], bool]) -> None:
        """Show what is in namespaces that `shown` takes. `base` must not change while this is in use."""
        self._base = base
        self.settings, self.complete, self.purse = base.settings, base.complete, base.purse
        self.nodes, self.inbound = base.nodes, _NO_DECLARATIONS
        self.memos = Memos(Clock(), lambda: 0)
        self.namespaces = _Namespaces(base, shown)
        self.accounts = _Accounts(base, shown)
        self.pods = _Pods(base, shown)
        self.workloads = _Workloads(base, shown)
        self.services = _Services(base, shown)
        self.policies = _Policies(base, shown)

    def version_of(self, *namespaces: str) -> Hashable:
        """Return what differs as soon as a pod, a workload, a Service or an endpoint of these namespaces does."""
        return self._base.version_of(*namespaces)


class _Part:
    """A lister of a view, as far as namespaces are shown."""

    def __init__(self, base: View, shown: Callable[[str], bool]) -> None:
        self._base, self._shown = base, shown


class _Namespaces(_Part):
    def get(self, name: str) -> Namespace:
        return self._base.namespaces.get(name) if self._shown(name) else unlabelled(name)

    def __contains__(self, name: str) -> bool:
        return self._shown(name) and name in self._base.namespaces

    def names(self) -> Iterable[str]:
        return [name for name in self._base.namespaces.names() if self._shown(name)]


class _Accounts(_Part):
    def get(self, namespace: str, name: str) -> Account | None:
        return self._base.accounts.get(namespace, name) if self._shown(namespace) else None


class _Pods(_Part):
    def at(self, address: Address) -> Pod | None:
        pod = self._base.pods.at(address)
        return pod if pod is not None and self._shown(pod.namespace) else None

    def of(self, ref: WorkloadRef) -> tuple[Pod, ...]:
        return self._base.pods.of(ref) if self._shown(ref.namespace) else ()

    def top(self, pod: Pod) -> WorkloadRef:
        return self._base.pods.top(pod)

    def groups(self, namespace: str) -> tuple[Group, ...]:
        return self._base.pods.groups(namespace) if self._shown(namespace) else ()

    def behind(self, service: Service) -> tuple[Group, ...]:
        return self._base.pods.behind(service) if self._shown(service.namespace) else ()

    def families(self) -> Iterable[Family]:
        shown = filter(self._shown, self._base.namespaces.names())
        pods = (pod for name in shown for group in self._base.pods.groups(name) for pod in group.pods)
        return {address.family for pod in pods for address in pod.addresses}


class _Workloads(_Part):
    def get(self, ref: WorkloadRef) -> Workload | None:
        return self._base.workloads.get(ref) if self._shown(ref.namespace) else None

    def every(self, namespace: str | None = None) -> Iterable[Workload]:
        for name in self._base.namespaces.names() if namespace is None else [namespace]:
            if self._shown(name):
                yield from self._base.workloads.every(name)

    def scrapers(self) -> tuple[Workload, ...]:
        return tuple(workload for workload in self._base.workloads.scrapers() if self._shown(workload.ref.namespace))

    def mentioning(self, names: Iterable[tuple[str, str]]) -> tuple[WorkloadRef, ...]:
        return tuple(ref for ref in self._base.workloads.mentioning(names) if self._shown(ref.namespace))

    def reaching(self, names: Collection[tuple[str, str]]) -> tuple[WorkloadRef, ...]:
        return tuple(ref for ref in self._base.workloads.reaching(names) if self._shown(ref.namespace))

    def telling(self, names: Collection[tuple[str, str]]) -> set[WorkloadRef]:
        return {ref for ref in self._base.workloads.telling(names) if self._shown(ref.namespace)}

    def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        return self._base.workloads.config_map(namespace, name) if self._shown(namespace) else None


class _Services(_Part):
    def get(self, namespace: str, name: str) -> Service | None:
        return self._base.services.get(namespace, name) if self._shown(namespace) else None

    def within(self, namespace: str) -> Iterable[Service]:
        return self._base.services.within(namespace) if self._shown(namespace) else ()

    def selecting(self, pod_class: PodClass) -> tuple[Service, ...]:
        return self._base.services.selecting(pod_class) if self._shown(pod_class.namespace) else ()

    def published(self) -> Iterable[Service]:
        return [service for service in self._base.services.published() if self._shown(service.namespace)]

    def unselecting(self) -> Iterable[Service]:
        return [service for service in self._base.services.unselecting() if self._shown(service.namespace)]

    def at(self, address: Address) -> Service | None:
        service = self._base.services.at(address)
        return service if service is not None and self._shown(service.namespace) else None

    def outside_at(self, address: Address) -> tuple[Service, ...]:
        return tuple(s for s in self._base.services.outside_at(address) if self._shown(s.namespace))

    def families(self) -> Iterable[Family]:
        shown = filter(self._shown, self._base.namespaces.names())
        every = (service for name in shown for service in self._base.services.within(name))
        return {address.family for service in every for address in service.cluster_ips}

    def endpoints(self, service: Service) -> tuple[tuple[Address, int | None, str], ...]:
        return self._base.services.endpoints(service) if self._shown(service.namespace) else ()

    def serving(self, service: Service) -> Mapping[Address, Served]:
        return self._base.services.serving(service) if self._shown(service.namespace) else {}


class _Policies(_Part):
    @property
    def context(self) -> CompileContext:
        return self._base.policies.context

    def _names(self, ref: PolicyRef) -> bool:
        return ref.namespace is not None and self._shown(ref.namespace)

    def selecting(self, pod_class: PodClass, direction: Direction) -> Selecting:
        if not self._shown(pod_class.namespace):
            return ()
        return tuple(
            (i, truth) for i, truth in self._base.policies.selecting(pod_class, direction) if self._names(i.ref)
        )

    def unevaluated(self, pod_class: PodClass, direction: Direction) -> Unevaluated | None:
        return self._base.policies.unevaluated(pod_class, direction)

    def compiled_policies(self, namespace: str, direction: Direction) -> Iterable[CompiledPolicy]:
        return (
            self._base.policies.compiled_policies(namespace, direction) if namespace and self._shown(namespace) else ()
        )

    def asked(self, namespace: str, direction: Direction) -> tuple[AskedLabels, ...]:
        return self._base.policies.asked(namespace, direction)

    def named(self, namespace: str) -> Mapping[PolicyRef, Policy]:
        return self._base.policies.named(namespace) if self._shown(namespace) else {}

    def crd_policies(self, namespace: str) -> Mapping[PolicyRef, CrdPolicy]:
        return self._base.policies.crd_policies(namespace) if namespace and self._shown(namespace) else {}

    def problems(self) -> Mapping[PolicyRef, tuple[str, ...]]:
        return {ref: found for ref, found in self._base.policies.problems().items() if self._names(ref)}
