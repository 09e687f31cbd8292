"""AdmissionReview v1 bytes -> AdmissionRequest (`k8s.io/api/admission/v1`)."""

from hashlib import blake2b
from typing import Final

import msgspec
from msgspec import Struct

from webhook.model.objects import Workload
from webhook.wire import shapes, workloads
from webhook.wire.shapes import Malformed, Raw, fail, flag, mapping, string
from webhook.wire.typed import GROUPS, REVIEW, Kind, Typed, User, typed

LONGEST_UID = 128


class AdmissionRequest(Struct, frozen=True):
    """What the API server asks. `workload` and `old` are None where the object is no workload.

    `controller` and `old_controller`: uids of the controllers that they name. `raw` and `raw_old`: an object of any
    other kind as it is written, and as it was, for `families.project` to read; empty where there is none.
    `digest`: of all that is asked of a workload but uid and dryRun, the same for the same; empty: nobody compares it.
    """

    uid: str
    operation: str
    kind: str
    subresource: str
    namespace: str
    name: str
    dry_run: bool = False
    workload: Workload | None = None
    old: Workload | None = None
    user: str = ""
    controller: str = ""
    old_controller: str = ""
    problem: str | None = None  # why the object cannot be judged, although it is one of ours
    group: str = ""
    raw: Raw = {}
    raw_old: Raw = {}
    digest: bytes = b""


# -- the same once more ------------------------------------------------------------------------------------------------


class _Asked(Struct, rename="camel"):
    uid: str
    kind: Kind
    operation: str
    namespace: str | None = None
    name: str | None = None
    sub_resource: str | None = None
    dry_run: bool | None = None
    user_info: User | None = None
    object: msgspec.Raw = msgspec.Raw(b"")
    old_object: msgspec.Raw = msgspec.Raw(b"")


class _Envelope(Struct, rename="camel"):
    api_version: str
    kind: str
    request: _Asked


_ENVELOPES: Final = msgspec.json.Decoder(_Envelope)
_LONGEST: Final = 32_768  # bytes of a review that may be compared


class Untyped:
    """A review of anything, its objects as they are written. `digest`: of all that is asked but uid and dryRun."""

    __slots__ = ("digest", "dry_run", "uid")

    def __init__(self, asked: _Asked) -> None:
        """Take a digest of it."""
        self.uid, self.dry_run, self.digest = asked.uid, bool(asked.dry_run), _digest(asked)


def decoded(body: bytes) -> Typed | Untyped | None:
    """Decode a review as far as it takes to tell whether it is the same as another; None: it is none.

    Tools ask the same again all day: for an answer that is known nothing more has to be read.
    """
    found = typed(body) or _untyped(body)
    return found if found is not None and _is_uid(found.uid) else None


def _untyped(body: bytes) -> Untyped | None:
    try:
        envelope = _ENVELOPES.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return Untyped(envelope.request) if (envelope.api_version, envelope.kind) == REVIEW else None


def admission_request(body: bytes, known: Typed | Untyped | None = None) -> AdmissionRequest:
    """Read a review. Raises Malformed where it is none; a bad object inside a good review is a `problem`.

    `known`: what `decoded` made of it.
    """
    asked = known or decoded(body)
    digest = asked.digest if asked is not None and len(body) <= _LONGEST else b""
    found = _of_typed(asked, digest) if isinstance(asked, Typed) else None
    if found is not None:
        return found
    found = _read(body)  # which says what is wrong
    return found if found.workload is None else msgspec.structs.replace(found, digest=digest)


