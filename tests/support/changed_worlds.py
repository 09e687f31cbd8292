"""Worlds told in another way, and who is asked in them."""

from typing import Any

from tests.support.arena import Raw
from tests.support.worlds import (
    Question,
)
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.world import World


def types_of(spec: Raw) -> list[str]:
    return spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])


def reverse_lists(value: object) -> None:
    if isinstance(value, list):
        value.reverse()
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            reverse_lists(inner)


def renamed(value: Any, under: str = "") -> Any:  # noqa: ANN401 - any part of an object
    """Give everything that has a name another: objects, label keys and values, and ports."""
    match value:
        case dict() if under in ("labels", "matchLabels"):
            return {new_key(k): new_value(k, v) for k, v in value.items()}
        case {"operator": _, "key": key}:
            values = {"values": [new_value(key, v) for v in value["values"]]} if "values" in value else {}
            return {**value, "key": new_key(key), **values}
        case dict():
            return {k: renamed(v, k) for k, v in value.items()}
        case list():
            return [renamed(v, under) for v in value]
        case str() if under in ("name", "namespace", "port", "nodeName"):
            return f"new-{value}"
    return value


def new_key(key: str) -> str:
    return key if key == "kubernetes.io/metadata.name" else f"new-{key}"


def new_value(key: str, value: str) -> str:
    return f"new-{value}" if key == "kubernetes.io/metadata.name" or value else value


def workload_at(world: World, kind: str, namespace: str, name: str) -> Workload:
    workload = world.workloads.get(WorkloadRef(kind, namespace, name))
    assert workload is not None
    return workload


def on_host(raw: Raw) -> bool:
    return bool(raw["spec"].get("hostNetwork"))


def dialled(pods: dict[str, Raw], question: Question) -> str:
    address = question.target
    if question.target in pods:
        ips = [i["ip"] for i in pods[question.target]["status"]["podIPs"]]
        address = next(ip for ip in ips if (":" in ip) == (question.family == 6))
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{question.port}/{question.protocol}"
