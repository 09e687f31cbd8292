"""A great cluster followed: memory of `serve`, the first sync beside a mere download, and what events cost.

The API server is a process of its own (`tests.benchmarks.paged`) that only sends what was made before. The baseline
downloads the same pages over the same client and decodes them whole, in turns with the sync. Of pauses the target is
for processor time: what other programs took of the processor meanwhile is nobody's doing here.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import IO, Final
from urllib.request import Request, urlopen

import msgspec

from tests.benchmarks.follower import Said
from tests.benchmarks.results import Result, memory_of
from tests.benchmarks.synthetic import Sizes

LARGE: Final = 100_000  # pods
MOST_MIB: Final = {10_000: 128, LARGE: 300}  # by pods
MOST_DOWNLOADS: Final = 2.0  # what a first sync may take, in times of downloading and decoding the same pages
RATE: Final = 1_000  # events a second
MOST_CORE: Final = 0.25
MOST_PAUSE: Final = 20.0  # ms
SECONDS: Final = 10.0  # of events
PYTHON: Final = (sys.executable, "-m")


def measure(sizes: Sizes, rounds: int, say: Callable[[str], object]) -> list[Result]:
    """Measure a cluster of `sizes`, and one of as many policies and Services with LARGE pods."""
    rows = []
    for pods in (sizes.pods, LARGE):
        here = Sizes(pods, sizes.policies, sizes.services)
        say(f"sync of {pods:,} pods")
        with api_server(here) as url, kubeconfig_for(url) as kubeconfig:
            rows += list(_rows(f"{pods:,} pods", pods, url, kubeconfig, rounds))
    return rows


def _rows(name: str, pods: int, url: str, kubeconfig: str, rounds: int) -> Iterator[Result]:
    served = [_served(kubeconfig) for _ in range(rounds)]
    most = MOST_MIB.get(pods)
    yield _row(f"{name}: serve, after the first sync", "MiB", [rss for rss, _ in served], most)
    yield _row(f"{name}: serve, peak of the first sync", "MiB", [peak for _, peak in served])
    turns = [(_once(kubeconfig, "download"), _followed(url, kubeconfig)) for _ in range(rounds)]
    downloads = [one for one, _ in turns]
    synced, events, anew = ([many[number] for _, many in turns] for number in range(3))
    for kind, of in (("CPU", "cpu"), ("wall", "seconds")):
        least, ours = ([getattr(one, of) for one in some] for some in (downloads, synced))
        yield _row(f"{name}: download and decode, {kind}", "s", least)
        ratio = median(mine / theirs for mine, theirs in zip(ours, least, strict=True))
        yield _row(f"{name}: first sync, {kind}", "s", ours, ratios={"download": ratio}, met=ratio <= MOST_DOWNLOADS)
    yield _row(f"{name}: first sync, longest pause, CPU", "ms", [one.work * 1e3 for one in synced])
    yield _row(f"{name}: {RATE:,} events/s, share of a core", "1", [one.cpu / one.seconds for one in events], MOST_CORE)
    yield _row(f"{name}: {RATE:,} events/s, longest pause, CPU", "ms", [one.work * 1e3 for one in events], MOST_PAUSE)
    yield _row(f"{name}: {RATE:,} events/s, longest pause, wall", "ms", [one.pause * 1e3 for one in events])
    yield _row(f"{name}: pods listed anew, longest pause, CPU", "ms", [one.work * 1e3 for one in anew], MOST_PAUSE)
    yield _row(f"{name}: pods listed anew, longest pause, wall", "ms", [one.pause * 1e3 for one in anew])


def _row(
    name: str, unit: str, values: list[float], most: float | None = None, *, ratios: dict[str, float] | None = None,
    met: bool | None = None,
) -> Result:  # fmt: skip
    row = Result(name=name, unit=unit, p50=median(values), p99=max(values), n=len(values))
    if most is not None:
        row = msgspec.structs.replace(row, target=f"<= {most:g} {unit}", met=max(values) <= most)
    if ratios is not None and met is not None:
        row = msgspec.structs.replace(row, ratios=ratios, target=f"<= {MOST_DOWNLOADS:g} downloads", met=met)
    return row


def _served(kubeconfig: str) -> tuple[float, float]:
    """Return memory and peak of `serve` once it is ready."""
    command = [
        *PYTHON,
        "webhook",
        "serve",
        "--source",
        "cluster",
        "--kubeconfig",
        kubeconfig,
        "--listen",
        "127.0.0.1:0",
    ]
    with process_of(command) as (process, out):
        line = out.readline()
        if not line.startswith("ready "):
            raise RuntimeError(f"serve is not ready: {line}")
        return memory_of(process.pid), memory_of(process.pid, "VmHWM")


def _once(kubeconfig: str, what: str) -> Said:
    with process_of([*PYTHON, "tests.benchmarks.follower", kubeconfig, what]) as (_, out):
        return msgspec.json.decode(out.readline(), type=Said)


def _followed(url: str, kubeconfig: str) -> tuple[Said, Said, Said]:
    """Return what the first sync cost, then the events, then a new list of the pods."""
    with process_of([*PYTHON, "tests.benchmarks.follower", kubeconfig, "follow"]) as (process, out):
        synced = msgspec.json.decode(out.readline(), type=Said)
        assert process.stdin is not None
        found = [synced]
        for rate, expired in ((RATE, False), (0, True)):
            process.stdin.write(f"{SECONDS}\n")
            process.stdin.flush()
            order = json.dumps({"rate": rate, "seconds": SECONDS, "expired": expired}).encode()
            with urlopen(Request(f"{url}/events", order, method="POST")) as answer:  # noqa: S310 - loopback
                sent = json.load(answer)["sent"]
            if sent < 0.9 * rate * SECONDS:
                raise RuntimeError(f"only {sent} events were sent: the machine is too busy to measure")
            found.append(msgspec.json.decode(out.readline(), type=Said))
        return found[0], found[1], found[2]


@contextmanager
def api_server(sizes: Sizes) -> Iterator[str]:
    words = map(str, (sizes.pods, sizes.policies, sizes.services))
    with process_of([*PYTHON, "tests.benchmarks.paged", *words]) as (_, out):
        yield out.readline().split()[1]


@contextmanager
def process_of(command: list[str]) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """Run a program that speaks in lines; it is ended with the block."""
    pipe = subprocess.PIPE
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nowhere, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            yield process, process.stdout
        finally:
            process.kill()


@contextmanager
def kubeconfig_for(url: str) -> Iterator[str]:
    config = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {}}],
    }
    with TemporaryDirectory() as directory:
        path = Path(directory) / "kubeconfig"
        path.write_text(json.dumps(config), encoding="utf-8")
        yield str(path)
