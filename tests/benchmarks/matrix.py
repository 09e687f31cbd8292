"""`matrix --format json` as a whole process: beside network-config-analyzer, and as the world grows.

Both work on one processor, so what they are compared by is processor time: other programs disturb it least.
network-config-analyzer is not in any of our locks: install it into an environment of its own and name its program.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from tests.benchmarks import matrix_world
from tests.benchmarks.results import Result, timed

BESIDE: Final = {400: 60, 800: 100}  # workloads of the folders that both read, and how many times faster to be
SMALL: Final = 500
LARGE: Final = 5_000
GROWTH: Final = 12  # times as long, for LARGE as for SMALL
WHOLE: Final = 0.5  # seconds of the process, for 800
ROOT: Final = Path(__file__).resolve().parents[2]
WORLDS: Final = {"allow lists": matrix_world.objects, "open namespaces": matrix_world.neighbourhoods}


def measure(times: int, other: str | None, say: Callable[[str], object]) -> list[Result]:
    """Run `matrix` `times` times on each folder, taking turns; `other`: the program `nca`, run once on two of them."""
    with tempfile.TemporaryDirectory(prefix="netpol-preflight-matrix-") as place:
        asked = [(name, size) for name in WORLDS for size in (SMALL, LARGE)]
        asked += [("allow lists", size) for size in BESIDE]
        folders = {one: Path(place, f"{number}") for number, one in enumerate(asked)}
        counts = {(name, size): matrix_world.write(WORLDS[name](size), folders[name, size]) for name, size in asked}
        rows = {one: _connections(folder) for one, folder in folders.items()}
        taken: dict[tuple[str, int], list[tuple[float, float]]] = {one: [] for one in asked}
        for _ in range(times):
            for one, folder in folders.items():
                taken[one].append(run(command(folder)))
        found = {}
        for one, some in taken.items():
            name = f"matrix, {one[0]}: {one[1]} workloads, {counts[one]['NetworkPolicy']} policies, {rows[one]} rows"
            found[one] = row_of(name, some)
        _compare(found)
        beside = [
            _beside(other, folders["allow lists", size], found["allow lists", size], size, say) for size in BESIDE
        ]
        return [*found.values(), *filter(None, beside)]


def _compare(found: dict[tuple[str, int], Result]) -> None:
    for name in WORLDS:
        large, small = found[name, LARGE], found[name, SMALL]
        assert isinstance(large.cpu_ms, float)
        assert isinstance(small.cpu_ms, float)
        ratio = large.cpu_ms / small.cpu_ms
        large.ratios = {f"CPU of {SMALL}": ratio}
        large.target, large.met = f"at most {GROWTH} times {SMALL}", ratio <= GROWTH
    whole = found["allow lists", 800]
    whole.target, whole.met = f"<= {WHOLE:g} s of CPU", isinstance(whole.cpu_ms, float) and whole.cpu_ms <= WHOLE * 1e3


def _beside(other: str | None, folder: Path, ours: Result, size: int, say: Callable[[str], object]) -> Result | None:
    if other is None or not isinstance(ours.cpu_ms, float):
        return None
    say(f"matrix: {other} on {size} workloads, which takes minutes")
    row = row_of(f"network-config-analyzer: {size} workloads", [run(_of_nca(other, folder))])
    faster = row.cpu_ms / ours.cpu_ms if isinstance(row.cpu_ms, float) else 0.0
    row.ratios = {"CPU of matrix": faster}
    row.target, row.met = f"matrix at least {BESIDE[size]} times faster", faster >= BESIDE[size]
    return row


def _of_nca(program: str, folder: Path) -> Sequence[str]:
    return (program, "--connectivity", "-r", str(folder), "-o", "txt_no_fw_rules")


def command(folder: Path) -> Sequence[str]:
    """Return the command that lists the connections of a folder."""
    return (sys.executable, "-m", "webhook", "matrix", "-f", str(folder), "--format", "json")


def _connections(folder: Path) -> int:
    """Return how many rows there are; refuse to time what did not read its folder."""
    done = subprocess.run(command(folder), stdout=subprocess.PIPE, cwd=ROOT, env=installed(), check=True)
    answer = msgspec.json.decode(done.stdout)
    if answer["errors"] or answer["skipped"] or not answer["connections"]:
        raise RuntimeError(f"matrix did something else: {answer['errors']}")
    return len(answer["connections"])


def installed() -> dict[str, str]:
    """Return an environment as users have it, in which modules are compiled once."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def run(command: Sequence[str], codes: Collection[int] = (0,)) -> tuple[float, float]:
    """Return (seconds, processor seconds) of one process from its start to its end with one of `codes`."""
    started = time.perf_counter()
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet, cwd=ROOT, env=installed()) as process:
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in codes:
        raise RuntimeError(f"{command[0]} ended with exit code {process.returncode}")
    return seconds, usage.ru_utime + usage.ru_stime


def row_of(name: str, taken: Sequence[tuple[float, float]]) -> Result:
    """Return the row of what `run` returned."""
    row = timed(name, "ms", [wall for wall, _ in taken], 1e3)
    row.cpu_ms = median(cpu for _, cpu in taken) * 1e3
    return row
