"""How much may be inside at once, and whose turn it is."""

import asyncio
from collections import Counter, deque
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from msgspec import Struct

MIB: Final = 1024 * 1024


class Limits(Struct, frozen=True):
    """Bounds of what one process takes on."""

    body_bytes: int = 8 * MIB
    """One body: the API server takes 3 MiB, and an UPDATE carries the old object as well, both grown by JSON."""
    in_flight: int = 100
    """Requests that are whole and not answered; more are sent away."""
    receiving: int = 200
    """Bodies on their way; for one more, one is given up."""
    buffered_bytes: int = 64 * MIB
    """All bodies together, until they are answered."""
    body_seconds: float = 10.0
    """How long a body may take to arrive."""
    retry_after: int = 1
    """Whole seconds: client-go repeats a call only after an integer."""


class OverloadedError(Exception):
    """There is no room. The caller may come back."""


class Gate:
    """Counts what is inside, and lets one review run in each pass of the event loop, of each address in turn.

    A review runs to its end without waiting. If all that are due ran one after the other, nothing else would move in
    the meantime: no probe, no watch event, and no newcomer who could be sent away at once.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._inside: Counter[str] = Counter()
        self._taken = False
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}  # by address; whose turn is next comes first

    @property
    def inside(self) -> int:
        """How many there are."""
        return self._inside.total()

    @contextmanager
    def pass_through(self, address: str) -> Generator[None]:
        """Be inside. Raises OverloadedError where that is full, unless `address` has less than its share of it."""
        mine = self._inside[address]
        if (
            self.inside >= self.limits.in_flight
            and mine * len(self._inside.keys() | {address}) >= self.limits.in_flight
        ):
            raise OverloadedError
        self._inside[address] += 1
        try:
            yield
        finally:
            self._inside[address] -= 1
            if not self._inside[address]:
                del self._inside[address]

    async def turn(self, address: str) -> None:
        """Wait for a pass of the event loop in which nobody else has had a turn. First come, first served, if alike."""
        loop = asyncio.get_running_loop()
        if self._taken:
            mine = loop.create_future()
            self._waiting.setdefault(address, deque()).append(mine)
            try:
                await mine
            except asyncio.CancelledError:
                if mine.done() and not mine.cancelled():
                    self._pass_on()
                raise
        self._taken = True
        loop.call_soon(self._pass_on)

    def _pass_on(self) -> None:
        while self._waiting:
            address, queue = next(iter(self._waiting.items()))
            del self._waiting[address]
            next_one = queue.popleft()
            if queue:
                self._waiting[address] = queue  # behind all others
            if not next_one.done():
                next_one.set_result(None)
                return
        self._taken = False
