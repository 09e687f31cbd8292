"""Label keys that an enforcer keeps from its identities: no selector sees them (`Dialect.unseen`)."""

import re
from functools import lru_cache

from webhook.model.dialect import Unseen
from webhook.model.labels import Operator, Selector

_ABSENT = frozenset({Operator.NOT_IN, Operator.DOES_NOT_EXIST})
_REMEMBERED = 10_000


@lru_cache(maxsize=_REMEMBERED)
def seen(key: str, unseen: Unseen | None) -> bool:
    """Say whether selectors see a label with this key: the longest include must beat the shortest ignore."""
    if unseen is None:
        return True
    ignored = min((n for pattern in unseen.ignore if (n := _matched(pattern, key)) is not None), default=0)
    included = max((n for pattern in unseen.include if (n := _matched(pattern, key)) is not None), default=0)
    return included > ignored or not (unseen.closed or ignored)


def _matched(pattern: str, key: str) -> int | None:
    """Return how much of the key's beginning a pattern matches; None: nothing."""
    found = re.match(pattern, key)
    return found.end() if found else None


def visible(selector: Selector, unseen: Unseen | None) -> Selector | None:
    """Return `selector` without what always holds of keys that are not seen; None where it can hold of nobody."""
    if unseen is None or all(seen(r.key, unseen) for r in selector.requirements):
        return selector
    if any(r.operator not in _ABSENT for r in selector.requirements if not seen(r.key, unseen)):
        return None
    return Selector(tuple(r for r in selector.requirements if seen(r.key, unseen)))
