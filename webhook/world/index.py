"""Two-level indexes: a key -> its members. A key without members is not there."""

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")
M = TypeVar("M")


def discard(index: dict[K, dict[V, M]], key: K, member: V) -> bool:
    """Remove a member and, with the last one, the key; True then."""
    members = index.get(key)
    if members is None:
        return False
    members.pop(member, None)
    if members:
        return False
    del index[key]
    return True
