"""What an audit in the cluster asks of its API server: who reads its page and may read what; reports and Events.

A report is created, and replaced or deleted as long as nobody else wrote it in between. Nothing else of a cluster is
touched: what does not carry our label is somebody else's.
"""

from collections.abc import AsyncIterator
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from webhook.cluster.client import Requests
from webhook.cluster.discovery import served
from webhook.cluster.errors import CONFLICT, UNREADABLE, GarbledError, NotServedError, OvertakenError, RefusedError
from webhook.cluster.kinds import Kind, Raw, collections

_AUTHENTICATION: Final = "authentication.k8s.io/v1"
_AUTHORIZATION: Final = "authorization.k8s.io/v1"
_Review = TypeVar("_Review")


class Caller(Struct, frozen=True, rename="camel"):
    """A user as the API server knows it (`authentication.k8s.io/v1 UserInfo`)."""

    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = {}


class _TokenStatus(Struct, frozen=True):
    authenticated: bool = False
    user: Caller = Caller()


class _TokenReview(Struct, frozen=True):
    status: _TokenStatus = _TokenStatus()


class _AccessStatus(Struct, frozen=True):
    allowed: bool = False
    denied: bool = False


class _AccessReview(Struct, frozen=True):
    status: _AccessStatus = _AccessStatus()


async def caller_of(connection: Requests, token: str) -> Caller | None:
    """Return whose token it is; None: the API server takes it for nobody's. Raises ClusterError."""
    review = {"apiVersion": _AUTHENTICATION, "kind": "TokenReview", "spec": {"token": token}}
    answer = await connection.send("POST", f"/apis/{_AUTHENTICATION}/tokenreviews", review)
    status = _decoded(answer, _TokenReview).status
    return status.user if status.authenticated and status.user.username else None


async def may_list_policies(connection: Requests, caller: Caller, namespace: str | None) -> bool:
    """Say whether the caller may list NetworkPolicies of a namespace; None: of all. Raises ClusterError."""
    asked = {"verb": "list", "group": "networking.k8s.io", "resource": "networkpolicies", "namespace": namespace or ""}
    more = (("uid", caller.uid), ("groups", caller.groups), ("extra", caller.extra))
    spec = {"user": caller.username, "resourceAttributes": asked, **{name: value for name, value in more if value}}
    review = {"apiVersion": _AUTHORIZATION, "kind": "SubjectAccessReview", "spec": spec}
    answer = await connection.send("POST", f"/apis/{_AUTHORIZATION}/subjectaccessreviews", review)
    status = _decoded(answer, _AccessReview).status
    return status.allowed and not status.denied


def _decoded(answer: bytes, kind: type[_Review]) -> _Review:
    try:
        return msgspec.json.decode(answer, type=kind)
    except UNREADABLE:  # without its text: it may quote the token
        raise GarbledError("an answer about a caller that cannot be read") from None


FAMILIES: Final = (("openreports.io", "Report"), ("wgpolicyk8s.io", "PolicyReport"))  # the first that is served counts
_PAGE: Final = 100
_EVENTS: Final = "/apis/events.k8s.io/v1/namespaces"


class _Metadata(Struct):
    continue_: str = msgspec.field(name="continue", default="")


class _Page(Struct):
    items: list[dict[str, Any]] | None = None
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


class ReportObjects:
    """The reports and Events of one API server. Every method raises ClusterError."""

    def __init__(self, api: Requests, namespaces: tuple[str, ...] = ()) -> None:
        """`namespaces`: the only ones to look in; none: all."""
        self._api = api
        self._namespaces = namespaces

    async def served(self) -> tuple[Kind, ...]:
        """Return the kinds of report that are served, the one to be written first."""
        found = (await served(self._api, FAMILIES)).kinds
        return tuple(found[family] for family in FAMILIES if family in found)

    async def listed(self, kind: Kind, label: str, value: str) -> AsyncIterator[Raw]:
        """Yield the reports that carry a label."""
        for where in collections(kind, self._namespaces):
            query: dict[str, str | int] = {"labelSelector": f"{label}={value}", "limit": _PAGE}
            while True:
                page = _page_of(await self._api.get(where.path, query))
                for raw in page.items or ():
                    yield raw
                if not page.metadata.continue_:
                    break
                query["continue"] = page.metadata.continue_

    async def read(self, kind: Kind, namespace: str, name: str) -> Raw | None:
        """Return one report; None: there is none."""
        try:
            return _object(await self._api.get(f"{kind.path_in(namespace)}/{name}", {}))
        except NotServedError:
            return None

    async def create(self, kind: Kind, body: Raw) -> str:
        """Create a report and return its version. Raises OvertakenError where there is one of its name."""
        try:
            return version_of(_object(await self._api.send("POST", kind.path_in(body["metadata"]["namespace"]), body)))
        except RefusedError as error:
            raise _overtaken(error) from error

    async def replace(self, kind: Kind, body: Raw, version: str) -> str:
        """Replace a report of that version and return the new one. Raises OvertakenError where it is another."""
        metadata = {**body["metadata"], "resourceVersion": version}
        path = f"{kind.path_in(metadata['namespace'])}/{metadata['name']}"
        try:
            return version_of(_object(await self._api.send("PUT", path, {**body, "metadata": metadata})))
        except RefusedError as error:
            raise _overtaken(error, gone=True) from error

    async def delete(self, kind: Kind, namespace: str, name: str, version: str) -> None:
        """Delete a report of that version. Raises OvertakenError where it is another; one that is gone is well."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"resourceVersion": version}}
        try:
            await self._api.send("DELETE", f"{kind.path_in(namespace)}/{name}", options)
        except NotServedError:
            return
        except RefusedError as error:
            raise _overtaken(error) from error

    async def emit(self, body: Raw) -> bool:
        """Create an Event; False: one of its name is there, which says the same."""
        try:
            await self._api.send("POST", f"{_EVENTS}/{body['metadata']['namespace']}/events", body)
        except RefusedError as error:
            if error.status == CONFLICT:
                return False
            raise
        return True


def version_of(raw: Raw) -> str:
    """Return the resourceVersion of an object."""
    return str((raw.get("metadata") or {}).get("resourceVersion") or "")


def _overtaken(error: RefusedError, *, gone: bool = False) -> OvertakenError | RefusedError:
    """Return a conflict as what it is; `gone`: what is not there any more is one, too."""
    overtaken = error.status == CONFLICT or (gone and isinstance(error, NotServedError))
    return OvertakenError(str(error)) if overtaken else error


def _object(body: bytes) -> Raw:
    try:
        found: Raw = msgspec.json.decode(body, type=dict[str, Any])
    except UNREADABLE as error:
        raise GarbledError(f"a report cannot be read: {error}") from error
    return found


def _page_of(body: bytes) -> _Page:
    try:
        return msgspec.json.decode(body, type=_Page)
    except UNREADABLE as error:
        raise GarbledError(f"reports cannot be read: {error}") from error
