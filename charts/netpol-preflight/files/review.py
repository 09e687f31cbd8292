# ruff: noqa: INP001 - a program of the chart, run by `python3 -c` in the image; nothing imports it
"""`helm test`: sends one AdmissionReview as the API server would, and says in which phase it failed.

Usage: review.py URL; trusts the CA in $CA_BUNDLE, else in /ca/ca.crt. With $ONLY_THE_API_SERVER, a refusal is right.
Standard library only.
"""

import http.client
import json
import os
import socket
import ssl
import sys
import time
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 60.0  # seconds; a new Service and a new certificate take a few
TIMEOUT = 10.0
UID = "705ab4f5-6393-11e8-b7cc-42010a800002"
# Nobody declares this, and its name resolves nowhere: a review that judges must have something to say.
DECLARED = "helm-test.helm-test-has-no-such-namespace:1"


def request() -> dict[str, Any]:
    """Return the review of a Deployment that declares one dependency."""
    labels = {"app": "helm-test"}
    workload = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "helm-test",
            "namespace": "helm-test",
            "annotations": {"netpol-preflight.io/connects-to": DECLARED},
        },
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "helm-test", "image": "helm-test"}]},
            },
        },
    }
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    resource = {"group": "apps", "version": "v1", "resource": "deployments"}
    review = {
        "uid": UID,
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": "helm-test",
        "namespace": "helm-test",
        "operation": "CREATE",
        "userInfo": {"username": "helm-test"},
        "object": workload,
        "oldObject": None,
        "dryRun": True,
        "options": None,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": review}


def ask(url: str, context: ssl.SSLContext) -> tuple[int, bytes]:
    """Send it, and return status and body."""
    parts = urlsplit(url)
    connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=TIMEOUT, context=context)
    try:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        connection.request("POST", f"{parts.path}?timeout=3s", json.dumps(request()), headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def problem(status: int, body: bytes) -> str:
    """Say what is wrong with the answer; empty: nothing."""
    if status == http.client.FORBIDDEN and os.environ.get("ONLY_THE_API_SERVER"):
        return ""  # as it must be: we have no certificate to show
    if status != http.client.OK:
        return f"answer: HTTP {status}: {body[:200]!r}"
    try:
        review = json.loads(body)
    except ValueError:
        return f"answer: not JSON: {body[:200]!r}"
    response = review.get("response") or {}
    if review.get("apiVersion") != "admission.k8s.io/v1" or response.get("uid") != UID:
        return f"answer: not the AdmissionReview that was asked for: {body[:200]!r}"
    if not isinstance(response.get("allowed"), bool):
        return f"answer: neither yes nor no: {body[:200]!r}"
    annotations = response.get("auditAnnotations") or {}
    if "not-evaluated" in annotations and annotations.get("mode") != "off":
        return f"cluster: allowed, but not evaluated: {annotations['not-evaluated']}"
    return ""


def attempt(url: str) -> str:
    """Try once; return what is wrong, its phase first."""
    try:
        pem = os.environ.get("CA_BUNDLE")
        context = ssl.create_default_context(cafile=None if pem else "/ca/ca.crt", cadata=pem)
        return problem(*ask(url, context))
    except socket.gaierror as error:
        return f"DNS: {urlsplit(url).hostname}: {error.strerror}"
    except ssl.SSLError as error:
        return f"TLS: {error}"
    except TimeoutError:
        return f"connect: no answer in {TIMEOUT:g} s: is the port closed by a policy or a firewall?"
    except (OSError, http.client.HTTPException) as error:
        return f"connect: {error}"


def main() -> int:
    """Try for a minute; 0 when the review was answered as it must be."""
    url = sys.argv[1]
    deadline = time.monotonic() + PATIENCE
    while wrong := attempt(url):
        if time.monotonic() > deadline:
            sys.stderr.write(f"failed: {wrong}\n")
            return 1
        time.sleep(1.0)
    sys.stdout.write(f"ok: {url} reviewed a Deployment\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
