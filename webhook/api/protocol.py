"""uvicorn's HTTP/1.1, bounded: its parser takes a head of any size, at any pace, and so do its queues."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import httptools
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from webhook.api.concurrency_limits import Bounds, Member, Phase

KNOWN: Final = "known"  # of a request's state: whether the client has shown a certificate with a name that we look for
WHOLE: Final = "whole"  # of a request's state: whether all of its body has arrived
_BAD_REQUEST: Final = 400
_TIMEOUT: Final = 408
_TOO_LARGE: Final = 413
_HEAD_TOO_LARGE: Final = 431
_TICK: Final = 0.001  # seconds: an event loop's clock knows no less
_FAREWELL: Final = 0.2  # seconds for a refusal to leave: until it is closed, TLS goes on to read what nobody wants


class _TooMuchError(Exception):
    """A head that is not read to its end."""


class _EarlyError(Exception):
    """A request before the one before it has been answered."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. `cut` is told the reason, a few fixed words, of every end that the client did not want."""

    def __init__(
        self,
        config: Config,
        state: ServerState,
        *,
        bounds: Bounds,
        member: Member,
        known: frozenset[str],
        leave: Callable[[Member], object],
        cut: Callable[[str], object],
    ) -> None:
        super().__init__(config, state, {})
        self._bounds, self._member, self._leave, self._cut = bounds, member, leave, cut
        self._known = known
        self._timer: asyncio.TimerHandle | None = None
        self._rings = self._deadline = 0.0  # when the timer does, and when it is `_late`: not before that
        self._late: Callable[[], object] = lambda: None
        self._in_body = False
        self._deaf = False  # what follows is not read: the connection ends after the answer that is due
        self._idle_bytes = 0  # since the last byte of a body, or the end of a head
        self._body_bytes = 0

    # -- asyncio

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's does
        """Take the connection over from its handshake."""
        super().connection_made(transport)
        self._member.known = not self._known.isdisjoint(names_in(transport.get_extra_info("peercert")))
        self._member.abort = transport.abort
        self._await_request(Phase.SILENT)
        if self._member.dropped:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room for another."""
        self._leave(self._member)
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse no more than what there is room for."""
        view = memoryview(data)
        while view and not self._deaf and not self.transport.is_closing():
            if not self._in_body and self._member.phase in {Phase.SILENT, Phase.IDLE}:
                self._enter(Phase.HEAD, self._bounds.head_seconds, self._head_late)
            size = len(view) if self._in_body else self._bounds.head_bytes - self._idle_bytes
            self._feed(view[:size])
            view = view[size:]

    def _feed(self, piece: memoryview) -> None:
        was_in_body = self._in_body
        self._idle_bytes += len(piece)
        if was_in_body:
            self._body_bytes += len(piece)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            self._end_after_answer()  # to nothing that we speak
        except httptools.HttpParserError as error:
            self._refuse(error.__context__)
        else:
            if self._idle_bytes >= self._bounds.head_bytes:
                self._refuse(None if self._in_body else _TooMuchError())
            elif self._in_body and self._body_bytes > self._bounds.body_bytes:
                self._end(_TOO_LARGE, "body-size")

    # -- the parser

    def on_message_begin(self) -> None:
        """Refuse a request before the one before it is answered: their queue would be endless."""
        if not getattr(self.cycle, "response_complete", True):  # None: nothing was ever asked
            raise _EarlyError
        super().on_message_begin()
        self.scope["state"] |= {KNOWN: self._member.known, WHOLE: False}

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count headers; trailers have come too late to be heard."""
        if len(self.headers) >= self._bounds.headers:
            raise _TooMuchError
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin with the body."""
        super().on_headers_complete()
        self._in_body = True
        self._idle_bytes = self._body_bytes = 0
        self._enter(Phase.BODY, self._bounds.body_seconds, self._body_late)

    def on_body(self, body: bytes) -> None:
        """Note that it is a body what arrives."""
        self._idle_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Begin with the answer, or with the next request where it has been given already."""
        super().on_message_complete()
        self.scope["state"][WHOLE] = True
        self._in_body = False
        self._idle_bytes = 0
        if self.cycle.response_complete:
            self._await_request(Phase.IDLE)
        else:
            self._enter(Phase.ANSWER, self._bounds.answer_seconds, self._answer_late)

    # -- the answer

    def on_response_complete(self) -> None:
        """Wait for the rest of the body, if any, or for the next request.

        In uvicorn's place: it would start the next of its queue, which has none, and a timer of its own.
        """
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._close()
            return
        self.flow.resume_reading()
        if not self._in_body:
            self._await_request(Phase.IDLE)

    # -- the end of it

    def _refuse(self, reason: BaseException | None) -> None:
        """End what cannot be read; an answer that is due is given first, so that none is taken for another's."""
        early = isinstance(reason, _EarlyError)
        if early or (not self._in_body and self._member.phase == Phase.ANSWER):
            self._cut("pipelined" if early else "malformed")
            self._end_after_answer()
        elif isinstance(reason, _TooMuchError):
            self._end(_HEAD_TOO_LARGE, "head-size")
        else:
            self._end(_BAD_REQUEST, "malformed")

    def _end_after_answer(self) -> None:
        self._deaf = True
        self.flow.pause_reading()
        self.cycle.keep_alive = False

    def _head_late(self) -> None:
        self._end(_TIMEOUT, "head-time")

    def _body_late(self) -> None:
        self._end(_TIMEOUT, "body-time")

    def _answer_late(self) -> None:
        self._cut("answer-time")
        self.transport.abort()

    def _end(self, status: int, reason: str) -> None:
        self._cut(reason)
        if not (self._in_body and self.cycle.response_started):  # one answer to one request
            self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self._close(_FAREWELL)

    def _close(self, seconds: float | None = None) -> None:
        self._deaf = True
        self.transport.close()
        self._enter(Phase.CLOSING, seconds or self._bounds.close_seconds, self.transport.abort)

    # -- time

    def _await_request(self, phase: Phase) -> None:
        self._enter(phase, self.timeout_keep_alive, self._close)

    def _enter(self, phase: Phase, seconds: float, late: Callable[[], object]) -> None:
        """Begin with a phase that may take so long. A timer that rings too early costs less than one for each phase."""
        self._member.phase = phase
        self._late, self._deadline = late, self.loop.time() + seconds
        if self._timer is None or self._deadline < self._rings:
            self._set_timer(seconds)

    def _set_timer(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings = self._deadline
        self._timer = self.loop.call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._timer = None
        left = self._deadline - self.loop.time()
        if left > _TICK:
            self._set_timer(left)
        else:
            self._late()


def names_in(certificate: dict[str, Any] | None) -> frozenset[str]:
    """Return the common and the DNS names of a verified certificate, as `ssl` tells it."""
    if not certificate:
        return frozenset()
    common = {value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"}
    return frozenset(common | {value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"})
