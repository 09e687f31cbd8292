"""The world itself: what was put and not dropped, and the answers to `View`."""

from collections.abc import Iterable

from webhook.families import REFERENCES
from webhook.model.foreign import Foreign, Gap
from webhook.model.hints import ConfigMap
from webhook.model.inbound import INBOUND_KINDS, Inbound
from webhook.model.labels import NO_LABELS, Labels
from webhook.model.objects import Endpoints, EndpointSlice, Namespace, Node, Pod, Service, Workload
from webhook.model.policy import Policy
from webhook.model.refs import WORKLOAD_KINDS, PolicyRef, WorkloadRef
from webhook.model.settings import Settings
from webhook.world.around import ACCOUNT
from webhook.world.changes import Change, Drop, Put, Value
from webhook.world.inbound import key_of_inbound
from webhook.world.index import discard
from webhook.world.reading import Reading

# An answer is remembered by shape and address, never by pod, and the Service is translated before it.
_QUIET = frozenset({"Endpoints", "EndpointSlice", "ConfigMap", *INBOUND_KINDS})
_KINDS_WITHOUT_VERDICTS = frozenset({"Pod", "Service", *_QUIET, *WORKLOAD_KINDS} - {"DaemonSet"})


class World(Reading):
    """A cluster (`complete`), or some files of one. `apply` is its only writer."""

    # -- writing ---------------------------------------------------------------------------------------------------

    def apply(self, changes: Iterable[Change]) -> None:
        """Apply changes in order; each touches only what it is about."""
        for change in changes:
            match change:
                case Put(value):
                    if not self._has(value):
                        self._put(value)
                        self._version += 1
                case Drop(kind, namespace, name):
                    self._drop(kind, namespace, name)
                    self._version += 1

    def configure(self, settings: Settings) -> None:
        """Answer by other settings from here on."""
        self._settings = settings
        self._expect(settings)
        self._version += 1
        self._policies.expect(settings.pending_labels)
        self._around.reset()
        self._policies.recompile()
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
            case Namespace():
                return self._namespaces.get(value.name) == value
            case Node():
                return self._nodes.get(value.name) == value
            case Policy():
                return self._policies.named(value.namespace).get(value.ref) == value
            case Foreign():
                policies = self._policies.foreign.get(value.namespace or "", {})
                return policies.get(value.ref) == value or self._around.has(value)
            case ConfigMap() | Gap():
                return False
            case _:
                return self._has_quietly(value)

    def _put(self, value: Value) -> None:
        match value:
            case Namespace():
                self._namespaces[value.name] = value
                self._relabelled()
            case Node():
                self._put_node(value)
            case Pod():
                self._pods.put(value)
                self._put_mentions(value)
                self._backends.pop(value.namespace, None)
            case Workload():
                self._put_workload(value)
            case Service():
                self._services.put(value)
                self._backends.pop(value.namespace, None)
            case ConfigMap():
                self._config_maps[value.namespace, value.name] = value
                self._mentions.put_map(value)
                self._set(value.namespace, value.name, value.settings)
            case Policy():
                self._policies.put(value)
                self._memo.clear()
            case Foreign() | Gap():
                self._put_family(value)
                self._memo.clear()
            case _:
                self._put_quietly(value)

    def _set(self, namespace: str, name: str, settings: Labels) -> None:
        """Hear what a ConfigMap sets for an agent."""
        if self._around.put_settings(namespace, name, settings):
            self._policies.recompile()
            self._memo.clear()

    def _put_node(self, value: Node) -> None:
        self._nodes[value.name] = value
        self._by_node_address = None
        self._memo.clear()
        if self._around.put_node(value):
            self._policies.recompile()

    def _drop_node(self, name: str) -> None:
        self._nodes.pop(name, None)
        self._by_node_address = None
        if self._around.drop_node(name):
            self._policies.recompile()

    def _relabelled(self) -> None:
        """Forget what follows from the labels of namespaces."""
        self._memo.clear()
        self._policies.forget()
        if self._around.namespaced:
            self._around.reset()
            self._policies.recompile()

    def _put_family(self, value: Foreign | Gap) -> None:
        if isinstance(value, Gap):
            self._doubts.put(value)
            return
        kind = (value.group, value.ref.kind)
        if kind == ACCOUNT:
            self._around.put(value)
            self._policies.forget()
        elif kind in REFERENCES:
            self._around.put(value)
            self._policies.recompile()
        else:
            new = value.ref not in self._policies.foreign.get(value.namespace or "", {})
            self._policies.put(value)
            if new and self._around.meet(value.group, 1):
                self._policies.recompile()

    def _has_quietly(self, value: Endpoints | EndpointSlice | Inbound) -> bool:
        match value:
            case Endpoints():
                return self._services.listed(value.namespace, value.name) == value
            case EndpointSlice():
                return self._services.slice(value.namespace, value.name) == value
            case _:
                return self._inbound.get(key_of_inbound(value)) == value

    def _put_quietly(self, value: Endpoints | EndpointSlice | Inbound) -> None:
        """Put what nothing else is kept of."""
        match value:
            case Endpoints():
                self._services.put_listed(value)
            case EndpointSlice():
                self._services.put_slice(value)
            case _:
                self._inbound.put(value)

    def _put_mentions(self, pod: Pod) -> None:
        """A bare Pod declares for itself; whoever controls one declares for it."""
        if pod.bare is not None:
            self._mentions.put(pod.bare)
        else:
            self._mentions.drop(WorkloadRef("Pod", pod.namespace, pod.name))

    def _put_workload(self, workload: Workload) -> None:
        ref = workload.ref
        self._workloads.setdefault(ref.namespace, {})[ref] = workload
        self._owners.put(workload)
        self._mentions.put(workload)
        self._scrapers.put(workload)
        self._backends.pop(ref.namespace, None)
        if ref.kind == "DaemonSet" and self._around.put_daemon_set(workload):
            self._policies.recompile()
        if ref.kind not in _KINDS_WITHOUT_VERDICTS:
            self._memo.clear()

    def _drop(self, kind: str, namespace: str, name: str) -> None:
        match kind:
            case "Namespace":
                self._namespaces.pop(name, None)
                self._relabelled()
            case "Node":
                self._drop_node(name)
            case "Pod":
                self._pods.drop(namespace, name)
                self._mentions.drop(WorkloadRef("Pod", namespace, name))
            case "Service":
                self._services.drop(namespace, name)
            case "EndpointSlice":
                self._services.drop_slice(namespace, name)
            case "ConfigMap":
                self._config_maps.pop((namespace, name), None)
                self._mentions.drop_map(namespace, name)
                self._set(namespace, name, NO_LABELS)
            case "NetworkPolicy":
                self._policies.drop(namespace, PolicyRef(namespace, name))
            case _ if kind in WORKLOAD_KINDS:
                self._drop_workload(WorkloadRef(kind, namespace, name))
            case _:
                self._drop_other(kind, namespace, name)
        self._backends.pop(namespace, None)
        if kind not in _KINDS_WITHOUT_VERDICTS:
            self._memo.clear()

    def _drop_other(self, kind: str, namespace: str, name: str) -> None:
        if kind == "Endpoints":
            self._services.drop_listed(namespace, name)
        elif not self._inbound.drop(kind, namespace, name):
            self._drop_family(kind, namespace, name)

    def _drop_family(self, kind: str, namespace: str, name: str) -> None:
        """Forget a gap, named by its group (`namespace`) and kind (`name`), or an object of `kind.group`."""
        if kind == "Gap":
            self._doubts.drop(namespace, name)
            return
        word, _, group = kind.partition(".")
        if (group, word) == ACCOUNT:
            self._around.drop(group, word, namespace, name)
            self._policies.forget()
            return
        if (group, word) in REFERENCES:
            self._around.drop(group, word, namespace or None, name)
            self._policies.recompile()
            return
        gone = self._policies.drop(namespace, PolicyRef(namespace or None, name, word, group=group))
        if gone and self._around.meet(group, -1):
            self._policies.recompile()

    def _drop_workload(self, ref: WorkloadRef) -> None:
        gone = self._workloads.get(ref.namespace, {}).get(ref)
        if gone is not None:
            discard(self._workloads, ref.namespace, ref)
            self._owners.drop(gone)
            self._mentions.drop(ref)
            self._scrapers.drop(ref)
            if ref.kind == "DaemonSet" and self._around.drop_daemon_set(ref.namespace, ref.name):
                self._policies.recompile()
