"""What an audit in the cluster knows: of every workload what is said of it, kept right as the world changes.

Only those are judged again whom a change may touch, and everybody on a schedule. It is done in steps, between which the
world may change: what is said of a workload counts once nobody waits who could change it.
"""

import logging
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from datetime import date
from time import thread_time, time
from typing import Final

from webhook.api.backend import INTERNAL_ERROR
from webhook.model.answers import Verdict
from webhook.model.budget import TOO_MUCH, Budget, Exhausted
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.model.settings import Mode
from webhook.report.policy_report import Told, not_judged, told
from webhook.review.audit import Audited, audit_in_steps
from webhook.review.decide import mode_of
from webhook.review.since import judged_again
from webhook.world import World
from webhook.world.changes import Journal

_log: Final = logging.getLogger(__name__)
FAILURES: Final = (TOO_MUCH, INTERNAL_ERROR)
_ANYBODY: Final = 60.0  # seconds between two times that everybody is judged for a change that may touch anybody
_STEPS: Final = 1_000_000  # of a budget, that one step may take, as a review may
_PROCESSOR: Final = 0.05  # seconds of it
_AT_MOST: Final = 0.25  # of a second attempt, as of a review: in the first the garbage collector may have come by


class Picture:
    """What is said of every workload, and counted."""

    def __init__(self) -> None:
        """Start with nobody."""
        self.by_namespace: dict[str, dict[WorkloadRef, Told]] = {}
        self.verdicts: Counter[Verdict] = Counter()
        self.findings: Counter[str] = Counter()

    def get(self, ref: WorkloadRef) -> Told | None:
        """Return what is said of a workload."""
        return self.by_namespace.get(ref.namespace, {}).get(ref)

    def refs(self) -> Iterator[WorkloadRef]:
        """Yield the workloads of which something is said."""
        for each in self.by_namespace.values():
            yield from each

    def put(self, one: Told) -> bool:
        """Say this of a workload; False: it was said already."""
        if self.get(one.workload) == one:
            return False
        self.drop(one.workload)
        self.by_namespace.setdefault(one.workload.namespace, {})[one.workload] = one
        self.verdicts.update(one.verdicts)
        self.findings.update(one.findings)
        return True

    def drop(self, ref: WorkloadRef) -> bool:
        """Say nothing of a workload any more; False: nothing was said."""
        here = self.by_namespace.get(ref.namespace, {})
        old = here.pop(ref, None)
        if old is None:
            return False
        if not here:
            del self.by_namespace[ref.namespace]
        self.verdicts.subtract(old.verdicts)
        self.findings.subtract(old.findings)
        return True


