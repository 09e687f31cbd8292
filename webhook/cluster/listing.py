"""One complete list of a kind, page by page."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final, Protocol, cast

import msgspec

from webhook.cluster.client import Connection
from webhook.cluster.errors import ExpiredError, ForbiddenError, GarbledError, NotServedError, cleaned
from webhook.cluster.kinds import KINDS, Kind, Raw, Shape

PAGE: Final = 500  # objects, as kubectl and client-go ask for
_SERVER_SECONDS: Final = 50  # the server gives up before we do, and says so


class _ListMeta(msgspec.Struct):
    resource_version: str = msgspec.field(name="resourceVersion", default="")
    more: str = msgspec.field(name="continue", default="")


class _Page(msgspec.Struct):
    metadata: _ListMeta
    items: list[Shape] | None = None


class Listed(msgspec.Struct, frozen=True):
    """Every object of a kind as of `version`, from which a watch goes on."""

    version: str
    raws: list[Raw]


_PAGES: Final = msgspec.json.Decoder(_Page)


async def list_all(connection: Connection, kind: Kind) -> Listed:
    """List a kind as it is at one moment. Raises ClusterError.

    Where the continue token expires on the way, the rest would be of another moment: it is listed again in one
    piece, as client-go's pager does.
    """
    try:
        return await _list(connection, kind, PAGE)
    except ExpiredError:
        return await _list(connection, kind, limit=0)


async def _list(connection: Connection, kind: Kind, limit: int) -> Listed:
    query: dict[str, str | int] = {"limit": limit, "timeoutSeconds": _SERVER_SECONDS}
    raws: list[Raw] = []
    version = ""
    seen: set[str] = set()
    while True:
        page = _decoded(await connection.get(kind.path, query), kind)
        version = version or page.metadata.resource_version
        for item in page.items or ():
            raw = cast("Raw", item)
            raw["apiVersion"], raw["kind"] = kind.api_version, kind.name  # items of a built-in list carry neither
            raws.append(raw)
        more = page.metadata.more
        if not more:
            return Listed(version, raws)
        if more in seen:
            raise GarbledError(f"the list of {kind} does not end")
        seen.add(more)
        query["continue"] = more


def _decoded(body: bytes, kind: Kind) -> _Page:
    try:
        page = _PAGES.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise GarbledError(f"the list of {kind} cannot be read: {cleaned(str(error))}") from error
    if not page.metadata.resource_version:
        raise GarbledError(f"the list of {kind} has no resourceVersion")
    return page


class Reader(Protocol):
    """Who is told of a list read once; a `watch.Sink` is one."""

    def replace(self, kind: Kind, raws: list[Raw], /) -> Any:  # noqa: ANN401 - what it returns is not looked at
        """Take every object of a kind."""


async def read_once(connection: Connection, reader: Reader, kinds: Iterable[Kind] = KINDS) -> dict[Kind, str]:
    """List every kind once, several at a time; return why, for each that may not be read or is not served.

    Raises ClusterError for anything else that goes wrong: half a cluster is no world.
    """
    missing: dict[Kind, str] = {}

    async def read(kind: Kind) -> None:
        try:
            listed = await list_all(connection, kind)
        except (ForbiddenError, NotServedError) as error:
            missing[kind] = str(error)
        else:
            reader.replace(kind, listed.raws)

    try:
        async with asyncio.TaskGroup() as group:
            for kind in kinds:
                group.create_task(read(kind))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return missing
