"""Reviews beside the audit in the cluster: how long they wait while a replica judges whoever is there.

In one process and in its processor time, without HTTP: four clients that ask again as soon as they are answered, and
pieces of the audit with rests between them as `wiring.background_audit` makes them.
"""

from collections.abc import Iterator
from datetime import date
from statistics import median
from time import process_time
from typing import Final

from tests.benchmarks.requests import CASES, MARK, marked
from tests.benchmarks.results import Result, percentile, timed
from tests.benchmarks.server import Fixed
from tests.benchmarks.synthetic import Sizes
from tests.benchmarks.whole import declaring
from webhook.families import project
from webhook.model.settings import AuditSettings, Mode, Settings
from webhook.wiring.audit_judging import Judging
from webhook.wiring.background_audit import PIECE, REST
from webhook.wiring.reviewer import Reviewer
from webhook.wiring.serve import tune_gc
from webhook.world import Put, World

CLIENTS: Final = 4
_SECONDS: Final = 2.0  # of each case in a round
_TODAY: Final = date(2026, 11, 1)


def measure(sizes: Sizes, rounds: int) -> list[Result]:
    """Ask with and without the audit, in turns; both have a world of their own."""
    found: dict[tuple[str, bool], list[list[float]]] = {}
    replicas = {audited: _Replica(sizes, audited=audited) for audited in (False, True)}
    tune_gc()
    for _ in range(rounds):
        for case in CASES:
            for audited, replica in replicas.items():
                found.setdefault((case, audited), []).append(list(replica.asked(case)))
    return [_row(case, found[case, audited], found[case, False], audited=audited) for case, audited in found]


class _Replica:
    """A world, whoever reviews in it, and an audit of it that never ends."""

    def __init__(self, sizes: Sizes, *, audited: bool) -> None:
        self._world = World(Settings(mode=Mode.ENFORCE, audit=AuditSettings(enabled=audited)), complete=True)
        self._world.apply(Put(value) for raw in declaring(sizes) if (value := project(raw)) is not None)
        self._reviewer = Reviewer(Fixed(self._world), lambda: _TODAY)
        self._sizes, self._number = sizes, 0
        self._steps = self._audit() if audited else None

    def _audit(self) -> Iterator[None]:
        while True:
            self._world.memos.clear()  # each time as after a change that touches everybody
            judging = Judging(self._world, lambda: _TODAY, process_time)
            yield from judging.steps()
            judging.close()

    def asked(self, case: str) -> Iterator[float]:
        """Yield how long each review took, from when its client asked."""
        bodies, end = marked(case, self._sizes), process_time() + _SECONDS
        since, resting = [process_time()] * CLIENTS, 0.0
        while since[0] < end:
            if self._steps is not None and process_time() >= resting:
                resting = _piece(self._steps)
            for client in range(CLIENTS):
                self._number += 1
                body = bodies[self._number % len(bodies)].replace(MARK.encode(), b"%08d" % self._number)
                answer = self._reviewer.review(body, timeout=None)
                assert answer.outcome == CASES[case]
                now = process_time()
                yield now - since[client]
                since[client] = now


def _piece(steps: Iterator[None]) -> float:
    """Take steps for as long as reviews are to wait; return until when they are not to again."""
    began = process_time()
    while process_time() - began < PIECE:
        next(steps)
    return process_time() + REST * (process_time() - began)


def _row(case: str, rounds: list[list[float]], quiet: list[list[float]], *, audited: bool) -> Result:
    name = f"{CLIENTS} at once, {case}{', beside the audit in the cluster' if audited else ''}"
    row = timed(name, "ms", [one for some in rounds for one in some], 1e3)
    if audited:
        ratio = median(percentile(a, 99) / percentile(b, 99) for a, b in zip(rounds, quiet, strict=True))
        row.ratios = {"p99 without": ratio}
    return row
