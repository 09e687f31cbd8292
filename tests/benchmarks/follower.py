"""A process that follows a cluster as `serve` does, without HTTP of its own, and tells what that costs it.

python -m tests.benchmarks.follower KUBECONFIG follow|download; speaks JSON lines on stdout: `synced` (or `downloaded`),
then for each line on stdin, `N` seconds, one `followed` about those seconds.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import msgspec
import uvloop
from prometheus_client.metrics_core import Metric

import webhook.wiring.serve  # noqa: F401 - all that serve loads counts
from tests.benchmarks.results import memory_of
from webhook.cluster.client import BARE_LIST, WHOLE, Connection, connect
from webhook.cluster.client_configuration import Access
from webhook.cluster.kinds import KINDS, Kind
from webhook.cluster.list_watch import PAGE
from webhook.model.settings import DEFAULTS
from webhook.wiring.cluster_source import Cluster
from webhook.wiring.serve import tune_gc

LOOK: Final = 0.001  # seconds between two looks at the event loop


class Said(msgspec.Struct):
    """One line. Times in seconds, memory in MiB.

    `pause`: the longest that the event loop did something else; `work`: the most processor time of its thread that went
    into that, where `pause` also counts what other programs took.
    """

    what: str
    seconds: float
    cpu: float
    rss: float
    peak: float
    pause: float = 0.0
    work: float = 0.0
    objects: int = 0


async def _follow(kubeconfig: str) -> None:
    began, cpu = time.perf_counter(), time.process_time()
    source = Cluster(Access(kubeconfig), DEFAULTS)
    looks = Looks()
    task, looking = asyncio.create_task(source.run()), asyncio.create_task(looks.look())
    await source.ready()
    looking.cancel()
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    tune_gc()
    count = sum(sample.value for metric in _metrics(source) for sample in metric.samples)
    pauses = (looks.pause, looks.work)
    _say(Said("synced", seconds, used, memory_of("self"), memory_of("self", "VmHWM"), *pauses, objects=int(count)))
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        await _measured(float(line))  # the pods may be listed anew meanwhile: by 410
    task.cancel()
    await asyncio.wait([task])


def _metrics(source: Cluster) -> Iterable[Metric]:
    return [metric for one in source.collectors() for metric in one.collect() if metric.name.endswith("world_objects")]


class Looks:
    """Looks at the event loop all the time."""

    pause = 0.0
    work = 0.0

    async def look(self) -> None:
        """Look until cancelled."""
        last, spent = time.perf_counter(), time.thread_time()
        while True:
            await asyncio.sleep(LOOK)
            now, used = time.perf_counter(), time.thread_time()
            self.pause, self.work = max(self.pause, now - last - LOOK), max(self.work, used - spent)
            last, spent = now, used


async def _measured(seconds: float) -> None:
    began, cpu, looks = time.perf_counter(), time.process_time(), Looks()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await looks.look()
    passed, used = time.perf_counter() - began, time.process_time() - cpu
    _say(Said("followed", passed, used, memory_of("self"), memory_of("self", "VmHWM"), looks.pause, looks.work))


async def _download(kubeconfig: str) -> None:
    """Download the same pages and decode them, which is the least that a sync can cost."""
    began, cpu = time.perf_counter(), time.process_time()
    async with connect(kubeconfig) as connection, asyncio.TaskGroup() as group:
        counts = [group.create_task(_pages(connection, kind)) for kind in KINDS]
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    count = sum(task.result() for task in counts)
    _say(Said("downloaded", seconds, used, memory_of("self"), memory_of("self", "VmHWM"), objects=count))


async def _pages(connection: Connection, kind: Kind) -> int:
    query: dict[str, str | int] = {"limit": PAGE}
    accept = WHOLE if kind.bare == "none" else BARE_LIST
    count = 0
    while True:
        page = msgspec.json.decode(await connection.get(kind.path, query, accept))
        count += len(page["items"])
        if not page["metadata"]["continue"]:
            return count
        query["continue"] = page["metadata"]["continue"]


def _say(said: Said) -> None:
    print(msgspec.json.encode(said).decode(), flush=True)  # noqa: T201 - how it speaks


if __name__ == "__main__":
    gc.collect()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop_of_its_own:
        loop_of_its_own.run((_follow if sys.argv[2] == "follow" else _download)(sys.argv[1]))
