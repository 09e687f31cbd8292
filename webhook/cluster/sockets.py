"""The sockets below a connection: a dead peer is noticed, and closing leaves none behind."""

import asyncio
import socket
import weakref
from contextlib import suppress
from typing import Any, Final

# A peer that is silent for 30 s is asked; after three questions without an answer, 10 s apart, it is dead.
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 30, "TCP_KEEPALIVE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
_GOODBYE_SECONDS: Final = 1.0


class Sockets:
    """Makes an HTTP client's sockets, and remembers those that are still there."""

    def __init__(self) -> None:
        self._made: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def make(self, address: tuple[Any, ...]) -> socket.socket:
        """Return a non-blocking socket for one row of `getaddrinfo`."""
        made = socket.socket(address[0], address[1], address[2])
        made.settimeout(0)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, seconds in _KEEPALIVE.items():
            if option := getattr(socket, name, None):  # Linux and macOS name them differently
                made.setsockopt(socket.IPPROTO_TCP, option, seconds)
        self._made.add(made)
        return made

    async def close(self) -> None:
        """End what the HTTP client has let go but TLS still says goodbye to; nobody waits for that answer."""
        for one in self._open():
            with suppress(OSError):  # not connected any more
                one.shutdown(socket.SHUT_RDWR)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                while self._open():  # noqa: ASYNC110 - the transports that close them tell nobody
                    await asyncio.sleep(0.001)

    def _open(self) -> list[socket.socket]:
        return [one for one in self._made if one.fileno() >= 0]
