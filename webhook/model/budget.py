"""What one review may cost, in steps: one for each thing that a loop looks at, the same on every machine."""

from collections.abc import Callable
from typing import Final

TOO_MUCH: Final = "too much to judge in time"  # why a review that ran out of it is none
LOOK_EVERY: Final = 256  # steps between two looks at the time: a fraction of a millisecond


class Exhausted(Exception):  # noqa: N818 - not a mistake; caught where the budget was given
    """More steps than a review may take, or no time for another. Nothing that is half done may be remembered."""


class Budget:
    """Steps that may be taken. `spend` is called inside the loops, before what it pays for is done.

    `late`: whether there is time for no more, asked every few steps by a caller who has a clock.
    """

    __slots__ = ("_late", "_look", "_most", "spent")

    def __init__(self, most: int, late: Callable[[], bool] = lambda: False) -> None:
        """Start with nothing spent."""
        self.spent = 0
        self._most = most
        self._late = late
        self._look = 0

    def spend(self, steps: int = 1) -> None:
        """Take steps. Raises Exhausted where they are too many, or the time is over."""
        self.spent += steps
        if self.spent >= self._look:
            self._look = min(self.spent + LOOK_EVERY, self._most + 1)
            if self.spent > self._most or self._late():
                raise Exhausted


class _Unlimited(Budget):
    __slots__ = ()

    def spend(self, steps: int = 1) -> None:
        """Take steps that nobody counts."""


UNLIMITED: Final = _Unlimited(0)  # of commands: who asks waits for the answer
