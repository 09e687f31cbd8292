"""LoadBalancer Services that nobody outside gets to, or only by addresses that packets do not have."""

import json
from pathlib import Path
from typing import Any

import pytest

from webhook.cli.main import main

Raw = dict[str, Any]


def server(peer: Raw, kind: str = "LoadBalancer", **spec: object) -> list[Raw]:
    place = {"name": "web", "namespace": "w"}
    ports = [{"port": 80, "targetPort": 8080}]
    pod = {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 8080}]}]}
    rule = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [peer]}]}
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": place,
            "spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": pod}},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": place,
            "spec": {"type": kind, "selector": {"app": "web"}, "ports": ports, **spec},
        },
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": place, "spec": rule},
    ]


def block(cidr: str) -> Raw:
    return {"ipBlock": {"cidr": cidr}}


def told(folder: Path, capsys: pytest.CaptureFixture[str], objects: list[Raw], *flags: str) -> list[Raw]:
    (folder / "all.yaml").write_text("\n---\n".join(map(json.dumps, objects)))
    main(["check", "-f", str(folder), "--format", "json", *flags])
    found: list[Raw] = json.loads(capsys.readouterr().out)["findings"]
    return [one for one in found if one["id"] == "NP108"]


NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "n"},
    "status": {"addresses": [{"type": "InternalIP", "address": "198.51.100.7"}]},
}


def test_a_balancer_that_no_address_gets_through_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = told(tmp_path, capsys, server({"namespaceSelector": {}}))
    start = "LoadBalancer Service w/web: clients outside -> w/web:8080/TCP will time out: ingress isolated by w/web"
    assert found["message"].startswith(start)
    assert "externalTrafficPolicy: Local" in json.dumps(found)


def test_clients_addresses_are_not_seen_under_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clients = block("198.51.100.0/24")
    (found,) = told(tmp_path, capsys, server(clients))
    assert "set externalTrafficPolicy: Local" in json.dumps(found)
    assert "assumed to have private addresses" in json.dumps(found)
    assert told(tmp_path, capsys, server(clients, externalTrafficPolicy="Local")) == []
    assert told(tmp_path, capsys, [*server(clients), NODE]) == []
    assert told(tmp_path, capsys, server(clients), "--cni", "cilium") == []


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "10.0.0.0/8", "10.1.2.0/24"])
def test_whom_a_node_may_be_is_let_in_and_nothing_is_told(
    cidr: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(tmp_path, capsys, server(block(cidr))) == []


def test_other_services_invite_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("ClusterIP", "NodePort"):
        assert told(tmp_path, capsys, server({"namespaceSelector": {}}, kind)) == []
