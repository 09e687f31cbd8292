"""The line between us breaks, crawls or falls silent: half of anything is never taken for the whole."""

import asyncio
import random
from pathlib import Path

from msgspec import structs

from tests.faults.asking import answer, away, create, delete, policies
from tests.faults.following import PATIENT, QUICK, following, synced
from tests.faults.proxy import bad_line, through
from tests.support.fakes import RecordingSink
from tests.support.patience import PATIENCE
from tests.support.watching import POLICIES, names, reached
from tests.testbed.control_plane import ControlPlane
from webhook.cluster.client import connect
from webhook.cluster.discovery import Watcher

MANY = 600  # policies: more than a page
SEED = 20_261_121
CUTS = 24


def test_connections_cut_inside_events_lose_none(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        dice = random.Random(SEED)
        async with bad_line(control_plane.port) as line:
            direct = control_plane.kubeconfig()
            async with synced(through(line, direct, tmp_path), direct, pace=PATIENT) as it:
                line.cut_after = lambda: dice.randrange(4_000, 9_000)  # so that at least one event comes
                line.cut()
                number = 0
                while line.cuts < 20:
                    await away(create, control_plane, namespace, f"p{number}", f"p{number + 1}")
                    await away(delete, control_plane, namespace, f"p{number}")
                    number += 2
                line.cut_after = None
                expected = sorted(f"p{one}" for one in range(1, number, 2))
                await it.until(lambda: policies(it, namespace) == expected, "every event")
                await it.converged()
                assert it.measure("watch_lists_total", "networkpolicies.networking.k8s.io") == 1

    asyncio.run(scenario())


def test_a_list_that_is_cut_between_and_inside_its_pages_is_no_list(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        await away(create, control_plane, namespace, *(f"p{number}" for number in range(MANY)))
        async with bad_line(control_plane.port) as line:
            kubeconfig = str(through(line, control_plane.kubeconfig(), tmp_path))
            async with connect(kubeconfig) as connection:
                every = await names(connection, POLICIES)
            whole = line.carried
            budgets = [whole * part // CUTS for part in range(1, CUTS)]  # the last sixth is the second page
            line.cut_after = lambda: budgets.pop(0) if budgets else whole * 10
            async with connect(kubeconfig) as connection:
                sink = RecordingSink()
                pace = structs.replace(PATIENT, most=0.05)
                task = asyncio.create_task(Watcher(connection, sink, (POLICIES,), pace=pace).run())
                await reached(lambda: bool(sink.calls))
                task.cancel()
                await asyncio.wait([task])
            assert len(every) >= MANY
            assert sink.calls[0] == ("replace", *sorted(every))
            assert (
                len(sink.troubles) > CUTS / 2
            )  # a request that was cut before its answer began is sent again, unnoticed

    asyncio.run(scenario())


def test_a_slow_api_server_delays_the_world_and_nothing_else(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        await away(create, control_plane, namespace, *(f"p{number}" for number in range(100)))
        async with bad_line(control_plane.port) as line:
            line.bytes_per_second = 60_000
            direct = control_plane.kubeconfig()
            async with following(through(line, direct, tmp_path), direct, pace=PATIENT) as it:
                await it.until(lambda: bool(line.opened), "a connection")
                answers = 0
                async with asyncio.timeout(PATIENCE):
                    while it.source.view() is None:
                        assert answer(it, namespace).startswith("not-evaluated")
                        answers += 1
                        await asyncio.sleep(0.05)
                assert answers > 0
                assert it.measure("watch_troubles_total", "pods") == 0
                await it.converged()

    asyncio.run(scenario())


def test_a_line_that_fell_silent_is_noticed_and_left(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with bad_line(control_plane.port) as line:
            direct = control_plane.kubeconfig()
            pace = structs.replace(QUICK, silence=2.0)
            async with following(through(line, direct, tmp_path), direct, pace=pace, stale_after=4.0) as it:
                await it.until(lambda: it.source.view() is not None, "a world")
                await it.until(lambda: it.source.stale() is None, "every watch to be heard of")
                line.flows.clear()
                await away(create, control_plane, namespace, "unheard")
                await it.until(lambda: it.source.stale() is not None, "the world to be stale")
                assert it.source.view() is not None  # old answers are better than none
                assert policies(it, namespace) == []
                line.abandon()  # what hangs goes on hanging: it has to be left
                await it.until(lambda: policies(it, namespace) == ["unheard"], "what was missed")
                await it.until(lambda: it.source.stale() is None, "the world to be fresh")
                await it.converged()

    asyncio.run(scenario())
