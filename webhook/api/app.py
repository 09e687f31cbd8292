"""The applications: everything for the TLS port, and probes and metrics alone for a plain one."""

from typing import Final

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.routing import BaseRoute, Route

from webhook.api.backend import Backend
from webhook.api.drain import Drain
from webhook.api.gate import Gate, Limits
from webhook.api.metrics import Metrics
from webhook.api.probes import Livez, Readyz, Scrape
from webhook.api.validate import Validate

_SILENT: Final = TelemetryConfig(tracing=False, metrics=False, logs=False, operation_spans=False, auto_configure=False)


def build_app(
    backend: Backend, limits: Limits | None = None, *, metrics: Metrics | None = None, drain: Drain | None = None
) -> FastAPI:
    """Return the application for the API server: reviews, probes and metrics; anything else is 404.

    `metrics` and `drain` are shared with `build_probes` and with the server; those not given are the application's own.
    """
    metrics, drain = metrics or Metrics(), drain or Drain()
    validate = Validate(backend, Gate(limits or Limits()), metrics, drain)
    return _app([Route("/validate", validate, methods=["POST"]), *_probes(backend, metrics, drain)])


def build_probes(backend: Backend, *, metrics: Metrics, drain: Drain) -> FastAPI:
    """Return the application for a listener without TLS: probes and metrics, no reviews."""
    return _app(_probes(backend, metrics, drain))


def _probes(backend: Backend, metrics: Metrics, drain: Drain) -> list[BaseRoute]:
    return [
        Route("/livez", Livez(), methods=["GET"]),
        Route("/readyz", Readyz(backend, drain), methods=["GET"]),
        Route("/metrics", Scrape(metrics), methods=["GET"]),
    ]


def _app(routes: list[BaseRoute]) -> FastAPI:
    return FastAPI(routes=routes, openapi_url=None, redirect_slashes=False, telemetry=_SILENT)
