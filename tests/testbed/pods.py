"""Pods without kubelets: nodes for them to be on, and what a kubelet would report of them."""

import itertools
import urllib.parse
from collections.abc import Sequence
from typing import Any

from tests.testbed.client import ApiError, Client

NODES = {"node-a": ("192.0.2.11", "zone-a"), "node-b": ("192.0.2.12", "zone-b")}
MERGE_PATCH = "application/merge-patch+json"
EXISTS = 409


class Pods:
    """Sets the status of pods through the API, as the person who runs the tests."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._addresses = (f"10.244.{high}.{low}" for high in range(256) for low in range(1, 255))
        self._nodes = itertools.cycle(NODES)

    def create_nodes(self) -> None:
        """Create the nodes; EndpointSlices leave out pods whose node is not there."""
        for name, (address, zone) in NODES.items():
            labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone}
            node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
            addresses = [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}]
            status = {"addresses": addresses, "conditions": _conditions(["Ready"], ready=True)}
            self._client.request("POST", "/api/v1/nodes", node)
            self._client.request("PATCH", f"/api/v1/nodes/{name}/status", {"status": status}, MERGE_PATCH)

    def matching(self, namespace: str, selector: str, count: int) -> list[Any]:
        """Return the pods that match and are not being deleted, sorted by name, if there are `count`, else none."""
        query = urllib.parse.urlencode({"labelSelector": selector})
        pods = self._client.request("GET", f"/api/v1/namespaces/{namespace}/pods?{query}")["items"]
        living = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        return sorted(living, key=lambda pod: str(pod["metadata"]["name"])) if len(living) == count else []

    def run(self, pod: Any) -> Any:  # noqa: ANN401 any JSON
        """Report the pod as running and ready, at a fresh address unless it has one, and return what it is then."""
        if pod.get("status", {}).get("podIP"):
            return pod
        metadata = pod["metadata"]
        address = next(self._addresses)
        return self.set_status(metadata["namespace"], metadata["name"], [address], ready=True, phase="Running")

    def set_status(self, namespace: str, name: str, ips: Sequence[str], *, ready: bool, phase: str) -> Any:  # noqa: ANN401 any JSON
        """Bind the pod to a node unless it is on one, set its status, and return the pod."""
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        spec = self._bind(path, name)["spec"]
        node = spec["nodeName"]
        conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"]
        status: dict[str, object] = {"phase": phase, "conditions": _conditions(conditions, ready=ready)}
        if phase == "Running":
            status["containerStatuses"] = [_running(container, ready=ready) for container in spec["containers"]]
        status |= {"hostIP": NODES[node][0], "hostIPs": [{"ip": NODES[node][0]}]} if node in NODES else {}
        if ips:
            status |= {"podIP": ips[0], "podIPs": [{"ip": ip} for ip in ips]}
        return self._client.request("PATCH", f"{path}/status", {"status": status}, MERGE_PATCH)

    def _bind(self, path: str, name: str) -> Any:  # noqa: ANN401 any JSON
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name},
            "target": {"apiVersion": "v1", "kind": "Node", "name": next(self._nodes)},
        }
        try:
            self._client.request("POST", f"{path}/binding", binding)
        except ApiError as error:
            if error.status != EXISTS:
                raise
        return self._client.request("GET", path)


def _conditions(types: Sequence[str], *, ready: bool) -> list[dict[str, str]]:
    waits_for_probe = {"ContainersReady", "Ready"}
    return [{"type": kind, "status": "True" if ready or kind not in waits_for_probe else "False"} for kind in types]


def _running(container: dict[str, str], *, ready: bool) -> dict[str, object]:
    said = {"name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0}
    return said | {"ready": ready, "started": True, "state": {"running": {}}}
