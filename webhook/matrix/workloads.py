"""Who appears in a matrix, and what the policies of a view ask of pods: two pods that answer alike are of one class."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from webhook.evaluate.coverage import nodes_are_as_others
from webhook.evaluate.ends import template_end
from webhook.evaluate.translation import Member, running
from webhook.model.addresses import Address, NamedPort
from webhook.model.labels import AllOf, AnyOf, Labels, NoneOf, Predicate, Requirement, Selector, Space
from webhook.model.objects import Pod, Service, Workload
from webhook.model.peers import (
    EndpointPeer,
    NodePeer,
    Peer,
    Place,
    PlacePeer,
    PodMatch,
    ServicePeer,
    ServicesPeer,
    by_address,
    leaves,
)
from webhook.model.policy import BlockPeer, UnclearPeer
from webhook.model.refs import WorkloadRef
from webhook.model.tier import CompiledPolicy, CompiledRule
from webhook.world import View
from webhook.world.pods import DEEPEST, HASH_LABEL


class WorkloadPods(Struct, frozen=True, gc=False):
    """A workload and its pods, running or to come; never without one. `several`: more than one, or there may be."""

    ref: WorkloadRef
    members: tuple[Member, ...]
    several: bool


def everybody_of(view: View) -> tuple[WorkloadPods, ...]:
    """Return everybody, sorted by namespace, name and kind."""
    return tuple(one for namespace in view.namespaces.names() for one in _of_namespace(view, namespace))


def _of_namespace(view: View, namespace: str) -> list[WorkloadPods]:
    pods: dict[WorkloadRef, list[Pod]] = {}
    templates: dict[WorkloadRef, list[Workload]] = {}
    for group in view.pods.groups(namespace):
        if group.template is not None:
            ref = _without_hash(group.ref, group.template.template.pod_class.labels)
            templates.setdefault(ref, []).append(group.template)
        else:
            pods.setdefault(_without_hash(group.ref, group.pods[0].pod_class.labels), []).extend(group.pods)
    for workload in view.workloads.every(namespace):
        if workload.owner is not None and (top := _missing_top(view, workload)) is not None:
            templates.setdefault(top, []).append(workload)
    found = [_running(view, ref, some) for ref, some in pods.items()]
    found += [_to_come(view, ref, some) for ref, some in templates.items() if ref not in pods]
    return sorted(found, key=lambda one: (one.ref.name, one.ref.kind))


def _without_hash(ref: WorkloadRef, labels: Labels) -> WorkloadRef:
    """Return the Deployment of a ReplicaSet that says no owner, where its name ends in its template's hash."""
    tail = labels.get(HASH_LABEL)
    if ref.kind != "ReplicaSet" or not tail or not ref.name.endswith(f"-{tail}"):
        return ref
    return WorkloadRef("Deployment", ref.namespace, ref.name.removesuffix(f"-{tail}"))


def _missing_top(view: View, workload: Workload) -> WorkloadRef | None:
    """Return the topmost controller of an owned workload; None where that is here, and stands for itself."""
    ref = workload.ref
    above: Workload | None = workload
    for _ in range(DEEPEST):
        if above is None or above.owner is None:
            break
        ref = WorkloadRef(above.owner.kind, ref.namespace, above.owner.name)
        above = view.workloads.get(ref)
    return ref if above is None else None


def _running(view: View, ref: WorkloadRef, pods: list[Pod]) -> WorkloadPods:
    return WorkloadPods(ref, tuple(map(running, pods)), len(pods) > 1 or _may_grow(view, ref, ()))


def _to_come(view: View, ref: WorkloadRef, templates: list[Workload]) -> WorkloadPods:
    """Return a workload without pods: by its own template, else by those below it that are scaled up, else by all."""
    own = [t for t in templates if t.ref == ref]
    chosen = own or [t for t in templates if t.replicas != 0] or templates
    return WorkloadPods(
        ref,
        tuple(Member(template_end(view, t), t.template) for t in chosen),
        len(chosen) > 1 or _may_grow(view, ref, chosen),
    )


def _may_grow(view: View, ref: WorkloadRef, templates: Iterable[Workload]) -> bool:
    """Say whether there may be a second pod: not of a bare Pod, and not where `replicas: 1` is written down."""
    if ref.kind == "Pod":
        return False
    written = view.workloads.get(ref)
    return all(w.replicas != 1 for w in ([written] if written else templates))


API_SERVER = ServicePeer("default", "kubernetes")
_NEAR = frozenset({Place.OWN_NODE, Place.OTHER_NODE})


