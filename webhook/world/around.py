"""What policies are compiled in: who enforces, and the objects that policies refer to."""

from collections.abc import Mapping

from msgspec import structs

from webhook.enforcers import NAMESPACES
from webhook.families import dialect_of
from webhook.model.compile_context import CompileContext
from webhook.model.dialect import Dialect
from webhook.model.foreign import Foreign
from webhook.model.labels import NO_LABELS, Labels
from webhook.model.objects import Account, Namespace, Node, Workload
from webhook.model.settings import Enforcer, Settings
from webhook.wire.workloads import AUTOMOUNT
from webhook.world.enforcer import SWITCHES, from_cluster, from_files

ACCOUNT = ("", "ServiceAccount")


class Around:
    """An index of references and of ServiceAccounts, and the surroundings that follow from them."""

    def __init__(self, namespaces: Mapping[str, Namespace]) -> None:
        """Start with nothing but `namespaces`, which somebody else keeps."""
        self._references: dict[tuple[str, str], dict[tuple[str | None, str], Foreign]] = {}
        self._accounts: dict[tuple[str, str], Account] = {}
        self._daemon_sets: dict[tuple[str, str], Workload] = {}
        self._nodes: dict[str, tuple[str, ...]] = {}
        self._groups: dict[str, int] = {}
        self._settings: dict[tuple[str, str], Labels] = {}
        self._namespaces = namespaces
        self._found: CompileContext | None = None

    def put(self, value: Foreign) -> None:
        """Add or replace a reference or a ServiceAccount."""
        kind = (value.group, value.ref.kind)
        if kind == ACCOUNT:
            self._accounts[value.namespace or "", value.ref.name] = _account(value)
            return
        self._references.setdefault(kind, {})[value.namespace, value.ref.name] = value
        self._found = None

    def drop(self, group: str, kind: str, namespace: str | None, name: str) -> bool:
        """Remove a reference or a ServiceAccount; True if a reference was here."""
        if (group, kind) == ACCOUNT:
            self._accounts.pop((namespace or "", name), None)
            return False
        self._found = None
        here = self._references.get((group, kind), {})
        known = here.pop((namespace, name), None) is not None
        if known and not here:
            del self._references[group, kind]
        return known

    def put_daemon_set(self, value: Workload) -> bool:
        """Take a DaemonSet; True if it may tell who enforces."""
        if value.ref.namespace not in NAMESPACES:
            return False
        self._daemon_sets[value.ref.namespace, value.ref.name] = value
        self._found = None
        return True

    def drop_daemon_set(self, namespace: str, name: str) -> bool:
        """Hear that a DaemonSet is gone; True if it was one of those that tell."""
        self._found = None
        return self._daemon_sets.pop((namespace, name), None) is not None

    def put_settings(self, namespace: str, name: str, settings: Labels) -> bool:
        """Take what a ConfigMap sets for an agent, or that it sets nothing; True if that is news."""
        if settings == self._settings.get((namespace, name), NO_LABELS):
            return False
        self._settings.pop((namespace, name), None)
        if settings:
            self._settings[namespace, name] = settings
        self._found = None
        return True

    def put_node(self, value: Node) -> bool:
        """Take a node; True if what nodes tell of who enforces has changed."""
        before = set(self._nodes.values())
        self._nodes[value.name] = value.flags
        return self._renoded(before)

    def drop_node(self, name: str) -> bool:
        """Hear that a node is gone; True if what nodes tell of who enforces has changed."""
        before = set(self._nodes.values())
        self._nodes.pop(name, None)
        return self._renoded(before)

    def _renoded(self, before: set[tuple[str, ...]]) -> bool:
        if set(self._nodes.values()) - {()} == before - {()}:
            return False
        self._found = None
        return True

    def meet(self, group: str, count: int) -> bool:
        """Count policies of an API group; True if a group is new, or has gone."""
        before = self._groups.get(group, 0)
        if after := before + count:
            self._groups[group] = after
        else:
            self._groups.pop(group, None)
        if before and after:
            return False
        self._found = None
        return True

    def reset(self) -> None:
        """Hear that namespaces or settings have changed."""
        self._found = None

    def has(self, value: Foreign) -> bool:
        """Say whether an equal reference, or an account that says the same, is here."""
        kind = (value.group, value.ref.kind)
        if kind == ACCOUNT:
            return self._accounts.get((value.namespace or "", value.ref.name)) == _account(value)
        return self._references.get(kind, {}).get((value.namespace, value.ref.name)) == value

    @property
    def namespaced(self) -> bool:
        """Whether policies may refer to anything that stands in a namespace, and so has its labels, too."""
        return any(namespace for found in self._references.values() for namespace, _ in found)

    def account(self, namespace: str, name: str, *, complete: bool) -> Account | None:
        """Return a ServiceAccount; None: not known."""
        found = self._accounts.get((namespace, name))
        return Account() if found is None and complete and self._accounts else found

    def compile_context(self, settings: Settings) -> CompileContext:
        """Return what policies are compiled in."""
        if self._found is None:
            around = CompileContext(
                self._enforcer(settings),
                {
                    kind: tuple(found[key] for key in sorted(found, key=_by_name))
                    for kind, found in self._references.items()
                },
                self._namespaces,
                {name: value.flags for (_, name), value in sorted(self._daemon_sets.items())},
                {key: found.as_dict() for key, found in sorted(self._settings.items()) if found},
                nodes=frozenset(flag for flags in self._nodes.values() for flag in flags),
            )
            dialect = dialect_of(around)
            self._found = structs.replace(around, enforcer=as_set(around.enforcer, dialect), dialect=dialect)
        return self._found

    def _enforcer(self, settings: Settings) -> Enforcer:
        match settings.detect:
            case "":
                return settings.enforcer
            case "cluster":
                switches = {key: self._settings.get(key, NO_LABELS).as_dict() for key in SWITCHES}
                return from_cluster(self._daemon_sets.values(), set(self._nodes.values()), switches)
            case "files":
                return from_files(self._met())

    def _met(self) -> set[str]:
        return {*self._groups, *(group for group, _ in self._references if group)}


def as_set(enforcer: Enforcer, dialect: Dialect) -> Enforcer:
    """Return who enforces as its own settings have it: one may be told to drop nothing."""
    if dialect.certainty.unenforced:
        return structs.replace(enforcer, decisive=False, enforces=False, why=dialect.certainty.unenforced)
    if dialect.certainty.undecided:
        return structs.replace(enforcer, decisive=False, why=dialect.certainty.undecided)
    return enforcer


def _account(value: Foreign) -> Account:
    return Account(value.labels, value.spec.get(AUTOMOUNT) is not False)


def _by_name(key: tuple[str | None, str]) -> tuple[str, str]:
    return key[0] or "", key[1]
