"""A denial is looked at again before it is given: the world may be a moment behind what was just applied."""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextvars import Context
from pathlib import Path
from typing import TypeVarTuple

import pytest
from starlette.types import Message, Scope

from tests.support.serving import request_of, serving
from webhook.api.asgi import Drain
from webhook.api.backend import Answer, Check, Metrics
from webhook.api.concurrency_limits import Limits
from webhook.api.validate import Validate
from webhook.model.budget import TOO_MUCH

Ts = TypeVarTuple("Ts")


class Scripted:
    """A backend that gives these outcomes one after the other, the last of them forever.

    `versions`: what the world's is whenever it is asked for, the last of them forever; by default it always is another.
    `seconds`: how long each takes.
    """

    def __init__(self, outcomes: Iterable[str], versions: Iterable[int | None] = (), seconds: float = 0) -> None:
        self.outcomes = list(outcomes)
        self.versions = list(versions) or list(range(99))
        self.seconds = seconds
        self.timeouts: list[float | None] = []

    def review(self, body: bytes, *, timeout: float | None) -> Answer:
        assert body == b"{}"
        outcome = self.outcomes[min(len(self.timeouts), len(self.outcomes) - 1)]
        self.timeouts.append(timeout)
        if self.seconds:
            time.sleep(self.seconds)
        reason = TOO_MUCH if outcome == "not-evaluated" else ""
        return Answer(200, outcome.encode(), outcome, "enforce", reason=reason)

    def version(self) -> int | None:
        return self.versions.pop(0) if len(self.versions) > 1 else self.versions[0]

    def readiness(self) -> tuple[Check, ...]:
        return ()


class Loop(asyncio.SelectorEventLoop):
    """An event loop that notes what is slept."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        self.slept.append(delay)
        return super().call_later(delay, callback, *args, context=context)


def answered(backend: Scripted, query: bytes = b"") -> tuple[str, Metrics, list[float]]:
    """Return the outcome that one request gets, what was counted, and the pauses that were made."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    scope: Scope = {"type": "http", "headers": headers, "query_string": query}
    sent: list[Message] = []
    metrics = Metrics()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    loop = Loop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(Validate(backend, Limits(), metrics, Drain())(scope, receive, send))
    return sent[-1]["body"].decode(), metrics, loop.slept


@pytest.mark.parametrize(
    ("outcomes", "gets", "asked"),
    [
        (["allowed", "denied"], "allowed", 1),
        (["warned", "denied"], "warned", 1),
        (["denied", "allowed"], "allowed", 2),
        (["denied", "denied", "denied", "warned"], "warned", 4),
        (["denied"], "denied", 4),
    ],
)
def test_a_denial_and_only_a_denial_is_looked_at_again(outcomes: list[str], gets: str, asked: int) -> None:
    backend = Scripted(outcomes)
    said, metrics, _ = answered(backend)
    assert (said, len(backend.timeouts)) == (gets, asked)
    labels = {"outcome": gets, "mode": "enforce", "dry_run": "false"}
    assert metrics.registry.get_sample_value("netpol_preflight_admission_requests_total", labels) == 1


def test_a_world_in_which_nothing_happens_is_waited_for_and_not_judged_again() -> None:
    backend = Scripted(["denied", "allowed"], versions=[5])
    said, _, slept = answered(backend)
    assert (said, len(backend.timeouts)) == ("denied", 1)
    assert slept == [0.025, 0.05, 0.175]


def test_what_happened_is_judged_once() -> None:
    backend = Scripted(["denied"], versions=[5, 5, 6, 6, 6])
    assert answered(backend)[0] == "denied"
    assert len(backend.timeouts) == 2


def test_a_world_of_which_no_news_is_on_its_way_is_not_waited_for() -> None:
    backend = Scripted(["denied", "allowed"], versions=[None])
    said, _, slept = answered(backend)
    assert (said, len(backend.timeouts), slept) == ("denied", 1, [])


def test_a_caller_in_a_hurry_gets_the_first_answer() -> None:
    backend = Scripted(["denied", "allowed"])
    assert answered(backend, b"timeout=100ms")[0] == "denied"
    assert len(backend.timeouts) == 1


def test_a_look_that_may_not_end_in_time_is_not_begun() -> None:
    backend = Scripted(["denied", "allowed"], seconds=0.3)
    assert answered(backend, b"timeout=600ms")[0] == "denied"
    assert len(backend.timeouts) == 1


def test_a_changed_world_that_cannot_be_judged_in_time_is_no_denial_and_says_why() -> None:
    backend = Scripted(["denied", "not-evaluated", "denied"], versions=[5, 6])
    said, metrics, _ = answered(backend, b"timeout=10s")
    assert (said, len(backend.timeouts)) == ("not-evaluated", 2)
    name, labels = "netpol_preflight_admission_not_evaluated_total", {"reason": TOO_MUCH}
    assert metrics.registry.get_sample_value(name, labels) == 1


def test_later_looks_have_less_time_left() -> None:
    backend = Scripted(["denied"])
    answered(backend, b"timeout=10s")
    left = [timeout for timeout in backend.timeouts if timeout is not None]
    assert len(left) == 4
    assert left == sorted(left, reverse=True)


def test_a_denial_over_tls_is_looked_at_again_and_its_slot_is_given_back(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        assert server.post(request_of("1", outcome="denied", mode="enforce")).uid == "1"
        assert len(server.backend.seen) == 4
        assert server.metric("admission_in_flight") == 0
