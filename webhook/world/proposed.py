"""Any proposed change, read through to a view: policies of every family, what they refer to, Namespaces, Services.

What is not touched is the base's own answer. Policies are compiled again only where the change may make another thing
of them: what they refer to, who enforces, or a label that policies of other families select by.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from msgspec import structs

from webhook.families import POLICIES, REFERENCES, dialect_of
from webhook.model.addresses import Address, Family
from webhook.model.crd_policies import CompileContext, CrdPolicy, Unevaluated
from webhook.model.labels import AskedLabels
from webhook.model.objects import Account, Namespace, Pod, PodClass, Service, Workload
from webhook.model.policy import Direction, Policy
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.model.settings import Enforcer
from webhook.model.tier import CompiledPolicy, sort_key
from webhook.world.changes import Change, Clock, Drop, Memos, Put, Value, key_of
from webhook.world.compile_context import SWITCHES, as_set, from_cluster, from_files
from webhook.world.controllers import backends
from webhook.world.overlay import Overlay, Pods, Spaces
from webhook.world.pod_labels import ACCOUNT, account_of, unlabelled
from webhook.world.policies import EVERYWHERE, Fixed, Policies, pay_for
from webhook.world.services import Services
from webhook.world.view import AccountLister, Group, NamespaceLister, Selecting, ServiceLister, View

_NO_POLICY: Final = PolicyRef(None, "")
Key = tuple[str, str]  # namespace, name
Refs = Mapping[PolicyRef, Value | None]  # None: dropped
Referred = Mapping[tuple[str, str, str | None, str], Value | None]  # by API group, kind, namespace and name


class Proposed(Overlay):
    """`base` as if `changes` had been applied. The base must not change while this is in use.

    Of kinds other than those named above workloads alone count, and only as put: as if they had been rolled out.
    """

    def __init__(self, base: View, changes: Iterable[Change]) -> None:
        """Put and drop over `base`."""
        named = [(key_of(one.value), one.value) if isinstance(one, Put) else (one, None) for one in changes]
        super().__init__(base, [value for _, value in named if isinstance(value, Workload)], anew=True)
        self.memos = Memos(Clock(), lambda: 0)
        spaces = {key.name: value for key, value in named if key.kind == "Namespace"}
        refs = {ref: value for key, value in named if (ref := _policy_of(key)) is not _NO_POLICY}
        keys = {(key.namespace, key.name) for key, _ in named if key.kind == "Service"}
        services = Services(Clock())
        for _, value in named:
            if isinstance(value, Service):
                services.put(value)
        there = (name for name, value in spaces.items() if value is not None)
        of_policies = (ref.namespace for ref, value in refs.items() if value is not None and ref.namespace)
        filled = {*(ref.namespace for ref in self._mine), *of_policies, *there, *services.by_namespace}
        self.namespaces = _Namespaces(base.namespaces, filled, spaces)
        self.services = _Services(base.services, services, keys)
        self.pods = _Pods(self, base, self._mine, keys)
        accounts = {(key.namespace, key.name): value for key, value in named if key.kind == ACCOUNT[1]}
        self.accounts = _Accounts(base.accounts, accounts)
        referred = {
            (group, word, key.namespace or None, key.name): value
            for key, value in named
            for word, _, group in (key.kind.partition("."),)
            if (group, word) in REFERENCES and group
        }
        self.policies = _Policies(self, refs, referred, spaces, relabelled=bool(accounts))


# -- policies ----------------------------------------------------------------------------------------------------------


class _Policies:
    """Policies, with those that change."""

    def __init__(
        self, view: Overlay, refs: Refs, referred: Referred, spaces: Mapping[str, Value | None], *, relabelled: bool
    ) -> None:
        self._view, self._base, self._refs = view, view.base.policies, refs
        self._selected: dict[tuple[PodClass, Direction], Selecting] = {}
        self.context = self._compiled_in(referred, spaces)
        self._own = Policies(view, Clock(), Fixed(self.context))
        self._whole = self._reread(spaces, relabelled=relabelled)
        for value in self._everything() if self._whole else refs.values():
            if isinstance(value, Policy | CrdPolicy):
                pay_for(view.budget, value, self.context)
                self._own.put(value)

    def _compiled_in(self, referred: Referred, spaces: Mapping[str, Value | None]) -> CompileContext:
        """Return what policies are compiled in, the base's own where the change is about nothing of it."""
        below, detect = self._base.context, self._view.settings.detect
        files = detect == "files" and any(isinstance(v, CrdPolicy) or v is None for v in self._refs.values())
        if not (referred or files or (spaces and below.objects)):
            return below
        objects = dict(below.objects)
        for (group, word, namespace, name), value in referred.items():
            kept = [o for o in objects.get((group, word), ()) if (o.namespace, o.ref.name) != (namespace, name)]
            kept += [value] if isinstance(value, CrdPolicy) else []
            objects[group, word] = tuple(sorted(kept, key=lambda o: (o.namespace or "", o.ref.name)))
            if not kept:
                del objects[group, word]
        namespaces = dict(below.namespaces)
        for name, space in spaces.items():
            namespaces.pop(name, None)
            if isinstance(space, Namespace):
                namespaces[name] = space
        bare = structs.replace(
            below, enforcer=self._enforced_by(objects), objects=objects, namespaces=namespaces, memo={}
        )
        dialect = dialect_of(bare)
        return structs.replace(bare, enforcer=as_set(bare.enforcer, dialect), dialect=dialect)

    def _enforced_by(self, objects: Mapping[tuple[str, str], tuple[CrdPolicy, ...]]) -> Enforcer:
        """Find out who enforces as the world does, before what the enforcer's own settings say of it."""
        base, below = self._view.base, self._base.context
        match base.settings.detect:
            case "":
                return base.settings.enforcer
            case "cluster" if not (below.dialect.certainty.unenforced or below.dialect.certainty.undecided):
                return below.enforcer
            case "cluster":
                found = {key: base.workloads.config_map(*key) for key in SWITCHES}
                switches = {key: one.settings.as_dict() for key, one in found.items() if one is not None}
                agents = [one for one in base.workloads.every() if one.ref.kind == "DaemonSet"]
                return from_cluster(agents, {node.flags for node in base.nodes.every()}, switches)
            case "files":
                met = {value.group for space in self._spaces() for value in self.crd_policies(space).values()}
                return from_files(met | {group for group, _ in objects if group})

    def _spaces(self) -> Iterable[str]:
        """Return where policies are, or were."""
        own = (ref.namespace or EVERYWHERE for ref in self._refs)
        return dict.fromkeys((EVERYWHERE, *self._view.base.namespaces.names(), *own))

    def _reread(self, spaces: Mapping[str, Value | None], *, relabelled: bool) -> bool:
        """Say whether policies that are not in the change may come to, or select, something else by it.

        `relabelled`: ServiceAccounts are.
        """
        if self.context is not self._base.context:
            return True
        asking = self._spaces() if relabelled else (EVERYWHERE, *spaces) if spaces else ()
        return any(self._base.crd_policies(space) for space in asking)

    def _everything(self) -> Iterator[Policy | CrdPolicy]:
        """Yield all policies; a namespace's are compiled when somebody asks for them."""
        for space in self._spaces():
            own: list[Policy | CrdPolicy] = [*self.named(space).values(), *self.crd_policies(space).values()]
            yield from own

    def selecting(self, pod_class: PodClass, direction: Direction) -> Selecting:
        found = self._selected.get((pod_class, direction))
        if found is None:
            found = self._selected[pod_class, direction] = self._selecting(pod_class, direction)
        return found

    def _selecting(self, pod_class: PodClass, direction: Direction) -> Selecting:
        if self._whole:
            return self._own.selecting(pod_class, direction)
        below = self._base.selecting(pod_class, direction)
        if not any(ref.namespace in (None, pod_class.namespace) for ref in self._refs):
            return below
        kept = [pair for pair in below if pair[0].ref not in self._refs]
        mine = [pair for pair in self._own.selecting(pod_class, direction) if pair[0].ref in self._refs]
        return tuple(sorted([*kept, *mine], key=lambda pair: sort_key(pair[0])))

    def unevaluated(self, pod_class: PodClass, direction: Direction) -> Unevaluated | None:
        return self._base.unevaluated(pod_class, direction)

    def compiled_policies(self, namespace: str, direction: Direction) -> Iterable[CompiledPolicy]:
        if self._whole:
            return self._own.compiled_policies(namespace, direction)
        kept = [i for i in self._base.compiled_policies(namespace, direction) if i.ref not in self._refs]
        return sorted([*kept, *self._own.compiled_policies(namespace, direction)], key=sort_key)

    def asked(self, namespace: str, direction: Direction) -> tuple[AskedLabels, ...]:
        below = () if self._whole else self._base.asked(namespace, direction)
        return (*below, *self._own.asked(namespace, direction))

    def named(self, namespace: str) -> Mapping[PolicyRef, Policy]:
        mine = {r: v for r, v in self._refs.items() if isinstance(v, Policy) and v.namespace == namespace}
        return {**{r: p for r, p in self._base.named(namespace).items() if r not in self._refs}, **mine}

    def crd_policies(self, namespace: str) -> Mapping[PolicyRef, CrdPolicy]:
        mine = {r: v for r, v in self._refs.items() if isinstance(v, CrdPolicy) and (v.namespace or "") == namespace}
        return {**{r: p for r, p in self._base.crd_policies(namespace).items() if r not in self._refs}, **mine}

    def problems(self) -> Mapping[PolicyRef, tuple[str, ...]]:
        if self._whole:
            return self._own.problems()
        kept = {ref: found for ref, found in self._base.problems().items() if ref not in self._refs}
        return {**kept, **self._own.problems()}


