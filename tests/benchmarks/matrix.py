"""`matrix --format json` as a whole process: beside network-config-analyzer, and as the world grows.

Both work on one processor, so what they are compared by is processor time: other programs disturb it least.
network-config-analyzer is not in any of our locks: install it into an environment of its own and name its program.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from tests.benchmarks import matrix_world
from tests.benchmarks.results import Result, timed

BESIDE: Final = 800  # workloads of the folder that both read
SMALL: Final = 500
LARGE: Final = 5_000
FASTER: Final = 50  # times, than the other
GROWTH: Final = 12  # times as long, for LARGE as for SMALL
ROOT: Final = Path(__file__).resolve().parents[2]


def measure(times: int, other: str | None, say: Callable[[str], object]) -> list[Result]:
    """Run `matrix` `times` times on each size, taking turns; `other`: the program `nca`, run once on the first."""
    with tempfile.TemporaryDirectory(prefix="netpol-preflight-matrix-") as place:
        folders = {size: Path(place, str(size)) for size in (BESIDE, SMALL, LARGE)}
        counts = {size: matrix_world.write(size, folder) for size, folder in folders.items()}
        rows = {size: _connections(folder) for size, folder in folders.items()}
        wall: dict[int, list[float]] = {size: [] for size in folders}
        cpu: dict[int, list[float]] = {size: [] for size in folders}
        for _ in range(times):
            for size, folder in folders.items():
                seconds, used = _run(_command(folder))
                wall[size].append(seconds)
                cpu[size].append(used)
        found = []
        for size in folders:
            name = f"matrix: {size} workloads, {counts[size]['NetworkPolicy']} policies, {rows[size]} rows"
            found.append(_row(name, wall[size], cpu[size]))
        ratio = median(cpu[LARGE]) / median(cpu[SMALL])
        found[2].ratios = {f"CPU of {SMALL}": ratio}
        found[2].target, found[2].met = f"at most {GROWTH} times {SMALL}", ratio <= GROWTH
        if other is not None:
            say(f"matrix: {other} on {BESIDE} workloads, which takes minutes")
            found.append(_beside(other, folders[BESIDE], median(cpu[BESIDE])))
    return found


def _beside(other: str, folder: Path, ours: float) -> Result:
    seconds, used = _run((other, "--connectivity", "-r", str(folder), "-o", "txt_no_fw_rules"))
    row = _row(f"network-config-analyzer: {BESIDE} workloads", [seconds], [used])
    row.ratios = {"CPU of matrix": used / ours}
    row.target, row.met = f"matrix at least {FASTER} times faster", used >= FASTER * ours
    return row


def _command(folder: Path) -> Sequence[str]:
    return (sys.executable, "-m", "webhook", "matrix", "-f", str(folder), "--format", "json")


def _connections(folder: Path) -> int:
    """Return how many rows there are; refuse to time what did not read its folder."""
    done = subprocess.run(_command(folder), stdout=subprocess.PIPE, cwd=ROOT, check=True)
    answer = msgspec.json.decode(done.stdout)
    if answer["errors"] or answer["skipped"] or not answer["connections"]:
        raise RuntimeError(f"matrix did something else: {answer['errors']}")
    return len(answer["connections"])


def _run(command: Sequence[str]) -> tuple[float, float]:
    """Return (seconds, processor seconds) of one process from its start to its end."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with exit code {process.returncode}")
    return seconds, usage.ru_utime + usage.ru_stime


def _row(name: str, wall: Sequence[float], cpu: Sequence[float]) -> Result:
    row = timed(name, "ms", wall, 1e3)
    row.cpu_ms = median(cpu) * 1e3
    return row
