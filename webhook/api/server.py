"""uvicorn, run from inside: TLS, an optional plain listener, certificates that change, and a quiet end."""

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Callable, Generator
from typing import Final

import uvicorn
from msgspec import Struct
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from webhook.api.certificate import Certificate, TlsPaths
from webhook.api.drain import Drain
from webhook.api.sockets import BACKLOG, listen, port_of

_log: Final = logging.getLogger(__name__)
_GOOD_BYE: Final = 1.0  # seconds
_LOOK: Final = 0.1  # seconds
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


class Probes(Struct, frozen=True):
    """The second listener, without TLS."""

    app: ASGIApp
    host: str
    port: int


class _Uvicorn(uvicorn.Server):
    """One listener. Signals belong to the `Server` that may run two of them."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.serving.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        cutting = asyncio.create_task(self._cut_idle())
        try:
            await super().shutdown(sockets)
        finally:
            cutting.cancel()
            self._cut(lambda _: True)

    async def _cut_idle(self) -> None:
        """Wait a little, not 30 s, for clients that do not answer TLS' good-bye; requests have `Timing.finish`."""
        await asyncio.sleep(_GOOD_BYE)
        while True:
            self._cut(lambda protocol: getattr(protocol.cycle, "response_complete", True))  # None: it never asked
            await asyncio.sleep(_LOOK)

    def _cut(self, which: Callable[[HttpToolsProtocol], bool]) -> None:
        for protocol in tuple(self.server_state.connections):
            if isinstance(protocol, HttpToolsProtocol) and which(protocol):
                protocol.transport.abort()


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
        timing: Timing | None = None,
        probes: Probes | None = None,
        on_certificate: Callable[[], object] | None = None,
    ) -> None:
        """Load the certificate. Raises CertificateError.

        `drain` is the one that `app` was built with. `on_certificate` is called whenever a certificate was loaded.
        """
        self._app, self._host, self._port = app, host, port
        self._probes = probes
        self._drain = drain
        self._timing = timing or Timing()
        self._certificate = Certificate(tls)
        self._on_certificate = on_certificate or (lambda: None)
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self.probes_port: int | None = None

    async def serve(self, on_ready: Callable[[str, int], object]) -> None:
        """Listen, call `on_ready(host, port)`, and serve until `stop`, SIGTERM or SIGINT; then drain and close.

        Raises OSError where it cannot listen. Signals are taken in the main thread only.
        """
        with contextlib.ExitStack() as unused:
            main = unused.enter_context(contextlib.closing(listen(self._host, self._port)))
            todo: list[tuple[ASGIApp, socket.socket, Certificate | None]] = [(self._app, main, self._certificate)]
            if self._probes:
                plain = unused.enter_context(contextlib.closing(listen(self._probes.host, self._probes.port)))
                self.probes_port = port_of(plain)
                todo.insert(0, (self._probes.app, plain, None))
            unused.pop_all()
        port = port_of(main)
        with self._signals():
            async with asyncio.TaskGroup() as group:
                servers = [await self._launch(group, *one) for one in todo]
                reloading = group.create_task(self._reload())
                on_ready(self._host, port)
                await self._stop.wait()
                await self._drained()
                reloading.cancel()
                for server in servers:
                    server.should_exit = True
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

    async def _launch(
        self, group: asyncio.TaskGroup, app: ASGIApp, listener: socket.socket, certificate: Certificate | None
    ) -> _Uvicorn:
        server = _Uvicorn(_config(app, self._timing, certificate))
        group.create_task(server.serve(sockets=[listener]))
        await server.serving.wait()
        return server

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


def _config(app: ASGIApp, timing: Timing, certificate: Certificate | None) -> uvicorn.Config:
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
        backlog=BACKLOG,
        timeout_keep_alive=timing.keep_alive,
        timeout_graceful_shutdown=timing.finish,
        ssl_context_factory=(lambda _config, _default: certificate.context) if certificate else None,
    )
