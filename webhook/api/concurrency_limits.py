"""How many connections and requests there may be at once, whose goes when there are too many, and whose turn it is."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import IntEnum
from typing import Final

from msgspec import Struct

_KIB: Final = 1024


class Bounds(Struct, frozen=True):
    """What one listener and each of its connections may cost. Sizes in bytes, times in seconds."""

    connections: int = 400
    """The API servers of a large control plane keep some hundred; with the other listeners' below 1024 descriptors."""
    handshake_seconds: float = 10.0
    """TLS, from accepting to the client's last message of it."""
    head_bytes: int = 64 * _KIB
    """Request line and headers, the empty line included; so much, too, of what is neither head nor body."""
    headers: int = 100
    """The API server sends a dozen."""
    head_seconds: float = 10.0
    """From a head's first byte to its last."""
    body_seconds: float = 12.0
    """From a head to the end of the body: longer than `Limits.body_seconds`, which ends with an answer."""
    body_bytes: int = 16 * 1024 * _KIB
    """Of a body as it is sent, in chunks or after its refusal; twice `Limits.body_bytes`."""
    answer_seconds: float = 60.0
    """From the end of a request to the end of its answer, the reading of it by the client included."""
    close_seconds: float = 5.0
    """For what is left to send, and for TLS' good-bye."""


class Phase(IntEnum):
    """What a connection is about. The lower, the sooner it is closed to make room for another."""

    CLOSING = 0
    HANDSHAKE = 1
    SILENT = 2
    HEAD = 3
    IDLE = 4
    BODY = 5
    ANSWER = 6


class Member:
    """One connection, from its acceptance on. `known`: the client's certificate has a name that we look for."""

    __slots__ = ("abort", "address", "dropped", "known", "phase")

    def __init__(self, address: str) -> None:
        """`address`: the client's, without its port. `abort` ends what there is by now, if there is anything."""
        self.address = address
        self.phase = Phase.HANDSHAKE
        self.known = self.dropped = False
        self.abort: Callable[[], object] = lambda: None

    def drop(self) -> None:
        """End it at once, or as soon as there is anything to end."""
        self.dropped = True
        self.abort()


class Connections:
    """All that are open, at most so many. A newcomer gets in where any other can go."""

    def __init__(self, limit: int, on_shed: Callable[[], object] = lambda: None) -> None:
        self._limit = limit
        self._on_shed = on_shed
        self._members: dict[Member, None] = {}  # oldest first

    def __len__(self) -> int:
        return len(self._members)

    def join(self, newcomer: Member) -> bool:
        """Take it in and say so; False where every connection is owed an answer."""
        if len(self._members) >= self._limit:
            other = self._least_missed()
            if other.phase == Phase.ANSWER:
                return False
            self.leave(other)
            other.drop()
            self._on_shed()
        self._members[newcomer] = None
        return True

    def leave(self, member: Member) -> None:
        """Forget one; again is no harm."""
        self._members.pop(member, None)

    def _least_missed(self) -> Member:
        """Return who goes first: of the address that has most, the oldest of those that have asked for least.

        So whoever opens many closes their own, and the API server's stay.
        """
        crowds = Counter(member.address for member in self._members if not member.known)
        return min(
            self._members,
            key=lambda member: (member.phase == Phase.ANSWER, member.known, -crowds[member.address], member.phase),
        )


# -- requests ----------------------------------------------------------------------------------------------------------


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


class ConcurrencyLimit:
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
