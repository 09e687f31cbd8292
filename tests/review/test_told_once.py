"""One slip, told once: what is a policy's or a server's fault is one finding, however many workloads it hits."""

from typing import Any

import pytest
import yaml

from webhook import World

LOOK_UPS_BY_UDP = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: out, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{to: [{podSelector: {}}]}, {ports: [{port: 53, protocol: UDP}]}]
"""
WRONG_PORT = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{ports: [{port: 5432}]}]}
"""
ONE_ROLE = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {role: api}}}]}]
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}, ports: [{port: 5432, targetPort: TARGET}]}
"""


def pod(name: str, to: str = "", **container: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    notes = {"annotations": {"netpol-preflight.io/connects-to": to}} if to else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}, **notes},
        "spec": {"containers": [{"name": "c", "image": "c", **container}]},
    }


def world(*texts: str, clients: int, target: str = "5433") -> World:
    objects = [yaml.safe_load(one.replace("TARGET", target)) for one in texts]
    asking = [pod(f"c{number}", "db") for number in range(clients)]
    return World.from_objects([*objects, pod("db", ports=[{"containerPort": 5433}]), *asking])


def told(of: World) -> list[tuple[str, str | None, list[str]]]:
    """Return id, workload and who is hit."""
    return [
        (f["id"], f["workload"] and f["workload"]["name"], [w["name"] for w in f.get("workloads", [])])
        for f in of.check()["findings"]
    ]


def test_a_rule_that_forgets_tcp_is_told_once_at_the_policy() -> None:
    several = world(LOOK_UPS_BY_UDP, SERVICE, clients=3)
    (found,) = several.check()["findings"]
    assert (found["id"], found["workload"], found["policies"][0]["name"]) == ("NP105", None, "out")
    assert [one["name"] for one in found["workloads"]] == ["c0", "c1", "c2"]
    assert len(found["fix"]) == 3
    assert found["location"]["file"] == "objects[0]"
    assert "3 workloads (shop/c0, shop/c1, shop/c2) -> kube-system/kube-dns:53/TCP will time out" in found["message"]
    assert found["message"].endswith("correct shop/out, or run `netpol-preflight fix`: 3 NetworkPolicies")
    assert several.check()["summary"]["warning"] == 1


def test_one_workload_is_told_as_ever() -> None:
    (found,) = world(LOOK_UPS_BY_UDP, SERVICE, clients=1).check()["findings"]
    assert (found["workload"]["name"], "workloads" in found) == ("c0", False)


def test_of_many_the_first_are_named_and_all_are_counted() -> None:
    (found,) = world(LOOK_UPS_BY_UDP, SERVICE, clients=9).check()["findings"]
    assert "9 workloads (shop/c0, shop/c1 and 7 more)" in found["message"]


def test_a_port_that_the_servers_policy_does_not_open_is_told_once() -> None:
    assert told(world(WRONG_PORT, SERVICE, clients=2)) == [("NP102", None, ["c0", "c1"]), ("NP406", None, [])]


def test_a_label_that_each_client_lacks_is_each_clients() -> None:
    assert told(world(ONE_ROLE, SERVICE, clients=2)) == [("NP102", "c0", []), ("NP102", "c1", [])]


@pytest.mark.parametrize("target", ["9999", "nobody"])
def test_a_port_that_no_container_has_is_told_once_at_the_server(target: str) -> None:
    several = world(SERVICE, clients=2, target=target)
    assert told(several) == [("NP203", "db", ["c0", "c1"])]
    (found,) = several.check()["findings"]
    assert found["location"]["file"] == "objects[1]"
    assert found["message"].startswith("2 workloads (shop/c0, shop/c1) -> db.shop:")


def test_a_port_that_each_client_should_dial_otherwise_is_each_clients() -> None:
    headless = SERVICE.replace("{selector", "{clusterIP: None, selector")
    assert told(world(headless, clients=2)) == [("NP203", "c0", []), ("NP203", "c1", [])]
