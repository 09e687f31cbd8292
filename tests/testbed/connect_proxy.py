"""The API server's way to Services without kube-proxy: HTTP CONNECT over a unix socket.

kube-apiserver dials admission webhooks of `clientConfig.service` (and aggregated APIs) through its egress `cluster`,
asking for the Service's ClusterIP and port; those with a `url` it dials itself, as egress `controlplane`.
"""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

from tests.support.patience import PATIENCE

Resolve = Callable[[str, int], tuple[str, int] | None]
CONNECT_TIMEOUT = PATIENCE


class ConnectProxy:
    """Serves on `path` in a thread of its own; `resolve` (called in another) says where an address really is."""

    def __init__(self, path: Path, resolve: Resolve) -> None:
        self._path = path
        self._resolve = resolve
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="connect-proxy", daemon=True)

    def start(self) -> None:
        """Return when connections are accepted."""
        self._thread.start()
        if not self._ready.wait(CONNECT_TIMEOUT):
            raise RuntimeError(f"the CONNECT proxy does not listen on {self._path}")

    def stop(self) -> None:
        """Close every connection and return when the thread is gone."""
        if self._loop and self._stopped and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join(CONNECT_TIMEOUT)

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        connections: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._tunnel(reader, writer))
            connections.add(task)
            task.add_done_callback(connections.discard)

        server = await asyncio.start_unix_server(accept, self._path)
        self._ready.set()
        await self._stopped.wait()
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target_writer: asyncio.StreamWriter | None = None
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            host, _, port = request.split(b" ", 2)[1].decode().rpartition(":")
            target = await asyncio.to_thread(self._resolve, host.strip("[]"), int(port))
            if target is None:
                raise ConnectionRefusedError(f"nothing plays {host}:{port}")
            connection = await asyncio.wait_for(asyncio.open_connection(*target), CONNECT_TIMEOUT)
            target_writer = connection[1]
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await asyncio.gather(_pump(reader, connection[1]), _pump(connection[0], writer))
        except (OSError, TimeoutError, ValueError, IndexError, asyncio.IncompleteReadError) as error:
            if target_writer is None:
                reason = " ".join(str(error).split()) or type(error).__name__
                writer.write(f"HTTP/1.1 502 {reason}\r\nContent-Length: 0\r\n\r\n".encode())
        finally:
            for end in (writer, target_writer):
                if end is not None:
                    end.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
