"""The audit in the cluster: whoever is there is judged when something changes that may touch them, and on a schedule.

One replica does it, the one that holds a Lease; the others keep watching. It works in pieces of a few milliseconds with
rests between them, so that reviews have the event loop. A world that is not whole, or may be out of date, is not
judged, and nothing is written by it.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, datetime
from time import perf_counter
from typing import Final, Protocol

from msgspec import Struct
from prometheus_client import Histogram, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from webhook.api.backend import PREFIX, Check
from webhook.cluster.audit_requests import ReportObjects
from webhook.cluster.client import connect
from webhook.cluster.client_configuration import Access
from webhook.cluster.discovery import clock as growing
from webhook.cluster.lease import Election, LeaseRef
from webhook.model.answers import DEFAULT_SEVERITY, UNDISCLOSED, Verdict
from webhook.model.refs import WorkloadRef
from webhook.model.settings import Settings
from webhook.review.decide import mode_of
from webhook.review.drafts import HEARD
from webhook.wiring.audit_judging import FAILURES, Judging
from webhook.wiring.audit_writer import OUTCOMES, WHAT, AuditWriter
from webhook.wiring.source import Source
from webhook.world import World

_log: Final = logging.getLogger(__name__)
PIECE: Final = 0.002  # seconds that reviews wait, at most, but for one dependency that takes longer
REST: Final = 3.0  # times as long as a piece took, nothing is done after it
_TURN: Final = 1.0  # seconds of pieces and rests, after which changes are heard and what is complete is written
_PAUSE: Final = 0.5  # seconds between turns with nothing to do: changes that come together are judged together
_AFTER_ERROR: Final = 30.0  # seconds until it is begun anew
_WRITES: Final = 20  # reports, and as many Events, of one turn
_RELEASE: Final = 2.0  # seconds that whoever stops has to let others have the Lease
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1)
_END: Final = object()


class Holder(Protocol):
    """Whoever knows whether this replica is the one (`cluster.lease.Election`)."""

    trouble: str

    def holds(self) -> bool:
        """Say whether no other replica can be the one at this moment."""
        ...


class Auditor:
    """Judges and writes, while this replica is the one."""

    def __init__(
        self,
        source: Source,
        holder: Holder,
        writer: AuditWriter,
        today: Callable[[], date],
        clock: Callable[[], float] = growing,
        observe: Callable[[float], object] = lambda _: None,
    ) -> None:
        """Nothing is done yet. `observe` hears how long each piece took, in seconds."""
        self._observe = observe
        self._source, self._holder, self._writer, self._today, self._clock = source, holder, writer, today, clock
        self.judging: Judging | None = None
        self._steps: Iterator[None] | None = None  # of one that is not done
        self.waits = ""
        """Why nothing is judged, though this replica is the one."""

    async def run(self) -> None:
        """Take turns until cancelled."""
        try:
            while True:
                try:
                    await self.turn()
                except Exception:  # noqa: BLE001 - logged, and begun anew
                    _log.exception("audit: internal error")
                    self._stop()
                    await asyncio.sleep(_AFTER_ERROR)
                await asyncio.sleep(0 if self.judging and self.judging.pending and not self.waits else _PAUSE)
        finally:
            self._stop()

    async def turn(self) -> None:
        """Judge for a while, and write what is ready."""
        world = self._source.view()
        settings = world.settings if world is not None else None
        if settings is None or not settings.audit.enabled or not self._holder.holds() or not isinstance(world, World):
            self._stop()
            return
        self.waits = self._source.stale() or ""
        if self.waits:
            return
        if self.judging is None:
            await self._writer.look()
            if not self._holder.holds() or self._source.view() is not world:
                return
            self.judging = Judging(world, self._today, self._clock)
            self.judging.unwritten.update(self._writer.namespaces)
        judging = self.judging
        judging.hear(settings.audit.minutes * 60.0)
        await self._judge(judging)
        await self._write(judging, settings)

    async def _judge(self, judging: Judging) -> None:
        until = self._clock() + _TURN
        while self._clock() < until and self._may_go_on():
            if self._steps is None:
                if not judging.pending:
                    return
                self._steps = judging.steps()
            began = perf_counter()
            while perf_counter() - began < PIECE:
                if next(self._steps, _END) is _END:
                    self._steps = None
                    break
            took = perf_counter() - began
            self._observe(took)
            await asyncio.sleep(took * REST)

    async def _write(self, judging: Judging, settings: Settings) -> None:
        """Write of namespaces and workloads of which all is said; the rest comes with a later turn."""
        if settings.audit.reports:
            busy = judging.busy()
            for namespace in [name for name in sorted(judging.unwritten) if name not in busy][:_WRITES]:
                if not self._may_go_on():
                    return
                every = judging.picture.by_namespace.get(namespace, {}).values()
                judging.unwritten.discard(namespace)  # before the wait: what changes meanwhile is written again
                if not await self._writer.put(namespace, list(every)):
                    judging.unwritten.add(namespace)
        if settings.audit.events:
            for ref in [ref for ref in judging.untold if judging.is_complete(ref)][:_WRITES]:
                if not self._may_go_on() or not await self._tell(judging, ref):
                    return

    async def _tell(self, judging: Judging, ref: WorkloadRef) -> bool:
        one = judging.picture.get(ref)
        del judging.untold[ref]
        if one is None:
            self._writer.gone(ref)
            return True
        view = self._source.view()
        heard = view is not None and mode_of(view, ref.namespace)[0] in HEARD
        done = await self._writer.tell(one, heard=heard)
        if not done:
            judging.untold[ref] = None
        return done

    def _may_go_on(self) -> bool:
        return self._holder.holds() and not self._source.stale()

    def _stop(self) -> None:
        """Know nothing any more: another replica goes on."""
        self.waits = ""
        if self.judging is not None:
            self.judging.close()
            self.judging = self._steps = None
            self._writer.forget()

    def check(self) -> Check:
        """Return the condition, which holds nothing up: what a person should know."""
        view = self._source.view()
        if view is None or not view.settings.audit.enabled:
            return Check("audit", ok=True, detail="off")
        if self.judging is None:
            return Check("audit", ok=True, detail=self._holder.trouble or "another replica does it, or will")
        left = f"{len(self.judging.pending)} workloads to be judged" if self.judging.pending else ""
        said = (self.waits, left, *(f"{what}: {why}" for what, why in sorted(self._writer.troubles.items())))
        return Check("audit", ok=True, detail="; ".join(filter(None, said)))


class Auditing(Struct, frozen=True):
    """Which cluster is audited, by which Lease the replicas agree, and what this one is called."""

    access: Access
    lease: LeaseRef
    instance: str


class BackgroundAudit(Collector):
    """A replica's candidacy, and what it does while it is the one; with what Prometheus is told of it."""

    def __init__(self, source: Source, auditing: Auditing, now: Callable[[], datetime]) -> None:
        """Nothing is sent yet. `now`: the time, UTC."""
        self._source, self._auditing, self._now = source, auditing, now
        self._auditor: Auditor | None = None
        self._writer: AuditWriter | None = None
        self._seconds = Histogram(
            PREFIX + "audit_step_seconds",
            "Time that reviews wait for one piece of the audit.",
            buckets=_BUCKETS,
            registry=None,
        )

    async def run(self) -> None:
        """Be a candidate until cancelled, then let others have it. Raises BadConfigError."""
        access, instance = self._auditing.access, self._auditing.instance
        async with connect(access.kubeconfig, access.context) as connection:
            identity = f"{instance}_{secrets.token_hex(8)}"
            election = Election(connection, self._auditing.lease, identity, growing)
            self._writer = AuditWriter(
                ReportObjects(connection, access.namespaces), election.holds, growing, self._now, instance
            )
            today, observe = (lambda: self._now().date()), self._seconds.observe
            self._auditor = Auditor(self._source, election, self._writer, today, observe=observe)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._stand(election))
                    group.create_task(self._auditor.run())
            finally:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_RELEASE):
                        await election.release()

    async def _stand(self, election: Election) -> None:
        """Be a candidate once there is something to judge."""
        await self._source.ready()
        await election.run()

    def check(self) -> Check:
        """Return the condition, which holds nothing up: what a person should know."""
        return self._auditor.check() if self._auditor else Check("audit", ok=True, detail="not connected yet")

    def collect(self) -> Iterator[Metric]:
        """Yield the measures; those of what was found from the replica alone that does it, once all were judged."""
        judging = self._auditor.judging if self._auditor else None
        yield GaugeMetricFamily(PREFIX + "audit_leading", "1 on the replica that does the audit.", float(bool(judging)))
        verdicts = GaugeMetricFamily(PREFIX + "dependencies", "Dependencies of all workloads.", labels=("verdict",))
        findings = GaugeMetricFamily(PREFIX + "findings", "Findings about all workloads.", labels=("id",))
        since = GaugeMetricFamily(
            PREFIX + "audit_last_pass_timestamp_seconds", "Unix time at which everybody had been judged last."
        )
        if judging is not None and judging.whole_at is not None:
            since.add_metric((), judging.whole_at)
            for verdict in Verdict:
                verdicts.add_metric((verdict.value,), judging.picture.verdicts[verdict])
            for name in (*DEFAULT_SEVERITY, UNDISCLOSED):
                findings.add_metric((name,), judging.picture.findings[name])
        pending = float(len(judging.pending)) if judging else 0.0
        yield from (verdicts, findings, since)
        yield GaugeMetricFamily(PREFIX + "audit_pending", "Workloads that are to be judged.", pending)
        yield from self._counters(judging)
        yield from self._seconds.collect()

    def _counters(self, judging: Judging | None) -> Iterator[Metric]:
        judged = float(judging.judged) if judging else 0.0
        yield CounterMetricFamily(PREFIX + "audit_judged", "Workloads that this replica has judged.", judged)
        failed = CounterMetricFamily(PREFIX + "audit_not_judged", "Workloads that it could not.", labels=("reason",))
        for reason in FAILURES:
            failed.add_metric((reason,), judging.failed[reason] if judging else 0)
        writes = CounterMetricFamily(
            PREFIX + "audit_writes", "What it wrote, and what came of it.", labels=("what", "outcome")
        )
        for what in WHAT:
            for outcome in OUTCOMES:
                writes.add_metric((what, outcome), self._writer.counts[what, outcome] if self._writer else 0)
        yield from (failed, writes)
