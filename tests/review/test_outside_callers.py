"""LoadBalancer Services that nobody outside gets to, or only by addresses that packets do not have."""

import json
from pathlib import Path
from typing import Any

import pytest

from webhook.cli.main import main
from webhook.families import project
from webhook.model.objects import Service
from webhook.wire.shapes import Malformed
from webhook.wiring.snapshot import projection

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


def balanced(peer: Raw, annotations: dict[str, str], **spec: str) -> list[Raw]:
    objects = server(peer)
    objects[1]["spec"] |= spec
    objects[1]["metadata"] = {**objects[1]["metadata"], "annotations": annotations}
    return objects


GCE = "networking.gke.io/load-balancer-type"
AWS = "service.beta.kubernetes.io/aws-load-balancer-scheme"
OUTSIDE = block("198.51.100.0/24")


@pytest.mark.parametrize(
    ("annotations", "class_", "internal"),
    [
        ({}, None, False),
        ({GCE: "Internal"}, None, True),
        ({GCE: "External"}, None, False),
        ({AWS: "internal"}, None, True),
        ({AWS: "internet-facing"}, "service.k8s.aws/nlb", False),
        ({}, "service.k8s.aws/nlb", True),
        ({}, "eks.amazonaws.com/nlb", True),
        ({"service.beta.kubernetes.io/aws-load-balancer-internal": "0.0.0.0/0"}, None, True),
        ({"service.beta.kubernetes.io/azure-load-balancer-internal": "true"}, None, True),
        ({"service.beta.kubernetes.io/azure-load-balancer-internal": "false"}, None, False),
        ({"service.kubernetes.io/qcloud-loadbalancer-internal-subnetid": "subnet-1"}, None, True),
        ({}, "networking.gke.io/l4-regional-external", False),
    ],
)
def test_clients_of_an_internal_balancer_have_private_addresses(
    annotations: dict[str, str], class_: str | None, internal: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = {"externalTrafficPolicy": "Local", **({"loadBalancerClass": class_} if class_ else {})}
    found = told(tmp_path, capsys, balanced(OUTSIDE, annotations, **spec))
    assert [internal] * internal == [
        "clients of private networks -> w/web:8080/TCP will time out" in one["message"]
        and "let the addresses of its private network in on port 8080" in one["message"]
        for one in found
    ]
    assert told(tmp_path, capsys, balanced(block("10.0.0.0/8"), annotations, **spec)) == []


def test_a_node_with_a_public_address_may_pass_them_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(tmp_path, capsys, [*balanced(OUTSIDE, {GCE: "Internal"}), NODE]) == []


def test_nobody_at_all_is_told_of_an_internal_one_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = told(tmp_path, capsys, balanced({"namespaceSelector": {}}, {GCE: "Internal"}))
    assert "LoadBalancer Service w/web: clients of private networks -> w/web:8080/TCP" in found["message"]


def test_pods_may_pass_on_what_comes_by_a_class_that_is_not_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tailscale's packets come from a proxy's pod."""
    for name, count in (("tailscale", 0), ("io.cilium/l2-announcer", 1)):
        assert len(told(tmp_path, capsys, server({"namespaceSelector": {}}, loadBalancerClass=name))) == count


def test_a_class_that_is_no_text_is_an_error_with_its_path() -> None:
    raw = server(OUTSIDE, loadBalancerClass=["x"])[1]
    with pytest.raises(Malformed, match=r"spec\.loadBalancerClass"):
        project(raw)


def test_a_snapshot_keeps_what_tells_it() -> None:
    (_, raw, _) = balanced(OUTSIDE, {GCE: "Internal", "other": "x"}, loadBalancerClass="service.k8s.aws/nlb")
    value = project(raw)
    assert isinstance(value, Service)
    kept = projection(raw, value)
    assert kept["metadata"]["annotations"] == {GCE: "Internal"}
    assert project(kept) == value
