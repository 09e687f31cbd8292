"""Conditions on a pod, on its namespace and on its service account: what selectors of every family come down to."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Literal

from msgspec import Struct

from webhook.model.truth import Truth


class Space(StrEnum):
    """Whose label a key names. FIELD: not a label, but the `namespace` or the `account` that the pod has."""

    POD = "pod"
    NAMESPACE = "namespace"
    ACCOUNT = "account"
    FIELD = "field"


class Test(StrEnum):
    """What is asked of a value. Of an absent one only NOT_IN is true."""

    IN = "in"
    NOT_IN = "not in"
    HAS = "has"
    CONTAINS = "contains"
    STARTS_WITH = "starts with"
    ENDS_WITH = "ends with"


class Term(Struct, frozen=True, gc=False):
    """One condition. `values` is empty for HAS; the text tests hold where any value does."""

    space: Space
    key: str
    test: Test
    values: frozenset[str] = frozenset()

    def __str__(self) -> str:
        key = self.key if self.space is Space.POD else f"{self.space} {self.key}"
        values = ",".join(sorted(self.values))
        if self.test is Test.HAS:
            return key
        return f"{key}={values}" if self.test is Test.IN and len(self.values) == 1 else f"{key} {self.test} ({values})"


class All(Struct, frozen=True, gc=False):
    """Every part holds; without parts, always."""

    parts: tuple["Expression", ...] = ()

    def __str__(self) -> str:
        return ",".join(map(str, self.parts)) or "everything"


class Some(Struct, frozen=True, gc=False):
    """At least one part holds; without parts, never."""

    parts: tuple["Expression", ...] = ()

    def __str__(self) -> str:
        return f"({' or '.join(map(str, self.parts))})" if self.parts else "nothing"


class Not(Struct, frozen=True, gc=False):
    """The part does not hold."""

    part: "Expression"

    def __str__(self) -> str:
        return f"!{self.part}" if isinstance(self.part, Term) else f"!({self.part})"


Expression = Term | All | Some | Not
Value = str | None | Literal[Truth.MAYBE]  # None: absent; MAYBE: not known
Lookup = Callable[[Space, str], Value]
ALWAYS = All()
NEVER = Some()


def holds(expression: Expression, lookup: Lookup) -> Truth:
    """Say whether `expression` holds for what `lookup` tells."""
    match expression:
        case Term():
            value = lookup(expression.space, expression.key)
            return value if isinstance(value, Truth) else Truth.of(_asked(expression, value))
        case All(parts):
            worst = Truth.YES
            for part in parts:
                worst = min(worst, holds(part, lookup))
                if worst is Truth.NO:
                    break
            return worst
        case Some(parts):
            best = Truth.NO
            for part in parts:
                best = max(best, holds(part, lookup))
                if best is Truth.YES:
                    break
            return best
        case Not(part):
            found = holds(part, lookup)
            return found if found is Truth.MAYBE else Truth.of(found is Truth.NO)


def _asked(term: Term, value: str | None) -> bool:
    if value is None:
        return term.test is Test.NOT_IN
    match term.test:
        case Test.IN:
            return value in term.values
        case Test.NOT_IN:
            return value not in term.values
        case Test.HAS:
            return True
        case Test.CONTAINS:
            return any(part in value for part in term.values)
        case Test.STARTS_WITH:
            return value.startswith(tuple(term.values))
        case Test.ENDS_WITH:
            return value.endswith(tuple(term.values))


def terms(test: Expression) -> Iterator[Term]:
    """Yield the single conditions that an expression is made of."""
    match test:
        case Term():
            yield test
        case All(parts) | Some(parts):
            for part in parts:
                yield from terms(part)
        case Not(part):
            yield from terms(part)
