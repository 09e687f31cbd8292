"""What one review may cost, in steps, one for each thing that a loop looks at; and the deadline, `?timeout=3s`."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Self
from urllib.parse import parse_qsl

TOO_MUCH: Final = "too much to judge in time"  # why a review that ran out of it is none
INFERRED, OTHERS, FIXES = LEFT_OUT = ("inferred", "others", "fixes")  # what of a review may be, where it is too much
LOOK_EVERY: Final = 256  # steps between two looks at the time: a fraction of a millisecond
_AT_ONCE: Final = 64  # values that are counted before they are paid for


class Exhausted(Exception):  # noqa: N818 - not a mistake; caught where the budget was given
    """More steps than may be taken, or no time for another. Nothing that is half done may be remembered."""


class Budget:
    """Steps that may be taken. `spend` is called inside the loops, before what it pays for is done.

    `late`: whether a share of the time is over, asked every few steps of a caller who has a clock.
    """

    __slots__ = ("_late", "_look", "_most", "_share", "_shares", "spent")

    def __init__(self, most: int, late: Callable[[float], bool] = lambda _: False) -> None:
        """Start with nothing spent."""
        self.spent = 0
        self._most = most
        self._late = late
        self._look = 0
        self._share = 1.0
        self._shares: list[float] = []  # before those of `up_to`

    def spend(self, steps: int = 1) -> None:
        """Take steps. Raises Exhausted where they are too many, or the time is over: then they are not taken."""
        self.spent += steps
        if self.spent >= self._look:
            most = int(self._most * self._share)
            if self.spent > most or self._late(self._share):
                self.spent -= steps
                raise Exhausted
            self._look = min(self.spent + LOOK_EVERY, most + 1)

    def spend_on(self, value: object, each: int) -> None:
        """Take steps for each value that somebody else's JSON holds, before it is looked at: what that costs is known.

        A step is worth about a quarter of a microsecond.
        """
        left, seen = [value], 0
        while left:
            one = left.pop()
            seen += 1
            if seen % _AT_ONCE == 0:
                self.spend(each * _AT_ONCE)
            if isinstance(one, dict):
                left += one.values()
            elif isinstance(one, list):
                left += one
        self.spend(each * (seen % _AT_ONCE))

    def up_to(self, share: float) -> Self:
        """Let steps and time be taken up to a share of the whole until this is left again, what was taken included."""
        self._shares.append(self._share)
        self._share, self._look = min(share, self._share), 0
        return self

    def __enter__(self) -> None:
        """Begin what `up_to` is for."""

    def __exit__(self, *_: object) -> None:
        """Let as much be taken again as before."""
        self._share, self._look = self._shares.pop(), 0


class _Unlimited(Budget):
    __slots__ = ()

    def spend(self, steps: int = 1) -> None:
        """Take steps that nobody counts."""

    def spend_on(self, value: object, each: int) -> None:
        """Look at nothing."""


UNLIMITED: Final = _Unlimited(0)  # of commands: who asks waits for the answer


class Purse:
    """What may be spent: one for a world and for all views over it."""

    def __init__(self) -> None:
        """Start without a limit."""
        self.budget: Budget = UNLIMITED
        self._before: list[Budget] = []

    def within(self, budget: Budget) -> Self:
        """Let that be spent until this is left again."""
        self._before.append(self.budget)
        self.budget = budget
        return self

    def __enter__(self) -> None:
        """Begin what `within` is for."""

    def __exit__(self, *_: object) -> None:
        """Let be spent what there was before."""
        self.budget = self._before.pop()


# https://pkg.go.dev/time#ParseDuration; both of Unicode's signs for micro count
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART: Final = re.compile(rf"([0-9]+\.?[0-9]*|\.[0-9]+)({'|'.join(_SECONDS)})")
_WHOLE: Final = re.compile(rf"(?:{_PART.pattern})+")
_LONGEST_QUERY: Final = 256  # the API server's own is a dozen bytes


def duration(text: str) -> float | None:
    """Seconds of a Go duration such as `3s`, `1.5s` or `1m30s`; None for anything else, negative ones included."""
    if text.removeprefix("+") == "0":
        return 0.0
    text = text.removeprefix("+")
    if not _WHOLE.fullmatch(text):
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


@lru_cache(maxsize=64)
def timeout_of(query: bytes) -> float | None:
    """Seconds that the query's `timeout` grants; None where it has none that can be read."""
    if len(query) > _LONGEST_QUERY:
        return None
    for name, value in parse_qsl(query.decode("latin-1"), encoding="utf-8", errors="replace"):
        if name == "timeout":
            return duration(value)
    return None
