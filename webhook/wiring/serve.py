"""The server, put together: a source, a reviewer, an application, a listener, on one event loop."""

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import uvloop
from msgspec import Struct

from webhook import tls
from webhook.api.app import build_app, build_probes
from webhook.api.certificate import TlsPaths
from webhook.api.drain import Drain
from webhook.api.metrics import Metrics
from webhook.api.server import Probes, Server
from webhook.wiring.reviewer import Reviewer
from webhook.wiring.source import Source

_log: Final = logging.getLogger(__name__)
Place = tuple[str, int]


class Serving(Struct, frozen=True):
    """Where to listen, and with which certificate: `directory`, or `cert` and `key`, or one made for this run."""

    listen: Place
    health: Place | None = None
    directory: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    names: tuple[str, ...] = ()


def serve(source: Source, serving: Serving, on_ready: Callable[[str], object]) -> None:
    """Serve until SIGTERM or SIGINT. `on_ready` gets the address once reviews are judged.

    Raises Unusable, tls.TlsError, ValueError (a name or a certificate that cannot be used) and OSError (cannot listen).
    """
    with _certificate(serving) as paths, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(source, serving, paths, on_ready))


async def _serve(source: Source, serving: Serving, paths: TlsPaths, on_ready: Callable[[str], object]) -> None:
    drain, metrics, reviewer = Drain(), Metrics(), Reviewer(source, lambda: datetime.now(UTC).date())
    plain = build_probes(reviewer, metrics=metrics, drain=drain) if serving.health else None
    server = Server(
        build_app(reviewer, metrics=metrics, drain=drain),
        *serving.listen,
        tls=paths,
        drain=drain,
        probes=Probes(plain, *serving.health) if plain and serving.health else None,
        on_certificate=lambda: metrics.certificate_expiry.set(tls.expiry(paths.cert).timestamp()),
    )
    background: set[asyncio.Task[None]] = set()

    async def announce(host: str, port: int) -> None:
        await source.ready()
        on_ready(f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}")

    try:
        async with asyncio.TaskGroup() as group:
            background.add(group.create_task(source.run()))
            await server.serve(lambda host, port: background.add(group.create_task(announce(host, port))))
            for task in background:
                task.cancel()
    except* Exception as several:  # noqa: BLE001 - raised again, without the group around it
        raise _first(several) from None


def _first(several: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the cause that a caller knows how to tell."""
    first = several.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


@contextlib.contextmanager
def _certificate(serving: Serving) -> Generator[TlsPaths]:
    if serving.cert and serving.key:
        yield TlsPaths(serving.cert, serving.key)
        return
    with contextlib.ExitStack() as temporary:
        directory = serving.directory
        if directory is None:
            directory = Path(temporary.enter_context(tempfile.TemporaryDirectory(prefix="netpol-preflight-")))
            _log.info("made a certificate for this run, its CA is %s", directory / "ca.crt")
        files = tls.ensure(directory, serving.names, datetime.now(UTC))
        yield TlsPaths(files.cert, files.key)
