"""A server to be measured: the webhook as `serve` wires it, or handlers that only decode and allow, on the same stack.

python -m tests.benchmarks.server KIND TLS_DIR PODS POLICIES SERVICES; says `ready https://HOST:PORT` on stdout.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Final

import msgspec
import uvloop
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.benchmarks.synthetic import Raw, Sizes
from tests.benchmarks.world import build, encoded
from webhook.api.app import build_app
from webhook.api.asgi import Drain
from webhook.api.backend import Answer, Check
from webhook.api.listener import TlsPaths
from webhook.api.server import Server
from webhook.certificates.directory import ensure
from webhook.families import project
from webhook.wiring.serve import Serving, serve
from webhook.world import Put, View, World
from webhook.world.changes import key_of

HOST: Final = "127.0.0.1"
PREFLIGHT: Final = "netpol-preflight"
BARE_JSON: Final = "FastAPI, json"
BARE_MSGSPEC: Final = "FastAPI, msgspec"
OWN_HTTP: Final = "webhook.api alone"
BUSY: Final = "netpol-preflight with 1,000 events/s"
KINDS: Final = (PREFLIGHT, BUSY, BARE_JSON, BARE_MSGSPEC, OWN_HTTP)
_PAUSE: Final = 0.02  # seconds between batches, as `wiring.informer_cache` makes them
_BATCH: Final = 20  # events: 1,000 a second
_COMES: Final = 5  # every so many a pod comes, and goes with the next of these; the others say nothing new to policy
_SILENT: Final = TelemetryConfig(tracing=False, metrics=False, logs=False, operation_spans=False, auto_configure=False)


class Fixed:
    """A source whose world is there from the beginning and never changes."""

    def __init__(self, world: World) -> None:
        self._world = world

    def view(self) -> View | None:
        return self._world

    def version(self) -> None:
        return None  # no denial is held back to see whether the world changes: that takes 250 ms, and no work

    def stale(self) -> str | None:
        return None

    def collectors(self) -> tuple[Collector, ...]:
        return ()

    def checks(self) -> tuple[Check, ...]:
        return (Check("source", ok=True),)

    async def ready(self) -> None:
        return

    async def run(self) -> None:
        await asyncio.Event().wait()


class Busy(Fixed):
    """A world that hears events: read from JSON and applied, beside the reviews on one loop."""

    def __init__(self, world: World, pods: list[bytes]) -> None:
        super().__init__(world)
        self._pods = pods

    async def run(self) -> None:
        turn = 0
        while True:
            begun = perf_counter()
            for _ in range(_BATCH):
                turn += 1
                self._hear(turn, msgspec.json.decode(self._pods[turn % len(self._pods)]))
            await asyncio.sleep(max(0.0, _PAUSE - (perf_counter() - begun)))

    def _hear(self, turn: int, raw: Raw) -> None:
        comes, odd = turn % _COMES == 0, turn // _COMES % 2
        if comes:
            raw["metadata"]["name"] = "comes-and-goes"
        value = project(raw)
        assert value is not None
        self._world.apply([key_of(value) if comes and odd else Put(value)])


class Allowing:
    """A backend that only decodes and allows: what `webhook.api` itself costs."""

    def review(self, body: bytes, *, timeout: float | None) -> Answer:  # noqa: ARG002 - the protocol's
        return Answer(200, msgspec.json.encode(_allowed(msgspec.json.decode(body))), "allowed", "warn")

    def version(self) -> None:
        return None

    def readiness(self) -> tuple[Check, ...]:
        return ()


def _allowed(review: dict[str, dict[str, object]]) -> dict[str, object]:
    response = {"uid": review["request"]["uid"], "allowed": True}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


def bare(kind: str) -> FastAPI:
    """Return the least that anybody would write with FastAPI: decode, allow."""
    app = FastAPI(openapi_url=None, telemetry=_SILENT)

    if kind == BARE_JSON:

        @app.post("/validate")
        async def validate(request: Request) -> Response:
            return JSONResponse(_allowed(json.loads(await request.body())))

    else:

        @app.post("/validate")
        async def validate_fast(request: Request) -> Response:
            answer = msgspec.json.encode(_allowed(msgspec.json.decode(await request.body())))
            return Response(answer, media_type="application/json")

    return app


def _plain(kind: str, directory: Path) -> None:
    files = ensure(directory, [], datetime.now(UTC))
    drain = Drain()
    app = build_app(Allowing(), drain=drain) if kind == OWN_HTTP else bare(kind)
    server = Server(app, HOST, 0, tls=TlsPaths(files.cert, files.key), drain=drain)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(lambda host, port: _ready(f"https://{host}:{port}")))


def _ready(address: str) -> None:
    print("ready", address, flush=True)  # noqa: T201 - how the benchmark learns the port


def main(kind: str, directory: str, *sizes: str) -> None:
    if kind in (PREFLIGHT, BUSY):
        every = encoded(Sizes(*map(int, sizes)))
        pods = [text for text in every if b'"kind":"Pod"' in text][: _BATCH * 100]
        world = build(every).world
        source = Fixed(world) if kind == PREFLIGHT else Busy(world, pods)
        serve(source, Serving((HOST, 0), directory=Path(directory)), _ready)
    else:
        _plain(kind, Path(directory))


if __name__ == "__main__":
    main(*sys.argv[1:])
