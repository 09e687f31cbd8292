"""The watch never loses an event in silence: every fault the API server or the network can produce, by script."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from tests.support.fakes import (
    Answer,
    RecordingSink,
    ScriptedApi,
    body,
    bookmark,
    cut_page,
    event,
    held,
    page,
    pod,
    refusal,
    refuse_connection,
    scripted_api,
    status,
    stream,
)
from tests.support.watching import PODS, POLICIES, names, run, watched
from webhook.cluster.client import Connection, connect
from webhook.cluster.errors import GarbledError
from webhook.cluster.kinds import Collection, Listing, Live, Phase, Raw
from webhook.cluster.list_watch import AT_ONCE, EventType, Reading, events
from webhook.cluster.reflector import RESUMES, Pace


def test_a_list_comes_in_pages_and_the_watch_goes_on_from_its_version(tmp_path: Path) -> None:
    async def scenario() -> None:
        pages = (page(pod("a"), version="7", more="next"), page(pod("b"), version="7"))
        async with watched(tmp_path, lists=pages) as it:
            await it.until(lambda: bool(it.api.watched_from))
            assert it.sink.calls == [("replace", "a", "b")]
            first, second = it.api.listed
            assert (first["limit"], "continue" in first) == ("500", False)
            assert (second["limit"], second["continue"]) == ("500", "next")
            watch = it.api.asked[-1].query
            assert watch["resourceVersion"] == "7"
            assert watch["allowWatchBookmarks"] == "true"
            assert int(watch["timeoutSeconds"]) >= 240

    run(scenario())


def test_objects_say_what_they_are_and_leave_their_ballast_behind(tmp_path: Path) -> None:
    async def scenario() -> None:
        watches = (stream(event("ADDED", pod("b", "2", app="b"))),)
        async with watched(tmp_path, lists=(page(pod("a", app="a")),), watches=watches) as it:
            await it.until_calls(("replace", "a"), ("ADDED", "b"))
            for name, version in (("a", "1"), ("b", "2")):
                assert it.sink.world["Pod"][name] == {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {"name": name, "namespace": "ns", "resourceVersion": version, "labels": {"app": name}},
                    "spec": {"containers": []},
                }

    run(scenario())


def test_events_arrive_in_order_whatever_the_chunks(tmp_path: Path) -> None:
    async def scenario() -> None:
        line = b'{"type":"MODIFIED","object":{"metadata":{"name":"a","resourceVersion":"3"}}}\n'
        parts = (event("ADDED", pod("a", "2")), line[:10], line[10:40], line[40:] + b"\n" + line[:5], line[5:])
        watches = (stream(*parts, event("DELETED", pod("a", "4"))),)
        async with watched(tmp_path, watches=watches) as it:
            await it.until_calls(("replace",), ("ADDED", "a"), ("MODIFIED", "a"), ("MODIFIED", "a"), ("DELETED", "a"))

    run(scenario())


def test_whatever_comes_at_once_lets_others_have_a_turn() -> None:
    many = 10 * AT_ONCE
    turns = 0

    async def chunks() -> AsyncIterator[bytes]:
        yield b"".join(json.dumps(event("ADDED", pod(f"p{n}", str(n)))).encode() + b"\n" for n in range(many))

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def scenario() -> None:
        task = asyncio.create_task(others())
        unasked = cast("Connection", None)  # nothing is asked of the server while a stream is read
        reading = Reading.of(unasked, Collection(PODS), bare=False)
        assert len([one async for one in events(chunks(), reading)]) == many
        task.cancel()

    run(scenario())
    assert turns == many // AT_ONCE


def test_a_watch_that_ended_well_is_taken_up_where_it_stopped(tmp_path: Path) -> None:
    async def scenario() -> None:
        watches = (
            stream(event("ADDED", pod("a", "5")), end="close"),
            stream(bookmark("9"), end="close"),
            stream(event("ADDED", pod("b", "12"))),
        )
        async with watched(tmp_path, lists=(page(version="3"),), watches=watches) as it:
            await it.until_calls(("replace",), ("ADDED", "a"), ("ADDED", "b"))
            assert it.api.watched_from == ["3", "5", "9"]
            assert it.sink.troubles == []

    run(scenario())


def test_a_watch_that_ends_at_once_again_and_again_is_not_asked_for_without_pause(tmp_path: Path) -> None:
    async def scenario() -> None:
        pace = Pace(first=0.2, most=0.2, slow=1)
        began = time.monotonic()
        async with watched(tmp_path, watches=(stream(end="close"),) * 100, pace=pace) as it:
            await it.until(lambda: len(it.api.watched_from) > 4)
            assert time.monotonic() - began > 4 * 0.2 / 2  # the least that jitter leaves of four pauses

    run(scenario())


def test_pauses_double_up_to_a_bound_and_no_two_replicas_have_the_same() -> None:
    pace = Pace(first=1, most=30)
    for failures, whole in ((1, 1), (2, 2), (5, 16), (6, 30), (10_000, 30)):
        drawn = {pace.after(failures, pace.most) for _ in range(50)}
        assert len(drawn) == 50
        assert whole / 2 <= min(drawn) < max(drawn) <= whole


@pytest.mark.parametrize(
    "too_old",
    [status(410, "too old resource version"), stream(event("ERROR", refusal(410, "too old")), end="close")],
    ids=["http", "event"],
)
def test_410_lists_again_and_what_vanished_meanwhile_is_gone(tmp_path: Path, too_old: Answer) -> None:
    async def scenario() -> None:
        lists = (page(pod("a"), pod("b")), page(pod("b"), pod("c"), version="40"))
        async with watched(tmp_path, lists=lists, watches=(too_old,)) as it:
            await it.until(lambda: len(it.api.watched_from) == 2)
            assert it.sink.calls == [("replace", "a", "b"), ("replace", "b", "c")]
            assert it.api.watched_from == ["1", "40"]
            assert it.sink.troubles == []  # the server's way of saying: list again

    run(scenario())


def test_a_continue_token_that_expires_begins_the_list_again_and_then_asks_for_one_piece(tmp_path: Path) -> None:
    async def scenario() -> None:
        expired = (page(pod("a"), more="next"), status(410, "continue too old"))
        lists = (*expired, *expired, page(pod("b"), pod("c"), version="8"))
        async with watched(tmp_path, lists=lists) as it:
            await it.until_calls(("replace", "b", "c"))
            assert [(one["limit"], "continue" in one) for one in it.api.listed] == [
                *[("500", False), ("500", True)] * 2,
                ("0", False),
            ]

    run(scenario())


def test_a_connection_cut_inside_an_event_loses_none(tmp_path: Path) -> None:
    async def scenario() -> None:
        whole = event("ADDED", pod("b", "6"))
        watches = (
            stream(event("ADDED", pod("a", "5")), b'{"type":"ADDED","object":{"metad', end="cut"),
            stream(whole, b'{"type":', end="close"),
            stream(event("ADDED", pod("c", "7"))),
        )
        async with watched(tmp_path, watches=watches) as it:
            await it.until_calls(("replace",), ("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c"))
            assert it.api.watched_from == ["1", "5", "6"]
            assert len(it.api.listed) == 1
            assert [reason.rpartition(": ")[2] for _, reason in it.sink.troubles] == [
                "the connection was cut",
                "the connection was cut inside an event",
            ]

    run(scenario())


def test_half_a_list_is_never_taken_for_all(tmp_path: Path) -> None:
    async def scenario() -> None:
        lists = (
            page(pod("a"), more="next"),
            cut_page(b'{"metadata":{"resourceVersion":"1"},"items":['),
            refuse_connection(),
            page(pod("a"), more="next"),
            page(pod("b")),
        )
        async with watched(tmp_path, lists=lists) as it:
            assert isinstance(it.watcher.state, Listing)
            await it.until_calls(("replace", "a", "b"))
            assert {reason.rpartition(": ")[2] for _, reason in it.sink.troubles} == {"the connection was cut"}

    run(scenario())


def test_a_burst_of_errors_is_waited_out(tmp_path: Path) -> None:
    async def scenario() -> None:
        lists = (*(status(code, "no") for code in (500, 503, 429, 409, 504)), page(pod("a")))
        async with watched(tmp_path, lists=lists) as it:
            await it.synced()
            assert it.sink.calls == [("replace", "a")]
            assert it.sink.troubles[:2] == [("Pod", "HTTP 500: no"), ("Pod", "HTTP 503: no")]
            assert len(it.sink.troubles) == 5

    run(scenario())


def test_the_server_says_how_long_to_wait(tmp_path: Path) -> None:
    async def scenario() -> None:
        began = time.monotonic()
        lists = (status(429, "busy", **{"Retry-After": "1"}), page(pod("a")))
        async with watched(tmp_path, lists=lists) as it:
            await it.synced()
            assert time.monotonic() - began >= 1

    run(scenario())


def test_a_refused_watch_is_asked_for_again_a_few_times_then_everything_is_listed(tmp_path: Path) -> None:
    async def scenario() -> None:
        lists = (page(pod("a"), version="1"), page(pod("b"), version="2"))
        watches = (*(status(500, "no"),) * (RESUMES + 1), stream(event("ADDED", pod("c", "3"))))
        async with watched(tmp_path, lists=lists, watches=watches) as it:
            await it.until_calls(("replace", "a"), ("replace", "b"), ("ADDED", "c"))
            assert it.api.watched_from == ["1"] * (RESUMES + 1) + ["2"]

    run(scenario())


@pytest.mark.parametrize(
    "nonsense",
    [
        b"not json\n",
        b'{"type":"ADDED"}\n',
        b'{"type":"ADDED","object":[]}\n',
        b'{"type":"ADDED","object":{"metadata":{"name":"x"}}}\n',
        b'{"type":"ADDED","object":{"metadata":{"name":"x","resourceVersion":7}}}\n',
        b'{"type":"NOVEL","object":{"metadata":{"name":"x","resourceVersion":"7"}}}\n',
        b'{"type":"ERROR","object":7}\n',
        b'{"type":"ADDED","object":{"metadata":{"name":"\xff"}}}\n',
        b"\0\0\0\n",
    ],
)
def test_an_event_that_cannot_be_read_makes_a_new_list(tmp_path: Path, nonsense: bytes) -> None:
    async def scenario() -> None:
        lists = (page(pod("a")), page(pod("b")))
        watches = (stream(nonsense, event("ADDED", pod("never", "9"))),)
        async with watched(tmp_path, lists=lists, watches=watches) as it:
            await it.until_calls(("replace", "a"), ("replace", "b"))
            ((_, reason),) = it.sink.troubles
            assert "event" in reason
            assert reason.isprintable()

    run(scenario())


def test_an_error_event_that_is_no_410_is_told_and_the_watch_taken_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        watches = (
            stream(event("ERROR", refusal(500, "etcd is ill")), end="close"),
            stream(event("ADDED", pod("a", "2"))),
        )
        async with watched(tmp_path, watches=watches) as it:
            await it.until_calls(("replace",), ("ADDED", "a"))
            assert it.sink.troubles == [("Pod", "HTTP 500: etcd is ill")]

    run(scenario())


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (body(b"<html>"), "cannot be read"),
        (body(b"[]"), "cannot be read"),
        (body(b'{"metadata":{},"items":[]}'), "has no resourceVersion"),
        (body(b'{"metadata":{"resourceVersion":"1"},"items":[7]}'), "cannot be read"),
        (body(b'{"metadata":{"resourceVersion":"1"},"items":["\xff"]}'), "cannot be read"),
    ],
)
def test_a_list_that_cannot_be_read_is_told_and_tried_again(tmp_path: Path, answer: Answer, says: str) -> None:
    async def scenario() -> None:
        async with watched(tmp_path, lists=(answer, page(pod("a")))) as it:
            await it.until_calls(("replace", "a"))
            ((_, reason),) = it.sink.troubles
            assert says in reason

    run(scenario())


def test_a_list_without_items_is_an_empty_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with watched(tmp_path, lists=(body(b'{"metadata":{"resourceVersion":"1"},"items":null}'),)) as it:
            await it.until_calls(("replace",))

    run(scenario())


def test_a_list_that_never_ends_is_given_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scripted_api() as api, connect(api.kubeconfig(tmp_path)) as connection:
            api.lists(PODS, *(page(pod("a"), more="same") for _ in range(9)))
            with pytest.raises(GarbledError, match="the list of pods does not end"):
                await names(connection, PODS)

    run(scenario())


def test_a_silent_watch_is_asked_for_again_from_where_it_stopped(tmp_path: Path) -> None:
    async def scenario() -> None:
        pace = Pace(first=0.01, most=0.01, slow=1, silence=1.0)
        watches = (stream(event("ADDED", pod("a", "5"))), stream(event("ADDED", pod("b", "6"))))
        async with watched(tmp_path, watches=watches, pace=pace) as it:
            await it.until_calls(("replace",), ("ADDED", "a"), ("ADDED", "b"))
            assert it.api.watched_from[:2] == ["1", "5"]
            assert it.sink.troubles == []

    run(scenario())


class Clumsy(RecordingSink):
    """A sink that trips over one object, once."""

    tripped = False

    def event(self, where: Collection, event_type: EventType, raw: Raw, /) -> None:
        if raw["metadata"]["name"] == "odd" and not self.tripped:
            self.tripped = True
            raise RuntimeError("tripped")
        super().event(where, event_type, raw)


def test_our_own_mistake_with_one_object_is_told_and_everything_is_listed_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        lists = (page(pod("a")), page(pod("a"), pod("odd")))
        watches = (stream(event("ADDED", pod("odd", "2"))),)
        async with watched(tmp_path, lists=lists, watches=watches, kinds=(PODS, POLICIES), sink=Clumsy()) as it:
            await it.until(lambda: set(it.sink.world.get("Pod", ())) == {"a", "odd"})
            assert it.sink.troubles == [("Pod", "internal error, see the log")]
            await it.until(lambda: it.watcher.state == Live())

    run(scenario())
    assert "RuntimeError: tripped" in caplog.text


# Not yet listed, empty, forbidden, absent


def test_empty_is_live_and_not_yet_listed_is_not(tmp_path: Path) -> None:
    async def scenario() -> None:
        def prepare(api: ScriptedApi) -> None:
            api.always(PODS.path, status(500, "no"))

        async with watched(tmp_path, kinds=(PODS, POLICIES), prepare=prepare) as it:
            await it.until(lambda: bool(it.sink.troubles) and it.sink.calls == [("replace",)])  # the policies, none
            state = it.watcher.state
            assert isinstance(state, Listing)
            assert [(one.kind, one.phase, one.reason) for one in state.waiting_for] == [
                (PODS, Phase.WAITING, "HTTP 500: no")
            ]
            it.api.always(PODS.path, page())
            await it.synced()
            assert it.watcher.state == Live()

    run(scenario())


@pytest.mark.parametrize(("code", "phase"), [(403, Phase.FORBIDDEN), (404, Phase.ABSENT)])
def test_a_kind_that_may_not_be_read_is_named_and_holds_nothing_up(tmp_path: Path, code: int, phase: Phase) -> None:
    async def scenario() -> None:
        def prepare(api: ScriptedApi) -> None:
            api.always(PODS.path, status(code, "pods: no"))

        async with watched(tmp_path, kinds=(PODS, POLICIES), prepare=prepare) as it:
            await it.synced()
            state = it.watcher.state
            assert isinstance(state, Live)
            assert [(one.kind, one.phase, one.reason) for one in state.unknown] == [
                (PODS, phase, f"HTTP {code}: pods: no")
            ]
            assert "Pod" not in it.sink.world
            it.api.always(PODS.path, page(pod("a")))
            await it.until(lambda: "Pod" in it.sink.world)  # asked again, slowly: the right was given
            assert it.watcher.state == Live()

    run(scenario())


def test_a_kind_that_becomes_forbidden_keeps_what_was_known(tmp_path: Path) -> None:
    async def scenario() -> None:
        watches = (status(403, "no more"),)
        async with watched(tmp_path, lists=(page(pod("a")), *(status(403, "no"),) * 99), watches=watches) as it:
            await it.until(lambda: len(it.api.listed) > 1)
            state = it.watcher.state
            assert isinstance(state, Live)
            assert [one.phase for one in state.unknown] == [Phase.FORBIDDEN]
            assert it.sink.calls == [("replace", "a")]

    run(scenario())


def test_a_kind_whose_watch_is_interrupted_is_behind_until_it_runs_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        again = asyncio.Event()
        async with watched(tmp_path, watches=(stream(end="cut"), held(again))) as it:
            await it.until(lambda: len(it.api.watched_from) == 2)
            state = it.watcher.state
            assert isinstance(state, Live)
            assert [(one.kind, one.phase) for one in state.behind] == [(PODS, Phase.BEHIND)]
            assert it.watcher.standings[0].heard is not None
            again.set()
            await it.until(lambda: it.watcher.state == Live())

    run(scenario())
