"""Any proposed change, read through to a view: policies of every family, what they refer to, Namespaces, Services.

What is not touched is the base's own answer. Policies are compiled again only where the change may make another thing
of them: what they refer to, who enforces, or a label that policies of other families select by.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Final

from msgspec import structs

from webhook.families import POLICIES, REFERENCES, dialect_of
from webhook.model.addresses import FAMILIES, Address, Family
from webhook.model.compile_context import CompileContext
from webhook.model.dialect import Dialect
from webhook.model.foreign import Foreign
from webhook.model.labels import Labels
from webhook.model.objects import Namespace, Pod, Service, Shape, Workload
from webhook.model.policy import Direction, Policy
from webhook.model.refs import PolicyRef
from webhook.model.settings import Enforcer
from webhook.model.tier import Isolation, position
from webhook.world.around import as_set
from webhook.world.asking import labels_of
from webhook.world.changes import Change, Drop, Put, key_of
from webhook.world.enforcer import SWITCHES, from_cluster, from_files
from webhook.world.lookup import NAME_LABEL, backends
from webhook.world.overlay import Overlay
from webhook.world.policies import EVERYWHERE, Policies
from webhook.world.services import Services
from webhook.world.view import Group, Selecting, View

_NO_POLICY: Final = PolicyRef(None, "")


class Proposed(Overlay):
    """`base` as if `changes` had been applied. The base must not change while this is in use.

    Of kinds other than those named above workloads alone are heard, and only as put: as if they had been rolled out.
    """

    def __init__(self, base: View, changes: Iterable[Change]) -> None:
        """Put and drop over `base`."""
        named = [(key_of(one.value), one.value) if isinstance(one, Put) else (one, None) for one in changes]
        super().__init__(base, [value for _, value in named if isinstance(value, Workload)], anew=True)
        self._spaces = {key.name: value for key, value in named if key.kind == "Namespace"}
        self._own_services = Services()
        self._service_keys = {(key.namespace, key.name) for key, _ in named if key.kind == "Service"}
        for _, value in named:
            if isinstance(value, Service):
                self._own_services.put(value)
        self._of_services: dict[tuple[str, str], tuple[Group, ...]] = {}
        self._selected: dict[tuple[Shape, Direction], Selecting] = {}
        self._refs = {ref: value for key, value in named if (ref := _policy_of(key)) is not _NO_POLICY}
        self._referred = {
            (group, word, key.namespace or None, key.name): value
            for key, value in named
            for word, _, group in (key.kind.partition("."),)
            if (group, word) in REFERENCES and group
        }
        self._context = self._compiled_in()
        self._whole: Policies | None = self._everything() if self._reread() else None
        if self._whole is None:
            for value in self._refs.values():
                if isinstance(value, Policy | Foreign):
                    self._policies.put(value)

    # -- policies --------------------------------------------------------------------------------------------------

    def _compiled_in(self) -> CompileContext:
        """Return what policies are compiled in, the base's own where the change is about nothing of it."""
        below = self._base.compile_context
        files = self.settings.detect == "files" and any(
            isinstance(v, Foreign) or v is None for v in self._refs.values()
        )
        if not (self._referred or files or (self._spaces and below.objects)):
            return below
        objects = dict(below.objects)
        for (group, word, namespace, name), value in self._referred.items():
            kept = [o for o in objects.get((group, word), ()) if (o.namespace, o.ref.name) != (namespace, name)]
            kept += [value] if isinstance(value, Foreign) else []
            objects[group, word] = tuple(sorted(kept, key=lambda o: (o.namespace or "", o.ref.name)))
            if not kept:
                del objects[group, word]
        namespaces = dict(below.namespaces)
        for name, space in self._spaces.items():
            namespaces.pop(name, None)
            if isinstance(space, Namespace):
                namespaces[name] = space
        bare = structs.replace(
            below, enforcer=self._enforced_by(objects), objects=objects, namespaces=namespaces, memo={}
        )
        dialect = dialect_of(bare)
        return structs.replace(bare, enforcer=as_set(bare.enforcer, dialect), dialect=dialect)

    def _enforced_by(self, objects: Mapping[tuple[str, str], tuple[Foreign, ...]]) -> Enforcer:
        """Find out who enforces as the world does, before what the enforcer's own settings say of it."""
        below = self._base.compile_context
        match self.settings.detect:
            case "":
                return self.settings.enforcer
            case "cluster" if not (below.dialect.certainty.unenforced or below.dialect.certainty.undecided):
                return below.enforcer
            case "cluster":
                every = (w for space in self._base.namespaces() for w in self._base.workloads(space))
                found = {key: self._base.config_map(*key) for key in SWITCHES}
                switches = {key: one.settings.as_dict() for key, one in found.items() if one is not None}
                agents = [one for one in every if one.ref.kind == "DaemonSet"]
                return from_cluster(agents, {node.flags for node in self._base.nodes()}, switches)
            case "files":
                spaces = (EVERYWHERE, *self._base.namespaces(), *(ref.namespace or "" for ref in self._refs))
                met = {value.group for space in dict.fromkeys(spaces) for value in self.foreign(space).values()}
                return from_files(met | {group for group, _ in objects if group})

    def _reread(self) -> bool:
        """Say whether policies that are not in the change may come to something else by it."""
        if self._context is not self._base.compile_context:
            return True
        return bool(self._spaces) and any(self._base.foreign(space) for space in (EVERYWHERE, *self._spaces))

    def _everything(self) -> Policies:
        """Return an index of all policies, in which a namespace's are compiled when somebody asks for them."""
        made = Policies(
            self.settings.pending_labels,
            lambda: self._context,
            partial(labels_of, self),
            lambda: self.budget,
            self._memo,
        )
        made.recompile()
        for space in dict.fromkeys((EVERYWHERE, *self._base.namespaces(), *(r.namespace or "" for r in self._refs))):
            own: list[Policy | Foreign] = [*self.policies(space).values(), *self.foreign(space).values()]
            self.budget.spend(len(own))
            for policy in own:
                made.put(policy)
        return made

    @property
    def memo(self) -> dict[object, object]:
        """Answers that hold for this change."""
        return self._memo

    @property
    def compile_context(self) -> CompileContext:
        """What policies are compiled in."""
        return self._context

    @property
    def enforcer(self) -> Enforcer:
        """Who enforces policy."""
        return self._context.enforcer

    @property
    def dialect(self) -> Dialect:
        """How the enforcer reads policies."""
        return self._context.dialect

    def selecting(self, shape: Shape, direction: Direction) -> Selecting:
        """Return what isolates, or may isolate, pods of `shape`."""
        found = self._selected.get((shape, direction))
        if found is None:
            found = self._selected[shape, direction] = self._selecting(shape, direction)
        return found

    def _selecting(self, shape: Shape, direction: Direction) -> Selecting:
        if self._whole is not None:
            return self._whole.selecting(shape, direction)
        below = self._base.selecting(shape, direction)
        if not any(ref.namespace in (None, shape.namespace) for ref in self._refs):
            return below
        kept = [pair for pair in below if pair[0].ref not in self._refs]
        mine = [pair for pair in self._policies.selecting(shape, direction) if pair[0].ref in self._refs]
        return tuple(sorted([*kept, *mine], key=lambda pair: position(pair[0])))

    def isolations(self, namespace: str, direction: Direction) -> Iterable[Isolation]:
        """Return every isolation of a namespace, in the order in which they are asked."""
        if self._whole is not None:
            return self._whole.isolations(namespace, direction)
        kept = [i for i in self._base.isolations(namespace, direction) if i.ref not in self._refs]
        return sorted([*kept, *self._policies.isolations(namespace, direction)], key=position)

    def policies(self, namespace: str) -> Mapping[PolicyRef, Policy]:
        """Return the policies of a namespace."""
        mine = {r: v for r, v in self._refs.items() if isinstance(v, Policy) and v.namespace == namespace}
        return {**{r: p for r, p in self._base.policies(namespace).items() if r not in self._refs}, **mine}

    def foreign(self, namespace: str) -> Mapping[PolicyRef, Foreign]:
        """Return the policies of other families of a namespace (empty: the cluster-wide ones)."""
        mine = {r: v for r, v in self._refs.items() if isinstance(v, Foreign) and (v.namespace or "") == namespace}
        return {**{r: p for r, p in self._base.foreign(namespace).items() if r not in self._refs}, **mine}

    def problems(self) -> Mapping[PolicyRef, tuple[str, ...]]:
        """Return what is wrong with policies of other families."""
        if self._whole is not None:
            return self._whole.problems()
        kept = {ref: found for ref, found in self._base.problems().items() if ref not in self._refs}
        return {**kept, **self._policies.problems()}

    # -- namespaces ------------------------------------------------------------------------------------------------

    def namespace(self, name: str) -> Namespace:
        """Return the namespace; of one that is gone its name alone."""
        if name not in self._spaces:
            return self._base.namespace(name)
        found = self._spaces[name]
        return found if isinstance(found, Namespace) else _nameless(self._base.namespace(name))

    def _filled(self) -> set[str]:
        spaces = (ref.namespace for ref, value in self._refs.items() if value is not None and ref.namespace)
        there = (name for name, value in self._spaces.items() if value is not None)
        return {*super()._filled(), *spaces, *there, *self._own_services.by_namespace}

    # -- Services --------------------------------------------------------------------------------------------------

    def service(self, namespace: str, name: str) -> Service | None:
        """Return a Service."""
        if (namespace, name) in self._service_keys:
            return self._own_services.by_namespace.get(namespace, {}).get(name)
        return self._base.service(namespace, name)

    def services(self, namespace: str) -> Iterable[Service]:
        """Return the Services of a namespace."""
        yield from self._left(self._base.services(namespace))
        yield from self._own_services.by_namespace.get(namespace, {}).values()

    def _left(self, below: Iterable[Service]) -> Iterator[Service]:
        return (one for one in below if (one.namespace, one.name) not in self._service_keys)

    def services_of(self, shape: Shape) -> tuple[Service, ...]:
        """Return the Services that select pods of `shape`, by name."""
        mine = self._own_services.selecting(shape.namespace, shape.labels)
        return tuple(sorted((*self._left(self._base.services_of(shape)), *mine), key=lambda one: one.name))

    def published(self) -> Iterable[Service]:
        """Return the Services that are to be reached from outside."""
        return (*self._left(self._base.published()), *self._own_services.published.values())

    def backends(self, service: Service) -> tuple[Group, ...]:
        """Return who stands behind a Service's selector."""
        key = (service.namespace, service.name)
        labels = service.selector
        if key not in self._service_keys or labels is None:
            return super().backends(service)
        if key not in self._of_services:

            def selected() -> Iterator[Pod]:
                wanted = set(labels.pairs)
                every = (pod for group in self.groups(service.namespace) for pod in group.pods)
                return (pod for pod in every if wanted.issubset(pod.shape.labels.pairs))

            self._of_services[key] = backends(self, service.namespace, labels, selected)
        return self._of_services[key]

    def service_at(self, address: Address) -> Service | None:
        """Return the Service with that cluster address."""
        below = self._base.service_at(address)
        found = [*self._left([below] if below else []), *filter(None, [self._own_services.at(address)])]
        return min(found, key=_place_of, default=None)

    def outside_services_at(self, address: Address) -> tuple[Service, ...]:
        """Return the Services with that external or load balancer address, sorted."""
        below = self._left(self._base.outside_services_at(address))
        return tuple(sorted((*below, *self._own_services.outside_at(address)), key=_place_of))

    def families(self) -> tuple[Family, ...]:
        """Return the address families that pods have; IPv4 where nothing tells."""
        below = self._base.families()
        mine = self._own_services.families()
        return below if not mine or set(mine) <= set(below) else tuple(f for f in FAMILIES if f in (*below, *mine))


def _policy_of(key: Drop) -> PolicyRef:
    """Return the policy that a key names; `_NO_POLICY` where it is none."""
    word, _, group = key.kind.partition(".")
    if key.kind == "NetworkPolicy":
        return PolicyRef(key.namespace, key.name)
    known = group and (group, word) in POLICIES
    return PolicyRef(key.namespace or None, key.name, word, group=group) if known else _NO_POLICY


def _nameless(was: Namespace) -> Namespace:
    return Namespace(was.name, Labels({NAME_LABEL: was.name}), synthetic=True)


def _place_of(service: Service) -> tuple[str, str]:
    return service.namespace, service.name
