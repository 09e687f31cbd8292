"""What a policy family is to the rest: its kinds, how they compile, and the dialects of who enforces it."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from webhook.families.surroundings import Surroundings
from webhook.model.dialect import Dialect, Kind
from webhook.model.expression import Expression
from webhook.model.foreign import Foreign
from webhook.model.tier import Isolation


class Compiled(Struct, frozen=True):
    """The pieces that a policy comes to. `problems`: `path: what is wrong`, of parts that are not in force."""

    pieces: tuple[Isolation, ...] = ()
    problems: tuple[str, ...] = ()


NOTHING = Compiled()


class Family(Struct, frozen=True):
    """One policy family.

    `policies`: the kinds that compile to pieces. `references`: kinds that policies, or dialects, refer to.
    `wide`: those of both that are cluster-scoped. `compile` never raises but `Malformed`, which makes the policy one
    that may do anything to the pods for which `scope` holds (None: any in its namespace). `dialects`: by enforcer.
    """

    name: str
    policies: frozenset[Kind]
    compile: Callable[[Foreign, Surroundings], Compiled]
    scope: Callable[[Foreign], Expression | None] = lambda _: None
    references: frozenset[Kind] = frozenset()
    wide: frozenset[Kind] = frozenset()
    dialects: Mapping[str, Callable[[Surroundings], Dialect]] = {}
