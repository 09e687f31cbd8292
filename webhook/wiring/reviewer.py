"""One review: bytes -> request -> decision -> bytes, and what happens when that does not work out."""

import logging
from collections.abc import Callable
from datetime import date
from typing import Final

from webhook.api.backend import Answer, Check
from webhook.manifests import dump
from webhook.report import admission
from webhook.review import decide
from webhook.wire.admission import AdmissionRequest, admission_request
from webhook.wire.shapes import Malformed
from webhook.wiring.source import Source

_log: Final = logging.getLogger(__name__)
_NO_TIME: Final = 0.02  # seconds: with less left the answer would come too late to count
NOT_EVALUATED: Final = "not-evaluated"


class Reviewer:
    """The backend of `webhook.api`. Nothing that goes wrong here stops a deployment."""

    def __init__(self, source: Source, today: Callable[[], date]) -> None:
        """Judge by the world of `source`; exemptions end by the day that `today` returns."""
        self._source = source
        self._today = today

    def readiness(self) -> tuple[Check, ...]:
        """Return the source's conditions."""
        return self._source.checks()

    def version(self) -> int | None:
        """Return the source's."""
        return self._source.version()

    def review(self, body: bytes, *, timeout: float | None) -> Answer:
        """Answer one AdmissionReview: 400 where it is none, else 200."""
        try:
            request = admission_request(body)
        except Malformed as error:
            return Answer(400, f"{error}\n".encode(errors="replace"), "malformed")
        if timeout is not None and timeout < _NO_TIME:
            return _allowed(request, "no time left")
        try:
            return self._judge(request)
        except Exception:  # noqa: BLE001 - logged, and no deployment is stopped by our own mistake
            _log.exception("review of %s %s/%s failed", request.kind, request.namespace, request.name)
            return _allowed(request, "internal error")

    def _judge(self, request: AdmissionRequest) -> Answer:
        view = self._source.view()
        if view is None:
            return _allowed(request, "not synced")
        decision = decide(request, view, self._today(), self._source.stale())
        body = admission.encode(decision, dump)
        told = ",".join(sorted({finding.id for finding in decision.findings}))
        about = (*_about(request), *((("findings", told),) if told else ()))
        return Answer(200, body, admission.outcome(decision), decision.mode.value, request.dry_run, about)


def _allowed(request: AdmissionRequest, reason: str) -> Answer:
    about = (*_about(request), ("reason", reason))
    return Answer(
        200, admission.not_evaluated(request.uid, reason), NOT_EVALUATED, dry_run=request.dry_run, about=about
    )


def _about(request: AdmissionRequest) -> tuple[tuple[str, str], ...]:
    return (
        ("uid", request.uid),
        ("operation", request.operation),
        ("kind", request.kind),
        ("namespace", request.namespace),
        ("name", request.name),
    )
