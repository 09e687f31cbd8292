"""The server, put together: a source, a reviewer, an application and a listener, on one event loop."""

import asyncio
import contextlib
import ctypes
import gc
import logging
import tempfile
from collections.abc import Callable, Generator
from datetime import date
from functools import partial
from pathlib import Path
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Final

import uvloop
from msgspec import Struct, structs
from starlette.types import ASGIApp

from webhook.api.app import build_app, build_probes, build_report
from webhook.api.asgi import Drain
from webhook.api.backend import INTERNAL_ERROR, NO_TIME, NOT_SYNCED, Answer, Check, Metrics
from webhook.api.listener import TlsPaths
from webhook.api.server import Beside, Server, Timing
from webhook.certificates.directory import Expiry, TlsFiles, WithCertificate, ensure
from webhook.certificates.shared_certificate import Managed, SharedCertificate, utc
from webhook.manifests import dump
from webhook.model.budget import TOO_MUCH, Budget
from webhook.report import admission
from webhook.review.decide import decide
from webhook.review.drafts import Decision
from webhook.wire.admission import AdmissionRequest, Untyped, admission_request, decoded
from webhook.wire.shapes import Malformed
from webhook.wire.typed import Typed
from webhook.wiring.source import Health, Source
from webhook.world import View, World

if TYPE_CHECKING:  # what few turn on, and only they load
    from webhook.wiring.background_audit import BackgroundAudit
    from webhook.wiring.report_server import ReportServer

_log: Final = logging.getLogger(__name__)
_NO_TIME: Final = 0.02  # seconds: with less left the answer would come too late to count
PROCESSOR: Final = 0.25  # seconds of it that one review may take; the loop is everybody's
STEPS: Final = 1_000_000  # what that is worth on no slow machine: the same review is not judged here and skipped there
NOT_EVALUATED: Final = "not-evaluated"
_MOST: Final = 512  # answers that are remembered, 16 KiB each at the most
_Key = tuple[bytes, date, str | None]


class Reviewer:
    """The backend of `webhook.api`. Nothing that goes wrong here stops a deployment."""

    def __init__(
        self,
        source: Source,
        today: Callable[[], date],
        steps: int = STEPS,
        more: Callable[[], tuple[Check, ...]] = tuple,
        processor: float = PROCESSOR,
    ) -> None:
        """Judge by the world of `source`, in so many steps and seconds. `more`: conditions besides the source's."""
        self._processor = processor
        self._more = more
        self._source = source
        self._today = today
        self._steps = steps
        self._answers: dict[_Key, Answer] = {}
        self._of: tuple[View | None, int | None] = (None, None)  # the world that they are about, and its version

    def readiness(self) -> tuple[Check, ...]:
        """Return the source's conditions, and others."""
        return (*self._source.checks(), *self._more())

    def version(self) -> int | None:
        """Return the source's."""
        return self._source.version()

    def review(self, body: bytes, *, timeout: float | None) -> Answer:
        """Answer one AdmissionReview: 400 where it is none, else 200."""
        budget = Budget(self._steps, _late(self._processor, timeout))
        asked, late = decoded(body), timeout is not None and timeout < _NO_TIME
        known = None if asked is None or late else self._known(asked)
        if known is not None:
            return known
        try:
            request = admission_request(body, asked)
        except Malformed as error:
            return Answer(400, f"{error}\n".encode(errors="replace"), "malformed")
        if late:
            return _allowed(request, NO_TIME)
        try:
            return self._judge(request, budget)
        except Exception:  # noqa: BLE001 - logged, and no deployment is stopped by our own mistake
            _log.exception("review of %s %s/%s failed", request.kind, request.namespace, request.name)
            return _allowed(request, INTERNAL_ERROR)

    def _known(self, asked: Typed | Untyped) -> Answer | None:
        """Return the answer to the same as it was asked before, in the same world."""
        try:
            view = self._source.view()
            answers = {} if view is None else self._remembered(view)
            known = answers.get((asked.digest, self._today(), self._source.stale())) if answers else None
        except Exception:  # noqa: BLE001 - it shows where the same is judged
            return None
        if known is None:
            return None
        body = admission.addressed(known.body, asked.uid)
        about = (("uid", asked.uid), *known.about[1:])
        return structs.replace(known, body=body, dry_run=asked.dry_run, about=about)

    def _judge(self, request: AdmissionRequest, budget: Budget) -> Answer:
        view = self._source.view()
        if view is None:
            return _allowed(request, NOT_SYNCED)
        today, stale = self._today(), self._source.stale()
        decision = decide(request, view, today, stale, budget)
        if decision.exhausted:
            return _allowed(request, TOO_MUCH)
        answer = _answer(request, decision)
        if request.digest and not decision.left_out:
            self._remembered(view)[request.digest, today, stale] = answer
        return answer

    def _remembered(self, view: View) -> dict[_Key, Answer]:
        """Return the answers to what was asked of the world as it is: none is kept beyond its next change."""
        version = view.version if isinstance(view, World) else None
        if self._of[0] is not view or self._of[1] != version or version is None or len(self._answers) >= _MOST:
            self._answers, self._of = {}, (view, version)
        return self._answers


