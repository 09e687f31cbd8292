"""What a server under faults is asked."""

import asyncio
import json
import random
from collections.abc import Callable
from datetime import date
from typing import Any

from tests.faults.following import Follower
from tests.testbed.control_plane import ControlPlane
from webhook.wiring.reviewer import Reviewer


def policy(name: str, namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": {"matchLabels": {"app": name}}, "policyTypes": ["Ingress"]},
    }


def path_of(namespace: str, name: str = "") -> str:
    return f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies/{name}".rstrip("/")


def create(control_plane: ControlPlane, namespace: str, *names: str) -> None:
    """Create policies, with something that cannot be compressed, so that a list's length on the line can be told."""
    for name in names:
        body = policy(name, namespace)
        body["metadata"]["annotations"] = {"note": random.randbytes(100).hex()}
        control_plane.client.request("POST", path_of(namespace), body)


def delete(control_plane: ControlPlane, namespace: str, *names: str) -> None:
    for name in names:
        control_plane.client.request("DELETE", path_of(namespace, name))


def policies(it: Follower, namespace: str) -> list[str]:
    return sorted(ref.name for ref in it.world.policies.named(namespace))


def review(namespace: str) -> bytes:
    """Return the review of a Deployment that calls itself by address."""
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    metadata = {
        "name": "web",
        "namespace": namespace,
        "annotations": {"netpol-preflight.io/connects-to": "192.0.2.9:5432"},
    }
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": template}}
    request = {
        "uid": "1",
        "operation": "CREATE",
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "namespace": namespace,
        "name": "web",
        "object": deployment,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


def answer(it: Follower, namespace: str) -> str:
    said = Reviewer(it.source, lambda: date(2026, 11, 21)).review(review(namespace), timeout=None)
    return f"{said.outcome} {json.loads(said.body)['response'].get('warnings', '')}"


async def away(action: Callable[..., object], *arguments: object) -> None:
    await asyncio.to_thread(action, *arguments)
