"""The last resort: a backend that raised must not stop a deployment. Leans on nothing that may have failed with it."""

from typing import Final

from msgspec import Struct, json

from webhook.api.backend import INTERNAL_ERROR, Answer


class _Request(Struct):
    uid: str


class _Review(Struct):
    request: _Request


_DECODER: Final = json.Decoder(_Review)


def after_failure(body: bytes) -> Answer:
    """Allow the request that `body` carries, saying in an audit annotation that nothing was judged.

    Without a uid to echo no AdmissionReview is valid (k8s.io/apiserver, webhook/request VerifyAdmissionResponse): then
    status 500, which the API server answers by the webhook's failurePolicy.
    """
    try:
        uid = _DECODER.decode(body).request.uid
    except (ValueError, RecursionError):
        uid = ""
    if not uid:
        return Answer(500, b"internal error\n", "error")
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": uid, "allowed": True, "auditAnnotations": {"not-evaluated": INTERNAL_ERROR}},
    }
    return Answer(200, json.encode(review), "not-evaluated", reason=INTERNAL_ERROR)
