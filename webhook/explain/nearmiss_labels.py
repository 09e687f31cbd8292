"""The one label, namespace or account that keeps a selector of any family from selecting a pod."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Final

from msgspec import Struct

from webhook.evaluate.ends import ANY_KEY
from webhook.model.expression import All, Expression, Not, Some, Space, Term, Test, holds
from webhook.model.labels import NO_KEYS, Labels, Requirement, Selector
from webhook.model.objects import Shape
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.asking import labels_of

_SIMILAR: Final = 0.6  # of difflib's ratio: `webapi` and `web-api` are 0.92 alike, `web` and `cache` 0.25
_FIELDS: Final = {Space.POD: "podLabels", Space.NAMESPACE: "namespaceLabels", Space.ACCOUNT: "serviceAccount"}


class Miss(Struct, frozen=True, order=True):
    """What one part of a rule wants and what it met; the lower its rank, the nearer."""

    rank: int
    field: str
    want: str
    have: str


FAR: Final = Miss(99, "", "", "")  # more than one thing away


def of_labels(selector: Selector, labels: Labels, field: str, *, synthetic: bool = False) -> Iterator[Miss]:
    """Yield what keeps `selector` from selecting `labels`. `synthetic`: labels that are not given are not known."""
    keys = ANY_KEY if synthetic else NO_KEYS
    missed = [r for r in selector.requirements if r.matches(labels, keys) is not Truth.YES]
    if len(missed) > 1:
        yield from (FAR,) * len(missed)  # no near miss, whatever they are: their words are not needed
    else:
        yield from (_label_miss(requirement, labels, field) for requirement in missed)


def of_expression(view: View, test: Expression, shape: Shape) -> Iterator[Miss]:
    """Yield what keeps a condition from holding for pods of `shape`; of alternatives, the nearest."""
    if holds(test, labels_of(view, shape)) is Truth.YES:
        return
    match test:
        case Term():
            yield _term_miss(view, test, shape)
        case All(parts):
            for part in parts:
                yield from of_expression(view, part, shape)
        case Some(parts):
            several = ([*of_expression(view, part, shape)] for part in parts)
            yield min((misses[0] for misses in several if len(misses) == 1), default=FAR)
        case Not(Term() as term):
            yield _term_miss(view, term, shape, wanted=f"!{_spoken(term)}")
        case _:
            yield FAR


def _term_miss(view: View, term: Term, shape: Shape, wanted: str = "") -> Miss:
    if term.space is Space.FIELD:
        field = "namespace" if term.key == "namespace" else "serviceAccount"
        have = shape.namespace if term.key == "namespace" else shape.account
        return Miss(1, field, wanted or " or ".join(sorted(term.values)), have)
    value = labels_of(view, shape)(term.space, term.key)
    if isinstance(value, Truth):
        return FAR
    have = f"{term.key}={value}" if value is not None else f"no {term.key}"
    alike = value is not None and not wanted and any(_similar(value, one) for one in term.values)
    return Miss(0 if alike else 2, _FIELDS[term.space], wanted or _spoken(term), have)


def _spoken(term: Term) -> str:
    """Return a condition as `Requirement` says it: whose label it is, the field tells."""
    if term.test is Test.HAS:
        return term.key
    values = ",".join(sorted(term.values))
    single = term.test is Test.IN and len(term.values) == 1
    return f"{term.key}={values}" if single else f"{term.key} {term.test} ({values})"


def _label_miss(requirement: Requirement, labels: Labels, field: str) -> Miss:
    value = labels.get(requirement.key)
    have = f"{requirement.key}={value}" if value is not None else f"no {requirement.key}"
    alike = value is not None and any(_similar(value, wanted) for wanted in requirement.values)
    return Miss(0 if alike else 2, field, str(requirement), have)


@lru_cache(maxsize=4_096)  # in one namespace the same few names meet again and again
def _similar(value: str, wanted: str) -> bool:
    return SequenceMatcher(None, value, wanted).ratio() >= _SIMILAR
