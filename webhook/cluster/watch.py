"""Everything that is watched of a cluster, each collection by a reflector of its own."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from webhook.cluster.client import Connection
from webhook.cluster.discovery import Families, Family
from webhook.cluster.kinds import KINDS, Kind, Live, Standing, State, collections, overall
from webhook.cluster.reflector import Pace, Reads, Reflector, Sink

_BOOT: Final[int | None] = getattr(time, "CLOCK_BOOTTIME", None)


def clock() -> float:
    """Return seconds that only grow, whatever is done to the time of day, a machine's sleep included if it can tell."""
    return time.monotonic() if _BOOT is None else time.clock_gettime(_BOOT)


class Watcher:
    """Keeps a sink up to date with a cluster: `kinds`, and those of `families` that are served."""

    def __init__(
        self,
        connection: Connection,
        sink: Sink,
        kinds: Sequence[Kind] = KINDS,
        *,
        families: Iterable[Family] = (),
        namespaces: tuple[str, ...] = (),
        pace: Pace = Pace(),  # noqa: B008 - frozen
        clock: Callable[[], float] = clock,
    ) -> None:
        """`namespaces`: only what belongs to them, everything without any."""
        self._synced = asyncio.Event()
        reads = Reads(connection, sink, pace, clock, self._moved, self._missing)
        self._reflectors = [Reflector(reads, where) for kind in kinds for where in collections(kind, namespaces)]
        self._families = Families(reads, families, namespaces) if (families := tuple(families)) else None

    async def run(self) -> None:
        """Watch until cancelled, which closes every stream. No ClusterError ends it."""
        async with asyncio.TaskGroup() as group:
            for reflector in self._reflectors:
                group.create_task(reflector.run(), name=f"watch {reflector.where}")
            if self._families:
                await self._families.run(group)

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Every collection: those of the kinds in the order given, then discovery and what it found."""
        fixed = tuple(reflector.standing for reflector in self._reflectors)
        return fixed + (self._families.standings if self._families else ())

    @property
    def required(self) -> tuple[Standing, ...]:
        """The collections of the kinds given, and whether it is known which families are served."""
        fixed = tuple(reflector.standing for reflector in self._reflectors)
        return (*fixed, self._families.discovery) if self._families else fixed

    @property
    def state(self) -> State:
        """`Listing` until all that may be read was listed once, then `Live`."""
        return overall(self.standings)

    async def synced(self) -> None:
        """Wait for the first `Live`."""
        await self._synced.wait()

    def _moved(self) -> None:
        if isinstance(self.state, Live):
            self._synced.set()

    def _missing(self) -> None:
        if self._families:
            self._families.ask()
