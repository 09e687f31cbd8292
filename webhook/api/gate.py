"""How much may be inside at once, and whose turn it is."""

import asyncio
from collections import deque
from typing import Final, Self

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
    """Counts what is inside, and lets one review run in each pass of the event loop.

    A review runs to its end without waiting. If all that are due ran one after the other, nothing else would move in
    the meantime: no probe, no watch event, and no newcomer who could be sent away at once.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.inside = 0
        self._taken = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    def __enter__(self) -> Self:
        if self.inside >= self.limits.in_flight:
            raise OverloadedError
        self.inside += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.inside -= 1

    async def turn(self) -> None:
        """Wait for a pass of the event loop in which nobody else has had a turn. First come, first served."""
        loop = asyncio.get_running_loop()
        if self._taken:
            mine = loop.create_future()
            self._waiting.append(mine)
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
            if not (next_one := self._waiting.popleft()).done():
                next_one.set_result(None)
                return
        self._taken = False
