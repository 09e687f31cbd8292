"""The applications: reviews and probes over TLS, probes alone without; metrics where they may be told."""

import logging
from typing import Final
from urllib.parse import parse_qsl

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from webhook.api.asgi import Drain, reply
from webhook.api.backend import Backend, Check
from webhook.api.concurrency_limits import Limits
from webhook.api.metrics import Metrics
from webhook.api.validate import Validate

_SILENT: Final = TelemetryConfig(tracing=False, metrics=False, logs=False, operation_spans=False, auto_configure=False)


def build_app(
    backend: Backend,
    limits: Limits | None = None,
    *,
    metrics: Metrics | None = None,
    drain: Drain | None = None,
    only_known: bool = False,
    telling: bool = True,
) -> FastAPI:
    """Return the application for the API server: reviews and probes; anything else is 404.

    `metrics` and `drain` are shared with `build_probes` and with the server; those not given are the application's own.
    `only_known`: review only for clients with a certificate that the server knows. `telling`: metrics and reasons, too.
    """
    metrics, drain = metrics or Metrics(), drain or Drain()
    validate = Validate(backend, limits or Limits(), metrics, drain, only_known=only_known)
    return _app([Route("/validate", validate, methods=["POST"]), *_probes(backend, metrics, drain, telling=telling)])


def build_probes(backend: Backend, *, metrics: Metrics, drain: Drain, telling: bool = True) -> FastAPI:
    """Return the application for a listener without TLS: probes, and metrics and reasons where it is `telling`."""
    return _app(_probes(backend, metrics, drain, telling=telling))


def _probes(backend: Backend, metrics: Metrics, drain: Drain, *, telling: bool) -> list[BaseRoute]:
    routes: list[BaseRoute] = [
        Route("/livez", Livez(), methods=["GET"]),
        Route("/readyz", Readyz(backend, drain, telling=telling), methods=["GET"]),
    ]
    return [*routes, Route("/metrics", Scrape(metrics), methods=["GET"])] if telling else routes


def _app(routes: list[BaseRoute]) -> FastAPI:
    return FastAPI(routes=routes, openapi_url=None, redirect_slashes=False, telemetry=_SILENT)


# -- `GET /livez`, `/readyz` and `/metrics` ----------------------------------------------------------------------------


_log: Final = logging.getLogger(__name__)


class Livez:
    """The event loop turns."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer 200, always."""
        await reply(send, 200, b"ok")


class Readyz:
    """Whether reviews should be sent here. `?verbose` lists every condition as the API server's own probe does."""

    def __init__(self, backend: Backend, drain: Drain, *, telling: bool) -> None:
        """`telling`: whether `?verbose` is answered, or overlooked."""
        self._telling = telling
        self._backend = backend
        self._drain = drain

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer 200 or 503."""
        checks = self._checks()
        ready = all(check.ok for check in checks)
        if self._telling and _verbose(scope["query_string"]):
            lines = [*map(_line, checks), f"readyz check {'passed' if ready else 'failed'}"]
            text = "".join(f"{line}\n" for line in lines)
        else:
            text = "ok" if ready else "not ready"
        await reply(send, 200 if ready else 503, text.encode(errors="replace"))

    def _checks(self) -> tuple[Check, ...]:
        serving = Check("serving", not self._drain.begun, "shutting down" if self._drain.begun else "")
        try:
            return (serving, *self._backend.readiness())
        except Exception:  # noqa: BLE001 (a probe always answers)
            _log.exception("readiness failed")
            return (serving, Check("readiness", ok=False, detail="internal error"))


class Scrape:
    """Prometheus' text format."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer with everything that is registered."""
        await reply(send, 200, self._metrics.text(), self._metrics.content_type)


def _verbose(query: bytes) -> bool:
    return any(name == "verbose" for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True))


def _line(check: Check) -> str:
    detail = " ".join(check.detail.split())  # one condition, one line
    if check.ok:
        return f"[+]{check.name} ok" + (f": {detail}" if detail else "")
    return f"[-]{check.name} {detail or 'failed'}"
