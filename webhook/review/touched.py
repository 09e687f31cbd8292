"""What changes, and what that can touch: who may be let out, or in, otherwise, and whose declarations lead there.

Nobody else has to be judged again. More than enough is named rather than too little: who is named is judged.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from webhook.families import REFERENCES
from webhook.judge.dns import NODE_LOCAL, dns_service
from webhook.model.crd_policies import CrdPolicy
from webhook.model.inbound import Exposure, IstioGateway
from webhook.model.labels import NO_KEYS
from webhook.model.objects import Namespace, PodClass, Service, Workload
from webhook.model.policy import Direction, Policy
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.model.tier import CompiledPolicy
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.pod_labels import is_account, may_be_in
from webhook.world.policies import EVERYWHERE, selects
from webhook.world.workloads import Name, names_in

Written = Policy | CrdPolicy | Namespace | Service | Workload
_ASSUMED_DNS: Final = frozenset({"kube-system", "openshift-dns"})  # where DNS is where files do not show it
_OF_GATEWAY: Final = "gateway.networking.k8s.io/gateway-name"


class Change(Struct, frozen=True):
    """What is written, as far as it is not the same before: policies by name, and what else by its words.

    `moved`: workloads whose pods are elsewhere, or otherwise, but no policy selects others by it; with their classes.
    """

    policies: frozenset[PolicyRef] = frozenset()
    namespaces: frozenset[str] = frozenset()
    services: frozenset[tuple[str, str]] = frozenset()
    workloads: frozenset[WorkloadRef] = frozenset()
    moved: frozenset[tuple[WorkloadRef, PodClass]] = frozenset()
    accounts: frozenset[tuple[str, str]] = frozenset()

    def __bool__(self) -> bool:
        """Say whether anything that others may depend on changes."""
        return any((self.policies, self.namespaces, self.services, self.workloads, self.moved, self.accounts))


def changed(before: View, written: Iterable[Written]) -> Change:
    """Return what of `written` is new to a world, or not the same in it."""
    return change_of(value for value in written if _differs(before, value))


def change_of(values: Iterable[Written]) -> Change:
    """Return the change that writes, or takes away, these values."""
    every = list(values)
    return Change(
        frozenset(one.ref.at(None) for one in every if isinstance(one, Policy | CrdPolicy) and not is_account(one)),
        frozenset(value.name for value in every if isinstance(value, Namespace)),
        frozenset((value.namespace, value.name) for value in every if isinstance(value, Service)),
        frozenset(value.ref for value in every if isinstance(value, Workload)),
        accounts=frozenset((value.namespace or "", value.ref.name) for value in every if is_account(value)),
    )


def _differs(before: View, value: Written) -> bool:
    """Say whether others may lose something by a value: a Service or a workload that is new takes nothing away."""
    match value:
        case Policy(ref=ref, namespace=namespace):
            return before.policies.named(namespace).get(ref) != value
        case CrdPolicy(ref=ref, namespace=home) if is_account(value):
            old = before.accounts.get(home or "", ref.name)
            return old is None or old.labels != value.labels
        case CrdPolicy(ref=ref, namespace=home):
            return before.policies.crd_policies(home or "").get(ref) != value
        case Namespace(name=name, labels=labels):
            return before.namespaces.get(name).labels != labels
        case Service(namespace=namespace, name=name):
            return before.services.get(namespace, name) not in (None, value)
        case Workload(ref=ref, template=template):
            there = before.workloads.get(ref)
            return there is not None and there.template.pod_class != template.pod_class


class Touched(Struct, frozen=True):
    """Who may be judged otherwise after a change.

    `everybody`: anybody at all. `sources`: those whose egress, or namespace, is another; `servers`: whose ingress is;
    `names`: of them, of the Services before them and of Services that change. `look_ups`: those of everybody who uses
    a name, too. `senders`: ways in may begin elsewhere, or be let out otherwise, whosever they are.
    """

    everybody: bool = False
    sources: frozenset[WorkloadRef] = frozenset()
    servers: frozenset[WorkloadRef] = frozenset()
    names: frozenset[Name] = frozenset()
    look_ups: bool = False
    senders: bool = False


def touched(before: View, after: View, change: Change) -> Touched:
    """Return what a change between two views can touch."""
    if (before.enforcer, before.dialect) != (after.enforcer, after.dialect):
        return Touched(everybody=True)
    reach = _Reach(before, after)
    spaces = set(_spaces(before, after, change))
    for space in spaces:
        for direction in Direction:
            for view, compiled in _other_pieces(before, after, space, direction):
                reach.selected(view, compiled)
    for name in change.namespaces:
        reach.whole(name)
    for ref in change.workloads:
        reach.workload(ref)
    for service in change.services:
        reach.service(*service)
    for moved in change.moved:
        reach.moved(*moved)
    for account in change.accounts:
        reach.account(*account)
    return reach.found(spaces | change.namespaces)


def _spaces(before: View, after: View, change: Change) -> Iterator[str]:
    """Yield the namespaces whose policies may be compiled to something else; `EVERYWHERE` for the cluster-wide ones."""
    referred = any((ref.group, ref.kind) in REFERENCES for ref in change.policies)
    if referred or (change.namespaces and before.compile_context.objects):
        every = (EVERYWHERE, *after.namespaces.names())
        yield from (
            space for space in every if before.policies.crd_policies(space) or after.policies.crd_policies(space)
        )
    yield from (ref.namespace or EVERYWHERE for ref in change.policies)


def _other_pieces(before: View, after: View, space: str, direction: Direction) -> Iterator[tuple[View, CompiledPolicy]]:
    """Yield what policies are compiled to, before and after, where that is not the same."""
    was, now = _by_policy(before, space, direction), _by_policy(after, space, direction)
    for ref in {**was, **now}:
        if was.get(ref) != now.get(ref):
            yield from ((before, compiled) for compiled in was.get(ref, ()))
            yield from ((after, compiled) for compiled in now.get(ref, ()))


def _by_policy(view: View, space: str, direction: Direction) -> dict[PolicyRef, list[CompiledPolicy]]:
    found: dict[PolicyRef, list[CompiledPolicy]] = {}
    for compiled in view.policies.compiled_policies(space, direction):
        view.budget.spend()
        found.setdefault(compiled.ref, []).append(compiled)
    return found


class _Reach:
    """Gathers who is touched. Pods of one class stand for each other."""

    def __init__(self, before: View, after: View) -> None:
        self._views = (before, after)
        self._sources: set[WorkloadRef] = set()
        self._servers: set[WorkloadRef] = set()
        self._names: dict[Name, None] = {}
        self._pod_classes: dict[str, dict[PodClass, set[WorkloadRef]]] = {}
        self._named: set[PodClass] = set()
        self._sending: set[PodClass] = set()
        self._published = False

    def _of(self, space: str) -> dict[PodClass, set[WorkloadRef]]:
        """Return the pod classes of a namespace's pods and templates, with the workloads that have them."""
        found = self._pod_classes.get(space)
        if found is None:
            found = self._pod_classes[space] = {}
            before, _ = self._views
            for group in before.pods.groups(space):
                for pod in group.pods:
                    found.setdefault(pod.pod_class, set()).add(group.ref)
                if group.template is not None:
                    found.setdefault(group.template.template.pod_class, set()).add(group.ref)
            for workload in before.workloads.every(space):
                found.setdefault(workload.template.pod_class, set()).add(workload.ref)
            before.budget.spend(len(found))
        return found

    def selected(self, view: View, compiled: CompiledPolicy) -> None:
        """Take whom a compiled policy selects, or may select."""
        space = compiled.namespace or compiled.ref.namespace
        for name in (space,) if space else view.namespaces.names():
            if not may_be_in(view, compiled, name):
                continue
            for pod_class, refs in self._of(name).items():
                view.budget.spend()
                keys = view.settings.pending_labels if pod_class.template else NO_KEYS
                if selects(view, compiled, pod_class, keys) is not Truth.NO:
                    self._take(pod_class, refs, compiled.direction)

    def _take(self, pod_class: PodClass, refs: Iterable[WorkloadRef], *directions: Direction) -> None:
        if Direction.EGRESS in directions:
            self._sources.update(refs)
            self._sending.add(pod_class)
        if Direction.INGRESS in directions:
            self._servers.update(refs)
            if pod_class not in self._named:
                self._named.add(pod_class)
                self._names.update(((ref.namespace, ref.name), None) for ref in refs)
                for view in self._views:
                    self._names.update(((one.namespace, one.name), None) for one in view.services.selecting(pod_class))

    def whole(self, space: str) -> None:
        """Take everybody of a namespace."""
        for pod_class, refs in self._of(space).items():
            self._take(pod_class, refs, *Direction)

    def account(self, space: str, name: str) -> None:
        """Take everybody who runs as a ServiceAccount."""
        for pod_class, refs in self._of(space).items():
            if pod_class.account == name:
                self._take(pod_class, refs, *Direction)

    def workload(self, ref: WorkloadRef) -> None:
        """Take a workload whose template is another."""
        for view in self._views:
            found = view.workloads.get(ref)
            if found is not None:
                self._take(found.template.pod_class, (ref,), *Direction)
            for pod in view.pods.of(ref):
                self._take(pod.pod_class, (ref,), *Direction)

    def moved(self, ref: WorkloadRef, pod_class: PodClass) -> None:
        """Take a workload of whose pods policies select the same as before."""
        self._sources.add(ref)
        self._servers.add(ref)
        self._names[ref.namespace, ref.name] = None
        for view in self._views:
            self._names.update(((one.namespace, one.name), None) for one in view.services.selecting(pod_class))
        every = self._views[0].inbound.every()
        senders = {labels for one in every if isinstance(one, Exposure) for labels in one.senders}
        senders |= {one.selector for one in every if isinstance(one, IstioGateway)}
        if self._may_send(pod_class) or any(set(one).issubset(pod_class.labels.pairs) for one in senders):
            self._sending.add(pod_class)

    def service(self, namespace: str, name: str) -> None:
        """Take a Service that is another, and who is behind it, before and after."""
        self._names[namespace, name] = None
        for view in self._views:
            found = view.services.get(namespace, name)
            self._published = self._published or (found is not None and _is_published(found))
            self._servers.update(group.ref for group in (view.pods.behind(found) if found else ()))
            for space in (EVERYWHERE, *view.namespaces.names()):
                if view.policies.crd_policies(space):
                    for direction in Direction:
                        for compiled in view.policies.compiled_policies(space, direction):
                            if compiled.volatile:
                                self.selected(view, compiled)

    def found(self, spaces: Iterable[str]) -> Touched:
        """Return what was gathered. `spaces`: namespaces whose policies or labels change."""
        before, _ = self._views
        names = {*self._names, *_aliases(self._views, self._names, self._servers)}
        exposed = bool(self._sending) and any(isinstance(one, Exposure) for one in before.inbound.every())
        return Touched(
            sources=frozenset(self._sources),
            servers=frozenset(self._servers),
            names=frozenset(names),
            look_ups=self._look_ups(names, set(spaces)),
            senders=self._published or exposed or any(map(self._may_send, self._sending)),
        )

    def _may_send(self, pod_class: PodClass) -> bool:
        """Say whether pods of a class may be a controller, a Gateway or a scraper, who send what others declare."""
        before, _ = self._views
        refs = self._of(pod_class.namespace).get(pod_class, ())
        scraping = {*before.settings.inbound.scrapers, *(one.ref for one in before.workloads.scrapers())}
        if pod_class.labels.get(_OF_GATEWAY) is not None or not scraping.isdisjoint(refs):
            return True
        return any(map(_is_published, before.services.selecting(pod_class)))

    def _look_ups(self, names: Iterable[Name], spaces: set[str]) -> bool:
        """Say whether those may be touched who answer look-ups."""
        asked = [dns_service(view) for view in self._views]
        if asked[0] != asked[1] or not self._servers.isdisjoint(NODE_LOCAL):
            return True
        if (one := asked[0]) is not None:
            return (one.namespace, one.name) in names
        return not self._views[0].complete and not spaces.isdisjoint({EVERYWHERE, *_ASSUMED_DNS})


def _is_published(service: Service) -> bool:
    out = bool(service.published or service.outside_ips or service.outside_hosts)
    return out or service.labels.get(_OF_GATEWAY) is not None


def _aliases(views: Iterable[View], names: Iterable[Name], servers: set[WorkloadRef]) -> Iterator[Name]:
    """Yield the Services without selectors that lead to others by a name, or by addresses that they list."""
    wanted = set(names)
    for view in views if wanted else ():
        for service in view.services.unselecting():
            view.budget.spend()
            space, host = service.namespace, service.external_name
            pods = [view.pods.at(address) for address, _, _ in view.services.endpoints(service)] if not host else []
            listed = any(pod is not None and view.pods.top(pod) in servers for pod in pods)
            if listed or (host and not wanted.isdisjoint(names_in(host.lower(), space))):
                yield space, service.name
