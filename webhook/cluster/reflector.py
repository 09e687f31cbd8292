"""List, then watch, forever: one collection kept up to date, as client-go's Reflector does.

Both are one request where the API server can stream lists.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
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
from webhook.cluster.kinds import Collection, Phase, Raw, Standing
from webhook.cluster.list_watch import Event, EventType, Reader, Reading, watch

_log: Final = logging.getLogger(__name__)
RESUMES: Final = 3  # times a cut watch is taken up again before everything is listed anew
_SERVER_SECONDS: Final = (240, 480)  # a watch's length is drawn from here, so that the watches do not all end at once
_NO_STREAMS: Final = frozenset({400, 422})  # how streaming lists are refused: by older API servers, and for some kinds
_TOO_SHORT: Final = 1.0  # seconds: a watch that ends sooner without an event is no watch


class Sink(Reader, Protocol):
    """Who is notified. Called on the event loop; must not block, and must not raise: that begins the list anew.

    INVARIANT: of a collection it hears first one whole list (`begin`, `take`s, `end`), then `event`s, each once and
    in order; after anything that could have lost an event, the list comes again. A list that breaks off ends with
    no `end`. It is never told that something vanished because it could not be read.
    """

    def event(self, where: Collection, event_type: EventType, raw: Raw, /) -> None:
        """Take one change."""

    def moved(self, standing: Standing, /) -> None:
        """Hear that a collection changed its phase."""

    def trouble(self, where: Collection, reason: str, /) -> None:
        """Hear that a collection cannot be read at the moment; what the sink has of it stays."""

    def forget(self, where: Collection, /) -> None:
        """Hear that a collection is not there any more; nor is what was in it."""


class Pace(Struct, frozen=True):
    """Seconds to wait after failures: `first`, doubled up to `most`, with jitter; up to `slow` after 403 or 404.

    These too begin small: an API server that has just started forbids everything until it knows the roles, and
    whoever installs the webhook may be about to grant them.

    `silence`: how long a watch may say nothing before it is asked for again. Bookmarks come about every minute
    where anything changes at all; a quiet kind and a dead connection look the same.
    `discover`: how long until it is asked again which policy families are served.
    """

    first: float = 0.8
    most: float = 30.0
    slow: float = 60.0
    silence: float = 75.0
    discover: float = 30.0

    def after(self, failures: int, most: float) -> float:
        """Return how long to wait after so many failures in a row."""
        return jittered(min(self.first * 2.0 ** min(failures - 1, 16), most))


class Reads(Struct, frozen=True):
    """What the reflectors of one watcher share. `missing` is called where something turns out not to be served."""

    connection: Connection
    sink: Sink
    pace: Pace
    clock: Callable[[], float]
    moved: Callable[[], None]
    missing: Callable[[], None]


class Reflector:
    """Keeps one collection up to date."""

    def __init__(self, reads: Reads, where: Collection) -> None:
        self.where = where
        self._reads = reads
        self._reading = Reading.of(reads.connection, where, bare=where.kind.bare != "none")
        self._version = ""  # "": to be listed
        self._served = self._streams = True  # streaming lists: at all; the next one
        self._failures = 0  # since the server last proved to be well
        self._phase = Phase.WAITING
        self._reason = ""
        self._heard: float | None = None

    @property
    def standing(self) -> Standing:
        """The state of this collection."""
        return Standing(self.where, self._phase, self._reason, self._heard)

    async def run(self) -> None:
        """List and watch in turn; every failure is reported, waited out and tried again."""
        while True:
            try:
                if not (self._version or self._streams):
                    await self._list()
                await self._watch()
            except ClusterError as error:
                delay = self._after(error)
            except Exception:  # noqa: BLE001 - logged and told; no object may end the watches of all the others
                _log.exception("%s: internal error", self.where)
                delay = self._after(GarbledError("internal error, see the log"))
            else:
                delay = self._delay(self._reads.pace.most) if self._failures else 0.0
            await asyncio.sleep(delay)

    async def _list(self) -> None:
        self._version = await self._reading.list_into(self._reads.sink)
        self._streams = self._served
        self._stand(Phase.LIVE)

    async def _watch(self) -> None:
        seconds = random.randint(*_SERVER_SECONDS)  # noqa: S311 - spreads load, guards nothing
        opened, since = self._reads.clock(), self._version
        async with watch(self._reading, since, seconds=seconds, silence=self._reads.pace.silence) as events:
            if not since:
                await self._stream_list(events)
            self._stand(Phase.LIVE)
            with suppress(SilentError):  # asked again from where it stopped, which tells quiet from dead
                await self._follow(events)
        idle = self._version == since and self._reads.clock() - opened < _TOO_SHORT
        self._failures = self._failures + 1 if idle else 0

    async def _stream_list(self, events: AsyncIterator[Event]) -> None:
        """Read the list that the watch begins with; where that fails, the next one is asked for in pages."""
        self._streams = False
        version, changes = await self._reading.stream_into(self._reads.sink, events)
        for event in changes:
            await self._tell(event)
        self._version, self._streams = version, True

    async def _follow(self, events: AsyncIterator[Event]) -> None:
        async for event in events:
            await self._tell(event)
            self._version = event.version
            self._heard = self._reads.clock()
            self._failures = 0

    async def _tell(self, event: Event) -> None:
        if event.type == "DELETED":
            self._reads.sink.event(self.where, event.type, event.raw)
        elif event.type is not None and (raw := await self._reading.completed(event.raw)):
            self._reads.sink.event(self.where, event.type, raw)

    def _after(self, error: ClusterError) -> float:
        """Note a failure, decide whether the watch can be resumed, and return how long to wait."""
        if self._streams and not self._version and isinstance(error, RefusedError):
            self._streams = False
            self._served = error.status not in _NO_STREAMS
            if not self._served:
                return 0.0
        self._failures += 1
        if isinstance(error, ExpiredError):
            self._version = ""  # the server's own way of saying: list again
            return self._delay(self._reads.pace.most) if self._failures > 1 else 0.0
        self._reads.sink.trouble(self.where, str(error))
        if isinstance(error, ForbiddenError | NotServedError):
            self._version = ""
            self._stand(Phase.FORBIDDEN if isinstance(error, ForbiddenError) else Phase.ABSENT, str(error))
            if isinstance(error, NotServedError):
                self._reads.missing()
            return self._delay(self._reads.pace.slow)
        if isinstance(error, GarbledError) or self._failures > RESUMES:
            self._version = ""
        self._stand(Phase.BEHIND if self._phase.listed else self._phase, str(error))
        return max(self._delay(self._reads.pace.most), error.retry_after if isinstance(error, RefusedError) else 0.0)

    def _delay(self, most: float) -> float:
        return self._reads.pace.after(self._failures, most)

    def _stand(self, phase: Phase, reason: str = "") -> None:
        if phase is Phase.LIVE:
            self._heard = self._reads.clock()
        before, self._phase, self._reason = self._phase, phase, reason
        if phase is not before:
            self._reads.sink.moved(self.standing)
            self._reads.moved()


def jittered(seconds: float) -> float:
    """Return between half and all of it: many replicas do not come back at the same moment."""
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
