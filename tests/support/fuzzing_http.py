"""Requests on one connection, whole and broken, in pieces of any size: each is answered or ended, nothing is left."""

import asyncio
import random
from collections.abc import Callable
from typing import Final

import uvicorn
from uvicorn.server import ServerState

from webhook.api.app import build_app
from webhook.api.backend import ENDS, Backend
from webhook.api.concurrency_limits import Bounds, Member
from webhook.api.protocol import BoundedProtocol

BOUNDS: Final = Bounds(head_bytes=2_000, headers=20, body_bytes=20_000)
_JSON: Final = b"host: x\r\ncontent-type: application/json\r\n"
PARTS: Final = (
    b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n",
    b"HEAD /readyz?verbose HTTP/1.0\r\n\r\n",
    b"POST /validate?timeout=3s HTTP/1.1\r\n" + _JSON + b"content-length: 2\r\n\r\n{}",
    b"POST /validate HTTP/1.1\r\n" + _JSON + b"expect: 100-continue\r\ncontent-length: 9\r\n\r\n",
    b"POST /validate HTTP/1.1\r\n"
    + _JSON
    + b"transfer-encoding: chunked\r\n\r\n1;x=y\r\n{\r\n1\r\n}\r\n0\r\nx: y\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\r\n" * 40,
    b"x: " + b"a" * 3_000,
    b"GET /" + b"%00" * 900,
    b"a:b\r\n" * 30,
)


class Wire(asyncio.Transport):
    """What the protocol writes to."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """Do nothing: what is not wanted comes all the same."""

    def resume_reading(self) -> None:
        """Do nothing."""


def converse(dice: random.Random, backend: Backend, broken: Callable[[random.Random, bytes], bytes]) -> None:
    """Send some of PARTS, changed by `broken`."""
    data = b"".join(dice.choices(PARTS, k=dice.randrange(1, 4)))
    asyncio.run(_converse(dice, backend, broken(dice, data) if dice.random() < 0.7 else data))


async def _converse(dice: random.Random, backend: Backend, data: bytes) -> None:
    config = uvicorn.Config(build_app(backend), ws="none", lifespan="off", interface="asgi3", log_config=None)
    state, member, wire = ServerState(), Member(""), Wire()
    left: list[Member] = []
    ends: list[str] = []
    protocol = BoundedProtocol(
        config, state, bounds=BOUNDS, member=member, known=frozenset(), leave=left.append, cut=ends.append
    )
    protocol.connection_made(wire)
    while data and not wire.closed:
        size = dice.choice((1, 7, 100, 65_536)) if len(data) < 1_000 else 65_536
        protocol.data_received(data[:size])
        data = data[size:]
        await asyncio.sleep(0)
    protocol.connection_lost(None)
    if state.tasks:
        await asyncio.wait(state.tasks)
    assert not wire.written or wire.written.startswith(b"HTTP/1.1 ")
    assert b" 500 " not in wire.written
    assert set(ends) <= set(ENDS)
    assert (left, len(state.connections)) == ([member], 0)
