"""Two-level indexes: a key -> its members. A key without members is not there. And what is remembered for a while."""

from collections.abc import Collection, Hashable
from typing import Final, Generic, Protocol, TypeVar

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


class Memo(dict[object, object]):
    """Answers, which are all forgotten where there are too many: templates that never repeat leave some behind."""

    MOST: Final = 200_000

    def __setitem__(self, key: object, value: object) -> None:
        """Remember an answer."""
        if len(self) >= self.MOST:
            self.clear()
        super().__setitem__(key, value)


class Named(Protocol):
    """Something in a namespace."""

    @property
    def namespace(self) -> str:
        """The namespace."""

    @property
    def name(self) -> str:
        """The name."""


H = TypeVar("H", bound=Hashable)
N = TypeVar("N", bound=Named)


class Sparse(Generic[H, N]):
    """A key -> who has it. Mostly that is one, which then stands there itself: a dict of one is many times as large."""

    def __init__(self) -> None:
        """Start empty."""
        self._found: dict[H, N | dict[tuple[str, str], N]] = {}

    def put(self, key: H, value: N) -> None:
        """Add a value, or replace the one of its name."""
        there = self._found.get(key)
        if isinstance(there, dict):
            there[value.namespace, value.name] = value
        elif there is None or _key(there) == _key(value):
            self._found[key] = value
        else:
            self._found[key] = {_key(one): one for one in (there, value)}

    def drop(self, key: H, value: N) -> None:
        """Remove the value of that name, if it is there."""
        there = self._found.get(key)
        if isinstance(there, dict):
            there.pop(_key(value), None)
            if len(there) == 1:
                (self._found[key],) = there.values()
        elif there is not None and _key(there) == _key(value):
            del self._found[key]

    def get(self, key: H) -> Collection[N]:
        """Return all of them."""
        there = self._found.get(key)
        if isinstance(there, dict):
            return there.values()
        return () if there is None else (there,)


def _key(value: Named) -> tuple[str, str]:
    return value.namespace, value.name
