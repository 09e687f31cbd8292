"""`--source cluster` and `--against cluster`: a world out of an API server."""

import asyncio
from typing import Final

from msgspec import Struct

from webhook.api.backend import Check
from webhook.cluster.client import connect
from webhook.cluster.kinds import Kind
from webhook.cluster.listing import read_once
from webhook.cluster.state import Phase, Standing
from webhook.cluster.watch import Watcher
from webhook.model.settings import Settings
from webhook.wiring.mirror import Mirror
from webhook.world import View, World

OPTIONAL: Final = frozenset({"Node"})  # without it nothing is judged wrong, only less is known
_LISTED: Final = frozenset({Phase.LIVE, Phase.BEHIND})
_LOOK_AGAIN: Final = 0.2  # seconds


class Access(Struct, frozen=True):
    """Which cluster: None stands for what kubectl would take."""

    kubeconfig: str | None = None
    context: str | None = None


class Cluster:
    """A world that is listed, then watched. Before every kind was listed it is not judged by."""

    def __init__(self, access: Access, settings: Settings) -> None:
        """Name the cluster; nothing is sent yet."""
        self._access = access
        self._mirror = Mirror(World(settings, complete=True))
        self._watcher: Watcher | None = None

    def view(self) -> View | None:
        """Return the world; None until all that may decide a verdict was listed."""
        listed = self._watcher is not None and all(map(_usable, self._watcher.standings))
        return self._mirror.world if listed else None

    def checks(self) -> tuple[Check, ...]:
        """Return one condition for each kind."""
        if self._watcher is None:
            return (Check("cluster", ok=False, detail="not connected yet"),)
        return tuple(map(_check, self._watcher.standings))

    async def ready(self) -> None:
        """Wait until there is a world."""
        while self.view() is None:  # noqa: ASYNC110 - a kind may become readable at any time, and nothing tells
            await asyncio.sleep(_LOOK_AGAIN)

    async def run(self) -> None:
        """Watch until cancelled. Raises BadConfigError where it is not known whom to connect to."""
        async with connect(self._access.kubeconfig, self._access.context) as connection:
            self._watcher = Watcher(connection, self._mirror)
            await self._watcher.run()


def _usable(standing: Standing) -> bool:
    if standing.kind.name in OPTIONAL:
        return standing.phase is not Phase.WAITING
    return standing.phase in _LISTED


def _check(standing: Standing) -> Check:
    name = str(standing.kind)
    if standing.phase is Phase.LIVE:
        return Check(name, ok=True)
    detail = f"{standing.phase.value}: {standing.reason}" if standing.reason else standing.phase.value
    return Check(name, _usable(standing), detail)


async def read_cluster(access: Access, settings: Settings) -> tuple[World, dict[Kind, str]]:
    """List a cluster once; return its world, and why for each kind that is missing in it. Raises ClusterError."""
    mirror = Mirror(World(settings, complete=True))
    async with connect(access.kubeconfig, access.context) as connection:
        missing = await read_once(connection, mirror)
    return mirror.world, missing
