"""The applications: reviews and probes over TLS, probes alone without; metrics where they may be told."""

from typing import Final

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.routing import BaseRoute, Route

from webhook.api.backend import Backend
from webhook.api.drain import Drain
from webhook.api.gate import Limits
from webhook.api.metrics import Metrics
from webhook.api.probes import Livez, Readyz, Scrape
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
