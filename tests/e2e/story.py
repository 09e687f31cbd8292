"""The packaged story, in any namespace, and variations of it."""

import copy
from importlib.resources import files
from typing import Any

import yaml

CONNECTS_TO = "netpol-preflight.io/connects-to"
MODE = "netpol-preflight.io/mode"
Object = dict[str, Any]


def production(namespace: str) -> list[Object]:
    """Return what is there before the new service: Service and StatefulSet postgres, and two policies."""
    return [item for item in _read("production.yaml", namespace) if item["kind"] != "Namespace"]


def policies(namespace: str) -> list[Object]:
    """Return the two policies alone: default-deny-ingress and web-api-egress."""
    return [item for item in production(namespace) if item["kind"] == "NetworkPolicy"]


def web_api(namespace: str, **annotations: str) -> Object:
    """Return the new service's Deployment; `annotations` replace its own, `connects_to` by that name."""
    (deployment,) = _read("web-api.yaml", namespace)
    if "connects_to" in annotations:
        deployment["metadata"]["annotations"][CONNECTS_TO] = annotations["connects_to"]
    return deployment


def version(deployment: Object, tag: str) -> Object:
    """Return the workload with another image: kubectl sends nothing where nothing differs."""
    changed = copy.deepcopy(deployment)
    container = changed["spec"]["template"]["spec"]["containers"][0]
    container["image"] = f"registry.example.com/{container['name']}:{tag}"
    return changed


def renamed(deployment: Object, name: str) -> Object:
    """Return the workload under another name, with pods of another label."""
    changed = copy.deepcopy(deployment)
    changed["metadata"]["name"] = name
    changed["spec"]["selector"]["matchLabels"] = {"app": name}
    changed["spec"]["template"]["metadata"]["labels"]["app"] = name
    return changed


def dns() -> list[Object]:
    """Return the cluster's DNS: Service kube-system/kube-dns and Deployment coredns."""
    return [item for item in _read("kube-system.yaml", "kube-system") if item["kind"] != "Namespace"]


def service(name: str, port: int, target_port: int) -> Object:
    """Return a Service of the pods labelled `app`: its name."""
    spec = {"selector": {"app": name}, "ports": [{"port": port, "targetPort": target_port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def kinds(namespace: str) -> dict[str, Object]:
    """Return the new service once as each kind of workload."""
    deployment = web_api(namespace)
    template = deployment["spec"]["template"]
    selector = {"selector": deployment["spec"]["selector"], "template": template}
    once = copy.deepcopy(template)
    once["spec"]["restartPolicy"] = "Never"
    plain = {"selector": deployment["spec"]["selector"]["matchLabels"], "template": template}
    specs: dict[str, tuple[str, Object]] = {
        "StatefulSet": ("apps/v1", {"serviceName": "web-api", **selector}),
        "DaemonSet": ("apps/v1", selector),
        "ReplicaSet": ("apps/v1", {"replicas": 2, **selector}),
        "ReplicationController": ("v1", {"replicas": 2, **plain}),
        "Job": ("batch/v1", {"template": once}),
        "CronJob": ("batch/v1", {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": once}}}),
        "Pod": ("v1", template["spec"]),
    }
    metadata = deployment["metadata"] | {"labels": template["metadata"]["labels"]}
    return {
        kind: {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}
        for kind, (api_version, spec) in specs.items()
    }


def _read(name: str, namespace: str) -> list[Object]:
    text = (files("webhook") / "story" / name).read_text(encoding="utf-8")
    items: list[Object] = [item for item in yaml.safe_load_all(text) if item]
    for item in items:
        if item["kind"] != "Namespace":
            item["metadata"]["namespace"] = namespace
    return items
