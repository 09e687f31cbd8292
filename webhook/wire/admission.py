"""AdmissionReview v1 bytes -> AdmissionRequest (`k8s.io/api/admission/v1`)."""

import msgspec
from msgspec import Struct

from webhook.model.objects import Workload
from webhook.wire import shapes, workloads
from webhook.wire.shapes import Malformed, Raw, fail, flag, mapping, string

LONGEST_UID = 128
_GENERATED = "(generated)"


class AdmissionRequest(Struct, frozen=True):
    """What the API server asks. `workload` and `old` are None where the object is no workload.

    `controller` and `old_controller`: uids of the controllers that they name. `raw` and `raw_old`: an object of any
    other kind as it is written, and as it was, for `families.project` to read; empty where there is none.
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


def admission_request(body: bytes) -> AdmissionRequest:
    """Read a review. Raises Malformed where it is none; a bad object inside a good review is a `problem`."""
    try:
        review = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = str(error) if isinstance(error, msgspec.DecodeError) else "expected UTF-8 JSON of reasonable depth"
        fail("body", f"expected an AdmissionReview as JSON: {message}")
    if not isinstance(review, dict):
        fail("body", "expected an AdmissionReview object")
    if (review.get("apiVersion"), review.get("kind")) != ("admission.k8s.io/v1", "AdmissionReview"):
        fail("apiVersion, kind", "expected admission.k8s.io/v1 AdmissionReview")
    request = mapping(review, "request", "")
    uid = string(request, "uid", "request")
    if not uid or len(uid) > LONGEST_UID or not uid.isprintable():
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
    if word not in workloads.TEMPLATE_PATHS or group not in ("", "apps", "batch", "extensions"):
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
    found = string(metadata, "name", "metadata") or base.name or generated + _GENERATED
    if len(found) > shapes.LONGEST_NAME + len(_GENERATED):
        fail("metadata.name", f"expected at most {shapes.LONGEST_NAME} characters")
    return found
