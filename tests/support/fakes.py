"""What the real thing cannot be made to do on demand: an API server that fails by a script, over real HTTP."""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from webhook.cluster.kinds import Collection, Kind, Phase, Raw, Standing
from webhook.cluster.list_watch import EventType

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


# What a script is made of


def page(*items: Raw, version: str = "1", more: str = "") -> Answer:
    """Answer with a page of a list; `more` is its continue token."""
    metadata = {"resourceVersion": version, "continue": more}
    return body(json.dumps({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items}).encode())


def status(code: int, message: str = "", **headers: str) -> Answer:
    """Answer with a Status object, as the API server refuses."""

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(refusal(code, message), status=code, headers=headers)

    return answer


def body(content: bytes) -> Answer:
    """Answer with these bytes."""

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=content, content_type="application/json")

    return answer


def cut_page(content: bytes) -> Answer:
    """Promise more than `content`, then cut the connection."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(content) + 1000)})
        await response.prepare(request)
        await response.write(content)
        await _abort(request)
        return response

    return answer


def refuse_connection() -> Answer:
    """Cut the connection without an answer."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        await _abort(request)
        return web.Response()

    return answer


def stream(*parts: Raw | bytes | asyncio.Event, end: str = "hold") -> Answer:
    """Answer a watch with events or raw bytes, waiting where an `asyncio.Event` stands.

    `end`: `close` it well, `cut` it, or `hold` it open.
    """

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for part in parts:
            if isinstance(part, asyncio.Event):
                await part.wait()
            else:
                await response.write(part if isinstance(part, bytes) else json.dumps(part).encode() + b"\n")
        if end == "hold":
            await asyncio.Event().wait()
        if end == "cut":
            await _abort(request)
        return response

    return answer