class Judging:
    """Keeps a picture of one world right, step by step."""

    def __init__(self, world: World, today: Callable[[], date], clock: Callable[[], float]) -> None:
        """Everybody is to be judged. From here on the world notes what changes. `clock`: seconds that grow."""
        self._world, self._today, self._clock = world, today, clock
        world.journal = self._journal = Journal()
        self.picture = Picture()
        self.pending: dict[WorkloadRef, None] = {}
        self.unwritten: set[str] = set()  # namespaces whose report is to say something else
        self.untold: dict[WorkloadRef, None] = {}  # workloads of which something else is said
        self.judged = 0
        self.failed: Counter[str] = Counter(dict.fromkeys(FAILURES, 0))
        self.whole_at: float | None = None  # when everybody had been judged, Unix time
        self._current: WorkloadRef | None = None
        self._second: set[WorkloadRef] = set()  # who took too much once
        self._context, self._settings = world.compile_context, world.settings
        self._began = clock()
        self._anybody = False  # who is not known; everybody, soon
        self._whole = False  # everybody has been judged
        self._everybody()

    def close(self) -> None:
        """Let the world note nothing any more."""
        self._world.journal = None

    def hear(self, every: float) -> None:
        """Find out who has to be judged again. `every`: seconds after which everybody is, whatever has changed."""
        if self._anybody:
            self._journal.take()
        elif self._journal:
            again = self._again()
            self._anybody = again is None
            self.pending.update(dict.fromkeys(sorted(again or ())))
        age = self._clock() - self._began
        if self._settings is not self._world.settings or age >= every or (self._anybody and age >= _ANYBODY):
            self._everybody()

    def _again(self) -> frozenset[WorkloadRef] | None:
        """Return who may be judged otherwise after what has changed; None: anybody, or it would take long to tell."""
        world, context = self._world, self._context
        self._context = world.compile_context
        try:
            with world.within(_budget(_PROCESSOR)):
                return judged_again(world, self._journal.take(), context)
        except Exhausted:
            return None

    def _everybody(self) -> None:
        """Judge everybody who is there, and whoever was."""
        world = self._world
        self._journal.take()
        self._context, self._settings = world.compile_context, world.settings
        self._began, self._anybody, self._whole = self._clock(), False, False
        self.pending = dict.fromkeys((*sorted(_reviewed(world)), *self.picture.refs()))

    def is_complete(self, ref: WorkloadRef) -> bool:
        """Say whether what is said of a workload is what there is to say."""
        return ref not in self.pending and ref != self._current

    def busy(self) -> set[str]:
        """Return the namespaces of which not all that there is to say is said."""
        return {ref.namespace for ref in (*self.pending, *filter(None, [self._current]))}

    def steps(self) -> Iterator[None]:
        """Judge who is pending, and yield after each step."""
        reviewed = frozenset(_reviewed(self._world))
        yield
        while self.pending:
            ref = next(iter(self.pending))
            del self.pending[ref]
            workload = self._world.workloads.get(ref)
            if workload is None or workload.owner is not None or mode_of(self._world, ref.namespace)[0] is Mode.OFF:
                self._drop(ref)
            else:
                self._current = ref
                yield from self._of(workload, reviewed)
                self._current = None
            yield
        if not self._whole:
            self._whole, self.whole_at = True, time()

    def _of(self, workload: Workload, reviewed: frozenset[WorkloadRef]) -> Iterator[None]:
        try:
            audited = yield from self._within(audit_in_steps(self._world, workload, self._today(), reviewed))
            self._put(told(audited, own=self._world.settings.disclose == "own"))
            self.judged += 1
            self._second.discard(workload.ref)
        except Exhausted:
            self._took_too_much(workload)
        except Exception:  # noqa: BLE001 - logged and counted, and the others are judged all the same
            _log.exception("audit of %s failed", workload.ref)
            self.failed[INTERNAL_ERROR] += 1
            self._drop(workload.ref)

    def _took_too_much(self, workload: Workload) -> None:
        if workload.ref in self._second:
            self._second.discard(workload.ref)
            self.failed[TOO_MUCH] += 1
            self._put(not_judged(workload))
        else:
            self._second.add(workload.ref)
            self.pending[workload.ref] = None

    def _within(self, steps: Generator[None, None, Audited]) -> Generator[None, None, Audited]:
        """Take steps, each within a budget of its own."""
        while True:
            try:
                with self._world.within(_budget(_AT_MOST if self._current in self._second else _PROCESSOR)):
                    next(steps)
            except StopIteration as end:
                audited: Audited = end.value
                return audited
            yield

    def _put(self, one: Told) -> None:
        if self.picture.put(one):
            self.unwritten.add(one.workload.namespace)
            self.untold[one.workload] = None

    def _drop(self, ref: WorkloadRef) -> None:
        self._second.discard(ref)
        if self.picture.drop(ref):
            self.unwritten.add(ref.namespace)
            self.untold[ref] = None


def _reviewed(world: World) -> Iterator[WorkloadRef]:
    """Yield whom no other workload makes: it is judged with that one."""
    return (one.ref for one in world.workloads.every() if one.owner is None)


def _budget(processor: float) -> Budget:
    began = thread_time()
    return Budget(_STEPS, lambda share: thread_time() > began + share * processor)
