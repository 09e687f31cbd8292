"""The read side of a world: its indexes, and the answers to `View`."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from webhook.model.addresses import FAMILIES, Address, Block, Family, Served, merged
from webhook.model.budget import UNLIMITED, Budget
from webhook.model.compile_context import CompileContext
from webhook.model.dialect import Dialect
from webhook.model.foreign import Doubt, Foreign
from webhook.model.hints import ConfigMap
from webhook.model.labels import Labels
from webhook.model.objects import Account, Namespace, Node, Pod, Service, Shape, Workload
from webhook.model.policy import Direction, Policy
from webhook.model.refs import EXPECTED, PolicyRef, WorkloadRef
from webhook.model.settings import DEFAULTS, Enforcer, Settings
from webhook.model.tier import Isolation
from webhook.world.around import Around
from webhook.world.asking import labels_of
from webhook.world.doubts import Doubts
from webhook.world.inbound import Declarations, Scrapers
from webhook.world.index import Memo
from webhook.world.lookup import NAME_LABEL, backends, groups, made_of
from webhook.world.mentions import Mentions
from webhook.world.owners import Owners
from webhook.world.pods import Pods
from webhook.world.policies import Policies
from webhook.world.services import Services
from webhook.world.view import Group, Selecting

_EVERYBODY = ("", "")  # beside the names and selectors of Services


class Reading:
    """What is here, and what follows from it. Nothing here changes what is here."""

    def __init__(self, settings: Settings = DEFAULTS, *, complete: bool) -> None:
        """Start empty."""
        self._settings = settings
        self._complete = complete
        self._version = 0
        self._memo = Memo()
        self.budget: Budget = UNLIMITED
        self._namespaces: dict[str, Namespace] = {}
        self._nodes: dict[str, Node] = {}
        self._by_node_address: dict[Address, Node] | None = None  # made when it is asked for
        self._workloads: dict[str, dict[WorkloadRef, Workload]] = {}
        self._pods = Pods()
        self._owners = Owners(self._pods)
        self._services = Services()
        self._config_maps: dict[tuple[str, str], ConfigMap] = {}
        self._around = Around(self._namespaces)
        self._policies = Policies(
            settings.pending_labels,
            lambda: self.compile_context,
            partial(labels_of, self),
            lambda: self.budget,
            self._memo,
        )
        self._doubts = Doubts()
        self._inbound = Declarations()
        self._mentions = Mentions()
        self._scrapers = Scrapers()
        self._backends: dict[str, dict[tuple[str, str], tuple[Group, ...]]] = {}
        self._expect(settings)

    def _expect(self, settings: Settings) -> None:
        self._expected: dict[str, dict[WorkloadRef, Workload]] = {}
        for one in settings.expected:
            self._expected.setdefault(one.ref.namespace, {})[one.ref] = made_of(one)

    @property
    def settings(self) -> Settings:
        """The settings that answers depend on."""
        return self._settings

    @property
    def version(self) -> int:
        """What grows whenever something changes that answers may depend on."""
        return self._version

    @property
    def complete(self) -> bool:
        """Whether what is not here does not exist."""
        return self._complete

    @property
    def memo(self) -> dict[object, object]:
        """Answers that hold until something but a pod changes."""
        return self._memo

    @contextmanager
    def within(self, budget: Budget) -> Iterator[None]:
        """Answer within a budget. One review runs to its end before the next begins."""
        before, self.budget = self.budget, budget
        try:
            yield
        finally:
            self.budget = before

    def namespace(self, name: str) -> Namespace:
        """Return the namespace; one that nobody gave has at least the label that the API server sets."""
        found = self._namespaces.get(name)
        return found or Namespace(name, Labels({NAME_LABEL: name}), synthetic=True)

    def has_namespace(self, name: str) -> bool:
        """Say whether the namespace, or something in it, is here."""
        return name in self._namespaces or any(name in index for index in self._filled())

    def namespaces(self) -> Iterable[str]:
        """Return the names of all namespaces that are here or have something in them."""
        return sorted({*self._namespaces, *(name for index in self._filled() for name in index if name)})

    def _filled(self) -> tuple[Mapping[str, object], ...]:
        """Return the indexes by namespace: a name is in one where something is in the namespace."""
        policies = self._policies.by_namespace, self._policies.foreign
        return self._pods.by_namespace, self._services.by_namespace, *policies, self._workloads, self._expected

    def selecting(self, shape: Shape, direction: Direction) -> Selecting:
        """Return what isolates, or may isolate, pods of `shape`."""
        return self._policies.selecting(shape, direction)

    @property
    def compile_context(self) -> CompileContext:
        """What policies are compiled in."""
        return self._around.compile_context(self._settings)

    @property
    def enforcer(self) -> Enforcer:
        """Who enforces policy: as set, or as found out from what is here."""
        return self.compile_context.enforcer

    @property
    def dialect(self) -> Dialect:
        """How the enforcer reads policies."""
        return self.compile_context.dialect

    def account(self, namespace: str, name: str) -> Account | None:
        """Return a ServiceAccount; None: not known."""
        return self._around.account(namespace, name, complete=self._complete)

    def doubt(self, shape: Shape, direction: Direction) -> Doubt | None:  # noqa: ARG002 - the same for both, so far
        """Return why answers on this side of `shape` cannot be trusted."""
        if shape.host_network:
            return Doubt((), self.dialect.nodes.selected) if self.dialect.nodes.selected else None
        key = Reading.doubt
        if key not in self._memo:
            why = self.dialect.certainty.doubt
            self._memo[key] = Doubt((), why) if why else self._doubts.under(self.enforcer.name)
        found = self._memo[key]
        return found if isinstance(found, Doubt) else None

    def isolations(self, namespace: str, direction: Direction) -> Iterable[Isolation]:
        """Return every isolation of a namespace, sorted by policy."""
        return self._policies.isolations(namespace, direction)

    def policies(self, namespace: str) -> Mapping[PolicyRef, Policy]:
        """Return the policies of a namespace."""
        return self._policies.named(namespace)

    def foreign(self, namespace: str) -> Mapping[PolicyRef, Foreign]:
        """Return the policies of other families of a namespace (empty: the cluster-wide ones)."""
        return self._policies.foreign.get(namespace, {})

    def problems(self) -> Mapping[PolicyRef, tuple[str, ...]]:
        """Return what is wrong with policies of other families."""
        return self._policies.problems()

    def service(self, namespace: str, name: str) -> Service | None:
        """Return a Service."""
        return self._services.by_namespace.get(namespace, {}).get(name)

    def services(self, namespace: str) -> Iterable[Service]:
        """Return the Services of a namespace."""
        return self._services.by_namespace.get(namespace, {}).values()

    def services_of(self, shape: Shape) -> tuple[Service, ...]:
        """Return the Services that select pods of `shape`, by name."""
        return tuple(sorted(self._services.selecting(shape.namespace, shape.labels), key=lambda service: service.name))

    def published(self) -> Iterable[Service]:
        """Return the Services that are to be reached from outside."""
        return self._services.published.values()

    @property
    def inbound(self) -> Declarations:
        """Who declares that something is reached from outside."""
        return self._inbound

    def scrapers(self) -> tuple[Workload, ...]:
        """Return the workloads that scrape what is annotated."""
        return self._scrapers.every()

    def mentioning(self, names: Iterable[tuple[str, str]]) -> tuple[WorkloadRef, ...]:
        """Return the workloads whose declarations may mean one of these names, sorted."""
        return tuple(sorted(self._mentions.of(names)))

    def reaching(self, names: Collection[tuple[str, str]]) -> tuple[WorkloadRef, ...]:
        """Return the workloads that may reach one of these names, or an address, sorted."""
        return tuple(sorted(self._mentions.reaching(names)))

    def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        """Return what a ConfigMap says of hosts and ports."""
        return self._config_maps.get((namespace, name))

    def workload(self, ref: WorkloadRef) -> Workload | None:
        """Return a workload, a bare Pod included."""
        if ref.kind == "Pod":
            pod = self._pods.get(ref.namespace, ref.name)
            return pod.bare if pod else None
        if ref.kind == EXPECTED:
            return self._expected.get(ref.namespace, {}).get(ref)
        return self._workloads.get(ref.namespace, {}).get(ref)

    def workloads(self, namespace: str | None = None) -> Iterable[Workload]:
        """Return the workloads of one namespace, or all, bare Pods included."""
        for name in self.namespaces() if namespace is None else (namespace,):
            yield from self._workloads.get(name, {}).values()
            yield from (pod.bare for pod in self._pods.bare.get(name, {}).values() if pod.bare)

    def pods_of(self, ref: WorkloadRef) -> tuple[Pod, ...]:
        """Return the live pods below `ref`, by name."""
        return self._owners.pods_of(ref)

    def top(self, pod: Pod) -> WorkloadRef:
        """Return the topmost controller of a pod; the pod itself without one."""
        return self._owners.top(pod)

    def backends(self, service: Service) -> tuple[Group, ...]:
        """Return who stands behind a Service's selector; a workload without pods by its template."""
        here = self._backends.setdefault(service.namespace, {})
        labels = service.selector
        if labels is None:
            return ()
        key = (service.name, repr(labels.pairs))
        if key not in here:
            here[key] = backends(
                self, service.namespace, labels, partial(self._pods.selected, service.namespace, labels)
            )
        return here[key]

    def groups(self, namespace: str) -> tuple[Group, ...]:
        """Return everybody of a namespace."""
        here = self._backends.setdefault(namespace, {})
        if _EVERYBODY not in here:
            live = (pod for pod in self._pods.by_namespace.get(namespace, {}).values() if pod.live)
            here[_EVERYBODY] = groups(self, namespace, live)
        return here[_EVERYBODY]

    def endpoints(self, service: Service) -> tuple[tuple[Address, int | None, str], ...]:
        """Return (address, port or None, port name) of a Service's listed endpoints."""
        return self._services.endpoints(service)

    def serving(self, service: Service) -> Mapping[Address, Served]:
        """Return on which ports each listed endpoint serves (None: every one), ready or not."""
        return self._services.serving(service)

    def pod_at(self, address: Address) -> Pod | None:
        """Return the pod that has an address of its own."""
        return self._pods.at(address)

    def service_at(self, address: Address) -> Service | None:
        """Return the Service with that cluster address."""
        return self._services.at(address)

    def outside_services_at(self, address: Address) -> tuple[Service, ...]:
        """Return the Services with that external or load balancer address, sorted."""
        return self._services.outside_at(address)

    def node_at(self, address: Address) -> Node | None:
        """Return the node with that address."""
        if self._by_node_address is None:
            by_name = sorted(self._nodes.values(), key=lambda node: node.name, reverse=True)
            self._by_node_address = {address: node for node in by_name for address in node.addresses}
        return self._by_node_address.get(address)

    def nodes(self) -> Iterable[Node]:
        """Return all nodes."""
        return self._nodes.values()

    def families(self) -> tuple[Family, ...]:
        """Return the address families that pods have; IPv4 where nothing tells."""
        found = set(self._pods.families()) | set(self._services.families())
        found |= {family for family in FAMILIES if self.pod_blocks(family)}
        return tuple(f for f in FAMILIES if f in found) or (4,)

    def pod_blocks(self, family: Family) -> tuple[Block, ...]:
        """Return the blocks that new pods get their addresses from; empty: not known."""
        key = (Reading.pod_blocks, family)
        found = self._memo.get(key)
        if not isinstance(found, tuple):
            told = self.dialect.blocks.pod_ranges
            every = (b for n in self._nodes.values() for b in n.pod_blocks) if told is None else told
            found = self._memo[key] = merged(b for b in every if b.family == family)
        return found
