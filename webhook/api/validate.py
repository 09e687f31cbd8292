"""`POST /validate`: from bytes to bytes."""

import asyncio
import logging
from collections.abc import Callable
from time import perf_counter
from typing import Final

from msgspec import Struct, json
from starlette.types import Receive, Scope, Send

from webhook.api.asgi import (
    CLOSE,
    JSON,
    TEXT,
    Arrival,
    Arrivals,
    Drain,
    GivenUpError,
    GoneError,
    Header,
    RefusedError,
    check_headers,
    read_body,
    reply,
)
from webhook.api.backend import FIELDS, INTERNAL_ERROR, Answer, Backend, Metrics
from webhook.api.concurrency_limits import ConcurrencyLimit, Limits, OverloadedError
from webhook.api.protocol import KNOWN, WHOLE
from webhook.model.budget import timeout_of

_log: Final = logging.getLogger(__name__)
_LAST: Final = frozenset({403, 408})  # the rest of the body must not be taken for a new request, nor is one welcome
_DENIED: Final = "denied"
# Seconds before a denial is looked at again, 250 ms in all: what was applied just before it may still be on its way to
# our world. Most watch events take less than the first of these.
_SECOND_LOOKS: Final = (0.025, 0.05, 0.175)
_QUIET: Final = frozenset({"allowed"})  # most of them, and nothing to know about
_TO_SPARE: Final = 0.1  # seconds that must be left after a look for the answer to arrive in time


class Validate:
    """The endpoint as a bare ASGI application: request and response objects would cost more than the review."""

    def __init__(
        self, backend: Backend, limits: Limits, metrics: Metrics, drain: Drain, *, only_known: bool = False
    ) -> None:
        """`only_known`: ask for a client certificate that the server knows."""
        self._backend = backend
        self._concurrency = concurrency = ConcurrencyLimit(limits)
        self._arrivals = arrivals = Arrivals(limits)
        self._metrics = metrics
        self._drain = drain
        self._only_known = only_known
        self._retry_after = (b"retry-after", b"%d" % limits.retry_after)
        metrics.in_flight.set_function(lambda: concurrency.inside)
        metrics.receiving.set_function(lambda: len(arrivals))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request: a review, or why there is none (403, 408, 413, 415, 503)."""
        more: tuple[Header, ...] = (CLOSE,) if self._drain.begun else ()
        try:
            answer = await self._answer(scope, receive)
        except OverloadedError as overloaded:
            self._metrics.shed.inc()
            if isinstance(overloaded, GivenUpError):
                self._metrics.bodies_shed.inc()
                more = (CLOSE,)
            await reply(send, 503, b"too many requests at once: try again\n", TEXT, self._retry_after, *more)
        except RefusedError as refused:
            self._metrics.refuse(refused.status)
            if refused.status in _LAST:
                more = (CLOSE,)
            await reply(send, refused.status, f"{refused}\n".encode(), TEXT, *more)
        except GoneError:
            _log.debug("client left before its body was complete")
        else:
            await reply(send, answer.status, answer.body, JSON if answer.status == 200 else TEXT, *more)  # noqa: PLR2004 (OK)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        started = perf_counter()
        limits = self._concurrency.limits
        state = scope.get("state", {})  # which a server need not have
        if self._only_known and not state.get(KNOWN):
            raise RefusedError(403, "client certificate: expected the API server's")
        check_headers(scope["headers"], limits.body_bytes)
        granted = timeout_of(scope["query_string"])
        address, _ = scope.get("client") or ("", 0)
        with Arrival(self._arrivals, address) as arrival:
            body = await read_body(receive, arrival, limits, whole=state.get(WHOLE, False))
            with self._concurrency.pass_through(address):
                return await self._reviewed(body, address, granted, started)

    async def _reviewed(self, body: bytes, address: str, granted: float | None, started: float) -> Answer:
        await self._concurrency.turn(address)

        def left() -> float | None:
            return None if granted is None else max(0.0, granted - (perf_counter() - started))

        begun = perf_counter()
        answer = self._review(body, left())
        if answer.outcome == _DENIED:
            took = perf_counter() - begun
            answer = await self._second_looks(body, address, answer, left, took)
        seconds = perf_counter() - started
        self._metrics.answered(answer, seconds)
        _tell(answer, seconds)
        return answer

    async def _second_looks(
        self, body: bytes, address: str, answer: Answer, left: Callable[[], float | None], took: float
    ) -> Answer:
        """Wait a little for the world to catch up, and return the last answer: the first that is no denial, if any.

        A look that may not end in time is not begun: the answer is about the world as it was. Where the world has
        changed and a look at it does not get to its end, that is the answer: nothing was judged, and it says why.
        `took`: seconds that a look takes.
        """
        judged = self._backend.version()
        if judged is None:
            return answer
        for seconds in _SECOND_LOOKS:
            remaining = left()
            if remaining is not None and remaining < seconds + took + _TO_SPARE:
                break
            await asyncio.sleep(seconds)
            if self._backend.version() == judged:
                continue
            await self._concurrency.turn(address)
            judged = self._backend.version()
            answer = self._review(body, left())
            if answer.outcome != _DENIED:
                break
        return answer

    def _review(self, body: bytes, timeout: float | None) -> Answer:
        try:
            return self._backend.review(body, timeout=timeout)
        except Exception:  # noqa: BLE001 (whatever it is, a deployment must not fail for it)
            _log.exception("review failed")
            return fail_open(body)


def _tell(answer: Answer, seconds: float) -> None:
    """Log what was answered, never what was asked."""
    level = logging.DEBUG if answer.outcome in _QUIET else logging.INFO
    if _log.isEnabledFor(level):
        fields = {"mode": answer.mode, "dryRun": answer.dry_run, "seconds": round(seconds, 6), **dict(answer.about)}
        _log.log(level, "review %s", answer.outcome, extra={FIELDS: fields})


# -- the answer to a backend that raised; leans on nothing that may have failed with it --------------------------------


class _Request(Struct):
    uid: str


class _Review(Struct):
    request: _Request


_DECODER: Final = json.Decoder(_Review)


def fail_open(body: bytes) -> Answer:
    """Allow the request that `body` carries, saying in an audit annotation that nothing was judged.

    Without a uid to echo no AdmissionReview is valid (k8s.io/apiserver, webhook/request VerifyAdmissionResponse): then
    status 500, which the API server answers by the webhook's failurePolicy.
    """
    try:
        uid = _DECODER.decode(body).request.uid
    except (ValueError, RecursionError):
        uid = ""
    if not uid:
        return Answer(500, b"internal error\n", "error")
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": uid, "allowed": True, "auditAnnotations": {"not-evaluated": INTERNAL_ERROR}},
    }
    return Answer(200, json.encode(review), "not-evaluated", reason=INTERNAL_ERROR)
