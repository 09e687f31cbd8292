"""`serve` for minutes: events all the time, reviews in turns. Memory and latency should be at the end what they were.

By hand only: `scripts/benchmark soak --minutes 30`. The program is the real one, over an API server of ours.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Thread
from time import monotonic
from typing import Final
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import msgspec
from msgspec import Struct

from tests.benchmarks import load
from tests.benchmarks.requests import CASES
from tests.benchmarks.results import Result, cpu_of, memory_of, percentile
from tests.benchmarks.reviews import ROOT
from tests.benchmarks.sync import PYTHON, RATE, api_server, kubeconfig_for, process_of
from tests.benchmarks.synthetic import Sizes

TURN: Final = 15.0  # seconds of events, in which one case is asked about for some
_ASKED: Final = 4.0
_CONNECTIONS: Final = 4
_PARTS: Final = 4  # the first and the last of so many parts are compared


class _Turn(Struct):
    case: str
    rss: float
    cpu: float
    latencies: list[float]


def measure(sizes: Sizes, minutes: float, say: Callable[[str], object]) -> list[Result]:
    """Run for so long, and compare the last quarter with the first one. Raises RuntimeError for a wrong answer."""
    with (
        TemporaryDirectory() as directory,
        api_server(sizes) as url,
        kubeconfig_for(url) as kubeconfig,
        process_of(_serve(kubeconfig, directory)) as (process, out),
    ):
        port = urlsplit(out.readline().split()[1]).port or 0
        turns: list[_Turn] = []
        end = monotonic() + minutes * 60
        while monotonic() < end:
            turns += [_turn(url, process.pid, port, Path(directory) / "ca.crt", case, sizes) for case in CASES]
            say(f"soak: {turns[-1].rss:.1f} MiB, {max(0.0, end - monotonic()) / 60:.1f} minutes to go")
    return list(_rows(turns))


def _serve(kubeconfig: str, directory: str) -> list[str]:
    source = ("--source", "cluster", "--kubeconfig", kubeconfig)
    return [
        *PYTHON,
        "webhook",
        "serve",
        *source,
        "--listen",
        "127.0.0.1:0",
        "--tls-dir",
        directory,
        "--mode",
        "enforce",
        "--cni",
        "generic",
    ]


def _turn(url: str, pid: int, port: int, ca: Path, case: str, sizes: Sizes) -> _Turn:
    before, hearing = cpu_of(pid), Thread(target=_events, args=(url,))
    hearing.start()
    allowed = CASES[case] != "denied"
    job = load.Job("127.0.0.1", port, str(ca), case, sizes, _CONNECTIONS, 0.5, _ASKED, allowed, fresh=True)
    done = subprocess.run(
        (sys.executable, "-m", "tests.benchmarks.load"),
        input=msgspec.json.encode(job), stdout=subprocess.PIPE, cwd=ROOT, check=True,
    )  # fmt: skip
    result = msgspec.json.decode(done.stdout, type=load.Result)
    hearing.join()
    if result.wrong or not result.latencies:
        raise RuntimeError(f"{case}: {result.answered} answers, {result.wrong} of them wrong")
    return _Turn(case, memory_of(pid), (cpu_of(pid) - before) / TURN, result.latencies)


def _events(url: str) -> None:
    order = json.dumps({"rate": RATE, "seconds": TURN, "expired": False}).encode()
    with urlopen(Request(f"{url}/events", order, method="POST")) as answer:  # noqa: S310 - loopback
        json.load(answer)


def _rows(turns: list[_Turn]) -> Iterator[Result]:
    part = max(len(CASES), len(turns) // _PARTS)
    first, last = turns[:part], turns[-part:]
    for name, some in (("first", first), ("last", last)):
        rss = [turn.rss for turn in some]
        yield Result(name=f"soak, {name} part: memory", unit="MiB", p50=median(rss), p99=max(rss), n=len(rss))
        cpu = [turn.cpu for turn in some]
        yield Result(name=f"soak, {name} part: share of a core", unit="1", p50=median(cpu), p99=max(cpu), n=len(cpu))
        for case in CASES:
            found = [one * 1e3 for turn in some if turn.case == case for one in turn.latencies]
            spread = median(found), percentile(found, 99)
            yield Result(name=f"soak, {name} part: {case}", unit="ms", p50=spread[0], p99=spread[1], n=len(found))
