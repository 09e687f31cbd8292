"""The connections of one listener: how many, how long each may take, and whose goes when there are too many."""

from collections import Counter
from collections.abc import Callable
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
