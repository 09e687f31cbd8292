"""How long the serving certificate is still good for: told to Prometheus and to whoever asks `/readyz?verbose`."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from webhook.api.backend import Answer, Backend, Check
from webhook.certificates.directory import life

_SOON: Final = timedelta(days=14)
_UNITS: Final = ((86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "seconds"))


class Gauge(Protocol):
    """Prometheus' gauge."""

    def set(self, value: float) -> None:
        """Set it."""
        ...


class Expiry:
    """The life of the certificate in `path`, noted whenever the server loads it."""

    def __init__(
        self,
        path: Path,
        gauge: Gauge,
        now: Callable[[], datetime],
        there: Callable[[], bool] = lambda: True,
        troubles: Callable[[], tuple[str, ...]] = lambda: (),
    ) -> None:
        """`there`: whether the file holds what API servers may trust; `troubles`: what to say besides."""
        self._path = path
        self._gauge = gauge
        self._now = now
        self._there = there
        self._troubles = troubles
        self._life: tuple[datetime, datetime] | None = None

    def loaded(self) -> None:
        """Note what the server has loaded. Raises TlsError."""
        if self._there():
            self._life = life(self._path)
            self._gauge.set(self._life[1].timestamp())

    def check(self) -> Check:
        """Return the condition: met as soon as there is a certificate, for an old one is better than none."""
        words = (_words(*self._life, self._now()),) if self._life else ("there is none yet",)
        return Check("certificate", self._life is not None, "; ".join((*words, *self._troubles())))


class WithCertificate:
    """A backend that is ready when its certificate is."""

    def __init__(self, backend: Backend, expiry: Expiry) -> None:
        self._backend = backend
        self._expiry = expiry

    def review(self, body: bytes, *, timeout: float | None) -> Answer:
        """Answer as the backend does."""
        return self._backend.review(body, timeout=timeout)

    def version(self) -> int | None:
        """Return the backend's."""
        return self._backend.version()

    def readiness(self) -> tuple[Check, ...]:
        """Return the backend's conditions, and the certificate's."""
        return (*self._backend.readiness(), self._expiry.check())


def _words(issued: datetime, end: datetime, now: datetime) -> str:
    if now >= end:
        return f"warning: expired on {end:%Y-%m-%d %H:%M:%S} UTC, {spoken(now - end)} ago"
    if end - now < min(_SOON, (end - issued) / 3):
        return f"warning: expires in {spoken(end - now)}, on {end:%Y-%m-%d %H:%M:%S} UTC"
    return f"expires on {end:%Y-%m-%d}"


def spoken(span: timedelta) -> str:
    """Return a time span in the largest unit of which it has two, rounded down: `13 days`, `30 hours`."""
    seconds = int(span.total_seconds())
    size, unit = next((pair for pair in _UNITS if seconds >= 2 * pair[0]), _UNITS[-1])
    return f"{seconds // size} {unit}"
