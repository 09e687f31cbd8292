"""The server, put together: a source, a reviewer, an application and a listener, on one event loop."""

import asyncio
import contextlib
import ctypes
import gc
import logging
import tempfile
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvloop
from msgspec import Struct
from starlette.types import ASGIApp

from webhook.api.app import build_app, build_probes, build_report
from webhook.api.asgi import Drain
from webhook.api.backend import Metrics
from webhook.api.listener import TlsPaths
from webhook.api.server import Beside, Server, Timing
from webhook.certificates.directory import Expiry, TlsFiles, WithCertificate, ensure
from webhook.certificates.shared_certificate import Managed, SharedCertificate, utc
from webhook.wiring.reviewer import Reviewer
from webhook.wiring.source import Health, Source

if TYPE_CHECKING:  # what few turn on, and only they load
    from webhook.wiring.background_audit import BackgroundAudit
    from webhook.wiring.report_server import ReportServer

_log: Final = logging.getLogger(__name__)

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
