"""`scripts/benchmark`: which benchmarks there are, and their results as a table and as JSON."""

import argparse
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, TextIO

import msgspec
from msgspec import UNSET, UnsetType
from rich.console import Console
from rich.table import Table

from tests.benchmarks import audited, changes, commands, hotspots, latency, matrix, reviews, soak, sync, whole
from tests.benchmarks.results import Result
from tests.benchmarks.synthetic import Sizes

BENCHMARKS: Final = {
    "reviews": "reviews a second over TLS, beside FastAPI handlers that only decode and allow",
    "check": f"`check` on {commands.DOCUMENTS} documents, the whole process",
    "help": "`--help`, the whole process",
    "matrix": f"`matrix` of {matrix.SMALL} to {matrix.LARGE} workloads, whole processes",
    "whole": "one verdict with its evidence, and `audit` of a cluster, the whole process",
    "audited": "reviews beside the audit in the cluster, and without it, in one process",
    "changes": f"reviews of a policy among {changes.DEPENDENCIES:,} dependencies, without HTTP",
    "latency": "reviews without HTTP, events, the world's time and memory",
    "sync": f"memory and first sync of `serve`, also at {sync.LARGE:,} pods, and what {sync.RATE:,} events/s cost",
    "soak": "`serve` for --minutes under events and reviews: memory and latency, first and last (only when asked for)",
    "profile": "where the time of a review goes (only when asked for, prints text)",
}
_ASKED_FOR: Final = ("profile", "soak")


def main() -> int:
    """Run what is named, or all but `profile` and `soak`; 0 even where a target is missed: it is a measurement."""
    parser = _parser()
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark `{unknown[0]}`: expected {', '.join(BENCHMARKS)}")
    if arguments.list:
        for name, purpose in BENCHMARKS.items():
            _say(f"{name:8} {purpose}", sys.stdout)
        return 0
    names = arguments.names or [name for name in BENCHMARKS if name not in _ASKED_FOR]
    sizes = Sizes(arguments.pods, arguments.policies, arguments.services)
    results = _results(names, sizes, arguments)
    if results:
        Console(width=None if sys.stdout.isatty() else 240).print(_table(results))
    if arguments.json:
        Path(arguments.json).write_bytes(msgspec.json.format(msgspec.json.encode(_document(sizes, results)), indent=2))
    if "profile" in names:
        _say(hotspots.report(sizes), sys.stdout)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/benchmark", description="Measure netpol-preflight.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--list", action="store_true", help="say which benchmarks there are")
    parser.add_argument("--json", metavar="FILE", help="write the results there too")
    for name in ("pods", "policies", "services"):
        default = getattr(Sizes(), name)
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"default: {default}")
    parser.add_argument(
        "--rounds", type=int, default=5, metavar="N", help="rounds of `reviews`, `audited` and `sync` (default: 5)"
    )
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S", help="one run of `reviews` (default: 2)")
    parser.add_argument("--connections", type=int, default=8, metavar="N", help="of `reviews` (default: 8)")
    parser.add_argument(
        "--nca", metavar="PROGRAM", help="network-config-analyzer's `nca`: also run on `matrix`'s folder"
    )
    parser.add_argument("--minutes", type=float, default=30.0, metavar="N", help="of `soak` (default: 30)")
    parser.add_argument("--times", type=int, default=15, metavar="N", help="runs of a command (default: 15)")
    return parser


def _results(names: list[str], sizes: Sizes, arguments: argparse.Namespace) -> list[Result]:
    rows: list[Result] = []
    if "reviews" in names:
        plan = reviews.Plan(arguments.rounds, arguments.seconds, arguments.connections)
        rows += reviews.measure(sizes, plan, _say)
    if "latency" in names:
        _say("latency")
        rows += latency.measure(sizes)
    if "changes" in names:
        _say("changes")
        rows += changes.measure()
    if "matrix" in names:
        _say("matrix")
        rows += matrix.measure(max(1, arguments.times // 3), arguments.nca, _say)
    if "whole" in names:
        _say("whole")
        rows += whole.measure(sizes, max(1, arguments.times // 3))
    if "audited" in names:
        _say("audited")
        rows += audited.measure(sizes, arguments.rounds)
    if "sync" in names:
        rows += sync.measure(sizes, arguments.rounds, _say)
    if "soak" in names:
        rows += soak.measure(sizes, arguments.minutes, _say)
    if chosen := [name for name in ("check", "help") if name in names]:
        _say(", ".join(chosen))
        rows += commands.measure(chosen, arguments.times)
    return rows


def _say(text: str, to: TextIO = sys.stderr) -> None:
    print(text, file=to, flush=True)


def _document(sizes: Sizes, results: list[Result]) -> dict[str, object]:
    machine = {"python": platform.python_version(), "machine": platform.machine(), "processors": os.cpu_count()}
    world = {**msgspec.structs.asdict(sizes), "namespaces": sizes.namespaces, "deployments": sizes.deployments}
    return {"world": world, "machine": machine, "results": results}


def _table(results: list[Result]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    ratios = list(dict.fromkeys(name for row in results if row.ratios is not UNSET for name in row.ratios))
    for heading in ("what", "unit", "p50", "p99", "n", "per s", "CPU ms", *(f"/ {r}" for r in ratios), "target"):
        table.add_column(heading, justify="left" if heading in ("what", "unit", "target") else "right")
    for row in results:
        of = {} if row.ratios is UNSET else row.ratios
        table.add_row(
            row.name,
            row.unit,
            f"{row.p50:.3f}",
            f"{row.p99:.3f}",
            str(row.n),
            _shown(row.per_second, "{:,.0f}".format),
            _shown(row.cpu_ms, "{:.3f}".format),
            *(f"{of[name]:.2f}" if name in of else "" for name in ratios),
            _target(row),
        )
    return table


def _shown(value: float | UnsetType, form: Callable[[float], str]) -> str:
    return "" if value is UNSET else form(value)


def _target(row: Result) -> str:
    if row.target is UNSET:
        return ""
    return f"{row.target}: {'met' if row.met else 'missed'}"
