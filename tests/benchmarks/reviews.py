"""Reviews a second over TLS, next to handlers that only decode and allow. Runs of all take turns."""

import contextlib
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from statistics import median
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Struct, UnsetType

from tests.benchmarks import load
from tests.benchmarks.requests import CASES
from tests.benchmarks.results import Result, cpu_of, percentile
from tests.benchmarks.server import BARE_JSON, BARE_MSGSPEC, KINDS, PREFLIGHT
from tests.benchmarks.synthetic import Sizes

ROOT: Final = Path(__file__).resolve().parents[2]
TARGET: Final = 0.6  # of what the bare handler does, where everything is allowed
_WARM: Final = 0.5


class Plan(Struct, frozen=True):
    """How long and how often. One run is `seconds`; a round runs everything once."""

    rounds: int = 5
    seconds: float = 2.0
    connections: int = 8


class _Server(Struct):
    kind: str
    pid: int
    port: int
    ca: str


class _Run(Struct):
    per_second: float
    p50: float
    p99: float
    n: int
    cpu: float
    busy: float


def measure(sizes: Sizes, plan: Plan, say: Callable[[str], object]) -> list[Result]:
    """Start every server, let the runs take turns, stop the servers. Raises RuntimeError for a wrong answer."""
    runs: dict[tuple[str, str], list[_Run]] = {}
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="netpol-preflight-benchmark-"))
        servers = {kind: stack.enter_context(_server(kind, Path(directory), sizes)) for kind in KINDS}
        jobs = [*((PREFLIGHT, case) for case in CASES), *((kind, "allowed") for kind in KINDS if kind != PREFLIGHT)]
        for number in range(plan.rounds):
            say(f"reviews: round {number + 1} of {plan.rounds}")
            for kind, case in jobs if number % 2 else reversed(jobs):
                runs.setdefault((kind, case), []).append(_run(servers[kind], case, sizes, plan))
    return [_row(kind, case, runs) for kind, case in jobs]


@contextlib.contextmanager
def _server(kind: str, directory: Path, sizes: Sizes) -> Generator[_Server]:
    tls = directory / str(KINDS.index(kind))
    amounts = (str(sizes.pods), str(sizes.policies), str(sizes.services))
    command = (sys.executable, "-m", "tests.benchmarks.server", kind, str(tls), *amounts)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line.startswith("ready "):
                raise RuntimeError(f"{kind} did not start")
            port = urlsplit(line.split()[1]).port or 0
            yield _Server(kind, process.pid, port, str(tls / "ca.crt"))
        finally:
            process.terminate()


def _run(server: _Server, case: str, sizes: Sizes, plan: Plan) -> _Run:
    job = load.Job(
        "127.0.0.1", server.port, server.ca, case, sizes, plan.connections, _WARM, plan.seconds, case != "denied"
    )
    before = cpu_of(server.pid)
    done = subprocess.run(
        (sys.executable, "-m", "tests.benchmarks.load"),
        input=msgspec.json.encode(job),
        stdout=subprocess.PIPE,
        cwd=ROOT,
        check=True,
    )
    cpu = cpu_of(server.pid) - before
    result = msgspec.json.decode(done.stdout, type=load.Result)
    if result.wrong or not result.latencies:
        raise RuntimeError(f"{server.kind}, {case}: {result.answered} answers, {result.wrong} of them wrong")
    return _Run(
        len(result.latencies) / result.seconds,
        percentile(result.latencies, 50),
        percentile(result.latencies, 99),
        len(result.latencies),
        cpu / result.answered,
        result.busy,
    )


def _row(kind: str, case: str, runs: dict[tuple[str, str], list[_Run]]) -> Result:
    mine = runs[kind, case]
    ratios = {
        baseline: median(a.per_second / b.per_second for a, b in zip(mine, runs[baseline, "allowed"], strict=True))
        for baseline in (BARE_JSON, BARE_MSGSPEC)
    }
    row = Result(
        name=f"reviews: {kind}" + (f", {case}" if kind == PREFLIGHT else ""),
        unit="ms",
        p50=median(run.p50 for run in mine) * 1e3,
        p99=median(run.p99 for run in mine) * 1e3,
        n=sum(run.n for run in mine),
        per_second=median(run.per_second for run in mine),
        cpu_ms=_known(median(run.cpu for run in mine) * 1e3),
        client_busy=median(run.busy for run in mine),
        ratios=ratios,
    )
    if (kind, case) == (PREFLIGHT, "allowed"):
        row.target, row.met = f"at least {TARGET:g} of both", min(ratios.values()) >= TARGET
    return row


def _known(value: float) -> float | UnsetType:
    return UNSET if math.isnan(value) else value
