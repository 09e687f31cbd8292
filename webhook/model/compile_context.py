"""What a policy may refer to while it is compiled."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from webhook.model.dialect import GENERIC, Dialect
from webhook.model.foreign import Foreign
from webhook.model.objects import Namespace
from webhook.model.settings import Enforcer


class CompileContext(Struct, frozen=True):
    """Who enforces, and the objects that policies refer to, by API group and kind.

    `flags`: what DaemonSets tell of themselves, by name; `nodes`: what any node tells of itself, see `wire.agents`.
    `settings`: of agents, by the namespace and the name of their ConfigMap. Whatever of this changes, every policy is
    compiled again. `memo`: what a family has worked out of the objects, under its name.
    """

    enforcer: Enforcer = Enforcer()
    objects: Mapping[tuple[str, str], tuple[Foreign, ...]] = {}
    namespaces: Mapping[str, Namespace] = {}
    flags: Mapping[str, tuple[str, ...]] = {}
    settings: Mapping[tuple[str, str], Mapping[str, str]] = {}
    dialect: Dialect = GENERIC
    nodes: frozenset[str] = frozenset()
    memo: dict[str, object] = {}

    def all(self, *kinds: tuple[str, str]) -> Iterable[Foreign]:
        """Return the objects of some kinds, in the order of the kinds."""
        for kind in kinds:
            yield from self.objects.get(kind, ())
