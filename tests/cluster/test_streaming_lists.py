"""A list that is the beginning of its watch (KEP-3157): whole or not at all, and in pages where that cannot be had."""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.support.fakes import (
    Answer,
    RecordingSink,
    ScriptedApi,
    bookmark,
    end_of_list,
    event,
    page,
    pod,
    refusal,
    refuse_connection,
    status,
    stream,
)
from tests.support.patience import PATIENCE
from tests.support.watching import PODS, POLICIES, QUICK, Watched, run, watched
from tests.testbed.control_plane import ControlPlane
from webhook.cluster.client import WHOLE, Connection, Query, connect
from webhook.cluster.discovery import Watcher
from webhook.cluster.kinds import KINDS, Live
from webhook.cluster.list_watch import SLICE
from webhook.cluster.reflector import Pace

A_AND_B = (event("ADDED", pod("a", "1")), event("ADDED", pod("b", "2")))


def streaming(
    folder: Path, *answers: Answer, lists: tuple[Answer, ...] = (), pace: Pace = QUICK
) -> AbstractAsyncContextManager[Watched]:
    """Watch a server that has streaming lists, as long as there are answers."""
    return watched(folder, lists=lists, prepare=lambda api: api.streams(PODS, *answers), pace=pace)


def test_a_list_ends_with_its_bookmark_and_the_watch_goes_on_in_the_same_stream(tmp_path: Path) -> None:
    async def scenario() -> None:
        rest = (event("ADDED", pod("c", "8")), bookmark("9"))
        first = stream(*A_AND_B, bookmark("5"), end_of_list("7"), *rest, end="close")
        async with streaming(tmp_path, first) as it:
            await it.until_calls(("replace", "a", "b"), ("ADDED", "c"))
            await it.until(lambda: bool(it.api.watched_from))
            assert (it.api.listed, it.api.watched_from, it.sink.troubles) == ([], ["9"], [])
            query = it.api.asked[0].query
            assert (query["resourceVersionMatch"], query["allowWatchBookmarks"]) == ("NotOlderThan", "true")
            assert "resourceVersion" not in query

    run(scenario())


def test_a_long_list_is_handed_over_in_slices_and_an_empty_one_is_a_list(tmp_path: Path) -> None:
    async def scenario() -> None:
        many = [f"p{number:03}" for number in range(2 * SLICE + 1)]
        first = stream(*(event("ADDED", pod(name)) for name in many), end_of_list("7"), event("ERROR", refusal(410)))
        async with streaming(tmp_path, first, stream(end_of_list("8"))) as it:
            await it.until_calls(("replace", *many), ("replace",))

    run(scenario())


def test_what_changes_before_a_list_is_complete_is_told_after_it_in_order(tmp_path: Path) -> None:
    async def scenario() -> None:
        changes = (event("DELETED", pod("a", "3")), event("MODIFIED", pod("b", "4")), event("ADDED", pod("a", "5")))
        async with streaming(tmp_path, stream(*A_AND_B, *changes, end_of_list("7"))) as it:
            await it.until_calls(("replace", "a", "b"), ("DELETED", "a"), ("MODIFIED", "b"), ("ADDED", "a"))
            assert it.sink.world["Pod"]["b"]["metadata"]["resourceVersion"] == "4"

    run(scenario())


@pytest.mark.parametrize("code", [400, 422])
def test_a_server_without_streaming_lists_is_asked_for_one_once_and_nobody_is_troubled(
    tmp_path: Path, code: int
) -> None:
    async def scenario() -> None:
        lists = (page(pod("a")), page(pod("b"), version="40"))

        def prepare(api: ScriptedApi) -> None:
            api.streams(PODS, status(code, "sendInitialEvents is forbidden"), stream(end_of_list("50")))

        too_old = (status(410, "too old"),)
        async with watched(tmp_path, lists=lists, watches=too_old, prepare=prepare) as it:
            await it.until_calls(("replace", "a"), ("replace", "b"))
            assert sum(one.streams for one in it.api.asked) == 1
            assert it.sink.troubles == []

    run(scenario())


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        pytest.param(status(500, "etcd is ill"), "HTTP 500: etcd is ill", id="refused"),
        pytest.param(stream(*A_AND_B, end="close"), "the list of pods was cut", id="ends early"),
        pytest.param(stream(*A_AND_B, end="cut"), "the connection was cut", id="cut"),
        pytest.param(stream(*A_AND_B), "no answer in time", id="silent"),
        pytest.param(stream(*A_AND_B, b'{"type":"ADDED","object":7}\n'), "cannot be read", id="unreadable"),
        pytest.param(stream(*A_AND_B, event("ERROR", refusal(504, "late"))), "HTTP 504: late", id="an error"),
    ],
)
def test_half_a_list_is_never_taken_for_all_and_the_next_comes_in_pages(
    tmp_path: Path, broken: Answer, says: str
) -> None:
    async def scenario() -> None:
        pace = Pace(first=0.01, most=0.05, slow=1, silence=0.5)
        async with streaming(tmp_path, broken, lists=(page(pod("b"), pod("c")),), pace=pace) as it:
            await it.until_calls(("replace", "b", "c"))
            ((_, reason),) = it.sink.troubles[:1]
            assert says in reason

    run(scenario())


def test_a_server_that_is_not_there_yet_is_asked_for_a_stream_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with streaming(tmp_path, refuse_connection(), stream(*A_AND_B, end_of_list("7"))) as it:
            await it.until_calls(("replace", "a", "b"))
            assert it.api.listed == []

    run(scenario())


def test_a_real_api_server_streams_every_kind_whole_or_bare(
    control_plane: ControlPlane, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[str] = []
    real = Connection.get

    async def recorded(self: Connection, path: str, query: Query, accept: str = WHOLE) -> bytes:
        listed.extend([path] if "limit" in query else [])
        return await real(self, path, query, accept)

    monkeypatch.setattr(Connection, "get", recorded)
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "there", "namespace": namespace},
        "spec": {"podSelector": {}},
    }

    async def scenario() -> None:
        async with connect(str(control_plane.kubeconfig())) as connection:
            sink = RecordingSink()
            watcher = Watcher(connection, sink)
            task = asyncio.create_task(watcher.run())
            await asyncio.wait_for(watcher.synced(), PATIENCE)
            task.cancel()
            await asyncio.wait([task])
            assert watcher.state == Live()
            assert set(sink.world) == {kind.name for kind in KINDS}
            assert "there" in sink.world[POLICIES.name]
            assert sink.troubles == []

    control_plane.apply(policy)
    asyncio.run(scenario())
    assert listed == []