def _policy_of(key: Drop) -> PolicyRef:
    """Return the policy that a key names; `_NO_POLICY` where it is none."""
    word, _, group = key.kind.partition(".")
    if key.kind == "NetworkPolicy":
        return PolicyRef(key.namespace, key.name)
    known = group and (group, word) in POLICIES
    return PolicyRef(key.namespace or None, key.name, word, group=group) if known else _NO_POLICY


# -- namespaces, Services and who is behind them -----------------------------------------------------------------------


class _Namespaces(Spaces):
    """Namespaces, with those that change."""

    def __init__(self, base: NamespaceLister, filled: set[str], changed: Mapping[str, Value | None]) -> None:
        super().__init__(base, filled)
        self._changed = changed

    def get(self, name: str) -> Namespace:
        found = self._changed.get(name)
        if isinstance(found, Namespace):
            return found
        return unlabelled(name) if name in self._changed else super().get(name)


class _Accounts:
    """ServiceAccounts, with those that change."""

    def __init__(self, base: AccountLister, changed: Mapping[Key, Value | None]) -> None:
        self._base, self._changed = base, changed

    def get(self, namespace: str, name: str) -> Account | None:
        if (namespace, name) not in self._changed:
            return self._base.get(namespace, name)
        found = self._changed[namespace, name]
        return account_of(found) if isinstance(found, CrdPolicy) else Account()


