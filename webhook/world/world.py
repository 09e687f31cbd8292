"""The world itself: what was put and not dropped, and the answers to `View`."""

from collections.abc import Hashable, Iterable
from typing import Final

from webhook.families import REFERENCES
from webhook.model.addresses import Family
from webhook.model.budget import Purse
from webhook.model.crd_policies import CrdPolicy, UnlistedKind
from webhook.model.hints import ConfigMap
from webhook.model.inbound import Inbound
from webhook.model.labels import NO_LABELS
from webhook.model.objects import Endpoints, EndpointSlice, Namespace, Node, Pod, Service, Workload
from webhook.model.policy import Policy
from webhook.model.refs import WORKLOAD_KINDS, PolicyRef, WorkloadRef
from webhook.model.settings import DEFAULTS, Settings
from webhook.world.changes import Change, Clock, Drop, Journal, Memos, Put, Value, key_of, key_of_inbound
from webhook.world.compile_context import Contexts, UnlistedKinds
from webhook.world.controllers import Pods, made_of
from webhook.world.pod_labels import ACCOUNT, Accounts, Namespaces
from webhook.world.pods import Nodes, PodIndex
from webhook.world.policies import Policies
from webhook.world.services import Declarations, Services
from webhook.world.view import View
from webhook.world.workloads import Workloads

_MOST_VERSIONS: Final = 4_096  # of combinations of namespaces


