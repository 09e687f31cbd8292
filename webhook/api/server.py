"""uvicorn, run from inside: TLS, plain listeners beside it, certificates that change, and a quiet end."""

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Callable, Generator, Sequence
from typing import Final

import uvicorn
from msgspec import Struct, structs
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from webhook.api.asgi import Drain
from webhook.api.backend import Metrics
from webhook.api.concurrency_limits import Bounds
from webhook.api.listener import Certificate, Listener, TlsPaths, listen, port_of

_log: Final = logging.getLogger(__name__)
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Timing(Struct, frozen=True):
    """All in seconds."""

    keep_alive: int = 180
    """Idle connections: client-go closes its own after 90, and must be the one that does."""
    drain: float = 0.0
    """Between being told to stop and closing: how long a cluster takes to send new connections elsewhere."""
    finish: int = 15
    """How long requests that have begun may take to end after that."""
    reload: float = 10.0
    """Between two looks at the certificate's files."""


class Beside(Struct, frozen=True):
    """A listener beside the webhook's, without TLS. `name`: its own among them, for metrics.

    `tls`: with it after all, and with the webhook's certificate.
    """

    app: ASGIApp
    host: str
    port: int
    name: str = "health"
    connections: int = 100
    """The kubelet and Prometheus ask with one or two at a time."""
    tls: bool = False


class Server:
    """Serves `app` over TLS on one event loop, until it is told to stop. Used once."""

    def __init__(  # noqa: PLR0913 (a composition root names each part)
        self,
        app: ASGIApp,
        host: str,
        port: int,
        *,
        tls: TlsPaths,
        drain: Drain,
        metrics: Metrics | None = None,
        timing: Timing | None = None,
        bounds: Bounds | None = None,
        plain: Sequence[Beside] = (),
        known: frozenset[str] = frozenset(),
        on_certificate: Callable[[], object] | None = None,
    ) -> None:
        """Load the certificate. Raises CertificateError.

        `drain` and `metrics` are those that `app` was built with. `known`: names of which a client's certificate may
        have one. `on_certificate` is called whenever a certificate was loaded.
        """
        self._app, self._host, self._port = app, host, port
        self._plain = plain
        self._drain = drain
        self._metrics = metrics or Metrics()
        self._timing = timing or Timing()
        self._bounds = bounds or Bounds()
        self._known = known
        self._certificate = Certificate(tls)
        self._on_certificate = on_certificate or (lambda: None)
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self.plain_ports: tuple[int, ...] = ()

    async def serve(self, on_ready: Callable[[str, int], object]) -> None:
        """Listen, call `on_ready(host, port)`, and serve until `stop`, SIGTERM or SIGINT; then drain and close.

        Raises OSError where it cannot listen. Signals are taken in the main thread only.
        """
        with contextlib.ExitStack() as unused:
            main = unused.enter_context(contextlib.closing(listen(self._host, self._port)))
            plain = [unused.enter_context(contextlib.closing(listen(one.host, one.port))) for one in self._plain]
            unused.pop_all()
        self.plain_ports = tuple(map(port_of, plain))
        port = port_of(main)
        with self._signals():
            async with asyncio.TaskGroup() as group:
                listeners = [*map(self._beside, self._plain, plain), self._tls(main)]
                for listener in listeners:
                    group.create_task(listener.serve())
                    await listener.serving.wait()
                reloading = group.create_task(self._reload())
                on_ready(self._host, port)
                await self._stop.wait()
                await self._drained()
                reloading.cancel()
                for listener in listeners:
                    listener.should_exit = True
        _log.info("stopped")

    def stop(self) -> None:
        """Begin to stop; a second time: do not wait for the drain. To be called on the event loop."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def reload(self) -> None:
        """Take up changed files at once, not at the next look. To be called on the event loop."""
        if self._certificate.reload():
            self._loaded()

    def _tls(self, listening: socket.socket) -> Listener:
        listener = Listener(
            _config(self._app, self._timing),
            listening,
            bounds=self._bounds,
            cut=self._metrics.cut("webhook"),
            context=lambda: self._certificate.context,
            known=self._known,
        )
        self._metrics.watch("webhook", listener.connections)
        return listener

    def _beside(self, plain: Beside, listening: socket.socket) -> Listener:
        bounds = structs.replace(self._bounds, connections=plain.connections)
        listener = Listener(
            _config(plain.app, self._timing),
            listening,
            bounds=bounds,
            cut=self._metrics.cut(plain.name),
            context=(lambda: self._certificate.context) if plain.tls else None,
        )
        self._metrics.watch(plain.name, listener.connections)
        return listener

    async def _drained(self) -> None:
        self._drain.begin()
        _log.info("stopping: not ready, closing in %g s", self._timing.drain)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), self._timing.drain)

    async def _reload(self) -> None:
        self._loaded()
        while True:
            await asyncio.sleep(self._timing.reload)
            self.reload()

    def _loaded(self) -> None:
        try:
            self._on_certificate()
        except Exception:  # noqa: BLE001 (nobody's interest in the certificate may end the serving of it)
            _log.exception("certificate callback failed")

    @contextlib.contextmanager
    def _signals(self) -> Generator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)


def _config(app: ASGIApp, timing: Timing) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=HttpToolsProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        workers=1,  # given, so that no environment variable is read
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=timing.keep_alive,
        timeout_graceful_shutdown=timing.finish,
    )
