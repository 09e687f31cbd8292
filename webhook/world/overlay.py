"""A proposed change, read through to a view that stays as it is."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from webhook.model.addresses import Address, Block, Family, Served
from webhook.model.budget import Budget
from webhook.model.compile_context import CompileContext
from webhook.model.dialect import Dialect
from webhook.model.foreign import Doubt, Foreign
from webhook.model.hints import ConfigMap
from webhook.model.labels import NO_LABELS
from webhook.model.objects import Account, Namespace, Node, Pod, Service, Shape, Workload
from webhook.model.policy import Direction, Policy
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.model.settings import Enforcer, Settings
from webhook.model.tier import Isolation, Rank, Tier, position
from webhook.model.truth import Truth
from webhook.world.asking import labels_of
from webhook.world.inbound import Declarations, scrapes
from webhook.world.index import Memo
from webhook.world.lookup import backends, controllers, groups, or_expected, with_expected
from webhook.world.mentions import mentioned, reaches
from webhook.world.policies import Policies
from webhook.world.view import Group, Selecting, View


class Overlay:
    """`base` with some workloads and policies put on top. The base must not change while this is in use."""

    def __init__(self, base: View, puts: Iterable[Workload | Policy] = (), *, anew: bool = False) -> None:
        """Put values over `base`; what has the same kind, namespace and name is hidden.

        `anew`: so are the pods of such a workload, as if it had been rolled out: its template counts.
        """
        self._base = base
        self._anew = anew
        self._memo = Memo()
        self.budget = base.budget
        self._workloads: dict[WorkloadRef, Workload] = {}
        self._selecting_services: dict[Shape, tuple[Service, ...]] = {}
        self._policies = Policies(
            base.settings.pending_labels,
            lambda: base.compile_context,
            partial(labels_of, self),
            lambda: self.budget,
            self._memo,
        )
        for value in puts:
            match value:
                case Workload():
                    self._workloads[value.ref] = value
                case Policy():
                    self._policies.put(value)
        self._reowned = any(map(self._changes_owners, self._workloads.values()))

    def _changes_owners(self, workload: Workload) -> bool:
        """Say whether pods, too, may stand under another controller than in the base."""
        old = self._base.workload(workload.ref)
        if old is None:
            return workload.owner is not None or workload.ref.kind == "ReplicaSet"
        return old.owner != workload.owner

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
        """Answers that hold for this overlay; the base's own where no policy is on top."""
        return self._memo if self._policies.by_namespace else self._base.memo

    @contextmanager
    def within(self, budget: Budget) -> Iterator[None]:
        """Answer within a budget, the base included."""
        before, self.budget = self.budget, budget
        try:
            with self._base.within(budget):
                yield
        finally:
            self.budget = before

    def selecting(self, shape: Shape, direction: Direction) -> Selecting:
        """Return what isolates, or may isolate, pods of `shape`."""
        below = self._base.selecting(shape, direction)
        mine = self._policies.named(shape.namespace)
        if not mine:
            return below
        kept = [(i, truth) for i, truth in below if i.ref not in mine]
        return tuple(sorted([*kept, *self._policies.selecting(shape, direction)], key=_place))

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
        return self._base.account(namespace, name)

    def doubt(self, shape: Shape, direction: Direction) -> Doubt | None:
        """Return why answers on this side of `shape` cannot be trusted."""
        return self._base.doubt(shape, direction)

    def isolations(self, namespace: str, direction: Direction) -> Iterable[Isolation]:
        """Return every isolation of a namespace, sorted by policy."""
        mine = self._policies.named(namespace)
        kept = [i for i in self._base.isolations(namespace, direction) if i.ref not in mine]
        return sorted([*kept, *self._policies.isolations(namespace, direction)], key=position)

    def policies(self, namespace: str) -> Mapping[PolicyRef, Policy]:
        """Return the policies of a namespace."""
        return {**self._base.policies(namespace), **self._policies.named(namespace)}

    def foreign(self, namespace: str) -> Mapping[PolicyRef, Foreign]:
        """Return the policies of other families of a namespace (empty: the cluster-wide ones)."""
        return self._base.foreign(namespace)

    def problems(self) -> Mapping[PolicyRef, tuple[str, ...]]:
        """Return what is wrong with policies of other families."""
        return self._base.problems()

    def workload(self, ref: WorkloadRef) -> Workload | None:
        """Return a workload."""
        return self._workloads.get(ref) or self._base.workload(ref)

    def workloads(self, namespace: str | None = None) -> Iterable[Workload]:
        """Return the workloads of one namespace, or all."""
        mine = {r: w for r, w in self._workloads.items() if namespace in (None, r.namespace)}
        yield from (w for w in self._base.workloads(namespace) if w.ref not in mine)
        yield from mine.values()

    def has_namespace(self, name: str) -> bool:
        """Say whether the namespace, or something in it, is here."""
        return self._base.has_namespace(name) or name in self._filled()

    def _filled(self) -> set[str]:
        return {*self._policies.by_namespace, *(ref.namespace for ref in self._workloads)}

    def backends(self, service: Service) -> tuple[Group, ...]:
        """Return who stands behind a Service's selector."""
        below = self._kept(self._base.backends(service))
        if self._reowned and service.selector is not None:
            return backends(self, service.namespace, service.selector, lambda: (p for g in below for p in g.pods))
        if service.selector is None:
            return below
        mine = [w for w in self._workloads.values() if w.ref.namespace == service.namespace and w.owner is None]
        found = self._with_templates(below, [w for w in mine if _selects(service, w)]) if mine else below
        return or_expected(self, service.namespace, service.selector, found)

    def groups(self, namespace: str) -> tuple[Group, ...]:
        """Return everybody of a namespace."""
        if self._reowned:
            return groups(self, namespace, self._pods(namespace))
        mine = [w for w in self._workloads.values() if w.ref.namespace == namespace and w.owner is None]
        found = self._with_templates(self._kept(self._base.groups(namespace)), mine)
        return with_expected(self, namespace, found)

    def _kept(self, below: tuple[Group, ...]) -> tuple[Group, ...]:
        """Leave out the pods that are as good as gone."""
        return tuple(g for g in below if g.ref not in self._workloads) if self._anew else below

    def _with_templates(self, below: tuple[Group, ...], mine: Iterable[Workload]) -> tuple[Group, ...]:
        """Templates on top replace those below; a workload that has pods is judged by its pods."""
        found = {g.ref: g for g in below if g.pods or g.ref not in self._workloads}
        for workload in mine:
            if workload.ref not in found and not self.pods_of(workload.ref):
                found[workload.ref] = Group(workload.ref, template=workload)
        return tuple(found[ref] for ref in sorted(found))

    def namespace(self, name: str) -> Namespace:
        """Return the namespace."""
        return self._base.namespace(name)

    def namespaces(self) -> Iterable[str]:
        """Return the names of all namespaces."""
        return sorted({*self._base.namespaces(), *self._filled()})

    def service(self, namespace: str, name: str) -> Service | None:
        """Return a Service."""
        return self._base.service(namespace, name)

    def services(self, namespace: str) -> Iterable[Service]:
        """Return the Services of a namespace."""
        return self._base.services(namespace)

    def services_of(self, shape: Shape) -> tuple[Service, ...]:
        """Return the Services that select pods of `shape`, by name."""
        found = self._selecting_services.get(shape)
        if found is None:
            found = self._selecting_services[shape] = self._base.services_of(shape)
        return found

    def published(self) -> Iterable[Service]:
        """Return the Services that are to be reached from outside."""
        return self._base.published()

    @property
    def inbound(self) -> Declarations:
        """Who declares that something is reached from outside."""
        return self._base.inbound

    def scrapers(self) -> tuple[Workload, ...]:
        """Return the workloads that scrape what is annotated."""
        below = [w for w in self._base.scrapers() if w.ref not in self._workloads]
        return tuple(sorted((*below, *filter(scrapes, self._workloads.values())), key=lambda w: w.ref))

    def mentioning(self, names: Iterable[tuple[str, str]]) -> tuple[WorkloadRef, ...]:
        """Return the workloads whose declarations may mean one of these names, sorted."""
        wanted = set(names)
        below = (ref for ref in self._base.mentioning(wanted) if ref not in self._workloads)
        mine = (w.ref for w in self._workloads.values() if w.owner is None and not wanted.isdisjoint(mentioned(w)))
        return tuple(sorted((*below, *mine)))

    def reaching(self, names: Collection[tuple[str, str]]) -> tuple[WorkloadRef, ...]:
        """Return the workloads that may reach one of these names, or an address, sorted."""
        mine = (w.ref for w in self._workloads.values() if w.owner is None and reaches(w, names))
        return tuple(sorted((*(r for r in self._base.reaching(names) if r not in self._workloads), *mine)))

    def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        """Return what a ConfigMap says of hosts and ports."""
        return self._base.config_map(namespace, name)

    def pods_of(self, ref: WorkloadRef) -> tuple[Pod, ...]:
        """Return the live pods below `ref`, by name."""
        if self._anew and ref in self._workloads:
            return ()
        if not self._reowned or ref.kind == "Pod":
            return self._base.pods_of(ref)
        below = (pod for pod in self._pods(ref.namespace) if ref in controllers(self, pod))
        return tuple(sorted(below, key=lambda pod: pod.name))

    def _pods(self, namespace: str) -> Iterable[Pod]:
        return (pod for group in self._kept(self._base.groups(namespace)) for pod in group.pods)

    def top(self, pod: Pod) -> WorkloadRef:
        """Return the topmost controller of a pod."""
        return controllers(self, pod)[-1] if self._reowned else self._base.top(pod)

    def endpoints(self, service: Service) -> tuple[tuple[Address, int | None, str], ...]:
        """Return the listed endpoints of a Service."""
        return self._base.endpoints(service)

    def serving(self, service: Service) -> Mapping[Address, Served]:
        """Return on which ports each listed endpoint serves (None: every one), ready or not."""
        return self._base.serving(service)

    def pod_at(self, address: Address) -> Pod | None:
        """Return the pod that has an address of its own."""
        return self._base.pod_at(address)

    def service_at(self, address: Address) -> Service | None:
        """Return the Service with that cluster address."""
        return self._base.service_at(address)

    def outside_services_at(self, address: Address) -> tuple[Service, ...]:
        """Return the Services with that external or load balancer address, sorted."""
        return self._base.outside_services_at(address)

    def node_at(self, address: Address) -> Node | None:
        """Return the node with that address."""
        return self._base.node_at(address)

    def nodes(self) -> Iterable[Node]:
        """Return all nodes."""
        return self._base.nodes()

    def families(self) -> tuple[Family, ...]:
        """Return the address families that pods have."""
        return self._base.families()

    def pod_blocks(self, family: Family) -> tuple[Block, ...]:
        """Return the blocks that new pods get their addresses from."""
        return self._base.pod_blocks(family)


def _place(pair: tuple[Isolation, Truth]) -> tuple[Tier, str, Rank, PolicyRef]:
    return position(pair[0])


def _selects(service: Service, workload: Workload) -> bool:
    labels = workload.template.shape.labels
    return all(labels.get(k) == v for k, v in (service.selector or NO_LABELS).pairs)