class World(View):
    """A cluster (`complete`), or some files of one. `apply` and `configure` are its only writers."""

    namespaces: Namespaces
    accounts: Accounts
    nodes: Nodes
    pods: Pods
    workloads: Workloads
    services: Services
    policies: Policies

    def __init__(self, settings: Settings = DEFAULTS, *, complete: bool) -> None:
        """Start empty."""
        self.settings, self.complete, self.purse = settings, complete, Purse()
        self.journal: Journal | None = None  # of whoever has to know what was there before
        self._clock = clock = Clock()
        self._configured = 0
        self._families: tuple[int, tuple[Family, ...]] = (-1, ())  # as of the change of that number
        self._versions: tuple[int, dict[tuple[str, ...], int]] = (-1, {})  # by namespaces, likewise
        self._pod_index = PodIndex(clock)
        self.namespaces, self.accounts = Namespaces(clock), Accounts(clock, complete=complete)
        self.nodes, self.services = Nodes(clock), Services(clock)
        self.workloads = Workloads(clock, self._pod_index)
        self.pods = Pods(self, clock, self._pod_index, self._changed_workloads)
        self.inbound = Declarations(clock)
        self._contexts, self._unlisted_kinds = Contexts(clock, self.namespaces, settings), UnlistedKinds(clock)
        self.policies = Policies(self, clock, self._contexts, self._changed_selection, self._unlisted_kinds.under)
        self.memos = Memos(clock, self._changed_verdicts)
        self.namespaces.filled_by(
            self._pod_index.by_namespace,
            self.services.by_namespace,
            self.policies.by_namespace,
            self.policies.foreign_by_namespace,
            self.workloads.by_namespace,
            self.workloads.expected,
        )
        self.workloads.expect(map(made_of, settings.expected))

    # -- when what changed last ------------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """What grows whenever something changes that answers may depend on."""
        return self._clock.now

    def version_of(self, *namespaces: str) -> Hashable:
        """Return what differs as soon as a pod, a workload, a Service or an endpoint of these namespaces does."""
        if self._versions[0] != self._clock.now or len(self._versions[1]) >= _MOST_VERSIONS:
            self._versions = self._clock.now, {}
        found = self._versions[1].get(namespaces)
        if found is None:
            indexes = self._pod_index.stamps, self.workloads.stamps, self.services.stamps
            every = [self._configured, *[index.of(namespace) for namespace in namespaces for index in indexes]]
            found = self._versions[1][namespaces] = max(every)
        return found

    def families(self) -> tuple[Family, ...]:
        """Return the address families that pods have, or get; IPv4 where nothing tells."""
        if self._families[0] != self._clock.now:
            self._families = self._clock.now, super().families()
        return self._families[1]

    def _changed_workloads(self, namespace: str) -> int:
        return max(self.workloads.stamps.of(namespace), self._configured)

    def _changed_selection(self) -> int:
        """Return when anything but policies changed by which these select pods."""
        return max(self._contexts.changed, self.namespaces.changed, self.accounts.changed, self._configured)

    def _changed_verdicts(self) -> int:
        """Return when anything changed that a verdict may rest on, for a class and an address of a pod.

        Of a world that is not whole also pods: by theirs it is supposed which addresses others get.
        """
        pods = 0 if self.complete else self._pod_index.stamps.last
        return max(
            self._changed_selection(), self.policies.stamps.last, self.nodes.changed, self._unlisted_kinds.changed, pods
        )

    # -- writing ---------------------------------------------------------------------------------------------------

    def apply(self, changes: Iterable[Change]) -> None:
        """Apply changes in order; each touches only what it is about."""
        for change in changes:
            match change:
                case Put(value):
                    if not self._has(value):
                        self._note(key_of(value))
                        self._put(value)
                case Drop(kind, namespace, name):
                    self._note(change)
                    self._drop(kind, namespace, name)

    def configure(self, settings: Settings) -> None:
        """Answer by other settings from here on."""
        self.settings = settings
        self._contexts.configure(settings)
        self.workloads.expect(map(made_of, settings.expected))
        self._configured = self._clock.tick()

    def _note(self, key: Drop) -> None:
        if self.journal is not None:
            self.journal.note(key, self.named(key))

    def named(self, key: Drop) -> Value | None:
        """Return an object by kind, namespace and name, as far as it is kept whole: no ServiceAccount, and no Gap."""
        space, name = key.namespace, key.name
        match key.kind:
            case "Pod":
                return self.pods.get(space, name)
            case "EndpointSlice":
                return self.services.slice(space, name)
            case "Service":
                return self.services.get(space, name)
            case "Endpoints":
                return self.services.listed(space, name)
            case "NetworkPolicy":
                return self.policies.named(space).get(PolicyRef(space, name))
            case "Namespace":
                return self.namespaces.by_name.get(name)
            case "Node":
                return self.nodes.get(name)
            case "ConfigMap":
                return self.workloads.config_map(space, name)
            case kind if kind in WORKLOAD_KINDS:
                return self.workloads.by_namespace.get(space, {}).get(WorkloadRef(kind, space, name))
            case kind:
                return self.inbound.get((kind, space, name)) or self._foreign_named(key)

    def _foreign_named(self, key: Drop) -> CrdPolicy | None:
        word, _, group = key.kind.partition(".")
        ref = PolicyRef(key.namespace or None, key.name, word, group=group)
        found = self.policies.crd_policies(key.namespace).get(ref)
        return found or self._contexts.get((group, word), ref.namespace, key.name)

    def _has(self, value: Value) -> bool:
        """Say whether an equal value is here: most events tell of nothing that policy can see."""
        match value:
            case Pod():
                return self.pods.get(value.namespace, value.name) == value
            case Workload():
                return self.workloads.by_namespace.get(value.ref.namespace, {}).get(value.ref) == value
            case EndpointSlice():
                return self.services.slice(value.namespace, value.name) == value
            case Service():
                return self.services.get(value.namespace, value.name) == value
            case Endpoints():
                return self.services.listed(value.namespace, value.name) == value
            case Policy():
                return self.policies.named(value.namespace).get(value.ref) == value
            case CrdPolicy():
                return self._has_foreign(value)
            case _:
                return self._has_other(value)

    def _has_other(self, value: Namespace | Node | ConfigMap | UnlistedKind | Inbound) -> bool:
        match value:
            case Namespace():
                return self.namespaces.by_name.get(value.name) == value
            case Node():
                return self.nodes.get(value.name) == value
            case ConfigMap() | UnlistedKind():
                return False
            case _:
                return self.inbound.get(key_of_inbound(value)) == value

    def _has_foreign(self, value: CrdPolicy) -> bool:
        if (value.group, value.ref.kind) == ACCOUNT:
            return self.accounts.has(value)
        return self.policies.crd_policies(value.namespace or "").get(value.ref) == value or self._contexts.has(value)

    def _put(self, value: Value) -> None:
        match value:
            case Pod():
                self.pods.put(value)
                self.workloads.put_bare(value)
            case Workload():
                self.workloads.put(value)
                self.pods.owners.put(value)
                if value.ref.kind == "DaemonSet":
                    self._contexts.put_daemon_set(value)
            case EndpointSlice():
                self.services.put_slice(value)
            case Service():
                self.services.put(value)
            case Endpoints():
                self.services.put_listed(value)
            case Policy():
                self.policies.put(value)
            case CrdPolicy():
                self._put_foreign(value)
            case _:
                self._put_other(value)

    def _put_other(self, value: Namespace | Node | ConfigMap | UnlistedKind | Inbound) -> None:
        match value:
            case Namespace():
                self.namespaces.put(value)
            case Node():
                self.nodes.put(value)
                self._contexts.put_node(value)
            case ConfigMap():
                self.workloads.put_config_map(value)
                self._contexts.set_agent(value.namespace, value.name, value.settings)
            case UnlistedKind():
                self._unlisted_kinds.put(value)
            case _:
                self.inbound.put(value)

    def _put_foreign(self, value: CrdPolicy) -> None:
        kind = (value.group, value.ref.kind)
        if kind == ACCOUNT:
            self.accounts.put(value)
        elif kind in REFERENCES:
            self._contexts.put(value)
        else:
            if value.ref not in self.policies.crd_policies(value.namespace or ""):
                self._contexts.count(value.group, 1)
            self.policies.put(value)

    def _drop(self, kind: str, namespace: str, name: str) -> None:
        match kind:
            case "Pod":
                self.pods.drop(namespace, name)
                self.workloads.drop_bare(namespace, name)
            case "EndpointSlice":
                self.services.drop_slice(namespace, name)
            case "Service":
                self.services.drop(namespace, name)
            case "Endpoints":
                self.services.drop_listed(namespace, name)
            case "NetworkPolicy":
                self.policies.drop(namespace, PolicyRef(namespace, name))
            case _ if kind in WORKLOAD_KINDS:
                self._drop_workload(WorkloadRef(kind, namespace, name))
            case _:
                self._drop_other(kind, namespace, name)

    def _drop_other(self, kind: str, namespace: str, name: str) -> None:
        match kind:
            case "Namespace":
                self.namespaces.drop(name)
            case "Node":
                self.nodes.drop(name)
                self._contexts.drop_node(name)
            case "ConfigMap":
                self.workloads.drop_config_map(namespace, name)
                self._contexts.set_agent(namespace, name, NO_LABELS)
            case "UnlistedKind":
                self._unlisted_kinds.drop((namespace, name))
            case _:
                if not self.inbound.drop(kind, namespace, name):
                    self._drop_foreign(kind, namespace, name)

    def _drop_foreign(self, word: str, namespace: str, name: str) -> None:
        kind, _, group = word.partition(".")
        if (group, kind) == ACCOUNT:
            self.accounts.drop(namespace, name)
        elif (group, kind) in REFERENCES:
            self._contexts.drop((group, kind), namespace or None, name)
        elif self.policies.drop(namespace, PolicyRef(namespace or None, name, kind, group=group)):
            self._contexts.count(group, -1)

    def _drop_workload(self, ref: WorkloadRef) -> None:
        gone = self.workloads.get(ref)
        if gone is not None:
            self.workloads.drop(ref)
            self.pods.owners.drop(gone)
            if ref.kind == "DaemonSet":
                self._contexts.drop_daemon_set(ref.namespace, ref.name)
