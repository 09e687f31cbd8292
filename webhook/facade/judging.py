"""Workload after workload, judged by this process or by several that it forks: the answers are the same.

The world is read once and inherited by fork, so that nothing of it is sent; what is sent back is what reports tell.
"""

import gc
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Final

from msgspec import Struct, structs

from webhook.facade import UsageError
from webhook.facade.sources import Gathered
from webhook.model.answers import Finding
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.report.audit import rows
from webhook.report.text import Row
from webhook.review.audit import audit_workload


class Answered(Struct, frozen=True, gc=False):
    """What reports tell of a workload: its dependencies, and what is found about it, where it is."""

    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]
    exempt: int


Judge = Callable[[int, int], list[Answered]]  # of the workloads from one number on and before another


@contextmanager
def judged(
    gathered: Gathered,
    workloads: Sequence[Workload],
    today: date,
    reviewed: Collection[WorkloadRef],
    jobs: int | None = 1,
) -> Generator[Iterator[Answered]]:
    """Give the answers for `workloads`, in their order; what asks for them may start threads, what enters may not.

    `reviewed`: everybody who is judged. `jobs`: by so many processes, or None: by as many as are worth it. Raises
    UsageError where one of them is killed.
    """
    places = {subject.workload.ref: subject.location for subject in gathered.subjects}

    def answer(workload: Workload) -> Answered:
        place = places.get(workload.ref)
        one = audit_workload(gathered.world, workload, today, reviewed, asked=place is not None)
        found = one.findings if place is None else (structs.replace(f, location=place) for f in one.findings)
        return Answered(tuple(map(_told, rows([one]))), tuple(found), one.exempt)

    def several(first: int, end: int) -> list[Answered]:
        return [answer(workload) for workload in workloads[first:end]]

    processes = _processes(jobs, len(workloads))
    parts = _parts([one.ref.namespace for one in workloads], processes)
    processes = min(processes, len(parts))
    if processes > 1:
        with _forked(several, parts, processes) as answers:
            yield map(answer, workloads) if answers is None else answers
    else:
        yield map(answer, workloads)


def _told(row: Row) -> Row:
    """Return a row without how its name was looked up, of which nothing is told: it takes as much room again."""
    return structs.replace(row, judged=row.judged and structs.replace(row.judged, resolved=None))


# -- how many processes, and what each is given at a time --------------------------------------------------------------

_WORTH: Final = 100  # workloads for which a process is worth starting: a third of a second's work
_EACH: Final = 8  # parts for a process, so that none waits long for the last
_LONGEST: Final = 50  # workloads of a part, or twice as many of one namespace: so often the bar moves


def _processes(jobs: int | None, workloads: int) -> int:
    """Return how many processes are to judge. Where threads run there is one: a fork holds their locks for ever."""
    wanted = min(cores(), max(1, workloads // _WORTH)) if jobs is None else jobs
    return wanted if hasattr(os, "fork") and threading.active_count() == 1 else 1


def cores() -> int:
    """Return how many cores this process may use: by its affinity, and by the limit of the container it is in.

    Where there is no affinity to ask for (macOS, Windows) it is 1: libraries of these systems do not bear a fork.
    """
    if sys.platform != "linux":
        return 1
    usable = len(os.sched_getaffinity(0))
    for files in _LIMITS:
        try:
            quota, period = " ".join(Path("/sys/fs/cgroup", file).read_text(encoding="ascii") for file in files).split()
            if int(quota) > 0:
                return min(usable, math.ceil(int(quota) / int(period)))
        except (OSError, ValueError):  # not this version, or `max`: no limit
            continue
    return usable


# quota and period; https://docs.kernel.org/admin-guide/cgroup-v2.html and scheduler/sched-bwc.html, of version 1
_LIMITS: Final = (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"))


def _parts(namespaces: Sequence[str], processes: int) -> list[tuple[int, int]]:
    """Return where parts begin and end: between namespaces if it can be, for much is remembered within one."""
    size = min(_LONGEST, max(1, len(namespaces) // (processes * _EACH)))
    ends = [0]
    for number, (before, name) in enumerate(pairwise(namespaces), 1):
        if number - ends[-1] >= (size if before != name else 2 * size):
            ends.append(number)
    ends.append(len(namespaces))
    return list(pairwise(ends))


# -- the processes -----------------------------------------------------------------------------------------------------

_JUDGE: Final[list[Judge]] = []  # in a process that was forked: what it judges by
_YOUNG: Final = 600_000  # objects that it makes before the collector looks at them all: of garbage 100 MiB at most


@contextmanager
def _forked(judge: Judge, parts: Sequence[tuple[int, int]], processes: int) -> Generator[Iterator[Answered] | None]:
    """Fork processes; give their answers, part after part, or None where the system lets nobody have processes.

    None of them is left afterwards, whatever happens.
    """
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import active_children, get_context

    others = active_children()
    gc.freeze()  # what the collector leaves alone stays in memory that all have in common
    gc.disable()  # what comes back is told, every object of it
    pool: ProcessPoolExecutor | None = None
    answers: Iterator[Answered] | None = None
    done = False
    try:
        with suppress(OSError, ImportError, NotImplementedError):  # no semaphores, or one process too many
            pool = ProcessPoolExecutor(processes, get_context("fork"), _enter, (judge,))
            futures = [pool.submit(_part, *part) for part in parts]  # the first forks, before the pool has threads
            answers = (one for future in futures for one in future.result())
        yield answers
        done = answers is not None
    except BrokenProcessPool as error:
        raise UsageError(_KILLED) from error
    finally:
        gc.enable()
        for process in () if done else active_children():
            if process not in others:
                process.terminate()  # nobody waits for what it does
        if pool is not None:
            pool.shutdown(cancel_futures=True)


_KILLED: Final = "a process that judges workloads was killed, perhaps for want of memory: `--jobs 1` takes the least"


def _enter(judge: Judge) -> None:
    """Begin as a process that was forked: an interrupt is for its parent, and it ends when that does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(_YOUNG, 20, 20)
    gc.enable()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _JUDGE.append(judge)


def _end_with_parent() -> None:
    from multiprocessing import parent_process

    if parent := parent_process():
        parent.join()
        os._exit(1)


def _part(first: int, end: int) -> list[Answered]:
    return _JUDGE[-1](first, end)
