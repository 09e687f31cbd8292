"""The requests of a reflector: a complete list, page by page, and the watch that goes on from it; or one for both.

A streaming list (KEP-3157) is a watch that begins with everything there is, which costs an API server a small part of
the memory that lists do. No more than a page of raw objects is ever held.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final, Literal, Protocol
from urllib.parse import quote

import msgspec

from webhook.cluster.client import BARE, BARE_LIST, WHOLE, Connection, Query
from webhook.cluster.decoders import Decoders, Page, made
from webhook.cluster.errors import (
    UNREADABLE,
    ExpiredError,
    GarbledError,
    NotServedError,
    UnreachableError,
    cleaned,
    refused_in_stream,
)
from webhook.cluster.kinds import Collection, Raw

PAGE: Final = 500  # objects, as kubectl and client-go ask for
SLICE: Final = 50  # objects that are handed over before the event loop may do something else
_SERVER_SECONDS: Final = 50  # the server gives up before we do, and says so


class Reader(Protocol):
    """Who is notified of lists; called on the event loop, must not block."""

    def begin(self, where: Collection, /) -> None:
        """Hear that a list begins, perhaps once more after one that failed."""

    def take(self, where: Collection, raws: list[Raw], remaining: int, /) -> None:
        """Take some objects of the list; `remaining`: how many are still to come, 0 where the server does not say."""

    def end(self, where: Collection, /) -> None:
        """Hear that the list is complete: what was not in it since `begin` is gone."""


class Reading(msgspec.Struct, frozen=True):
    """What is asked of the API server about one collection, and how."""

    connection: Connection
    where: Collection
    decoders: Decoders
    bare: bool = False

    @staticmethod
    def of(connection: Connection, where: Collection, *, bare: bool) -> "Reading":
        """Ask for `where`; `bare`: for the metadata alone."""
        return Reading(connection, where, Decoders(where.kind), bare)

    async def list_into(self, reader: Reader) -> str:
        """Read the list; return its version, from which a watch goes on. Raises ClusterError.

        Where a continue token expires on the way, the rest would be of another moment: the list is begun again, and
        the time after that asked for in one piece, as client-go's pager does.
        """
        for limit in (PAGE, PAGE):
            try:
                return await self._list(reader, limit)
            except ExpiredError:
                pass
        return await self._list(reader, limit=0)

    async def _list(self, reader: Reader, limit: int) -> str:
        query: dict[str, str | int] = {**self.where.query, "limit": limit, "timeoutSeconds": _SERVER_SECONDS}
        accept = BARE_LIST if self.bare else WHOLE
        version = ""
        seen: set[str] = set()
        reader.begin(self.where)
        while True:
            page = self._decoded(await self.connection.get(self.where.path, query, accept))
            version = version or page.metadata.resource_version
            more = page.metadata.more
            for some in _sliced(page.items or []):
                raws = [whole for raw in some if (whole := await self.completed(raw))]
                reader.take(self.where, raws, page.metadata.remaining or 0)
                await asyncio.sleep(0)
            if not more:
                reader.end(self.where)
                return version
            if more in seen:
                raise GarbledError(f"the list of {self.where} does not end")
            seen.add(more)
            query["continue"] = more

    async def stream_into(self, reader: Reader, events: "AsyncIterator[Event]") -> tuple[str, "list[Event]"]:
        """Read the list that a watch without a version begins with; return its version.

        And what changed before it was complete, which is to be told after it. Raises ClusterError.
        """
        reader.begin(self.where)
        some: list[Raw] = []
        changes: list[Event] = []
        async for event in events:
            if event.ends_list:
                reader.take(self.where, some, 0)
                reader.end(self.where)
                return event.version, changes
            if changes or event.type in {"MODIFIED", "DELETED"}:
                changes.append(event)
            elif event.type is not None and (whole := await self.completed(event.raw)):
                some.append(whole)
            if len(some) >= SLICE:
                reader.take(self.where, some, 0)
                some = []
        raise UnreachableError(f"the list of {self.where} was cut")

    async def completed(self, raw: Raw) -> Raw | None:
        """Return what the core needs of an object: more than was asked for where no workload made it.

        None: it is gone meanwhile, and a watch will say so. Raises ClusterError.
        """
        if not self.bare or self.where.kind.bare != "owned" or made(self.where.kind, raw):
            return raw
        metadata = raw.get("metadata") or {}
        path = self.where.kind.path_in(str(metadata.get("namespace"))) + "/" + quote(str(metadata.get("name")), safe="")
        try:
            return self.decoders.object(await self.connection.get(path, {}))
        except NotServedError:
            return None
        except UNREADABLE as error:
            raise GarbledError(f"one of {self.where} cannot be read: {cleaned(str(error))}") from error

    def _decoded(self, body: bytes) -> Page:
        try:
            page = self.decoders.page(body)
        except UNREADABLE as error:
            raise GarbledError(f"the list of {self.where} cannot be read: {cleaned(str(error))}") from error
        if not page.metadata.resource_version:
            raise GarbledError(f"the list of {self.where} has no resourceVersion")
        return page


def _sliced(items: list[Raw]) -> Iterator[list[Raw]]:
    """Yield the items in slices, and let go of each with its slice."""
    items.reverse()
    while items:
        some = items[: -SLICE - 1 : -1]
        del items[-SLICE:]
        yield some


# -- the watch: chunks to events ---------------------------------------------------------------------------------------


EventType = Literal["ADDED", "MODIFIED", "DELETED"]
AT_ONCE: Final = 20  # events, before the event loop may do something else
_FROM_THE_BEGINNING: Final = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
_END_OF_LIST: Final = "k8s.io/initial-events-end"  # an annotation of a bookmark (metav1.InitialEventsAnnotationKey)
LARGEST_EVENT: Final = 32 << 20  # bytes: far above what etcd stores of one object, far below what would hurt
_NAMES: Final[dict[str, EventType]] = {"ADDED": "ADDED", "MODIFIED": "MODIFIED", "DELETED": "DELETED"}


class Event(msgspec.Struct, frozen=True):
    """One object came, changed or went; `type` None: a bookmark, only `version` counts.

    `ends_list`: the bookmark after the last object that was there when the watch began.
    """

    type: EventType | None
    raw: Raw
    version: str
    ends_list: bool = False


class _Wire(msgspec.Struct):
    type: str
    object: msgspec.Raw


_EVENTS: Final = msgspec.json.Decoder(_Wire)


@asynccontextmanager
async def watch(reading: Reading, version: str, *, seconds: int, silence: float) -> AsyncIterator[AsyncIterator[Event]]:
    """Open a watch of everything after `version`, which the server ends after `seconds`. Raises ClusterError.

    Without a version it begins with all that is there, at this moment or later, and a bookmark that says where that
    ends; a server that cannot do that refuses with 400 or 422. Out of the events come also: ExpiredError where
    `version` is too old, GarbledError for what is no event, UnreachableError where the connection is cut, SilentError
    after `silence` seconds without a word.
    """
    query: Query = {
        **reading.where.query,
        "watch": "1",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": seconds,
        **({"resourceVersion": version} if version else _FROM_THE_BEGINNING),
    }
    accept = BARE if reading.bare else WHOLE
    async with reading.connection.stream(reading.where.path, query, silence, accept) as chunks:
        yield events(chunks, reading)


async def events(chunks: AsyncIterator[bytes], reading: Reading) -> AsyncIterator[Event]:
    """Yield what is said in chunks of any size. Raises as `watch` does, and what the chunks raise."""
    at_once = 0
    async for line in _lines(chunks):
        if line.strip():
            yield _event(line, reading)
            at_once += 1
            if at_once % AT_ONCE == 0:  # a chunk may hold all that happened while somebody else had the processor
                await asyncio.sleep(0)


def _event(line: bytes, reading: Reading) -> Event:
    kind = reading.where.kind
    try:
        wire = _EVENTS.decode(line)
        if wire.type == "ERROR":
            raise refused_in_stream(bytes(wire.object))
        raw = reading.decoders.object(wire.object)
        version = raw["metadata"]["resourceVersion"]
    except UNREADABLE as error:
        raise GarbledError(f"an event of {kind} cannot be read: {cleaned(str(error))}") from error
    except KeyError as error:
        raise GarbledError(f"an event of {kind} has no resourceVersion") from error
    if wire.type == "BOOKMARK":
        notes = raw["metadata"].get("annotations")
        return Event(None, raw, version, isinstance(notes, dict) and notes.get(_END_OF_LIST) == "true")
    if wire.type not in _NAMES:
        raise GarbledError(f"an event of {kind} is of an unknown type: {cleaned(wire.type)}")
    return Event(_NAMES[wire.type], raw, version)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Cut chunks at line ends. Raises UnreachableError where the stream ends inside a line."""
    begun: list[bytes] = []
    size = 0
    async for chunk in chunks:
        lines = chunk.split(b"\n")
        del chunk  # as each line is let go: a stream may be silent for long after this
        lines.reverse()
        while lines:
            piece = lines.pop()
            begun.append(piece)
            size += len(piece)
            if size > LARGEST_EVENT:
                raise GarbledError(f"an event of more than {LARGEST_EVENT >> 20} MiB")
            if lines:
                yield b"".join(begun)
                begun, size = [], 0
    if size:
        raise UnreachableError("the connection was cut inside an event")
