"""Labels and label selectors, as `k8s.io/apimachinery/pkg/labels` reads them."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

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
        return isinstance(other, Labels) and self.pairs == other.pairs

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


class Operator(StrEnum):
    """`LabelSelectorOperator` of `k8s.io/apimachinery/pkg/apis/meta/v1`."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class Requirement(Struct, frozen=True, gc=False):
    """One condition of a selector. NotIn and DoesNotExist hold for an absent key."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Labels, pending: LabelKeys = NO_KEYS) -> Truth:
        """Say whether `labels` meet this; an absent key in `pending` may still be added."""
        value = labels.get(self.key)
        if value is None:
            if self.key in pending:
                return Truth.MAYBE
            return Truth.of(self.operator in _TRUE_IF_ABSENT)
        match self.operator:
            case Operator.IN:
                return Truth.of(value in self.values)
            case Operator.NOT_IN:
                return Truth.of(value not in self.values)
            case Operator.EXISTS:
                return Truth.YES
            case Operator.DOES_NOT_EXIST:
                return Truth.NO

    def __str__(self) -> str:
        values = ",".join(sorted(self.values))
        match self.operator:
            case Operator.IN:
                return f"{self.key}={values}" if len(self.values) == 1 else f"{self.key} in ({values})"
            case Operator.NOT_IN:
                return f"{self.key} notin ({values})"
            case Operator.EXISTS:
                return self.key
            case Operator.DOES_NOT_EXIST:
                return f"!{self.key}"


_TRUE_IF_ABSENT = frozenset({Operator.NOT_IN, Operator.DOES_NOT_EXIST})


class Selector(Struct, frozen=True, gc=False):
    """A conjunction of requirements; without any it selects everything (`metav1.LabelSelector{}`)."""

    requirements: tuple[Requirement, ...] = ()

    @staticmethod
    def exactly(labels: Labels) -> "Selector":
        """Return the selector that `matchLabels: labels` makes."""
        return Selector(tuple(Requirement(k, Operator.IN, frozenset((v,))) for k, v in labels.pairs))

    def matches(self, labels: Labels, pending: LabelKeys = NO_KEYS) -> Truth:
        """Say whether every requirement holds."""
        worst = Truth.YES
        for requirement in self.requirements:
            found = requirement.matches(labels, pending)
            if found is Truth.NO:
                return Truth.NO
            if found is Truth.MAYBE:
                worst = Truth.MAYBE
        return worst

    def __str__(self) -> str:
        return ",".join(str(r) for r in self.requirements) or "everything"


EVERYTHING = Selector()
