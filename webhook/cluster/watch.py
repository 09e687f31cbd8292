"""List, then watch, forever: what client-go calls a reflector, one for each kind.

INVARIANT: a sink hears of a kind first `replace`, then `event`s, each once and in order; after anything that could
have lost an event, `replace` comes again. It is never told that something vanished because it could not be read.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

from msgspec import Struct

from webhook.cluster.client import Connection
from webhook.cluster.errors import (
    ClusterError,
    ExpiredError,
    ForbiddenError,
    GarbledError,
    NotServedError,
    RefusedError,
    SilentError,
)
from webhook.cluster.kinds import KINDS, Kind, Raw
from webhook.cluster.listing import list_all
from webhook.cluster.state import Live, Phase, Standing, State, overall
from webhook.cluster.stream import Event, EventType, watch

RESUMES: Final = 3  # times a cut watch is taken up again before everything is listed anew
_SERVER_SECONDS: Final = (240, 480)  # a watch's length is drawn from here, so that the watches do not all end at once
_TOO_SHORT: Final = 1.0  # seconds: a watch that ends sooner without an event is no watch


class Sink(Protocol):
    """Who is told. Called on the event loop; must not block, and must not raise: that ends the watcher."""

    def replace(self, kind: Kind, raws: list[Raw], /) -> None:
        """Take every object of a kind; what the sink has of it beyond these is gone."""

    def event(self, kind: Kind, event_type: EventType, raw: Raw, /) -> None:
        """Take one change."""

    def trouble(self, kind: Kind, reason: str, /) -> None:
        """Hear that a kind cannot be read at the moment; what the sink has of it stays."""


class Pace(Struct, frozen=True):
    """Seconds to wait after failures: `first`, doubled up to `most`, with jitter; up to `slow` after 403 or 404.

    These too begin small: an API server that has just started forbids everything until it knows the roles, and
    whoever installs the webhook may be about to grant them.

    `silence`: how long a watch may say nothing before it is asked for again. Bookmarks come about every minute
    where anything changes at all; a quiet kind and a dead connection look the same.
    """

    first: float = 0.8
    most: float = 30.0
    slow: float = 60.0
    silence: float = 150.0


class Watcher:
    """Keeps a sink up to date with a cluster."""

    def __init__(
        self,
        connection: Connection,
        sink: Sink,
        kinds: Sequence[Kind] = KINDS,
        *,
        pace: Pace = Pace(),  # noqa: B008 - frozen
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._synced = asyncio.Event()
        reads = _Reads(connection, sink, pace, clock, self._moved)
        self._reflectors = [_Reflector(reads, kind) for kind in kinds]

    async def run(self) -> None:
        """Watch until cancelled, which closes every stream. No ClusterError ends it."""
        async with asyncio.TaskGroup() as group:
            for reflector in self._reflectors:
                group.create_task(reflector.run(), name=f"watch {reflector.standing.kind}")

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Every kind, in the order given."""
        return tuple(reflector.standing for reflector in self._reflectors)

    @property
    def state(self) -> State:
        """`Listing` until every kind that may be read was listed once, then `Live`."""
        return overall(self.standings)

    async def synced(self) -> None:
        """Wait for the first `Live`."""
        await self._synced.wait()

    def _moved(self) -> None:
        if isinstance(self.state, Live):
            self._synced.set()


class _Reflector:
    """Keeps one kind up to date."""

    def __init__(self, reads: "_Reads", kind: Kind) -> None:
        self._reads = reads
        self._kind = kind
        self._version = ""  # "": to be listed
        self._failures = 0  # since the server last proved to be well
        self._phase = Phase.WAITING
        self._reason = ""
        self._heard: float | None = None

    @property
    def standing(self) -> Standing:
        """Where this kind stands."""
        return Standing(self._kind, self._phase, self._reason, self._heard)

    async def run(self) -> None:
        """List and watch in turn; every failure is told, waited out and tried again."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except ClusterError as error:
                delay = self._after(error)
            else:
                delay = self._delay(self._reads.pace.most) if self._failures else 0.0
            await asyncio.sleep(delay)

    async def _list(self) -> None:
        listed = await list_all(self._reads.connection, self._kind)
        self._reads.sink.replace(self._kind, listed.raws)
        self._version = listed.version
        self._stand(Phase.LIVE)

    async def _watch(self) -> None:
        seconds = random.randint(*_SERVER_SECONDS)  # noqa: S311 - spreads load, guards nothing
        opened, since, silence = self._reads.clock(), self._version, self._reads.pace.silence
        async with watch(self._reads.connection, self._kind, since, seconds=seconds, silence=silence) as events:
            self._stand(Phase.LIVE)
            with suppress(SilentError):  # asked again from where it stopped, which tells quiet from dead
                await self._follow(events)
        idle = self._version == since and self._reads.clock() - opened < _TOO_SHORT
        self._failures = self._failures + 1 if idle else 0

    async def _follow(self, events: AsyncIterator[Event]) -> None:
        async for event in events:
            if event.type is not None:
                self._reads.sink.event(self._kind, event.type, event.raw)
            self._version = event.version
            self._heard = self._reads.clock()
            self._failures = 0

    def _after(self, error: ClusterError) -> float:
        """Note a failure, decide whether the watch can be resumed, and return how long to wait."""
        self._failures += 1
        if isinstance(error, ExpiredError):
            self._version = ""  # the server's own way of saying: list again
            return self._delay(self._reads.pace.most) if self._failures > 1 else 0.0
        self._reads.sink.trouble(self._kind, str(error))
        if isinstance(error, ForbiddenError | NotServedError):
            self._version = ""
            self._stand(Phase.FORBIDDEN if isinstance(error, ForbiddenError) else Phase.ABSENT, str(error))
            return self._delay(self._reads.pace.slow)
        if isinstance(error, GarbledError) or self._failures > RESUMES:
            self._version = ""
        self._stand(Phase.WAITING if self._phase is Phase.WAITING else Phase.BEHIND, str(error))
        return max(self._delay(self._reads.pace.most), error.retry_after if isinstance(error, RefusedError) else 0.0)

    def _delay(self, most: float) -> float:
        return _jittered(min(self._reads.pace.first * 2.0 ** min(self._failures - 1, 16), most))

    def _stand(self, phase: Phase, reason: str = "") -> None:
        if phase is Phase.LIVE:
            self._heard = self._reads.clock()
        self._phase, self._reason = phase, reason
        self._reads.moved()


class _Reads(Struct, frozen=True):
    """What the reflectors of one watcher share."""

    connection: Connection
    sink: Sink
    pace: Pace
    clock: Callable[[], float]
    moved: Callable[[], None]


def _jittered(seconds: float) -> float:
    """Return between half and all of it: many replicas do not come back at the same moment."""
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