def _answer(request: AdmissionRequest, decision: Decision) -> Answer:
    body = admission.encode(decision, dump)
    told = ",".join(sorted({finding.id for finding in decision.findings}))
    about = (*_about(request), *((("findings", told),) if told else ()))
    outcome = admission.outcome(decision)
    return Answer(200, body, outcome, str(decision.mode), request.dry_run, about, left_out=decision.left_out)


def _late(seconds: float, timeout: float | None) -> Callable[[float], bool]:
    """Return what says that a review that begins here has taken a share of its time: its answer must arrive."""
    began_thread, began = thread_time(), perf_counter()

    def late(share: float) -> bool:
        if thread_time() > began_thread + share * seconds:
            return True
        return timeout is not None and perf_counter() > began + share * (timeout - _NO_TIME)

    return late


def _allowed(request: AdmissionRequest, reason: str) -> Answer:
    about = (*_about(request), ("reason", reason))
    body = admission.not_evaluated(request.uid, reason)
    return Answer(200, body, NOT_EVALUATED, dry_run=request.dry_run, about=about, reason=reason)


def _about(request: AdmissionRequest) -> tuple[tuple[str, str], ...]:
    return (
        ("uid", request.uid),
        ("operation", request.operation),
        ("kind", request.kind),
        ("namespace", request.namespace),
        ("name", request.name),
    )


Place = tuple[str, int]


class Serving(Struct, frozen=True):
    """Where to listen, and with which certificate: `directory`, or `cert` and `key`, or one made for this run.

    `health`, `metrics`: without TLS. `client_ca`: of clients that are reviewed for, by one of `client_names`.
    `managed`: one that is shared, and put into `directory`. `drain`: seconds between being told to stop and closing.
    `auditing`: makes the audit in the cluster, where it may be turned on. `reporting`: makes what serves the report.
    """

    listen: Place
    health: Place | None = None
    metrics: Place | None = None
    client_ca: Path | None = None
    client_names: frozenset[str] = frozenset()
    directory: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    names: tuple[str, ...] = ()
    managed: Managed | None = None
    auditing: "Callable[[Source], BackgroundAudit] | None" = None
    reporting: "Callable[[Source], ReportServer] | None" = None
    drain: float = 0.0


def serve(source: Source, serving: Serving, on_ready: Callable[[str], object]) -> None:
    """Serve until SIGTERM or SIGINT. `on_ready` gets the address once reviews are judged.

    Raises Unusable, TlsError, ValueError (a name or a certificate that cannot be used) and OSError (cannot listen).
    """
    with _certificate(serving) as files, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(source, serving, files, on_ready))