def held(until: asyncio.Event) -> Answer:
    """Answer a watch with nothing at all before `until`, then hold it open."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        await until.wait()
        return await stream()(request)

    return answer


async def _abort(request: web.BaseRequest) -> None:
    await asyncio.sleep(0.01)  # lets what was written leave first
    assert request.transport is not None
    request.transport.abort()


def pod(name: str, version: str = "1", **labels: str) -> Raw:
    """Return a pod as a list or an event carries it, with the ballast that is to be left behind."""
    metadata = {
        "name": name,
        "namespace": "ns",
        "resourceVersion": version,
        "labels": labels,
        "managedFields": [{"f": {}}],
    }
    return {"metadata": metadata, "spec": {"containers": []}}


def groups(*names: str) -> Answer:
    """Answer `/apis`: each `group/version`, the preferred version of a group first."""
    found: dict[str, list[str]] = {}
    for name in names:
        group, _, version = name.partition("/")
        found.setdefault(group, []).append(version)
    versions = {group: [{"groupVersion": f"{group}/{v}", "version": v} for v in vs] for group, vs in found.items()}
    every = [{"name": group, "versions": vs, "preferredVersion": vs[0]} for group, vs in versions.items()]
    return body(json.dumps({"kind": "APIGroupList", "groups": every}).encode())


def resources(*kinds: Kind) -> Answer:
    """Answer `/apis/GROUP/VERSION`, with a subresource for each kind."""
    verbs = ["get", "list", "watch"]
    every = [{"name": k.plural, "kind": k.name, "namespaced": k.namespaced, "verbs": verbs} for k in kinds]
    every += [{**one, "name": f"{one['name']}/status", "verbs": ["get"]} for one in every]
    return body(json.dumps({"kind": "APIResourceList", "resources": every}).encode())


def event(kind: str, raw: Raw) -> Raw:
    return {"type": kind, "object": raw}


def bookmark(version: str) -> Raw:
    return event("BOOKMARK", {"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": version}})


def end_of_list(version: str) -> Raw:
    """Return the bookmark that ends the objects with which a watch begins."""
    metadata = {"resourceVersion": version, "annotations": {"k8s.io/initial-events-end": "true"}}
    return event("BOOKMARK", {"kind": "Pod", "apiVersion": "v1", "metadata": metadata})


def refusal(code: int, message: str = "") -> Raw:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message, "metadata": {}}


# The server


@dataclass
class Asked:
    """One request."""

    path: str
    query: dict[str, str]
    token: str
    accept: str = ""

    @property
    def watches(self) -> bool:
        return "watch" in self.query and not self.streams

    @property
    def streams(self) -> bool:
        """A streaming list."""
        return "sendInitialEvents" in self.query


@dataclass
class ScriptedApi:
    """Answers each collection's lists and watches from two scripts.

    A list without a script is empty; a watch without one is held open; a streaming list without one is refused, as by
    an API server that has none. `token`: other credentials get 401.
    """

    url: str = ""
    token: str = "secret"
    asked: list[Asked] = field(default_factory=list)
    open_watches: int = 0
    _lists: dict[str, deque[Answer]] = field(default_factory=lambda: defaultdict(deque))
    _watches: dict[str, deque[Answer]] = field(default_factory=lambda: defaultdict(deque))
    _streams: dict[str, deque[Answer]] = field(default_factory=lambda: defaultdict(deque))
    _always: dict[str, Answer] = field(default_factory=dict)
    _always_watches: dict[str, Answer] = field(default_factory=dict)

    def always(self, path: str, answer: Answer) -> None:
        """Answer whatever the scripts do not with this."""
        self._always[path] = answer

    def always_watches(self, path: str, answer: Answer) -> None:
        """Answer whatever watches the scripts do not with this."""
        self._always_watches[path] = answer

    def lists(self, kind: Kind, *answers: Answer) -> None:
        self._lists[kind.path].extend(answers)

    def watches(self, kind: Kind, *answers: Answer) -> None:
        self._watches[kind.path].extend(answers)

    def streams(self, kind: Kind, *answers: Answer) -> None:
        """Answer streaming lists, and the watches that they become."""
        self._streams[kind.path].extend(answers)

    @property
    def listed(self) -> list[dict[str, str]]:
        """The queries of the lists."""
        return [one.query for one in self.asked if not (one.watches or one.streams)]

    @property
    def watched_from(self) -> list[str]:
        """The versions that watches started from."""
        return [one.query["resourceVersion"] for one in self.asked if one.watches]

    def kubeconfig(self, folder: Path, token: str = "secret") -> str:  # noqa: S107 - opens nothing
        """Write a kubeconfig for this server."""
        path = folder / "kubeconfig"
        user = {"name": "u", "user": {"token": token}}
        cluster = {"name": "c", "cluster": {"server": self.url}}
        context = {"name": "x", "context": {"user": "u", "cluster": "c"}}
        path.write_text(
            json.dumps({"current-context": "x", "contexts": [context], "clusters": [cluster], "users": [user]})
        )
        return str(path)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        asked = Asked(request.path, dict(request.query), token, request.headers.get("Accept", ""))
        self.asked.append(asked)
        if asked.token != self.token:
            return await status(401, "Unauthorized")(request)
        if asked.streams:
            found = self._streams[request.path]
            return await (found.popleft() if found else status(422, "sendInitialEvents is forbidden"))(request)
        script = (self._watches if asked.watches else self._lists)[request.path]
        if not asked.watches:
            return await (script.popleft() if script else self._always.get(request.path, page()))(request)
        self.open_watches += 1
        try:
            return await (script.popleft() if script else self._always_watches.get(request.path, stream()))(request)
        finally:
            self.open_watches -= 1


@asynccontextmanager
async def scripted_api() -> AsyncIterator[ScriptedApi]:
    """Serve on a free port of the loopback."""
    api = ScriptedApi()
    runner = web.ServerRunner(web.Server(api.answer, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    api.url = f"http://{host}:{port}"
    try:
        yield api
    finally:
        await runner.cleanup()


# The other end


@dataclass
class RecordingSink:
    """A `Sink` that keeps what it is told, and the world that follows from it; a whole list is one `replace`."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    troubles: list[tuple[str, str]] = field(default_factory=list)
    phases: list[tuple[str, Phase]] = field(default_factory=list)
    world: dict[str, dict[str, Raw]] = field(default_factory=dict)
    _begun: dict[Collection, dict[str, Raw]] = field(default_factory=dict)

    def begin(self, where: Collection, /) -> None:
        self._begun[where] = {}

    def take(self, where: Collection, raws: list[Raw], remaining: int, /) -> None:
        assert remaining >= 0
        self._begun[where] |= {raw["metadata"]["name"]: raw for raw in raws}

    def end(self, where: Collection, /) -> None:
        found = self._begun.pop(where)
        before = self.world.get(where.kind.name, {})
        elsewhere = {n: r for n, r in before.items() if where.namespace not in ("", r["metadata"].get("namespace"))}
        self.world[where.kind.name] = elsewhere | found
        self.calls.append(("replace", *sorted(found)))

    def event(self, where: Collection, event_type: EventType, raw: Raw, /) -> None:
        name = raw["metadata"]["name"]
        if event_type == "DELETED":
            self.world[where.kind.name].pop(name, None)
        else:
            self.world[where.kind.name][name] = raw
        self.calls.append((event_type, name))

    def moved(self, standing: Standing, /) -> None:
        self.phases.append((standing.kind.name, standing.phase))

    def trouble(self, where: Collection, reason: str, /) -> None:
        self.troubles.append((where.kind.name, reason))

    def forget(self, where: Collection, /) -> None:
        self.world.pop(where.kind.name, None)
        self.calls.append(("forget", where.kind.name))
