"""A server that does everything wrong that servers do, at random: what follows from it is what it ends with.

Scripted, because no real API server sends garbage on demand. It keeps a true history of objects; each answer is cut,
garbled, refused or expired by chance, until it is told to behave.
"""

import asyncio
import json
import random
from pathlib import Path

import pytest
from aiohttp import web

from tests.faults.following import contents
from tests.support.fakes import ScriptedApi, bookmark, event, page, refusal, scripted_api, status
from tests.support.watching import PODS, reached
from webhook.cluster.client_configuration import Access
from webhook.cluster.kinds import Raw
from webhook.cluster.reflector import Pace
from webhook.model.objects import Pod
from webhook.model.settings import DEFAULTS
from webhook.wiring.cluster_source import Cluster
from webhook.world import World

QUICK = Pace(first=0.002, most=0.01, slow=0.01, silence=0.5, discover=5.0)
CHANGES = 1_500  # and more, until every fault was played
MOST_CHANGES = 30_000
REFUSALS = (409, 429, 500, 503, 504)
GARBAGE = (
    b"not json\n",
    b'{"type":"ADDED","object":[]}\n',
    b'{"type":"NOVEL","object":{"metadata":{"name":"x","resourceVersion":"7"}}}\n',
    b'{"type":"MODIFIED","object":{"metadata":{"name":"p1"}}}\n',
    b"\0\xff\n",
    b"[" * 5_000 + b"\n",
)


class History:
    """Pods, and all that ever happened to them."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.well = False
        self.version = 1
        self.pods: dict[str, Raw] = {}
        self.events: list[tuple[int, bytes]] = []
        self.told: set[str] = set()  # the faults that were played
        self._news = asyncio.Event()

    def change(self) -> None:
        """Let one thing happen."""
        self.version += 1
        name = f"p{self.dice.randrange(40)}"
        pod: Raw = {
            "metadata": {
                "name": name,
                "namespace": "ns",
                "resourceVersion": str(self.version),
                "labels": {"version": str(self.version)},
            }
        }
        if name in self.pods and self.dice.random() < 0.4:
            del self.pods[name]
            word = "DELETED"
        else:
            word = "MODIFIED" if name in self.pods else "ADDED"
            self.pods[name] = pod
        self.events.append((self.version, json.dumps(event(word, pod)).encode() + b"\n"))
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _fault(self, name: str, chance: float) -> bool:
        if self.well or self.dice.random() > chance:
            return False
        self.told.add(name)
        return True

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a list or a watch of the pods, mostly badly."""
        if self._fault("refused", 0.2):
            return await status(self.dice.choice(REFUSALS), "not now")(request)
        return await (self._watch if "watch" in request.query else self._list)(request)

    async def _list(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer in pages of seven, of one moment; a token is that moment's version, what is left stands in it."""
        token = request.query.get("continue")
        if token and self._fault("token expired", 0.05):
            return await status(410, "the continue token is too old")(request)
        moment: list[Raw] = json.loads(token)["left"] if token else [self.pods[name] for name in sorted(self.pods)]
        version = json.loads(token)["version"] if token else str(self.version)
        size = len(moment) if request.query.get("limit") == "0" else 7
        items, left = moment[:size], moment[size:]
        if self._fault("page cut", 0.1):
            response = web.StreamResponse(headers={"Content-Length": "100000"})
            await response.prepare(request)
            await response.write(b'{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"half"')
            assert request.transport is not None
            request.transport.abort()
            return response
        more = json.dumps({"version": version, "left": left}) if left else ""
        return await page(*items, version=version, more=more)(request)

    async def _watch(self, request: web.BaseRequest) -> web.StreamResponse:
        since = int(request.query["resourceVersion"])
        if self._fault("version expired", 0.1):
            return await status(410, "too old resource version")(request)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            news = self._news
            for version, line in [one for one in self.events if one[0] > since]:
                if await self._broken(request, response, line):
                    return response
                await response.write(line)
                since = version
            if self._fault("bookmark", 0.3):
                await response.write(json.dumps(bookmark(str(since))).encode() + b"\n")
            if self._fault("silence", 0.05):
                await asyncio.sleep(1.0)
            await news.wait()

    async def _broken(self, request: web.BaseRequest, response: web.StreamResponse, line: bytes) -> bool:
        """Break off before an event, by chance; True then."""
        if self._fault("event cut", 0.01):
            await response.write(line[: self.dice.randrange(1, len(line))])
            assert request.transport is not None
            request.transport.abort()
            return True
        if self._fault("event truncated", 0.01):
            await response.write(line[: self.dice.randrange(1, len(line))] + b"\n")
            return True
        if self._fault("garbage", 0.01):
            await response.write(self.dice.choice(GARBAGE))
            return True
        if self._fault("error event", 0.01):
            code = self.dice.choice((410, 500, 504))
            await response.write(json.dumps(event("ERROR", refusal(code, "oh"))).encode() + b"\n")
            return True
        return self._fault("closed", 0.01)


FAULTS = {
    *("refused", "token expired", "page cut", "version expired", "bookmark", "silence", "event cut"),
    *("event truncated", "garbage", "error event", "closed"),
}


def labels(source: Cluster) -> dict[str, str]:
    """Return the version that each pod's label tells."""
    view = source.view()
    if not isinstance(view, World):
        return {}
    pods = [one for one in contents(view).values() if isinstance(one, Pod)]
    return {pod.name: pod.pod_class.labels.get("version") or "" for pod in pods}


@pytest.mark.parametrize("seed", range(4))
def test_whatever_goes_wrong_the_world_is_the_server_s_in_the_end(tmp_path: Path, seed: int) -> None:
    async def scenario() -> None:
        async with scripted_api() as api:
            history = History(seed)
            _serve(api, history)
            source = Cluster(Access(api.kubeconfig(tmp_path)), DEFAULTS, pace=QUICK)
            task = asyncio.create_task(source.run())
            for number in range(MOST_CHANGES):
                history.change()
                if not number % 3:
                    await asyncio.sleep(0.001)
                if number > CHANGES and history.told == FAULTS:
                    break
            history.well = True
            history.change()
            expected = {name: pod["metadata"]["labels"]["version"] for name, pod in history.pods.items()}
            await reached(lambda: labels(source) == expected)
            assert not task.done()
            task.cancel()
            await asyncio.wait([task])
            assert history.told == FAULTS

    asyncio.run(scenario())


def _serve(api: ScriptedApi, history: History) -> None:
    """Let the history answer for pods; every other kind is empty, and quiet."""
    api.always(PODS.path, history.answer)
    api.always_watches(PODS.path, history.answer)
