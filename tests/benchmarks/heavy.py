"""The synthetic cluster's objects as an API server really has them: four fifths of a pod is of no use to policy."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from tests.benchmarks.synthetic import Raw, Sizes, objects

MOST_ENDPOINTS: Final = 100  # of one EndpointSlice, as the controller cuts them
_NO_ENDPOINTS: Final[list[tuple[str, str, str]]] = []
_TIME: Final = "2026-11-21T01:00:00Z"


def _managed(manager: str, *fields: str) -> Raw:
    """Return an entry of managedFields of a usual size."""
    owned: Raw = {
        f"f:{field}": {".": {}, "f:name": {}, f'k:{{"name":"{field}"}}': {".": {}, "f:value": {}}} for field in fields
    }
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "v1",
        "time": _TIME,
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": {"f:labels": owned}, "f:spec": owned},
    }


_FIELDS: Final = ("containers", "dnsPolicy", "enableServiceLinks", "restartPolicy", "securityContext", "volumes")
_MANAGED: Final = [_managed("kube-controller-manager", *_FIELDS), _managed("kubelet", "conditions", "podIPs", "phase")]
_ENV: Final = [{"name": f"SETTING_{number}", "value": f"value-of-setting-{number}"} for number in range(8)]
_MOUNTS: Final = [
    {"name": "config", "mountPath": "/etc/config", "readOnly": True},
    {"name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True},
]
_PROBE: Final = {"httpGet": {"path": "/healthz", "port": "http", "scheme": "HTTP"}, "periodSeconds": 10}
_CONTAINER: Final = {
    "image": "registry.example.com/shop/app@sha256:" + "0" * 64,
    "imagePullPolicy": "IfNotPresent",
    "env": _ENV,
    "volumeMounts": _MOUNTS,
    "livenessProbe": _PROBE,
    "readinessProbe": _PROBE,
    "resources": {"limits": {"cpu": "1", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "256Mi"}},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_POD: Final = {
    "volumes": [
        {"name": "config", "configMap": {"name": "settings", "defaultMode": 420}},
        {"name": "kube-api-access", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
    ],
    "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 300}] * 2,
    "restartPolicy": "Always",
    "schedulerName": "default-scheduler",
    "terminationGracePeriodSeconds": 30,
}
_CONDITIONS: Final = [
    {"type": name, "status": "True", "lastProbeTime": None, "lastTransitionTime": _TIME}
    for name in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
]
_STATUS: Final = {
    "conditions": _CONDITIONS,
    "qosClass": "Burstable",
    "startTime": _TIME,
    "containerStatuses": [
        {
            "name": "main",
            "ready": True,
            "restartCount": 0,
            "image": _CONTAINER["image"],
            "imageID": _CONTAINER["image"],
            "containerID": "containerd://" + "0" * 64,
            "state": {"running": {"startedAt": _TIME}},
        }
    ],
}


def heavy_objects(sizes: Sizes) -> Iterator[Raw]:
    """Yield every object of the synthetic cluster with its ballast; endpoints stand in the EndpointSlices."""
    pods: dict[tuple[str, str], list[tuple[str, str, str]]] = defaultdict(list)
    for raw in objects(sizes):
        metadata: Raw = raw["metadata"]
        if raw["kind"] == "Pod":
            app = metadata["labels"].get("app", "")
            pods[metadata["namespace"], app].append((metadata["name"], raw["status"]["podIP"], raw["spec"]["nodeName"]))
        yield heavy(raw, pods)


def heavy(raw: Raw, pods: dict[tuple[str, str], list[tuple[str, str, str]]] | None = None) -> Raw:
    """Return one object with its ballast."""
    metadata = {**raw["metadata"], "creationTimestamp": _TIME, "generation": 1, "managedFields": _MANAGED}
    metadata["uid"] = "00000000-0000-4000-8000-000000000000"
    made = {**raw, "metadata": metadata}
    match raw["kind"]:
        case "Pod":
            made["spec"] = _filled(raw["spec"])
            made["status"] = {**raw["status"], **_STATUS, "hostIP": "192.168.0.1", "hostIPs": [{"ip": "192.168.0.1"}]}
        case "Deployment" | "ReplicaSet":
            template = raw["spec"]["template"]
            made["spec"] = {**raw["spec"], "template": {**template, "spec": _filled(template["spec"])}}
            made["status"] = {"replicas": 1, "readyReplicas": 1, "conditions": _CONDITIONS[:2]}
        case "EndpointSlice" if pods is not None:
            service = metadata["labels"]["kubernetes.io/service-name"]
            app = "-".join(service.split("-")[:2])
            found = pods.get((metadata["namespace"], app), _NO_ENDPOINTS)[:MOST_ENDPOINTS]
            made["endpoints"] = [_endpoint(metadata["namespace"], *one) for one in found]
            made["ports"] = [{"name": "http", "port": 8080, "protocol": "TCP"}]
    return made


def _filled(spec: Raw) -> Raw:
    containers: list[Any] = [{**one, **_CONTAINER} for one in spec["containers"]]
    return {**spec, **_POD, "containers": containers}


def _endpoint(namespace: str, name: str, address: str, node: str) -> Raw:
    return {
        "addresses": [address],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "nodeName": node,
        "zone": "zone-a",
        "targetRef": {
            "kind": "Pod",
            "namespace": namespace,
            "name": name,
            "uid": "00000000-0000-4000-8000-000000000000",
        },
    }
