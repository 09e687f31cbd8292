"""Labels, and predicates on them: what the selectors of every family are made into.

Label selectors are read as `k8s.io/apimachinery/pkg/labels` does. Other families join requirements by `and`, `or` and
`not`, and ask for the labels of a pod's namespace and of its ServiceAccount, too.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final, Generic, Literal, TypeVar

from msgspec import Struct

from webhook.model.truth import Truth


class Labels:
    """An immutable, hashable label map; equal maps compare equal whatever their order."""

    __slots__ = ("_hash", "get", "pairs")

    def __init__(self, labels: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        """Copy `labels`."""
        mapping = dict(labels)
        self.pairs: tuple[tuple[str, str], ...] = tuple(sorted(mapping.items()))
        self.get = mapping.get
        self._hash = hash(self.pairs)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Labels) and self.pairs == other.pairs)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Labels({dict(self.pairs)!r})"

    def __contains__(self, key: object) -> bool:
        return any(key == mine for mine, _ in self.pairs)

    def __bool__(self) -> bool:
        return bool(self.pairs)

    def as_dict(self) -> dict[str, str]:
        """Return a new dict, sorted by key."""
        return dict(self.pairs)


NO_LABELS = Labels()
NAME_LABEL: Final = "kubernetes.io/metadata.name"
"""The label of a namespace that is its name (`k8s.io/api/core/v1` LabelMetadataName)."""


class LabelKeys(Struct, frozen=True, gc=False):
    """A set of label keys, some given by prefix: `batch.kubernetes.io/*`."""

    exact: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()

    @staticmethod
    def of(patterns: Iterable[str]) -> "LabelKeys":
        """Read patterns; a trailing `*` makes a prefix."""
        every = tuple(patterns)
        return LabelKeys(
            exact=frozenset(p for p in every if not p.endswith("*")),
            prefixes=tuple(sorted(p[:-1] for p in every if p.endswith("*"))),
        )

    def __contains__(self, key: str) -> bool:
        return key in self.exact or (bool(self.prefixes) and key.startswith(self.prefixes))


NO_KEYS = LabelKeys()


class Space(StrEnum):
    """Whose label a key names. FIELD: not a label, but the `namespace` or the `account` that the pod has."""

    POD = "pod"
    NAMESPACE = "namespace"
    ACCOUNT = "account"
    FIELD = "field"


class Operator(StrEnum):
    """How a label is compared: as `metav1.LabelSelectorOperator` does, and as text, which only some families do."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    CONTAINS = "contains"
    STARTS_WITH = "starts with"
    ENDS_WITH = "ends with"


OF_SELECTORS: Final = (Operator.IN, Operator.NOT_IN, Operator.EXISTS, Operator.DOES_NOT_EXIST)
"""Those that `metav1.LabelSelector` has."""
_AS_TEXT: Final = frozenset({Operator.CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH})
_IF_ABSENT: Final = frozenset({Operator.NOT_IN, Operator.DOES_NOT_EXIST})


class Requirement(Struct, frozen=True, gc=False):
    """One requirement on a label. `values`: none for (DOES_NOT_)EXIST(S); one of them is enough for the comparisons."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()
    space: Space = Space.POD

    @property
    def negative(self) -> bool:
        """Whether it holds where the label is absent."""
        return self.operator in _IF_ABSENT

    def holds(self, value: str | None) -> bool:
        """Say whether it holds for a label's value; None: the label is absent."""
        if value is None:
            return self.operator in _IF_ABSENT
        match self.operator:
            case Operator.IN:
                return value in self.values
            case Operator.NOT_IN:
                return value not in self.values
            case Operator.EXISTS:
                return True
            case Operator.DOES_NOT_EXIST:
                return False
            case Operator.CONTAINS:
                return any(part in value for part in self.values)
            case Operator.STARTS_WITH:
                return value.startswith(tuple(self.values))
            case Operator.ENDS_WITH:
                return value.endswith(tuple(self.values))

    def matches(self, labels: Labels, pending: LabelKeys = NO_KEYS) -> Truth:
        """Say whether `labels` meet this; an absent key in `pending` may still be added."""
        value = labels.get(self.key)
        if value is None and self.key in pending:
            return Truth.MAYBE
        return Truth.of(self.holds(value))

    def __str__(self) -> str:
        match self.operator:
            case Operator.NOT_IN:
                return f"{self.key} notin ({','.join(sorted(self.values))})"
            case _:
                return in_words(self)


def in_words(one: Requirement) -> str:
    """Return a requirement as a person reads it; whose label it asks for is not said."""
    values = ",".join(sorted(one.values))
    match one.operator:
        case Operator.IN:
            return f"{one.key}={values}" if len(one.values) == 1 else f"{one.key} in ({values})"
        case Operator.NOT_IN:
            return f"{one.key} not in ({values})"
        case Operator.EXISTS:
            return one.key
        case Operator.DOES_NOT_EXIST:
            return f"!{one.key}"
        case _:
            return f"{one.key} {one.operator} ({values})"


