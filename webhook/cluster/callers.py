"""Who a caller is, and what it may read: asked of the API server, which knows (TokenReview, SubjectAccessReview)."""

from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from webhook.cluster.client import Requests
from webhook.cluster.errors import UNREADABLE, GarbledError

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
