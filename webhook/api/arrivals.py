"""Bodies on their way: how many, how much of them, and whose is given up when that is too much.

They are owed nothing yet, and honest ones come in no time: who sends slowly, or much, pays for it, not who comes next.
"""

import asyncio
from collections import Counter
from typing import Self

from webhook.api.gate import Limits, OverloadedError


class GivenUpError(OverloadedError):
    """There was no room for the rest of a body."""


class Arrivals:
    """All of one process. Where there is no room for more, one goes of the address that takes most."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._members: dict[Arrival, None] = {}  # oldest first
        self.buffered = 0

    def __len__(self) -> int:
        return len(self._members)

    def join(self, newcomer: "Arrival") -> None:
        """Take in one of which nothing has arrived."""
        if len(self._members) >= self._limits.receiving:
            crowds = Counter(one.address for one in self._members)
            min(self._members, key=lambda one: -crowds[one.address]).give_up()
        self._members[newcomer] = None

    def buffer(self, size: int) -> None:
        """Account for `size` more bytes."""
        self.buffered += size
        while self.buffered > self._limits.buffered_bytes and self._members:
            held: Counter[str] = Counter()
            for one in self._members:
                held[one.address] += one.size
            max(self._members, key=lambda one: (held[one.address], one.size)).give_up()

    def leave(self, member: "Arrival") -> None:
        """Forget one that is whole, or given up; again is no harm."""
        self._members.pop(member, None)


class Arrival:
    """One body, from its head to its answer: as a context, for its bytes are counted until it is left."""

    def __init__(self, all_of_them: Arrivals, address: str) -> None:
        self.address = address
        self.size = 0
        self.given_up = False
        self._all = all_of_them
        self._clock: asyncio.Timeout | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._all.leave(self)
        self._let_go()

    def begin(self, clock: asyncio.Timeout) -> None:
        """Wait for it within `clock`."""
        self._clock = clock
        self._all.join(self)

    def grow(self, size: int) -> None:
        """Account for `size` more bytes. Raises GivenUpError."""
        if not self.given_up:
            self.size += size
            self._all.buffer(size)
        if self.given_up:
            raise GivenUpError

    def complete(self) -> None:
        """There is no more to come."""
        self._all.leave(self)

    def give_up(self) -> None:
        """Let go of what there is, and let the clock run out."""
        self.given_up = True
        self._all.leave(self)
        self._let_go()
        if self._clock and not self._clock.expired():
            self._clock.reschedule(asyncio.get_running_loop().time())

    def _let_go(self) -> None:
        size, self.size = self.size, 0
        self._all.buffer(-size)
