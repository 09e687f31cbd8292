"""Kubeconfigs of service accounts."""

import json
from pathlib import Path

from tests.testbed.control_plane import ControlPlane


def kubeconfig_of_service_account(control_plane: ControlPlane, namespace: str, path: Path) -> Path:
    """Write the kubeconfig of a new ServiceAccount."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "blind"}}
    control_plane.apply(account, namespace)
    token = control_plane.kubectl("create", "token", "blind", namespace=namespace).stdout.strip()
    settings = json.loads(control_plane.kubeconfig().read_text(encoding="utf-8"))
    settings["users"][0]["user"]["token"] = token
    path.write_text(json.dumps(settings), encoding="utf-8")
    return path
