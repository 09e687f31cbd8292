"""Request bodies: the right type, not too long, and not for ever."""

import asyncio
from collections.abc import Iterable

from starlette.types import Receive

from webhook.api.gate import Gate


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


async def read_body(receive: Receive, gate: Gate, seconds: float) -> bytes:
    """Return the whole body. Raises RefusedError (413, or 408 after `seconds`), GoneError or OverloadedError."""
    try:
        async with asyncio.timeout(seconds):
            return await _read(receive, gate)
    except TimeoutError:
        raise RefusedError(408, f"body: expected all of it within {seconds:g} s") from None


async def _read(receive: Receive, gate: Gate) -> bytes:
    limit = gate.limits.body_bytes
    chunk, more = await _chunk(receive)
    if not more:
        return _fitting(chunk, len(chunk), limit)
    body = bytearray(chunk)
    held = 0
    try:
        while more:
            grown, held = len(body) - held, len(body)
            gate.buffer(grown)
            chunk, more = await _chunk(receive)
            body += _fitting(chunk, held + len(chunk), limit)
        return bytes(body)
    finally:
        gate.buffer(-held)


async def _chunk(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise GoneError
    return message.get("body", b""), message.get("more_body", False)


def _fitting(chunk: bytes, total: int, limit: int) -> bytes:
    if total > limit:
        raise _too_large(limit)
    return chunk


def _too_large(limit: int) -> RefusedError:
    return RefusedError(413, f"body: expected at most {limit} bytes")
