"""`GET /livez`, `/readyz` and `/metrics`: for the kubelet, for Prometheus, and for whoever wonders why."""

import logging
from typing import Final
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from webhook.api.backend import Backend, Check
from webhook.api.drain import Drain
from webhook.api.metrics import Metrics
from webhook.api.replies import reply

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
