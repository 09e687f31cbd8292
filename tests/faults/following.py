"""A cluster followed as `serve` does it, and the world that it should be."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec import structs
from prometheus_client import CollectorRegistry

from tests.support.patience import PATIENCE
from webhook.cluster.client import connect
from webhook.cluster.client_configuration import Access
from webhook.cluster.discovery import clock
from webhook.cluster.kinds import KINDS, Collection
from webhook.cluster.list_watch import Reading
from webhook.cluster.reflector import Pace
from webhook.model.settings import DEFAULTS
from webhook.wiring.cluster_source import STALE_SECONDS, Cluster
from webhook.wiring.informer_cache import InformerCache
from webhook.world import Drop, World
from webhook.world.changes import Value, key_of

QUICK = Pace(first=0.05, most=0.4, slow=0.4, silence=3.0, discover=0.4)
PATIENT = structs.replace(QUICK, silence=600.0)  # on a busy machine silence is no sign of anything


class Follower:
    """A source at work."""

    def __init__(self, source: Cluster, kubeconfig: Path) -> None:
        self.source = source
        self._kubeconfig = kubeconfig
        self._registry = CollectorRegistry()
        for collector in source.collectors():
            self._registry.register(collector)

    @property
    def world(self) -> World:
        view = self.source.view()
        assert isinstance(view, World), [check for check in self.source.checks() if not check.ok]
        return view

    def measure(self, name: str, kind: str) -> float:
        """Return what Prometheus is told."""
        return self._registry.get_sample_value(f"netpol_preflight_{name}", {"kind": kind}) or 0.0

    async def until(self, condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
        """Wait for `condition`; fails with what is known of the watches."""
        try:
            async with asyncio.timeout(patience):
                while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of waiting
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"waited in vain for {what}: {self.source.checks()}")

    async def converged(self) -> None:
        """Wait until the world is that of a fresh list, object by object."""
        difference: list[str] = []
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            fresh, mine = contents(await fresh_world(self._kubeconfig)), contents(self.world)
            difference = [str(key) for key in fresh.keys() | mine.keys() if fresh.get(key) != mine.get(key)]
            if not difference:
                return
            await asyncio.sleep(0.25)
        pytest.fail(f"the world differs from a fresh list in {len(difference)} objects: {sorted(difference)[:10]}")


@asynccontextmanager
async def following(
    kubeconfig: Path,
    fresh: Path | None = None,
    *,
    pace: Pace = QUICK,
    now: Callable[[], float] = clock,
    stale_after: float = STALE_SECONDS,
) -> AsyncIterator[Follower]:
    """Follow a cluster; entered at once. `fresh`: where fresh lists come from, if not from there."""
    source = Cluster(Access(str(kubeconfig)), DEFAULTS, pace=pace, clock=now, stale_after=stale_after)
    task = asyncio.create_task(source.run())
    try:
        yield Follower(source, fresh or kubeconfig)
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), task.exception()


@asynccontextmanager
async def synced(kubeconfig: Path, fresh: Path | None = None, *, pace: Pace = QUICK) -> AsyncIterator[Follower]:
    """Follow a cluster; entered when there is a world."""
    async with following(kubeconfig, fresh, pace=pace) as it:
        await asyncio.wait_for(it.source.ready(), PATIENCE)
        yield it


async def fresh_world(kubeconfig: Path) -> World:
    """List everything as a watch would, once."""
    mirror = InformerCache(World(DEFAULTS, complete=True))
    async with connect(str(kubeconfig)) as connection:
        for kind in KINDS:
            await Reading.of(connection, Collection(kind), bare=kind.bare != "none").list_into(mirror)
    mirror.flush()
    return mirror.world


def contents(world: World) -> dict[Drop, Value]:
    """Return every object of a world by its name. Policies of other families come and go in their own test."""
    pods, services = world._pod_index, world.services  # noqa: SLF001 - a view answers questions, it does not list pods
    every: list[Value] = [pod for here in pods.by_namespace.values() for pod in here.values()]
    every += [service for here in services.by_namespace.values() for service in here.values()]
    every += [piece for here in services._slices.values() for piece in here.values()]  # noqa: SLF001 - see above
    every += [workload for here in world.workloads.by_namespace.values() for workload in here.values()]
    every += [*world.namespaces.by_name.values(), *world.nodes.every()]
    every += [policy for here in world.policies.by_namespace.values() for policy in here.values()]
    return {key_of(one): one for one in every}
