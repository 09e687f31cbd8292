"""Request bodies: the right type, not too long, and not for ever."""

import asyncio
from collections.abc import Iterable

from starlette.types import Receive

from webhook.api.arrivals import Arrival, GivenUpError
from webhook.api.gate import Limits


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


async def read_body(receive: Receive, arrival: Arrival, limits: Limits) -> bytes:
    """Return the whole body. Raises RefusedError (413, or 408 when it is late), GoneError or GivenUpError."""
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
