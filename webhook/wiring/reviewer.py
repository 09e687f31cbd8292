"""From the bytes of a review to the bytes of its answer, by the world of a source: the backend of `webhook.api`."""

import logging
from collections.abc import Callable
from datetime import date
from time import perf_counter, thread_time
from typing import Final

from msgspec import structs

from webhook.api.backend import INTERNAL_ERROR, NO_TIME, NOT_SYNCED, Answer, Check
from webhook.manifests import dump
from webhook.model.budget import TOO_MUCH, Budget
from webhook.report import admission
from webhook.review.decide import decide
from webhook.review.drafts import Decision
from webhook.wire.admission import AdmissionRequest, Untyped, admission_request, decoded
from webhook.wire.shapes import Malformed
from webhook.wire.typed import Typed
from webhook.wiring.source import Source
from webhook.world import View, World

_log: Final = logging.getLogger(__name__)
_NO_TIME: Final = 0.02  # seconds: with less left the answer would come too late to count
PROCESSOR: Final = 0.25  # seconds of it that one review may take; the loop is everybody's
STEPS: Final = 1_000_000  # what that is worth on no slow machine: the same review is not judged here and skipped there
NOT_EVALUATED: Final = "not-evaluated"
_MOST: Final = 512  # answers that are remembered, 16 KiB each at the most
_Key = tuple[bytes, date, str | None]


class Reviewer:
    """The backend of `webhook.api`. Nothing that goes wrong here stops a deployment."""

    def __init__(
        self,
        source: Source,
        today: Callable[[], date],
        steps: int = STEPS,
        more: Callable[[], tuple[Check, ...]] = tuple,
        processor: float = PROCESSOR,
    ) -> None:
        """Judge by the world of `source`, in so many steps and seconds. `more`: conditions besides the source's."""
        self._processor = processor
        self._more = more
        self._source = source
        self._today = today
        self._steps = steps
        self._answers: dict[_Key, Answer] = {}
        self._of: tuple[View | None, int | None] = (None, None)  # the world that they are about, and its version

    def readiness(self) -> tuple[Check, ...]:
        """Return the source's conditions, and others."""
        return (*self._source.checks(), *self._more())

    def version(self) -> int | None:
        """Return the source's."""
        return self._source.version()

    def review(self, body: bytes, *, timeout: float | None) -> Answer:
        """Answer one AdmissionReview: 400 where it is none, else 200."""
        budget = Budget(self._steps, _late(self._processor, timeout))
        asked, late = decoded(body), timeout is not None and timeout < _NO_TIME
        known = None if asked is None or late else self._known(asked)
        if known is not None:
            return known
        try:
            request = admission_request(body, asked)
        except Malformed as error:
            return Answer(400, f"{error}\n".encode(errors="replace"), "malformed")
        if late:
            return _allowed(request, NO_TIME)
        try:
            return self._judge(request, budget)
        except Exception:  # noqa: BLE001 - logged, and no deployment is stopped by our own mistake
            _log.exception("review of %s %s/%s failed", request.kind, request.namespace, request.name)
            return _allowed(request, INTERNAL_ERROR)

    def _known(self, asked: Typed | Untyped) -> Answer | None:
        """Return the answer to the same as it was asked before, in the same world."""
        try:
            view = self._source.view()
            answers = {} if view is None else self._remembered(view)
            known = answers.get((asked.digest, self._today(), self._source.stale())) if answers else None
        except Exception:  # noqa: BLE001 - it shows where the same is judged
            return None
        if known is None:
            return None
        body = admission.addressed(known.body, asked.uid)
        about = (("uid", asked.uid), *known.about[1:])
        return structs.replace(known, body=body, dry_run=asked.dry_run, about=about)

    def _judge(self, request: AdmissionRequest, budget: Budget) -> Answer:
        view = self._source.view()
        if view is None:
            return _allowed(request, NOT_SYNCED)
        today, stale = self._today(), self._source.stale()
        decision = decide(request, view, today, stale, budget)
        if decision.exhausted:
            return _allowed(request, TOO_MUCH)
        answer = _answer(request, decision)
        if request.digest and not decision.left_out:
            self._remembered(view)[request.digest, today, stale] = answer
        return answer

    def _remembered(self, view: View) -> dict[_Key, Answer]:
        """Return the answers to what was asked of the world as it is: none is kept beyond its next change."""
        version = view.version if isinstance(view, World) else None
        if self._of[0] is not view or self._of[1] != version or version is None or len(self._answers) >= _MOST:
            self._answers, self._of = {}, (view, version)
        return self._answers


def _answer(request: AdmissionRequest, decision: Decision) -> Answer:
    body = admission.encode(decision, dump)
    told = ",".join(sorted({finding.id for finding in decision.findings}))
    about = (*_about(request), *((("findings", told),) if told else ()))
    outcome = admission.outcome(decision)
    return Answer(200, body, outcome, str(decision.mode), request.dry_run, about, left_out=decision.left_out)


def _late(seconds: float, timeout: float | None) -> Callable[[float], bool]:
    """Return what says that a review that begins here has taken a share of its time: its answer must arrive."""
    began_thread, began = thread_time(), perf_counter()

    def late(share: float) -> bool:
        passed = perf_counter() - began  # no less than the processor's time, which takes a system call to ask for
        if passed > share * seconds and thread_time() > began_thread + share * seconds:
            return True
        return timeout is not None and passed > share * (timeout - _NO_TIME)

    return late


def _allowed(request: AdmissionRequest, reason: str) -> Answer:
    about = (*_about(request), ("reason", reason))
    body = admission.not_evaluated(request.uid, reason)
    return Answer(200, body, NOT_EVALUATED, dry_run=request.dry_run, about=about, reason=reason)


def _about(request: AdmissionRequest) -> tuple[tuple[str, str], ...]:
    return (
        ("uid", request.uid),
        ("operation", request.operation),
        ("kind", request.kind),
        ("namespace", request.namespace),
        ("name", request.name),
    )
