"""Writes what an audit has found into the cluster: as little as has changed, and nothing that somebody else wrote.

Whatever cannot be written is said once, counted, and tried again later; nothing waits for it.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct

from webhook.cluster.audit_requests import FAMILIES, version_of
from webhook.cluster.errors import ClusterError, ForbiddenError, NotServedError, OvertakenError
from webhook.cluster.kinds import Kind
from webhook.model.refs import WorkloadRef
from webhook.model.settings import PRODUCT
from webhook.report.policy_report import NAME, OWNED, Before, Told, closed_before, event, report

_log: Final = logging.getLogger(__name__)
Raw = dict[str, Any]
REPORTS, EVENTS = WHAT = ("reports", "events")
OUTCOMES: Final = ("done", "overtaken", "forbidden", "failed")
_SOON, _LATER = 5.0, 30.0  # seconds until what could not be written is tried again; where it is forbidden, or absent
_BURST, _EVERY = 30, 2.0  # Events at once, and seconds until there may be another


class Store(Protocol):
    """An API server's reports and Events (`ReportObjects`). All raise ClusterError."""

    async def served(self) -> tuple[Kind, ...]:
        """Return the kinds of report that are served, the one to be written first."""
        ...

    def listed(self, kind: Kind, label: str, value: str) -> AsyncIterator[Raw]:
        """Yield the reports that carry a label."""
        ...

    async def read(self, kind: Kind, namespace: str, name: str) -> Raw | None:
        """Return one report; None: there is none."""
        ...

    async def create(self, kind: Kind, body: Raw) -> str:
        """Create a report and return its version. Raises OvertakenError where there is one of its name."""
        ...

    async def replace(self, kind: Kind, body: Raw, version: str) -> str:
        """Replace a report of that version and return the new one. Raises OvertakenError where it is another."""
        ...

    async def delete(self, kind: Kind, namespace: str, name: str, version: str) -> None:
        """Delete a report of that version. Raises OvertakenError where it is another."""
        ...

    async def emit(self, body: Raw) -> bool:
        """Create an Event; False: one of its name is there."""
        ...


class _Known(Struct, frozen=True):
    """A report as it was last seen or written. `digest` empty: somebody may have changed it."""

    version: str
    digest: str = ""


