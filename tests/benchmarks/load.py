"""A client in a process of its own: N connections over TLS that it keeps, one request at a time on each.

python -m tests.benchmarks.load reads one job as JSON from stdin and writes one result as JSON to stdout.
"""

import asyncio
import ssl
import sys
from collections import deque
from itertools import count
from time import perf_counter, process_time, time_ns
from typing import Final, cast

import msgspec
import uvloop
from msgspec import Struct

from tests.benchmarks.requests import MARK, WORKLOADS, bodies, marked
from tests.benchmarks.synthetic import Sizes

_LONGEST: Final = 60.0  # seconds that a run goes on for want of answers, one for each connection at least
_HEAD_END: Final = b"\r\n\r\n"


class Job(Struct):
    """`warm` and `seconds` are durations; `allowed`: what every answer has to say.

    `fresh`: each request is about a workload that nobody has seen.
    """

    host: str
    port: int
    ca: str
    case: str
    sizes: Sizes
    connections: int
    warm: float
    seconds: float
    allowed: bool
    fresh: bool = False


class Result(Struct):
    """What one run came to. `latencies` in seconds, one for each answer inside the time that is measured.

    `answered` counts those of the warm-up too; `busy` is the share of one processor that the client itself took.
    """

    seconds: float
    latencies: list[float]
    answered: int
    wrong: int
    busy: float


class Connection(asyncio.Protocol):
    """One connection, one request at a time: the client should cost little beside the server."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._buffer = bytearray()
        self._started = 0.0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's own class, registered as nothing

    def send(self) -> None:
        assert self._transport is not None
        self._started = perf_counter()
        self._transport.write(self._load.next())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(_HEAD_END)
        if end < 0:
            return
        head = bytes(self._buffer[:end]).lower()
        start = head.index(b"content-length:") + len(b"content-length:")
        length = int(head[start:].partition(b"\r\n")[0])
        body = end + len(_HEAD_END)
        if len(self._buffer) < body + length:
            return
        good = head.startswith(b"http/1.1 200") and self._load.expected in self._buffer[body:]
        self._buffer.clear()
        self._load.answered(perf_counter() - self._started, good=good)
        if not self._load.over:
            self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._load.over:
            self._load.fail(exc or ConnectionError("the server closed a connection"))


class Load:
    """Which body comes next, and what came of them."""

    def __init__(self, job: Job) -> None:
        path = "/validate?timeout=10s"
        head = f"POST {path} HTTP/1.1\r\nhost: {job.host}:{job.port}\r\ncontent-type: application/json\r\n"
        some = marked(job.case, job.sizes) if job.fresh else bodies(job.case, job.sizes, WORKLOADS)
        self._requests = [f"{head}content-length: {len(body)}\r\n\r\n".encode() + body for body in some]
        self._fresh = job.fresh
        self._turn = count(time_ns() // 1_000_000 % 100_000_000 if job.fresh else 0)  # another run has others
        self.expected = b'"allowed":true' if job.allowed else b'"allowed":false'
        self.latencies: deque[float] = deque()
        self.wrong = 0
        self.all = 0
        self.over = False
        self.measuring = False
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def next(self) -> bytes:
        turn = next(self._turn)
        request = self._requests[turn % len(self._requests)]
        return request.replace(MARK.encode(), b"%08d" % (turn % 100_000_000)) if self._fresh else request

    def answered(self, seconds: float, *, good: bool) -> None:
        self.wrong += not good
        self.all += 1
        if self.measuring:
            self.latencies.append(seconds)

    def fail(self, error: Exception) -> None:
        if not self.failed.done():
            self.failed.set_exception(error)


async def run(job: Job) -> Result:
    """Connect, warm up, measure. Raises where a connection is lost."""
    load = Load(job)
    loop = asyncio.get_running_loop()
    context = ssl.create_default_context(cafile=job.ca)
    made = [
        await loop.create_connection(lambda: Connection(load), job.host, job.port, ssl=context)
        for _ in range(job.connections)
    ]
    for _, connection in made:
        connection.send()
    await asyncio.wait((load.failed,), timeout=job.warm)
    load.measuring = True
    started, cpu = perf_counter(), process_time()
    await asyncio.wait((load.failed,), timeout=job.seconds)
    while not load.failed.done() and len(load.latencies) < job.connections and perf_counter() - started < _LONGEST:
        await asyncio.wait((load.failed,), timeout=job.seconds)
    seconds, cpu = perf_counter() - started, process_time() - cpu
    load.measuring, load.over = False, True
    if load.failed.done():
        load.failed.result()
    for transport, _ in made:
        transport.abort()
    return Result(seconds, list(load.latencies), load.all, load.wrong, cpu / seconds)


def main() -> None:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.buffer.write(msgspec.json.encode(runner.run(run(job))))


if __name__ == "__main__":
    main()