async def _serve(source: Source, serving: Serving, files: TlsFiles, on_ready: Callable[[str], object]) -> None:
    drain, metrics = Drain(), Metrics()
    health = Health(lambda: source.view() is not None, lambda: source.stale() is not None)
    for collector in (health, *source.collectors()):
        metrics.registry.register(collector)
    certificates = SharedCertificate(serving.managed, files) if serving.managed else None
    expiry = _expiry(files, metrics, certificates)
    audit = serving.auditing(source) if serving.auditing else None
    reports = serving.reporting(source) if serving.reporting else None
    if audit:
        metrics.registry.register(audit)
    more = (lambda: (audit.check(),)) if audit else tuple
    backend = WithCertificate(Reviewer(source, lambda: utc().date(), more=more), expiry)
    server = Server(
        build_app(
            backend,
            metrics=metrics,
            drain=drain,
            only_known=serving.client_ca is not None,
            telling=not (serving.health or serving.metrics),
        ),
        *serving.listen,
        tls=TlsPaths(files.cert, files.key, serving.client_ca),
        drain=drain,
        metrics=metrics,
        timing=Timing(drain=serving.drain),
        plain=[
            *_plain(serving, partial(build_probes, backend, metrics=metrics, drain=drain)),
            *([Beside(build_report(reports), *reports.listen, "report", tls=True)] if reports else []),
        ],
        known=serving.client_names,
        on_certificate=expiry.loaded,
    )
    background: set[asyncio.Task[None]] = set()

    async def announce(host: str, port: int) -> None:
        await source.ready()
        tune_gc()
        if certificates:
            await certificates.ready()
        on_ready(f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}")

    try:
        async with asyncio.TaskGroup() as group:
            background.add(group.create_task(source.run()))
            if certificates:
                background.add(group.create_task(certificates.run(server.reload)))
            if audit:
                background.add(group.create_task(audit.run()))
            if reports:
                background.add(group.create_task(reports.run()))
            await server.serve(lambda host, port: background.add(group.create_task(announce(host, port))))
            for task in background:
                task.cancel()
    except ExceptionGroup as several:  # not `except*`, out of which Python before 3.11.4 raises another group
        raise _first(several) from None


def _plain(serving: Serving, app: Callable[..., ASGIApp]) -> list[Beside]:
    """Return the listeners without TLS. Metrics and reasons are told on one alone, the one that is for them, if any."""
    told = [Beside(app(telling=True), *serving.metrics, "metrics")] if serving.metrics else []
    health = [Beside(app(telling=not told), *serving.health, "health")] if serving.health else []
    return [*health, *told]


def _expiry(files: TlsFiles, metrics: Metrics, certificates: SharedCertificate | None) -> Expiry:
    if certificates is None:
        return Expiry(files.cert, metrics.certificate_expiry, utc)
    return Expiry(
        files.cert,
        metrics.certificate_expiry,
        certificates.now,
        there=lambda: certificates.there,
        troubles=certificates.troubles,
    )


def _first(several: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the cause that a caller knows how to tell."""
    first = several.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


@contextlib.contextmanager
def _certificate(serving: Serving) -> Generator[TlsFiles]:
    """Yield files that can be loaded; of a shared certificate that is not there yet, ones that nobody trusts."""
    if serving.cert and serving.key:
        yield TlsFiles(None, serving.cert, serving.key)
        return
    with contextlib.ExitStack() as temporary:
        directory = serving.directory
        if directory is None:
            directory = Path(temporary.enter_context(tempfile.TemporaryDirectory(prefix="netpol-preflight-")))
            if serving.managed is None:
                _log.info("made a certificate for this run, its CA is %s", directory / "ca.crt")
        yield ensure(directory, serving.names, utc())


def tune_gc() -> None:
    """Take all that is alive out of the garbage collector's sight, and give free memory back to the system.

    A full collection stops reviews for as long as hundreds of them take. What comes later is seen, thirty times less
    often than by default: what is remembered is no garbage. What leaves the world is freed by its reference count.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(2_000, 20, 50)
    with contextlib.suppress(OSError, AttributeError):  # glibc's own; others give back what they want
        ctypes.CDLL(None).malloc_trim(0)
