"""Admission requests about a shop, and the worlds that they are reviewed against."""

from datetime import date
from typing import Any

import msgspec

from tests.support.arena import Raw, world_of
from tests.support.making import VERSIONS, deployment
from tests.support.worlds import namespace, policy, port
from webhook.model.settings import CONNECTS_TO, EXEMPT, MODE_LABEL, Mode, Settings
from webhook.wire.admission import AdmissionRequest, admission_request
from webhook.world import View

TODAY = date(2026, 11, 20)


DB = deployment("data/db", [port("pg", 5432)])


OUT = policy("shop/out", podSelector={}, policyTypes=["Egress"])


TO_DB = "deploy/db.data:5432"


TO_API = "deploy/api.data:8080"


GOOD = deployment("shop/web")


BAD = deployment("shop/web", annotations={CONNECTS_TO: TO_DB})


def world(*objects: Raw, mode: Mode = Mode.ENFORCE, label: str | None = None, **more: Any) -> View:  # noqa: ANN401
    shop = namespace("shop", {MODE_LABEL: label} if label is not None else None)
    api = deployment("data/api", [port("http", 8080)])
    cast = [shop, namespace("data"), DB, api, *(objects or [OUT])]
    return world_of(cast, settings=Settings(mode=mode, **more))


def request(obj: Raw | None, old: Raw | None = None, kind: str = "Deployment", **changes: Any) -> AdmissionRequest:  # noqa: ANN401
    """Return what the API server asks about `obj`: CREATE, or with `old` UPDATE."""
    group, _, version = VERSIONS.get(kind, "v1").rpartition("/")
    asked = {
        "uid": "u-1",
        "kind": {"group": group, "version": version, "kind": kind},
        "operation": "UPDATE" if old else "CREATE",
        "namespace": "shop",
        "name": "web",
        "object": obj,
        "oldObject": old,
        **changes,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked}
    return admission_request(msgspec.json.encode(review))


def annotated(text: str, exempt: str | None = None, **spec: Any) -> Raw:  # noqa: ANN401 - any field of a Deployment's spec
    raw = deployment("shop/web", annotations={CONNECTS_TO: text, **({EXEMPT: exempt} if exempt else {})})
    raw["spec"] |= spec
    return raw
