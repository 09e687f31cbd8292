"""Expressions joined without parts that say nothing."""

from collections.abc import Iterable

from webhook.model.expression import ALWAYS, NEVER, All, Expression, Not, Some


def conjunction(parts: Iterable[Expression]) -> Expression:
    """Return what holds where all parts do."""
    found: list[Expression] = []
    for part in parts:
        if part == NEVER:
            return NEVER
        found += part.parts if isinstance(part, All) else (part,)
    return found[0] if len(found) == 1 else All(tuple(dict.fromkeys(found)))


def disjunction(parts: Iterable[Expression]) -> Expression:
    """Return what holds where any part does."""
    found: list[Expression] = []
    for part in parts:
        if part == ALWAYS:
            return ALWAYS
        found += part.parts if isinstance(part, Some) else (part,)
    return found[0] if len(found) == 1 else Some(tuple(dict.fromkeys(found)))


def negation(part: Expression) -> Expression:
    """Return what holds where `part` does not."""
    if isinstance(part, Not):
        return part.part
    if part == ALWAYS:
        return NEVER
    return ALWAYS if part == NEVER else Not(part)
