"""Asks a webhook for a review, as the API server would."""

import http.client
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from webhook.facade.usage import UsageError
from webhook.manifests import Document, read

_SECONDS = 10


class Reply(Struct, frozen=True):
    """What the webhook said about `what`."""

    what: str
    allowed: bool
    warnings: tuple[str, ...]
    message: str


def review_of(address: str, manifest: Path, ca: Path) -> Reply:
    """Send the one object of `manifest` as a CREATE to `address`/validate, trusting `ca`. Raises UsageError."""
    raw = _object(manifest)
    group, _, version = raw["apiVersion"].rpartition("/")
    resource = raw["kind"].lower() + "s"
    metadata = raw["metadata"]
    request = {
        "uid": "00000000-0000-4000-8000-000000000001",
        "kind": {"group": group, "version": version, "kind": raw["kind"]},
        "resource": {"group": group, "version": version, "resource": resource},
        "operation": "CREATE",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "object": raw,
        "dryRun": False,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    response = _post(address, json.dumps(review).encode(), ca)["response"]
    return Reply(
        what=f"{raw['kind'].lower()}.{group}/{metadata['name']}",
        allowed=response["allowed"],
        warnings=tuple(response.get("warnings", ())),
        message=response.get("status", {}).get("message", ""),
    )


def _object(manifest: Path) -> dict[str, Any]:
    with manifest.open("rb") as unused:
        (document,) = read([str(manifest)], unused)
    if not isinstance(document, Document):
        raise UsageError(f"{manifest}: expected one object")
    return document.raw


def _post(address: str, body: bytes, ca: Path) -> dict[str, Any]:
    place = urlsplit(address)
    context = ssl.create_default_context(cafile=str(ca))
    connection = http.client.HTTPSConnection(place.hostname or "", place.port, context=context, timeout=_SECONDS)
    try:
        connection.request("POST", "/validate?timeout=10s", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != http.client.OK:
            raise UsageError(f"{address} answered {answer.status}: {content.decode(errors='replace').strip()}")
        decoded: dict[str, Any] = json.loads(content)
        return decoded
    finally:
        connection.close()
