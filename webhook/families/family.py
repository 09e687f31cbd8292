"""What a policy family is to the rest: its kinds, how they compile, and the dialects of who enforces it."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from webhook.model.compile_context import CompileContext
from webhook.model.dialect import Dialect
from webhook.model.expression import Expression
from webhook.model.foreign import Foreign
from webhook.model.tier import Isolation


class Compiled(Struct, frozen=True):
    """The pieces that a policy comes to. `problems`: `path: what is wrong`, of parts that are not in force."""

    pieces: tuple[Isolation, ...] = ()
    problems: tuple[str, ...] = ()


NOTHING = Compiled()


class Family(Struct, frozen=True):
    """How one policy family is compiled; its kinds are in `families.kinds`.

    `compile` never raises but `Malformed`, which makes the policy one that may do anything to the pods for which
    `scope` holds (None: any in its namespace). `dialects`: by enforcer.
    """

    name: str
    compile: Callable[[Foreign, CompileContext], Compiled]
    scope: Callable[[Foreign], Expression | None] = lambda _: None
    dialects: Mapping[str, Callable[[CompileContext], Dialect]] = {}
