"""A watcher at work on a scripted API server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.fakes import Answer, RecordingSink, ScriptedApi, scripted_api
from tests.support.patience import PATIENCE
from webhook.cluster.client import Connection, connect
from webhook.cluster.discovery import Watcher
from webhook.cluster.kinds import Collection, Kind, Live
from webhook.cluster.list_watch import Reading
from webhook.cluster.reflector import Pace
from webhook.world import World

PODS = Kind("v1", "Pod", "pods")
POLICIES = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
QUICK = Pace(first=0.01, most=0.05, slow=0.05, discover=0.05)


async def reached(condition: Callable[[], bool]) -> None:
    """Wait for `condition`; raises TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of waiting
            await asyncio.sleep(0.005)


async def names(connection: Connection, kind: Kind) -> set[str]:
    """List a kind and return the names; raises ClusterError."""
    sink = RecordingSink()
    await Reading.of(connection, Collection(kind), bare=False).list_into(sink)
    return set(sink.world[kind.name])


def foreign(world: World, namespace: str) -> list[str]:
    """Return the names of a namespace's policies that are no NetworkPolicies of Kubernetes."""
    return sorted(ref.name for ref in world.policies.crd_policies(namespace))


class Watched:
    """A watcher at work on a scripted API server."""

    def __init__(self, api: ScriptedApi, watcher: Watcher, sink: RecordingSink) -> None:
        self.api = api
        self.watcher = watcher
        self.sink = sink

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for `condition`; a test that waits too long shows what had happened by then."""
        try:
            await reached(condition)
        except TimeoutError:
            pytest.fail(f"calls {self.sink.calls}, troubles {self.sink.troubles}, asked {self.api.asked}")

    async def synced(self) -> None:
        """Wait for the first `Live`."""
        await self.until(lambda: isinstance(self.watcher.state, Live))

    async def until_calls(self, *calls: tuple[str, ...]) -> None:
        await self.until(lambda: len(self.sink.calls) >= len(calls))
        assert self.sink.calls == list(calls)


@asynccontextmanager
async def watched(
    folder: Path,
    *,
    lists: tuple[Answer, ...] = (),
    watches: tuple[Answer, ...] = (),
    kinds: tuple[Kind, ...] = (PODS,),
    families: tuple[tuple[str, str], ...] = (),
    namespaces: tuple[str, ...] = (),
    pace: Pace = QUICK,
    sink: RecordingSink | None = None,
    prepare: Callable[[ScriptedApi], None] = lambda _: None,
) -> AsyncIterator[Watched]:
    """Watch a server that answers the first kind's lists and watches by these scripts."""
    async with scripted_api() as api:
        prepare(api)
        api.lists(kinds[0], *lists)
        api.watches(kinds[0], *watches)
        async with connect(api.kubeconfig(folder)) as connection:
            sink = sink or RecordingSink()
            watcher = Watcher(connection, sink, kinds, families=families, namespaces=namespaces, pace=pace)
            task = asyncio.create_task(watcher.run())
            try:
                yield Watched(api, watcher, sink)
            finally:
                task.cancel()
                await asyncio.wait([task])
                assert task.cancelled(), task.exception()


def run(scenario: Coroutine[object, object, None]) -> None:
    asyncio.run(scenario)
