"""The applications: reviews and probes over TLS, probes alone without; metrics where they may be told."""

import logging
from collections.abc import Coroutine
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from webhook.api.asgi import TEXT, Drain, reply
from webhook.api.backend import Backend, Check, Metrics, Reports
from webhook.api.concurrency_limits import Limits
from webhook.api.validate import Validate

_PATH: Final = "/validate"
_SILENT: Final = TelemetryConfig(tracing=False, metrics=False, logs=False, operation_spans=False, auto_configure=False)
_PLAIN: Final[dict[str, Any]] = {"openapi_url": None, "redirect_slashes": False, "telemetry": _SILENT}


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
    routes = [Route(_PATH, validate, methods=["POST"]), *_probes(backend, metrics, drain, telling=telling)]
    return _Reviews(validate, routes=routes, **_PLAIN)


def build_probes(backend: Backend, *, metrics: Metrics, drain: Drain, telling: bool = True) -> FastAPI:
    """Return the application for a listener without TLS: probes, and metrics and reasons where it is `telling`."""
    return _app(_probes(backend, metrics, drain, telling=telling))


def build_report(reports: Reports) -> FastAPI:
    """Return the application for a listener of its own with TLS: the report for whoever may see some of it."""
    return _app([Route("/report", Report(reports), methods=["GET"])])


def _probes(backend: Backend, metrics: Metrics, drain: Drain, *, telling: bool) -> list[BaseRoute]:
    routes: list[BaseRoute] = [
        Route("/livez", Livez(), methods=["GET"]),
        Route("/readyz", Readyz(backend, drain, telling=telling), methods=["GET"]),
    ]
    return [*routes, Route("/metrics", Scrape(metrics), methods=["GET"])] if telling else routes


def _app(routes: list[BaseRoute]) -> FastAPI:
    return FastAPI(routes=routes, **_PLAIN)


class _Reviews(FastAPI):
    """Reviews go to their endpoint at once; all else, another method on their path included, goes by the routes.

    The stack of middleware before the routes has nothing to do for them, and costs as much as the rest of HTTP.
    """

    def __init__(self, validate: Validate, **settings: Any) -> None:  # noqa: ANN401 (FastAPI's own)
        super().__init__(**settings)
        self._validate = validate

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"] == _PATH and scope["method"] == "POST":
            return self._validate(scope, receive, send)
        return super().__call__(scope, receive, send)


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


_HTML: Final = b"text/html; charset=utf-8"
_NOT_KEPT: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"frame-ancestors 'none'"),  # all else is in the page's own
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_ASK: Final = (b"www-authenticate", b'Bearer realm="netpol-preflight"')
_MOST_NAMESPACES: Final = 100  # that one request may name


class Report:
    """Who asks is known by the bearer token of its request (RFC 6750), and by nothing else: no cookie, no query."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer with the page, 401 (who?), 403 (nothing of it), 400 or 503."""
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        scheme, _, token = given[0].strip().partition(b" ") if len(given) == 1 else (b"", b"", b"")
        if scheme.lower() != b"bearer" or not token.strip() or not token.isascii():
            await reply(send, 401, b"expected a bearer token of the cluster", TEXT, _ASK, *_NOT_KEPT)
            return
        asked = parse_qsl(scope["query_string"].decode("latin-1"))
        names = tuple(dict.fromkeys(value for name, value in asked if name == "namespace"))
        if len(names) > _MOST_NAMESPACES:
            await reply(send, 400, b"expected at most %d namespaces" % _MOST_NAMESPACES, TEXT, *_NOT_KEPT)
            return
        try:
            told = await self._reports.report(token.strip().decode(), names)
        except Exception:  # noqa: BLE001 (logged; of a mistake of ours nobody is told anything)
            _log.exception("report failed")
            await reply(send, 500, b"internal error", TEXT, *_NOT_KEPT)
            return
        kind, ask = (_HTML, ()) if told.status == 200 else (TEXT, (_ASK,) if told.status == 401 else ())  # noqa: PLR2004 (HTTP's own)
        await reply(send, told.status, told.body, kind, *ask, *_NOT_KEPT)


def _verbose(query: bytes) -> bool:
    return any(name == "verbose" for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True))


def _line(check: Check) -> str:
    detail = " ".join(check.detail.split())  # one condition, one line
    if check.ok:
        return f"[+]{check.name} ok" + (f": {detail}" if detail else "")
    return f"[-]{check.name} {detail or 'failed'}"
