"""ASGI without a framework: request bodies that are bounded, raw answers.

Until a body is whole its sender is owed nothing, and an honest one sends it in no time: who sends slowly, or much, pays
for it, not who comes next.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Final, Self

from starlette.types import Receive, Send

from webhook.api.concurrency_limits import Limits, OverloadedError

JSON: Final = b"application/json"
TEXT: Final = b"text/plain; charset=utf-8"
CLOSE: Final = (b"connection", b"close")

Header = tuple[bytes, bytes]


async def reply(send: Send, status: int, body: bytes, kind: bytes = TEXT, *more: Header) -> None:
    """Send one whole response."""
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Drain:
    """Whether this process is about to stop: then it is not ready, and asks clients to connect elsewhere next time."""

    begun: bool = False

    def begin(self) -> None:
        """Say so, for good."""
        self.begun = True


# -- bodies that have not arrived in full ------------------------------------------------------------------------------


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

    def begin(self, clock: asyncio.Timeout | None = None) -> None:
        """Take its place; wait for it within `clock`, unless it is there."""
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


# -- reading a body ----------------------------------------------------------------------------------------------------


class RefusedError(Exception):
    """A body that is not read. `status` is HTTP's, the message is for a person."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class GoneError(Exception):
    """The client left before it had sent its body."""


def check_headers(headers: Iterable[tuple[bytes, bytes]], limit: int) -> None:
    """Refuse what the headers alone give away: not JSON (415), or declared longer than `limit` bytes (413)."""
    kind = b""
    for name, value in headers:
        if name == b"content-type":
            kind = value
        elif name == b"content-length" and int(value) > limit:  # the HTTP parser lets only digits through
            raise _too_large(limit)
    if kind != b"application/json" and kind.partition(b";")[0].strip().lower() != b"application/json":
        raise RefusedError(415, "content type: expected application/json")


async def read_body(receive: Receive, arrival: Arrival, limits: Limits, *, whole: bool) -> bytes:
    """Return all of the body. Raises RefusedError (413, or 408 when it is late), GoneError or GivenUpError.

    `whole`: it has arrived, so that nothing is waited for, and no clock is needed: it costs as much as the reading.
    """
    if whole:
        arrival.begin()
        body = await _read(receive, arrival, limits.body_bytes)
        arrival.complete()
        return body
    try:
        async with asyncio.timeout(limits.body_seconds) as clock:
            arrival.begin(clock)
            body = await _read(receive, arrival, limits.body_bytes)
    except TimeoutError:
        if arrival.given_up:
            raise GivenUpError from None
        raise RefusedError(408, f"body: expected all of it within {limits.body_seconds:g} s") from None
    arrival.complete()
    return body


async def _read(receive: Receive, arrival: Arrival, limit: int) -> bytes:
    chunk, more = await _chunk(receive, arrival, limit)
    if not more:
        return chunk
    body = bytearray(chunk)
    while more:
        chunk, more = await _chunk(receive, arrival, limit)
        body += chunk
    return bytes(body)


async def _chunk(receive: Receive, arrival: Arrival, limit: int) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise GoneError
    chunk = message.get("body", b"")
    if arrival.size + len(chunk) > limit:
        raise _too_large(limit)
    arrival.grow(len(chunk))
    return chunk, message.get("more_body", False)


def _too_large(limit: int) -> RefusedError:
    return RefusedError(413, f"body: expected at most {limit} bytes")