def _of_typed(asked: Typed, digest: bytes) -> AdmissionRequest | None:
    """Return what is asked; None: something of it is not as it should be."""
    try:
        (current, controller), (old, before) = asked.workload(), asked.old()
    except (Malformed, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return AdmissionRequest(
        uid=asked.uid,
        operation=asked.operation,
        kind=asked.kind,
        group=asked.group,
        subresource="",
        namespace=asked.namespace,
        name=asked.name,
        dry_run=asked.dry_run,
        workload=current,
        old=old,
        user=asked.user,
        controller=controller,
        old_controller=before,
        digest=digest,
    )


def _digest(asked: _Asked) -> bytes:
    user = asked.user_info.username if asked.user_info else None
    words = (asked.kind.group, asked.kind.kind, asked.operation, asked.namespace, asked.name, asked.sub_resource, user)
    seen = blake2b(msgspec.json.encode((*words, len(asked.object), len(asked.old_object))), digest_size=32)
    seen.update(asked.object)
    seen.update(asked.old_object)
    return seen.digest()


def _is_uid(uid: str) -> bool:
    return 0 < len(uid) <= LONGEST_UID and uid.isprintable()


def _read(body: bytes) -> AdmissionRequest:
    try:
        review = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = str(error) if isinstance(error, msgspec.DecodeError) else "expected UTF-8 JSON of reasonable depth"
        fail("body", f"expected an AdmissionReview as JSON: {message}")
    if not isinstance(review, dict):
        fail("body", "expected an AdmissionReview object")
    if (review.get("apiVersion"), review.get("kind")) != REVIEW:
        fail("apiVersion, kind", "expected admission.k8s.io/v1 AdmissionReview")
    request = mapping(review, "request", "")
    uid = string(request, "uid", "request")
    if not _is_uid(uid):
        fail("request.uid", f"expected 1 to {LONGEST_UID} printable characters")
    return _request(request, uid)


def _request(request: Raw, uid: str) -> AdmissionRequest:
    kind = mapping(request, "kind", "request")
    group, word = string(kind, "group", "request.kind"), string(kind, "kind", "request.kind")
    base = AdmissionRequest(
        uid=uid,
        operation=string(request, "operation", "request"),
        kind=word,
        group=group,
        subresource=string(request, "subResource", "request"),
        namespace=string(request, "namespace", "request"),
        name=string(request, "name", "request"),
        dry_run=flag(request, "dryRun", "request"),
        user=string(mapping(request, "userInfo", "request"), "username", "request.userInfo"),
    )
    if base.subresource or base.operation not in ("CREATE", "UPDATE", "DELETE"):
        return base
    if word not in workloads.TEMPLATE_PATHS or group not in GROUPS:
        return _with_raw(base, request)
    return base if base.operation == "DELETE" else _with_objects(base, request)


def _with_raw(base: AdmissionRequest, request: Raw) -> AdmissionRequest:
    """Keep the objects as they came. Of the old one alone a creation says nothing, a deletion everything."""
    try:
        new, old = mapping(request, "object", "request"), mapping(request, "oldObject", "request")
    except Malformed as error:
        return msgspec.structs.replace(base, problem=str(error))
    return msgspec.structs.replace(base, raw={} if base.operation == "DELETE" else new, raw_old=old)


def _with_objects(base: AdmissionRequest, request: Raw) -> AdmissionRequest:
    try:
        new = mapping(request, "object", "")
        if not new:
            return base
        controller = shapes.controller_uid(new)
        current = workloads.workload(new, base.kind, base.namespace or "default", _name(new, base))
    except Malformed as error:
        problem = "; ".join(
            f"request.object{'' if p.path == 'object' else '.' + p.path}: {p.expected}" for p in error.problems
        )
        return msgspec.structs.replace(base, problem=problem)
    old, before = _old(request, base)
    return msgspec.structs.replace(base, workload=current, controller=controller, old=old, old_controller=before)


def _old(request: Raw, base: AdmissionRequest) -> tuple[Workload | None, str]:
    """Read the object as it was; None where it cannot be read, and then nobody knows what was wrong before."""
    try:
        raw = mapping(request, "oldObject", "request")
        if not raw:
            return None, ""
        found = workloads.workload(raw, base.kind, base.namespace or "default", _name(raw, base))
        return found, shapes.controller_uid(raw)
    except Malformed:
        return None, ""


def _name(raw: Raw, base: AdmissionRequest) -> str:
    metadata = mapping(raw, "metadata", "")
    generated = string(metadata, "generateName", "metadata")
    return shapes.full_name(string(metadata, "name", "metadata") or base.name, generated)
