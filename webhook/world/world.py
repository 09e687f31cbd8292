"""The world itself: what was put and not dropped, and the answers to `View`."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from webhook.model.addresses import FAMILIES, Address, Block, Family, merged
from webhook.model.doubt import Doubt
from webhook.model.foreign import Foreign, Gap
from webhook.model.hints import ConfigMap
from webhook.model.labels import Labels
from webhook.model.objects import EndpointSlice, Namespace, Node, Pod, Service, Shape, Workload
from webhook.model.policy import Direction, Policy
from webhook.model.refs import WORKLOAD_KINDS, PolicyRef, WorkloadRef
from webhook.model.settings import DEFAULTS, Enforcer, Settings
from webhook.model.tier import Isolation
from webhook.world.changes import Change, Drop, Put, Value
from webhook.world.doubts import Doubts
from webhook.world.enforcer import from_cluster, from_files
from webhook.world.index import discard
from webhook.world.lookup import NAME_LABEL, backends, groups
from webhook.world.owners import Owners
from webhook.world.pods import Pods
from webhook.world.policies import Policies
from webhook.world.services import Services
from webhook.world.view import Group, Selecting

# An answer is remembered by shape and address, never by pod, and the Service is translated before it.
_KINDS_WITHOUT_VERDICTS = frozenset({"Pod", "Service", "EndpointSlice", "ConfigMap", *WORKLOAD_KINDS} - {"DaemonSet"})
_EVERYBODY = ("", "")  # beside the names and selectors of Services


class World:
    """A cluster (`complete`), or some files of one. `apply` is its only writer."""

    def __init__(self, settings: Settings = DEFAULTS, *, complete: bool) -> None:
        """Start empty."""
        self._settings = settings
        self._complete = complete
        self._memo: dict[object, object] = {}
        self._namespaces: dict[str, Namespace] = {}
        self._nodes: dict[str, Node] = {}
        self._workloads: dict[str, dict[WorkloadRef, Workload]] = {}
        self._pods = Pods()
        self._owners = Owners(self._pods)
        self._services = Services()
        self._config_maps: dict[tuple[str, str], ConfigMap] = {}
        self._policies = Policies(settings.pending_labels)
        self._doubts = Doubts()
        self._backends: dict[str, dict[tuple[str, str], tuple[Group, ...]]] = {}

    # -- writing ---------------------------------------------------------------------------------------------------

    def apply(self, changes: Iterable[Change]) -> None:
        """Apply changes in order; each touches only what it is about."""
        for change in changes:
            match change:
                case Put(value):
                    if not self._has(value):
                        self._put(value)
                case Drop(kind, namespace, name):
                    self._drop(kind, namespace, name)

    def configure(self, settings: Settings) -> None:
        """Answer by other settings from here on."""
        self._settings = settings
        self._policies.expect(settings.pending_labels)
        self._backends.clear()
        self._memo.clear()

    def _has(self, value: Value) -> bool:
        """Say whether an equal value is here: most events tell of nothing that policy can see."""
        match value:
            case Pod():
                return self._pods.get(value.namespace, value.name) == value
            case Workload():
                return self._workloads.get(value.ref.namespace, {}).get(value.ref) == value
            case Service():
                return self._services.by_namespace.get(value.namespace, {}).get(value.name) == value
            case EndpointSlice():
                return self._services.slice(value.namespace, value.name) == value
            case Namespace():
                return self._namespaces.get(value.name) == value
            case Node():
                return self._nodes.get(value.name) == value
            case Policy():
                return self._policies.named(value.namespace).get(value.ref) == value
            case ConfigMap() | Foreign() | Gap():
                return False

    def _put(self, value: Value) -> None:
        match value:
            case Namespace():
                self._namespaces[value.name] = value
                self._memo.clear()
            case Node():
                self._nodes[value.name] = value
                self._memo.clear()
            case Pod():
                self._pods.put(value)
                self._backends.pop(value.namespace, None)
            case Workload():
                self._put_workload(value)
            case Service():
                self._services.put(value)
                self._backends.pop(value.namespace, None)
            case EndpointSlice():
                self._services.put_slice(value)
            case ConfigMap():
                self._config_maps[value.namespace, value.name] = value
            case Policy():
                self._policies.put(value)
                self._memo.clear()
            case Foreign() | Gap():
                self._doubts.put(value)
                self._memo.clear()

    def _put_workload(self, workload: Workload) -> None:
        ref = workload.ref
        self._workloads.setdefault(ref.namespace, {})[ref] = workload
        self._owners.put(workload)
        self._backends.pop(ref.namespace, None)
        if ref.kind not in _KINDS_WITHOUT_VERDICTS:
            self._memo.clear()

    def _drop(self, kind: str, namespace: str, name: str) -> None:
        match kind:
            case "Namespace":
                self._namespaces.pop(name, None)
            case "Node":
                self._nodes.pop(name, None)
            case "Pod":
                self._pods.drop(namespace, name)
            case "Service":
                self._services.drop(namespace, name)
            case "EndpointSlice":
                self._services.drop_slice(namespace, name)
            case "ConfigMap":
                self._config_maps.pop((namespace, name), None)
            case "NetworkPolicy":
                self._policies.drop(namespace, PolicyRef(namespace, name))
            case _ if not self._doubts.drop(kind, namespace, name):
                self._drop_workload(WorkloadRef(kind, namespace, name))
            case _:
                pass
        self._backends.pop(namespace, None)
        if kind not in _KINDS_WITHOUT_VERDICTS:
            self._memo.clear()

    def _drop_workload(self, ref: WorkloadRef) -> None:
        gone = self._workloads.get(ref.namespace, {}).get(ref)
        if gone is not None:
            discard(self._workloads, ref.namespace, ref)
            self._owners.drop(gone)

    # -- reading: what View promises ---------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The settings that answers depend on."""
        return self._settings

    @property
    def complete(self) -> bool:
        """Whether what is not here does not exist."""
        return self._complete

    @property
    def memo(self) -> dict[object, object]:
        """Answers that hold until something but a pod changes."""
        return self._memo

    def namespace(self, name: str) -> Namespace:
        """Return the namespace; one that nobody gave has at least the label that the API server sets."""
        found = self._namespaces.get(name)
        return found or Namespace(name, Labels({NAME_LABEL: name}), synthetic=True)

    def has_namespace(self, name: str) -> bool:
        """Say whether the namespace, or something in it, is here."""
        return name in self._namespaces or any(name in index for index in self._filled())

    def namespaces(self) -> Iterable[str]:
        """Return the names of all namespaces that are here or have something in them."""
        return sorted({*self._namespaces, *(name for index in self._filled() for name in index)})

    def _filled(self) -> tuple[Mapping[str, object], ...]:
        """Return the indexes by namespace: a name is in one where something is in the namespace."""
        return self._pods.by_namespace, self._services.by_namespace, self._policies.by_namespace, self._workloads

    def selecting(self, shape: Shape, direction: Direction) -> Selecting:
        """Return what isolates, or may isolate, pods of `shape`."""
        return self._policies.selecting(shape, direction)

    @property
    def enforcer(self) -> Enforcer:
        """Who enforces policy: as set, or as found out from what is here."""
        if not self._settings.detect:
            return self._settings.enforcer
        found = self._memo.get("enforcer")
        if not isinstance(found, Enforcer):
            live = self._settings.detect == "cluster"
            found = from_cluster(self._daemon_sets()) if live else from_files(self._doubts.foreign.values())
            self._memo["enforcer"] = found
        return found

    def _daemon_sets(self) -> Iterator[Workload]:
        for here in self._workloads.values():
            yield from (w for ref, w in here.items() if ref.kind == "DaemonSet")

    def doubt(self, shape: Shape, direction: Direction) -> Doubt | None:
        """Return why answers on this side of `shape` cannot be trusted."""
        key = ("doubt", shape, direction)
        if key not in self._memo:
            self._memo[key] = self._doubts.about(self, shape, direction)
        found = self._memo[key]
        return found if isinstance(found, Doubt) else None

    def isolations(self, namespace: str, direction: Direction) -> Iterable[Isolation]:
        """Return every isolation of a namespace, sorted by policy."""
        return self._policies.isolations(namespace, direction)

    def policies(self, namespace: str) -> Mapping[PolicyRef, Policy]:
        """Return the policies of a namespace."""
        return self._policies.named(namespace)

    def service(self, namespace: str, name: str) -> Service | None:
        """Return a Service."""
        return self._services.by_namespace.get(namespace, {}).get(name)

    def services(self, namespace: str) -> Iterable[Service]:
        """Return the Services of a namespace."""
        return self._services.by_namespace.get(namespace, {}).values()

    def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        """Return what a ConfigMap says of hosts and ports."""
        return self._config_maps.get((namespace, name))

    def workload(self, ref: WorkloadRef) -> Workload | None:
        """Return a workload, a bare Pod included."""
        if ref.kind == "Pod":
            pod = self._pods.get(ref.namespace, ref.name)
            return pod.bare if pod else None
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

    def pod_at(self, address: Address) -> Pod | None:
        """Return the pod that has an address of its own."""
        return self._pods.at(address)

    def service_at(self, address: Address) -> Service | None:
        """Return the Service with that cluster address."""
        return self._services.at(address)

    def outside_service_at(self, address: Address) -> Service | None:
        """Return the Service with that external or load balancer address."""
        return self._services.outside_at(address)

    def node_at(self, address: Address) -> Node | None:
        """Return the node with that address."""
        found = (node for node in self._nodes.values() if address in node.addresses)
        return min(found, key=lambda node: node.name, default=None)

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
        key = (World.pod_blocks, family)
        found = self._memo.get(key)
        if not isinstance(found, tuple):
            found = self._memo[key] = merged(
                b for n in self._nodes.values() for b in n.pod_blocks if b.family == family
            )
        return found
