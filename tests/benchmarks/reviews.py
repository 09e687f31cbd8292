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
from tests.benchmarks.server import BARE_JSON, BARE_MSGSPEC, BUSY, KINDS, OWN_HTTP, PREFLIGHT
from tests.benchmarks.synthetic import Sizes

ROOT: Final = Path(__file__).resolve().parents[2]
TARGETS: Final = {"allowed": 0.6, "two denied": 0.4, "denied": 0.1}  # of what the bare handler does
MOST: Final = {PREFLIGHT: 3.0, BUSY: 2.0}  # times the p99 of the bare handler, or of reviews without events
MANY: Final = 50  # connections at once
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


class Job(Struct, frozen=True):
    """One row. `fresh`: each request is about another workload; else the same ones come again and again."""

    kind: str
    case: str = "allowed"
    connections: int = 8
    fresh: bool = True

    @property
    def name(self) -> str:
        """How the row is called."""
        again = "" if self.fresh else ", again"
        return f"{self.kind}, {self.case}{again}, {self.connections} at once"


def _jobs(connections: int) -> list[Job]:
    bare = [Job(kind, connections=connections) for kind in (BARE_JSON, BARE_MSGSPEC, OWN_HTTP)]
    cases = [Job(PREFLIGHT, case, connections) for case in CASES]
    again = [Job(PREFLIGHT, case, connections, fresh=False) for case in ("allowed", "denied")]
    many = [Job(kind, connections=MANY) for kind in (PREFLIGHT, BUSY, BARE_JSON)]
    return [*cases, *again, Job(BUSY, connections=connections), *bare, *many]


def measure(sizes: Sizes, plan: Plan, say: Callable[[str], object]) -> list[Result]:
    """Start every server, let the runs take turns, stop the servers. Raises RuntimeError for a wrong answer."""
    runs: dict[Job, list[_Run]] = {}
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="netpol-preflight-benchmark-"))
        servers = {kind: stack.enter_context(_server(kind, Path(directory), sizes)) for kind in KINDS}
        jobs = _jobs(plan.connections)
        for number in range(plan.rounds):
            say(f"reviews: round {number + 1} of {plan.rounds}")
            for job in jobs if number % 2 else reversed(jobs):
                runs.setdefault(job, []).append(_run(servers[job.kind], job, sizes, plan))
    return [_row(job, runs) for job in jobs]


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


def _run(server: _Server, row: Job, sizes: Sizes, plan: Plan) -> _Run:
    allowed = not server.kind.startswith(PREFLIGHT) or CASES[row.case] != "denied"
    job = load.Job(
        "127.0.0.1",
        server.port,
        server.ca,
        row.case,
        sizes,
        row.connections,
        _WARM,
        plan.seconds,
        allowed,
        row.fresh,
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
        raise RuntimeError(f"{row.name}: {result.answered} answers, {result.wrong} of them wrong")
    return _Run(
        len(result.latencies) / result.seconds,
        percentile(result.latencies, 50),
        percentile(result.latencies, 99),
        len(result.latencies),
        cpu / result.answered,
        result.busy,
    )


def _row(job: Job, runs: dict[Job, list[_Run]]) -> Result:
    mine = runs[job]
    beside = {kind: Job(kind, connections=job.connections) for kind in (BARE_JSON, BARE_MSGSPEC)}
    ratios = {
        kind: median(a.per_second / b.per_second for a, b in zip(mine, runs[bare], strict=True))
        for kind, bare in beside.items()
        if bare in runs
    }
    quiet = beside[BARE_JSON] if job.kind != BUSY else Job(PREFLIGHT, connections=job.connections)
    if quiet in runs and quiet != job:
        what = "p99 quiet" if job.kind == BUSY else f"p99 {BARE_JSON}"
        ratios[what] = median(a.p99 / b.p99 for a, b in zip(mine, runs[quiet], strict=True))
    row = Result(
        name=job.name,
        unit="ms",
        p50=median(run.p50 for run in mine) * 1e3,
        p99=median(run.p99 for run in mine) * 1e3,
        n=sum(run.n for run in mine),
        per_second=median(run.per_second for run in mine),
        cpu_ms=_known(median(run.cpu for run in mine) * 1e3),
        client_busy=median(run.busy for run in mine),
        ratios=ratios,
    )
    least = TARGETS.get(job.case) if job.kind == PREFLIGHT and job.fresh else None
    if least is not None and BARE_JSON in ratios and job.connections != MANY:
        row.target, row.met = f"at least {least:g} of {BARE_JSON}", ratios[BARE_JSON] >= least
    elif job.connections == MANY and job.kind in MOST:
        what = "p99 quiet" if job.kind == BUSY else f"p99 {BARE_JSON}"
        row.target, row.met = f"at most {MOST[job.kind]:g} times the {what}", ratios[what] <= MOST[job.kind]
    return row


def _known(value: float) -> float | UnsetType:
    return UNSET if math.isnan(value) else value