class _Services:
    """Services, with those that change, by their `keys`."""

    def __init__(self, base: ServiceLister, own: Services, keys: set[Key]) -> None:
        self._base, self._own, self._keys = base, own, keys
        self.endpoints, self.serving = base.endpoints, base.serving

    def get(self, namespace: str, name: str) -> Service | None:
        return (self._own if (namespace, name) in self._keys else self._base).get(namespace, name)

    def within(self, namespace: str) -> Iterable[Service]:
        yield from self._left(self._base.within(namespace))
        yield from self._own.within(namespace)

    def _left(self, below: Iterable[Service]) -> Iterator[Service]:
        return (one for one in below if (one.namespace, one.name) not in self._keys)

    def selecting(self, pod_class: PodClass) -> tuple[Service, ...]:
        every = (*self._left(self._base.selecting(pod_class)), *self._own.selecting(pod_class))
        return tuple(sorted(every, key=lambda one: one.name))

    def published(self) -> Iterable[Service]:
        return (*self._left(self._base.published()), *self._own.published())

    def unselecting(self) -> Iterable[Service]:
        return (*self._left(self._base.unselecting()), *self._own.unselecting())

    def at(self, address: Address) -> Service | None:
        below = self._base.at(address)
        found = [*self._left([below] if below else []), *filter(None, [self._own.at(address)])]
        return min(found, key=_place_of, default=None)

    def outside_at(self, address: Address) -> tuple[Service, ...]:
        below = self._left(self._base.outside_at(address))
        return tuple(sorted((*below, *self._own.outside_at(address)), key=_place_of))

    def families(self) -> Iterable[Family]:
        return (*self._base.families(), *self._own.families())


class _Pods(Pods):
    """Pods, and who is behind the Services that change."""

    def __init__(self, view: Proposed, base: View, mine: Mapping[WorkloadRef, Workload], keys: set[Key]) -> None:
        super().__init__(view, base, mine, anew=True)
        self._keys = keys
        self._behind: dict[Key, tuple[Group, ...]] = {}

    def behind(self, service: Service) -> tuple[Group, ...]:
        key = (service.namespace, service.name)
        labels = service.selector
        if key not in self._keys or labels is None:
            return super().behind(service)
        if key not in self._behind:

            def selected() -> Iterator[Pod]:
                wanted = set(labels.pairs)
                every = (pod for group in self.groups(service.namespace) for pod in group.pods)
                return (pod for pod in every if wanted.issubset(pod.pod_class.labels.pairs))

            self._behind[key] = backends(self._view, service.namespace, labels, selected)
        return self._behind[key]


def _place_of(service: Service) -> Key:
    return service.namespace, service.name
