"""A bad line: a TCP proxy on loopback that cuts, slows down, or swallows what goes through it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

CHUNK = 16_384


class Line:
    """The line's state; may be changed at any time."""

    def __init__(self) -> None:
        self.port = 0
        self.cut_after: Callable[[], int] | None = None  # bytes from the server after which a new connection breaks
        self.bytes_per_second = 0.0  # from the server, for each connection; 0: as fast as it goes
        self.flows = asyncio.Event()  # while it is not set, connections stay open and nothing arrives
        self.flows.set()
        self.cuts = 0  # connections that broke because they had carried what `cut_after` allows
        self.opened = 0
        self.carried = 0  # bytes, both ways
        self._open: set[asyncio.Task[None]] = set()

    def abandon(self) -> None:
        """Let what is open hang forever; what is opened from here on flows."""
        self.flows.clear()
        self.flows = asyncio.Event()
        self.flows.set()

    def cut(self) -> None:
        """Break every connection now, without a goodbye."""
        for task in self._open:
            task.cancel()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        """Carry one connection to its end."""
        self.opened += 1
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        ends, flows = [writer], self.flows
        try:
            await flows.wait()
            there, away = await asyncio.open_connection("127.0.0.1", port)
            ends.append(away)
            budget = self.cut_after() if self.cut_after else None
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, away, flows, None, 0.0))
                group.create_task(self._pump(there, writer, flows, budget, self.bytes_per_second))
        except* (OSError, _Cut):
            pass
        finally:
            self._open.discard(task)
            for end in ends:
                end.transport.abort()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        flows: asyncio.Event,
        budget: int | None,
        pace: float,
    ) -> None:
        while chunk := await reader.read(CHUNK if not pace else max(1, int(pace / 20))):
            await flows.wait()
            if budget is not None:
                chunk, budget = chunk[:budget], budget - len(chunk)
            writer.write(chunk)
            self.carried += len(chunk)
            await writer.drain()
            if budget is not None and budget <= 0:
                self.cuts += 1
                raise _Cut
            if pace:
                await asyncio.sleep(len(chunk) / pace)
        await flows.wait()
        raise _Cut  # one half of a connection is of no use


class _Cut(Exception):  # noqa: N818 - what is done, not an error
    """The line breaks here."""


@asynccontextmanager
async def bad_line(port: int) -> AsyncIterator[Line]:
    """Serve on a free port of the loopback, leading to `port`."""
    line = Line()
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(line.carry(reader, writer, port))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)


def through(line: Line, kubeconfig: Path, folder: Path) -> Path:
    """Write a kubeconfig that leads through the line."""
    config = json.loads(kubeconfig.read_text(encoding="utf-8"))
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{line.port}"
    path = folder / "through-the-line"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path
