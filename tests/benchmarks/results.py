"""What a benchmark hands back: design.md §7's `{name, unit, p50, p99, n}`, and what else it knows."""

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Final

from msgspec import UNSET, Struct, UnsetType

_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Result(Struct, rename="camel", kw_only=True):
    """One row. Of several runs, each number is the median of the runs'.

    `cpu_ms`: processor time of the measured process for one piece; other programs on the machine disturb it least.
    `client_busy`: the share of one processor that the client took; near 1 it is the client that was measured.
    `ratios`: `per_second` beside that of others, by their names; `target` is in words, `met` says whether it is.
    """

    name: str
    unit: str
    p50: float
    p99: float
    n: int
    per_second: float | UnsetType = UNSET
    cpu_ms: float | UnsetType = UNSET
    client_busy: float | UnsetType = UNSET
    ratios: dict[str, float] | UnsetType = UNSET
    target: str | UnsetType = UNSET
    met: bool | UnsetType = UNSET


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the nearest-rank percentile; of few values the 99th is the greatest."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def timed(name: str, unit: str, values: Sequence[float], scale: float) -> Result:
    """Return the row of durations in seconds; `scale`: how many of `unit` make one."""
    return Result(name=name, unit=unit, p50=median(values) * scale, p99=percentile(values, 99) * scale, n=len(values))


def cpu_of(pid: int) -> float:
    """Return the seconds of processor time that a process has used; NaN where there is no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except FileNotFoundError:
        return math.nan
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_of(pid: int | str, field: str = "VmRSS") -> float:
    """Return a process's memory in MiB; NaN where there is no /proc."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return math.nan
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:")), math.nan)