_IN: Final = Operator.IN  # a global is found in a third of the time of a member
_YES: Final = Truth.YES
_NO: Final = Truth.NO


class Selector(Struct, frozen=True, gc=False):
    """A conjunction of requirements on labels of one object; without any it selects all (`metav1.LabelSelector{}`)."""

    requirements: tuple[Requirement, ...] = ()

    @staticmethod
    def exactly(labels: Labels) -> "Selector":
        """Return the selector that `matchLabels: labels` makes."""
        return Selector(tuple(Requirement(k, Operator.IN, frozenset((v,))) for k, v in labels.pairs))

    def matches(self, labels: Labels, pending: LabelKeys = NO_KEYS) -> Truth:
        """Say whether every requirement holds."""
        worst = _YES
        for (
            requirement
        ) in self.requirements:  # no question is asked more often: most are `In`, and asked without a call
            value = labels.get(requirement.key)
            if value is not None and requirement.operator is _IN:
                if value not in requirement.values:
                    return _NO
                continue
            found = requirement.matches(labels, pending)
            if found is _NO:
                return _NO
            if found is not _YES:
                worst = found
        return worst

    def __str__(self) -> str:
        return ",".join(str(r) for r in self.requirements) or "everything"


EVERYTHING = Selector()
T = TypeVar("T")


class AllOf(Struct, Generic[T], frozen=True, gc=False):
    """What all parts hold for; without parts, everything."""

    parts: tuple[T, ...] = ()


class AnyOf(Struct, Generic[T], frozen=True, gc=False):
    """What at least one part holds for; without parts, nothing."""

    parts: tuple[T, ...] = ()


class NoneOf(Struct, Generic[T], frozen=True, gc=False):
    """What no part holds for; without parts, everything."""

    parts: tuple[T, ...] = ()


Predicate = Requirement | AllOf["Predicate"] | AnyOf["Predicate"] | NoneOf["Predicate"]
Value = str | None | Literal[Truth.MAYBE]  # None: absent; MAYBE: not known
Lookup = Callable[[Space, str], Value]
ALWAYS: Final[AllOf[Predicate]] = AllOf()
NEVER: Final[AnyOf[Predicate]] = AnyOf()


def holds(predicate: Predicate, lookup: Lookup) -> Truth:
    """Say whether `predicate` holds for a pod. `lookup`: the value of a key of its labels, or of a field of its own."""
    match predicate:
        case Requirement():
            value = lookup(predicate.space, predicate.key)
            return value if isinstance(value, Truth) else Truth.of(predicate.holds(value))
        case AllOf(parts):
            worst = Truth.YES
            for part in parts:
                worst = min(worst, holds(part, lookup))
                if worst is Truth.NO:
                    break
            return worst
        case AnyOf(parts) | NoneOf(parts):
            best = Truth.NO
            for part in parts:
                best = max(best, holds(part, lookup))
                if best is Truth.YES:
                    break
            return best if isinstance(predicate, AnyOf) else best.negated()


class AskedLabels:
    """The labels that requirements tell pods apart by: keys, and of each the values that make a difference."""

    def __init__(
        self, requirements: Iterable[Requirement] = (), joined: Collection["AskedLabels"] = (), *, every: bool = False
    ) -> None:
        """Collect what `requirements` ask for, and what others that are `joined` do. `every`: any label."""
        self.every: bool = every or any(one.every for one in joined)
        self.values: dict[str, set[str] | None] = {}  # None: each value may make one
        values = self.values
        for one in requirements:
            known = values.setdefault(one.key, set())
            if one.operator in _AS_TEXT:
                values[one.key] = None
            elif known is not None:
                known.update(one.values)
        for other in joined:
            for key, some in other.values.items():
                known = values.get(key, set())
                values[key] = None if known is None or some is None else known | some

    def of(self, labels: Labels) -> tuple[tuple[str, str | None], ...]:
        """Return what is the same for labels that no requirement tells apart; None: a value that nobody asks for."""
        if self.every:
            return labels.pairs
        every = [(key, value, self.values[key]) for key, value in labels.pairs if key in self.values]
        return tuple([(key, value if asked is None or value in asked else None) for key, value, asked in every])

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.values)


EVERY_LABEL: Final = AskedLabels(every=True)
"""Tells pods apart by any label."""


def requirements_of(predicate: Predicate) -> Iterator[Requirement]:
    """Yield the requirements that a predicate is made of."""
    if isinstance(predicate, Requirement):
        yield predicate
        return
    for part in predicate.parts:
        yield from requirements_of(part)
