"""A real server over real TLS for tests of HTTP: in a thread of this process, or as a program of its own."""

import asyncio
import json
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPSConnection
from itertools import count
from pathlib import Path

import uvloop
from fastapi import FastAPI

from tests.support.patience import PATIENCE
from webhook.api.app import build_app, build_probes
from webhook.api.asgi import Drain
from webhook.api.backend import Answer, Check, Metrics
from webhook.api.concurrency_limits import Bounds, Limits
from webhook.api.listener import TlsPaths
from webhook.api.server import Beside, Server, Timing
from webhook.certificates.directory import TlsFiles, ensure

JSON = {"content-type": "application/json"}
HOST = "127.0.0.1"


class Echo:
    """A backend that does what its requests ask for, faults included."""

    def __init__(self) -> None:
        self.seen: list[tuple[bytes, float | None]] = []
        self.checks: tuple[Check, ...] = (Check("pods-synced", ok=True),)
        self.broken = False
        self._news = count()

    def review(self, body: bytes, *, timeout: float | None) -> Answer:
        self.seen.append((body, timeout))
        try:
            request = json.loads(body)["request"]
            uid = request["uid"]
        except (ValueError, LookupError, TypeError):
            if self.broken:
                raise
            return Answer(400, b"body: expected an AdmissionReview\n", "malformed")
        if request.get("fail"):
            raise RuntimeError("secret detail")
        time.sleep(request.get("seconds", 0))  # a review keeps the event loop busy, as a real one does
        outcome, mode = request.get("outcome", "allowed"), request.get("mode", "warn")
        return Answer(200, review_of(uid), outcome, mode, request.get("dryRun", False))

    def version(self) -> int:
        return next(self._news)  # there always are some

    def readiness(self) -> tuple[Check, ...]:
        if self.broken:
            raise RuntimeError("secret detail")
        return self.checks


def review_of(uid: str) -> bytes:
    return json.dumps({"response": {"uid": uid, "allowed": True}}).encode()


def request_of(uid: str, **more: object) -> bytes:
    return json.dumps({"request": {"uid": uid, **more}}).encode()


class Running:
    """A server that runs in a thread."""

    def __init__(self, app: FastAPI, server: Server, backend: Echo, metrics: Metrics, files: TlsFiles) -> None:
        self.app, self.server, self.backend, self.metrics, self.files = app, server, backend, metrics, files
        self.port = 0
        self.loop: asyncio.AbstractEventLoop | None = None
        self.error: BaseException | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                self.loop = runner.get_loop()
                runner.run(self.server.serve(self._on_ready))
        except BaseException as error:  # noqa: BLE001 (handed to the thread that waits)
            self.error = error
            self._ready.set()

    def _on_ready(self, _host: str, port: int) -> None:
        self.port = port
        self._ready.set()

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        if self.error:
            raise self.error

    def stop(self) -> None:
        if self._thread.is_alive() and self.loop:
            self.loop.call_soon_threadsafe(self.server.stop)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        if self.error:
            raise self.error

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.files.ca))

    def connect(self) -> HTTPSConnection:
        return HTTPSConnection(HOST, self.port, context=self.context(), timeout=PATIENCE)

    def raw(self) -> ssl.SSLSocket:
        return self.context().wrap_socket(socket.create_connection((HOST, self.port), PATIENCE), server_hostname=HOST)

    def post(self, body: bytes, headers: dict[str, str] | None = None, query: str = "") -> "Reply":
        return self.ask("POST", "/validate" + query, body, JSON if headers is None else headers)

    def get(self, path: str) -> "Reply":
        return self.ask("GET", path)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> "Reply":
        connection = self.connect()
        try:
            return exchange(connection, method, path, body, headers)
        finally:
            connection.close()

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"netpol_preflight_{name}", labels) or 0.0


class Reply:
    """A response, read to its end."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def uid(self) -> str:
        uid = json.loads(self.body)["response"]["uid"]
        assert isinstance(uid, str)
        return uid


def exchange(
    connection: HTTPConnection, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> Reply:
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())


@contextmanager
def serving(
    directory: Path,
    *,
    limits: Limits | None = None,
    timing: Timing | None = None,
    bounds: Bounds | None = None,
    plain_connections: int = 100,
    client_ca: Path | None = None,
    known: frozenset[str] = frozenset(),
    host: str = HOST,
    port: int = 0,
    on_certificate: Callable[[], object] | None = None,
) -> Generator[Running]:
    files = ensure(directory, [], datetime.now(UTC))
    backend, metrics, drain = Echo(), Metrics(), Drain()
    app = build_app(backend, limits, metrics=metrics, drain=drain, only_known=client_ca is not None)
    server = Server(
        app,
        host,
        port,
        tls=TlsPaths(files.cert, files.key, client_ca),
        drain=drain,
        timing=timing,
        bounds=bounds,
        metrics=metrics,
        plain=[Beside(build_probes(backend, metrics=metrics, drain=drain), HOST, 0, connections=plain_connections)],
        known=known,
        on_certificate=on_certificate,
    )
    running = Running(app, server, backend, metrics, files)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def main(directory: str, drain_seconds: str) -> None:
    """Serve as a program, saying `ready PORT PROBES_PORT` on stdout."""
    files = ensure(Path(directory), [], datetime.now(UTC))
    backend, metrics, drain = Echo(), Metrics(), Drain()
    server = Server(
        build_app(backend, metrics=metrics, drain=drain),
        HOST,
        0,
        tls=TlsPaths(files.cert, files.key),
        drain=drain,
        timing=Timing(drain=float(drain_seconds)),
        plain=[Beside(build_probes(backend, metrics=metrics, drain=drain), HOST, 0)],
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(lambda _, port: print("ready", port, server.plain_ports[0], flush=True)))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
