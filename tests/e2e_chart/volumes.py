"""What a kubelet puts into a pod's file system: ConfigMaps, Secrets, empty directories, and its account's token."""

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.testbed.client import ApiError
from tests.testbed.control_plane import ControlPlane

Object = dict[str, Any]


class NotYetError(Exception):
    """Something that the pod mounts is not there; a kubelet tries again."""


def mounts(control_plane: ControlPlane, pod: Object, directory: Path) -> dict[str, Path]:
    """Write the volumes of the first container; returns where each mount path really is. Raises NotYetError."""
    namespace, spec = pod["metadata"]["namespace"], pod["spec"]
    found = {}
    for mount in spec["containers"][0].get("volumeMounts", []):
        if mount["mountPath"].startswith("/var/run/secrets/"):
            continue  # the ServiceAccount admission's; `kubeconfig` stands in for it
        (volume,) = [one for one in spec["volumes"] if one["name"] == mount["name"]]
        target = directory / "volumes" / mount["name"]
        target.mkdir(parents=True, exist_ok=True)
        for name, content in _files(control_plane, namespace, volume).items():
            (target / name).write_bytes(content)
        found[mount["mountPath"]] = target
    return found


def _files(control_plane: ControlPlane, namespace: str, volume: Object) -> dict[str, bytes]:
    if "emptyDir" in volume:
        return {}
    if "configMap" in volume:
        data = _get(control_plane, f"/api/v1/namespaces/{namespace}/configmaps/{volume['configMap']['name']}")
        return {name: text.encode() for name, text in data.items()}
    secret = volume["secret"]
    data = _get(control_plane, f"/api/v1/namespaces/{namespace}/secrets/{secret['secretName']}")
    content = {name: base64.b64decode(text) for name, text in data.items()}
    wanted = {item["key"]: item["path"] for item in secret.get("items", [{"key": key, "path": key} for key in content])}
    if missing := wanted.keys() - content.keys():
        raise NotYetError(f"no {missing} in {secret['secretName']}")
    return {path: content[key] for key, path in wanted.items()}


def _get(control_plane: ControlPlane, path: str) -> dict[str, str]:
    try:
        data: dict[str, str] = control_plane.client.request("GET", path).get("data") or {}
    except ApiError as error:
        raise NotYetError(path) from error
    return data


def kubeconfig(control_plane: ControlPlane, pod: Object, directory: Path) -> Path | None:
    """Write a kubeconfig with a token of the pod's ServiceAccount, bound to the pod; None where it mounts none.

    It stands in for /var/run/secrets/kubernetes.io/serviceaccount, a path that a test must not write to.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    if not spec.get("automountServiceAccountToken", True):
        return None
    path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{spec['serviceAccountName']}/token"
    bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": ["https://kubernetes.default.svc"], "boundObjectRef": bound},
    }
    try:
        token = control_plane.client.request("POST", path, body)["status"]["token"]
    except ApiError as error:
        raise NotYetError(path) from error
    authority = base64.b64encode(control_plane.ca_file.read_bytes()).decode()
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "in", "cluster": {"server": control_plane.server, "certificate-authority-data": authority}}
        ],
        "users": [{"name": "in", "user": {"token": token}}],
        "contexts": [{"name": "in", "context": {"cluster": "in", "user": "in"}}],
        "current-context": "in",
    }
    target = directory / "kubeconfig"
    target.write_text(json.dumps(content), encoding="utf-8")
    return target


def rewritten(argument: str, places: Mapping[str, Path], ports: Mapping[int, int]) -> str:
    """Return an argument with mounted paths where they really are, and what is listened on as loopback ports."""
    listen = re.fullmatch(r"(--[a-z-]*listen)=(.*):(\d+)", argument)
    if listen:
        return f"{listen[1]}=127.0.0.1:{ports[int(listen[3])]}"
    if not places:
        return argument
    paths = "|".join(map(re.escape, sorted(places, key=len, reverse=True)))
    return re.sub(rf"(?<![\w/])({paths})(?=/)", lambda match: str(places[match[1]]), argument)
