"""An API server's store of objects in memory: versions, conflicts and refusals, on demand."""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from webhook.cluster.client import WHOLE, Query
from webhook.cluster.errors import ClusterError, RefusedError, refused
from webhook.cluster.kinds import Kind

Raw = dict[str, Any]


def said(code: int, message: str = "") -> RefusedError:
    """Return what a client makes of a refusal."""
    return refused(code, json.dumps({"message": message or f"refused with {code}"}).encode())


@dataclass
class ObjectStore:
    """`Requests` of a connection. `fault` may refuse whatever is asked; `asked` is what was, oldest first."""

    objects: dict[str, Raw] = field(default_factory=dict)  # by path
    served: dict[str, bytes] = field(default_factory=dict)  # answers that are no objects: discovery
    fault: Callable[[str, str], ClusterError | None] = lambda _method, _path: None
    before: Callable[[str, str], None] = lambda _method, _path: None
    asked: list[tuple[str, str]] = field(default_factory=list)
    _version: int = 0

    async def get(self, path: str, query: Query, accept: str = WHOLE, /) -> bytes:
        assert accept == WHOLE
        self._ask("GET", path)
        if path in self.served:
            return self.served[path]
        if path in self.objects:
            return json.dumps(self.objects[path]).encode()
        below = [raw for where, raw in self.objects.items() if self._in(where, path) and _chosen(raw, query)]
        if query.get("labelSelector"):
            return json.dumps({"items": below, "metadata": {}}).encode()
        raise said(404)

    async def send(self, method: str, path: str, value: Any, content_type: str = WHOLE, /) -> bytes:  # noqa: ANN401
        assert content_type == WHOLE
        self._ask(method, path)
        match method:
            case "POST":
                where = f"{path}/{value['metadata']['name']}"
                if where in self.objects:
                    raise said(409, "exists")
                return self._store(where, value)
            case "PUT":
                self._check(path, value["metadata"].get("resourceVersion"))
                return self._store(path, value)
            case "DELETE":
                self._check(path, value.get("preconditions", {}).get("resourceVersion"))
                del self.objects[path]
                return b"{}"
            case _:
                raise AssertionError(method)

    def serves(self, *kinds: Kind) -> None:
        """Serve these kinds and no other, as discovery tells."""
        named: dict[str, set[str]] = {}
        self.served.clear()
        for kind in kinds:
            group, _, version = kind.api_version.partition("/")
            named.setdefault(group, set()).add(version)
            resources = [
                {"name": k.plural, "kind": k.name, "namespaced": True, "verbs": ["list", "watch"]} for k in kinds
            ]
            self.served[f"/apis/{kind.api_version}"] = json.dumps({"resources": resources}).encode()
        every = [
            {"name": group, "versions": [{"version": v} for v in sorted(versions)]} for group, versions in named.items()
        ]
        self.served["/apis"] = json.dumps({"groups": every}).encode()

    def touch(self, path: str) -> None:
        """Write an object again as it is, as somebody else does."""
        self._store(path, self.objects[path])

    def writes(self, kind: str) -> list[tuple[str, str]]:
        """Return what was written of a resource: method and path."""
        return [(m, p) for m, p in self.asked if m != "GET" and f"/{kind}" in p]

    def _ask(self, method: str, path: str) -> None:
        self.asked.append((method, path))
        self.before(method, path)
        if error := self.fault(method, path):
            raise error

    def _check(self, path: str, version: str | None) -> None:
        if path not in self.objects:
            raise said(404)
        if version is not None and version != self.objects[path]["metadata"]["resourceVersion"]:
            raise said(409, "modified")

    def _store(self, path: str, value: Mapping[str, Any]) -> bytes:
        self._version += 1
        raw = deepcopy(dict(value))
        raw["metadata"] = {**raw["metadata"], "resourceVersion": str(self._version)}
        self.objects[path] = raw
        return json.dumps(raw).encode()

    def _in(self, where: str, folder: str) -> bool:
        plural = folder.rpartition("/")[2]
        root = folder.partition("/namespaces/")[0] if "/namespaces/" in folder else folder.rpartition("/")[0]
        return where.startswith(f"{root}/") and f"/{plural}/" in where and (folder in where or root != folder)


def _chosen(raw: Raw, query: Query) -> bool:
    key, _, value = str(query.get("labelSelector", "")).partition("=")
    return not key or (raw["metadata"].get("labels") or {}).get(key) == value
