"""One watch request: chunks to events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Literal

import msgspec

from webhook.cluster.client import BARE, WHOLE, Query
from webhook.cluster.errors import UNREADABLE, GarbledError, UnreachableError, cleaned, refused_in_stream
from webhook.cluster.kinds import Raw
from webhook.cluster.listing import Reading

EventType = Literal["ADDED", "MODIFIED", "DELETED"]
AT_ONCE: Final = 20  # events, before the event loop may do something else
LARGEST_EVENT: Final = 32 << 20  # bytes: far above what etcd stores of one object, far below what would hurt
_NAMES: Final[dict[str, EventType]] = {"ADDED": "ADDED", "MODIFIED": "MODIFIED", "DELETED": "DELETED"}


class Event(msgspec.Struct, frozen=True):
    """One object came, changed or went; `type` None: a bookmark, only `version` counts."""

    type: EventType | None
    raw: Raw
    version: str


class _Wire(msgspec.Struct):
    type: str
    object: msgspec.Raw


_EVENTS: Final = msgspec.json.Decoder(_Wire)


@asynccontextmanager
async def watch(reading: Reading, version: str, *, seconds: int, silence: float) -> AsyncIterator[AsyncIterator[Event]]:
    """Open a watch of everything after `version`, which the server ends after `seconds`. Raises ClusterError.

    Out of the events come also: ExpiredError where `version` is too old, GarbledError for what is no event,
    UnreachableError where the connection is cut, SilentError after `silence` seconds without a word.
    """
    query: Query = {
        **reading.where.query,
        "watch": "1",
        "allowWatchBookmarks": "true",
        "resourceVersion": version,
        "timeoutSeconds": seconds,
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
        return Event(None, raw, version)
    if wire.type not in _NAMES:
        raise GarbledError(f"an event of {kind} is of an unknown type: {cleaned(wire.type)}")
    return Event(_NAMES[wire.type], raw, version)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Cut chunks at line ends. Raises UnreachableError where the stream ends inside a line."""
    begun: list[bytes] = []
    size = 0
    async for chunk in chunks:
        first, *rest = chunk.split(b"\n")
        begun.append(first)
        size += len(first)
        if size > LARGEST_EVENT:
            raise GarbledError(f"an event of more than {LARGEST_EVENT >> 20} MiB")
        for line in rest:
            yield b"".join(begun)
            begun, size = [line], len(line)
    if size:
        raise UnreachableError("the connection was cut inside an event")
