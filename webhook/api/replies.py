"""Raw ASGI answers: the request path makes no response objects."""

from typing import Final

from starlette.types import Send

JSON: Final = b"application/json"
TEXT: Final = b"text/plain; charset=utf-8"
CLOSE: Final = (b"connection", b"close")

Header = tuple[bytes, bytes]


async def reply(send: Send, status: int, body: bytes, kind: bytes = TEXT, *more: Header) -> None:
    """Send one whole response."""
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
