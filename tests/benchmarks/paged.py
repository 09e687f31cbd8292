"""An API server of one trick: it serves the heavy synthetic cluster in pages or streams, and events by rate.

python -m tests.benchmarks.paged PODS POLICIES SERVICES; says `ready http://127.0.0.1:PORT` on stdout. `POST /events`
with `{"rate": per second, "seconds": how long, "expired": whether}` lets the pods' watch speak, after it was told that
its version is too old where that is so, and answers when it has.
"""

import asyncio
import itertools
import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

import msgspec
import uvloop
from aiohttp import web

from tests.benchmarks.heavy import heavy, heavy_objects
from tests.benchmarks.synthetic import Raw, Sizes, objects
from webhook.cluster.kinds import KINDS
from webhook.cluster.list_watch import PAGE

BARE: Final = "as=PartialObjectMetadata"
TICK: Final = 0.01  # seconds between two bursts of events
POD_PATH: Final = next(kind.path for kind in KINDS if kind.name == "Pod")


class Order(msgspec.Struct):
    """What `POST /events` asks for."""

    rate: int
    seconds: float
    expired: bool = False


ADDED: Final = b'{"type":"ADDED","object":%b}\n'
END_OF_LIST: Final = (
    b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"1","annotations":'
    b'{"k8s.io/initial-events-end":"true"}}}}\n'
)
EXPIRED: Final = b'{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old resource version"}}\n'


class Server:
    """Pages by path, whether bare, and number."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._items = _items(sizes)
        self._version = 1
        self._watches: dict[str, set[web.StreamResponse]] = defaultdict(set)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a list, a watch, discovery or an order."""
        if request.path == "/events":
            order = msgspec.json.decode(await request.read(), type=Order)
            return web.json_response({"sent": await self._speak(order)})
        if request.path == "/apis":
            return web.json_response({"kind": "APIGroupList", "groups": []})
        if "watch" in request.query:
            return await self._watch(request)
        body = _page(self._asked(request), int(request.query.get("continue") or 0))
        return web.Response(body=body, content_type="application/json")

    def _asked(self, request: web.BaseRequest) -> list[bytes]:
        return self._items[request.path, BARE in request.headers.get("Accept", "")]

    async def _watch(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        if "sendInitialEvents" in request.query:
            items = self._asked(request)
            for start in range(0, len(items), PAGE):
                await response.write(b"".join(map(ADDED.__mod__, items[start : start + PAGE])))
            await response.write(END_OF_LIST)
        self._watches[request.path].add(response)
        try:
            await asyncio.Event().wait()
        finally:
            self._watches[request.path].discard(response)
        return response

    async def _speak(self, order: Order) -> int:
        """Send events of pods in even bursts; return how many."""
        loop = asyncio.get_running_loop()
        events, began, sent = _events(self._sizes), loop.time(), 0
        if order.expired:
            for response in self._watches[POD_PATH]:
                await response.write(EXPIRED)
        while (passed := loop.time() - began) < order.seconds:
            due = int(passed * order.rate) - sent
            lines = b"".join(self._line(*next(events)) for _ in range(due))
            if lines:
                for response in self._watches[POD_PATH]:
                    await response.write(lines)
            sent += due
            await asyncio.sleep(TICK)
        return sent

    def _line(self, word: str, raw: Raw) -> bytes:
        self._version += 1
        raw["metadata"]["resourceVersion"] = str(self._version)
        return msgspec.json.encode({"type": word, "object": raw}) + b"\n"


def _events(sizes: Sizes) -> Iterator[tuple[str, Raw]]:
    """Yield what a cluster mostly says: of five events four are reports of a status, one a pod that comes or goes."""
    small = Sizes(min(sizes.pods, 5_000), min(sizes.policies, 1_000), min(sizes.services, 2_500))
    pods = [heavy(raw) for raw in objects(small) if raw["kind"] == "Pod"]
    for number in itertools.count():
        pod = pods[number % len(pods)]
        if number % 5:
            yield "MODIFIED", pod
        elif number % 10:
            yield "DELETED", pod
        else:
            yield "ADDED", pods[(number - 5) % len(pods)]


def _items(sizes: Sizes) -> dict[tuple[str, bool], list[bytes]]:
    """Return every kind's objects, whole and bare."""
    paths = {kind.name: kind.path for kind in KINDS}
    items: dict[tuple[str, bool], list[bytes]] = {(path, bare): [] for path in paths.values() for bare in (False, True)}
    for raw in heavy_objects(sizes):
        path = paths[raw["kind"]]
        raw["metadata"]["resourceVersion"] = "1"
        whole = {key: value for key, value in raw.items() if key not in ("apiVersion", "kind")}
        items[path, False].append(msgspec.json.encode(whole))
        items[path, True].append(msgspec.json.encode({"metadata": raw["metadata"]}))
    return items


def _page(items: list[bytes], number: int) -> bytes:
    start = number * PAGE
    left = len(items) - start - PAGE
    metadata: dict[str, str | int] = {"resourceVersion": "1", "continue": str(number + 1) if left > 0 else ""}
    metadata |= {"remainingItemCount": left} if left > 0 else {}
    return b'{"metadata":%b,"items":[%b]}' % (msgspec.json.encode(metadata), b",".join(items[start : start + PAGE]))


async def _serve(sizes: Sizes) -> None:
    server = Server(sizes)
    runner = web.ServerRunner(web.Server(server.answer, handler_cancellation=True, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"ready http://127.0.0.1:{runner.addresses[0][1]}", flush=True)  # noqa: T201 - its only word
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop_of_its_own:
        loop_of_its_own.run(_serve(Sizes(*map(int, sys.argv[1:4]))))