class Asked(Struct, frozen=True):
    """All that policies ask: label keys, names of ports, and more where its flag is set.

    `accounts`: the ServiceAccount. `nodes`: which node a pod on the host network is on. `near`: who is on whose node.
    `served`: the addresses behind Services that policies name; `by_port`: on the ports on which they serve.
    `own_address`: the subject's own address. `hosts`: whether an address outside is a node's.
    """

    keys: frozenset[str]
    names: frozenset[str]
    accounts: bool = False
    nodes: bool = False
    near: bool = False
    served: frozenset[Address] = frozenset()
    by_port: bool = False
    own_address: bool = False
    hosts: bool = False

    @staticmethod
    def by(view: View, compiled_policies: Iterable[CompiledPolicy]) -> "Asked":
        """Collect what `compiled_policies` ask."""
        asking = _Asking(view)
        for compiled in compiled_policies:
            asking.compiled(compiled)
        return Asked(
            frozenset(asking.keys),
            frozenset(asking.names),
            asking.accounts,
            asking.nodes,
            asking.near,
            frozenset(asking.served),
            asking.by_port,
            asking.own_address,
            asking.hosts,
        )


def is_near(peer: Peer) -> bool:
    """Say whether a match asks who is on whose node."""
    return any(isinstance(leaf, PlacePeer) and leaf.place in _NEAR for leaf in leaves(peer))


def services_of(view: View, peer: ServicePeer | ServicesPeer) -> Iterator[Service]:
    """Yield every Service that a peer may be about."""
    if isinstance(peer, ServicePeer):
        service = view.services.get(peer.namespace, peer.name)
        yield from () if service is None else (service,)
        return
    for wish in peer.wanted:
        for namespace in (wish.namespace,) if wish.namespace else view.namespaces.names():
            yield from (s for s in view.services.within(namespace) if wish.name in ("", s.name))


class _Asking:
    def __init__(self, view: View) -> None:
        self._view = view
        self.keys: set[str] = set()
        self.names: set[str] = set()
        self.accounts = self.nodes = self.near = self.by_port = self.own_address = self.hosts = False
        self.served: set[Address] = set()

    def compiled(self, compiled: CompiledPolicy) -> None:
        if compiled.subject:
            self._selector(compiled.subject)
        if compiled.scope is not None:
            self._expression(compiled.scope)
        for rule in compiled.rules:
            self._rule_of(rule)

    def _rule_of(self, rule: CompiledRule) -> None:
        for peer in rule.peers or ():
            self._peer(peer)
            if not self.hosts:
                self.hosts = not nodes_are_as_others(peer)
        for ports in (rule.ports, rule.not_ports):
            for port in ports or ():
                if isinstance(port, NamedPort):
                    self.names.add(port.name)
        for peer in rule.subject_peers or ():
            self._peer(peer)
            self.own_address = self.own_address or by_address(peer)

    def _peer(self, peer: Peer) -> None:
        match peer:
            case PodMatch():
                self._selector(peer.pods)
            case BlockPeer() | UnclearPeer():
                pass
            case EndpointPeer(test):
                self._expression(test)
            case AllOf(peers) | AnyOf(peers) | NoneOf(peers):
                for part in peers:
                    self._peer(part)
            case NodePeer():
                self.nodes = True
            case ServicePeer() | ServicesPeer():
                self._services(peer)
            case PlacePeer(place):
                self.near = self.near or place in _NEAR
                if place is Place.API_SERVER:
                    self._services(API_SERVER)

    def _selector(self, selector: Selector) -> None:
        for requirement in selector.requirements:
            self.keys.add(requirement.key)

    def _services(self, peer: ServicePeer | ServicesPeer) -> None:
        """A Service means what its endpoints list, else the pods that its own selector selects."""
        self.nodes = True
        self.by_port = self.by_port or (isinstance(peer, ServicePeer) and peer.by_port)
        for service in services_of(self._view, peer):
            self.served |= set(self._view.services.serving(service))
            self.keys |= {key for key, _ in service.selector.pairs} if service.selector else set()

    def _expression(self, expression: Predicate) -> None:
        match expression:
            case Requirement(key=key, space=space):
                if space is Space.POD:
                    self.keys.add(key)
                self.accounts = self.accounts or space is Space.ACCOUNT or (space, key) == (Space.FIELD, "account")
            case AllOf(parts) | AnyOf(parts) | NoneOf(parts):
                for part in parts:
                    self._expression(part)