class AuditWriter:
    """One replica's writes, for as long as `may_write` says that they are its own to do."""

    def __init__(
        self,
        store: Store,
        may_write: Callable[[], bool],
        clock: Callable[[], float],
        now: Callable[[], datetime],
        instance: str,
    ) -> None:
        """`clock`: seconds that grow. `now` and `instance`: when Events happen, and who says so."""
        self._store, self._may_write, self._clock, self._now, self._instance = store, may_write, clock, now, instance
        self.counts: Counter[tuple[str, str]] = Counter()
        self.troubles: dict[str, str] = {}
        """By what cannot be written: why."""
        self._kind: Kind | None = None
        self._known: dict[str, _Known] = {}
        self._before: Before = {}
        self._said: dict[WorkloadRef, tuple[str, frozenset[str], int]] = {}
        self._again: dict[str, float] = {}  # by what, or by namespace: when it may be tried again
        self._tokens, self._filled = float(_BURST), clock()

    def forget(self) -> None:
        """Know nothing of what is there: somebody else may write from here on."""
        self._kind, self._known, self._before = None, {}, {}
        self._said.clear()
        self._again.clear()
        self.troubles.clear()

    # -- reports -----------------------------------------------------------------------------------------------------

    async def look(self) -> None:
        """Find out which kind of report is served, and which are there. What is of the other kind is taken away."""
        self._kind, self._known = None, {}
        try:
            kinds = await self._store.served()
            for kind in kinds[:1]:
                async for raw in self._store.listed(kind, OWNED, PRODUCT):
                    self._see(raw)
        except ClusterError as error:
            self._fail(REPORTS, error)
            return
        if not kinds:
            groups = " nor ".join(group for group, _ in FAMILIES)
            self._trouble(REPORTS, f"neither {groups} is served: no report is written")
            self._again[REPORTS] = self._clock() + _LATER
            return
        self._kind = kinds[0]
        self._trouble(REPORTS, "")
        for kind in kinds[1:]:
            await self._clear(kind)

    def _see(self, raw: Raw) -> None:
        namespace, name = _place(raw)
        if name == NAME:
            self._known[namespace] = _Known(version_of(raw))
            self._before.update(closed_before(raw))

    async def _clear(self, kind: Kind) -> None:
        """Take reports of ours away that nobody will write again, as far as that is allowed."""
        try:
            async for raw in self._store.listed(kind, OWNED, PRODUCT):
                namespace, name = _place(raw)
                if name == NAME and self._may_write():
                    await self._store.delete(kind, namespace, name, version_of(raw))
        except ClusterError as error:
            _log.info("audit: reports of kind %s stay: %s", kind, error)

    @property
    def namespaces(self) -> Iterable[str]:
        """Where reports of ours are."""
        return tuple(self._known)

    async def put(self, namespace: str, every: Iterable[Told]) -> bool:
        """Make the report of a namespace say this and no more; False: not yet, it is to be tried again."""
        if self._waits(REPORTS) or self._waits(namespace):
            return False
        if self._kind is None:
            await self.look()
        if self._kind is None or not self._may_write():
            return False
        body = report(self._kind.api_version, self._kind.name, namespace, every)
        try:
            done = await self._put(self._kind, namespace, body)
        except NotServedError as error:  # of a namespace that is gone we shall hear; of a kind that is, by asking
            self._kind = None
            self._fail(REPORTS, error)
            return False
        except (
            ForbiddenError
        ) as error:  # as for a namespace that is being deleted, which is no reason to stop elsewhere
            self._again[namespace] = self._clock() + _LATER
            self._count(REPORTS, error)
            self._trouble(REPORTS, f"namespace {namespace}: {error}")
            return False
        except ClusterError as error:
            self._fail(REPORTS, error)
            return False
        if done:
            self.counts[REPORTS, "done"] += 1
            self._trouble(REPORTS, "")
        return True

    async def _put(self, kind: Kind, namespace: str, body: Raw | None) -> bool:
        """Write, if there is anything to be written; True then."""
        known, digest = self._known.get(namespace), _digest(body)
        if (known is None and body is None) or (known is not None and known.digest == digest):
            return False
        try:
            if body is None and known is not None:
                await self._store.delete(kind, namespace, NAME, known.version)
                del self._known[namespace]
            elif body is not None:
                if known is None:
                    version = await self._store.create(kind, body)
                else:
                    version = await self._store.replace(kind, body, known.version)
                self._known[namespace] = _Known(version, digest)
        except OvertakenError:
            await self._read_again(kind, namespace)
            raise
        return True

    async def _read_again(self, kind: Kind, namespace: str) -> None:
        raw = await self._store.read(kind, namespace, NAME)
        self._known.pop(namespace, None)
        if raw is None:
            return
        labels = (raw.get("metadata") or {}).get("labels") or {}
        if labels.get(OWNED) == PRODUCT:
            self._known[namespace] = _Known(version_of(raw))
        else:
            self._again[namespace] = self._clock() + _LATER
            self._trouble(REPORTS, f"namespace {namespace}: a {kind.name} `{NAME}` is there that is not ours")

    # -- Events ------------------------------------------------------------------------------------------------------

    async def tell(self, one: Told, *, heard: bool) -> bool:
        """Say on a workload what has changed since it was last said; False: not yet. `heard`: anybody wants to hear."""
        uid, before, number = self._said.get(one.workload, ("", frozenset[str](), 0))
        if uid != one.uid or one.workload not in self._said:
            before, number = self._before.pop((one.workload, one.uid), frozenset()), 0
        body = event(one, before, (self._now(), self._instance, number)) if heard else None
        if body is not None:
            if self._waits(EVENTS) or not self._may_write() or not self._take():
                return False
            try:
                done = await self._store.emit(body)
            except NotServedError:  # the namespace is gone
                done = True
            except ClusterError as error:
                self._fail(EVENTS, error)
                return False
            self.counts[EVENTS, "done" if done else "overtaken"] += 1
            self._trouble(EVENTS, "")
        closed = frozenset(text for text, _ in one.closed)
        self._said[one.workload] = (one.uid, closed, number + (body is not None))
        return True

    def gone(self, ref: WorkloadRef) -> None:
        """Hear that a workload is no more."""
        self._said.pop(ref, None)

    def _take(self) -> bool:
        """Take the right to one Event, if there is one."""
        now = self._clock()
        self._tokens = min(_BURST, self._tokens + (now - self._filled) / _EVERY)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    # -- what goes wrong ---------------------------------------------------------------------------------------------

    def _waits(self, what: str) -> bool:
        if self._clock() < self._again.get(what, 0.0):
            return True
        self._again.pop(what, None)
        return False

    def _fail(self, what: str, error: ClusterError) -> None:
        lasting = isinstance(error, ForbiddenError | NotServedError)
        if not isinstance(error, OvertakenError):
            self._again[what] = self._clock() + (_LATER if lasting else _SOON)
            self._trouble(what, str(error))
        self._count(what, error)

    def _count(self, what: str, error: ClusterError) -> None:
        outcome = "forbidden" if isinstance(error, ForbiddenError) else "failed"
        self.counts[what, "overtaken" if isinstance(error, OvertakenError) else outcome] += 1

    def _trouble(self, what: str, why: str) -> None:
        if why and self.troubles.get(what) != why:
            _log.warning("audit: %s: %s", what, why)
        if why:
            self.troubles[what] = why
        else:
            self.troubles.pop(what, None)


def _place(raw: Raw) -> tuple[str, str]:
    """Return namespace and name of an object."""
    metadata = raw.get("metadata") or {}
    return str(metadata.get("namespace") or ""), str(metadata.get("name") or "")


def _digest(body: Raw | None) -> str:
    return hashlib.sha256(msgspec.json.encode(body)).hexdigest()
