"""The API server as what a workload needs: told by bindings and tokens, found where egress lets nobody out to it."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from webhook.cli.main import main
from webhook.families import project
from webhook.model.answers import Finding, Severity
from webhook.model.objects import Workload
from webhook.model.settings import DEFAULTS
from webhook.review.workload import review_workload
from webhook.world import Put, World

Raw = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"
ACCOUNT = {"kind": "ServiceAccount", "name": "ctl", "namespace": "app"}
TOKEN = {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}


def binding(*subjects: Raw, kind: str = "RoleBinding", role: str = "reader") -> Raw:
    ref = {"apiGroup": RBAC, "kind": "ClusterRole", "name": role}
    metadata = {"name": "b"} | ({"namespace": "app"} if kind == "RoleBinding" else {})
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": metadata,
        "roleRef": ref,
        "subjects": [*subjects] or [ACCOUNT],
    }


def service_account(name: str = "ctl", **more: object) -> Raw:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "app"}} | more


def workload(account: str = "ctl", volumes: tuple[Raw, ...] = (), **spec: object) -> Raw:
    containers = [{"name": "c", "image": "i"}]
    told = {"serviceAccountName": account} | {"containers": containers, "volumes": list(volumes)} | spec
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "ctl", "namespace": "app"},
        "spec": {"template": {"metadata": {"labels": {"app": "ctl"}}, "spec": told}},
    }


def egress(*rules: Raw) -> Raw:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "deny", "namespace": "app"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": list(rules)},
    }


def to(cidr: str, *ports: int) -> Raw:
    return {"to": [{"ipBlock": {"cidr": cidr}}], "ports": [{"protocol": "TCP", "port": port} for port in ports]}


NODE: Raw = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "cp", "labels": {"node-role.kubernetes.io/control-plane": ""}},
    "status": {"addresses": [{"type": "InternalIP", "address": "192.168.1.10"}]},
}
SERVICE: Raw = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "kubernetes", "namespace": "default"},
    "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443, "targetPort": 6443}]},
}
LISTED: Raw = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {
        "name": "kubernetes",
        "namespace": "default",
        "labels": {"kubernetes.io/service-name": "kubernetes"},
    },
    "addressType": "IPv4",
    "endpoints": [{"addresses": ["192.168.1.10"]}],
    "ports": [{"name": "https", "port": 6443}],
}


def found(*objects: Raw, infer: bool = True) -> list[Finding]:
    world = World(structs.replace(DEFAULTS, infer=infer), complete=False)
    values = [value for one in objects if (value := project(one)) is not None]
    world.apply(map(Put, values))
    (subject,) = (value for value in values if isinstance(value, Workload))
    return list(review_workload(world, subject))


@pytest.mark.parametrize(
    "told",
    [
        pytest.param([binding()], id="RoleBinding"),
        pytest.param([binding(kind="ClusterRoleBinding")], id="ClusterRoleBinding"),
        pytest.param([binding({"kind": "ServiceAccount", "name": "ctl"})], id="namespace-of-the-binding"),
        pytest.param([binding({"kind": "User", "name": "system:serviceaccount:app:ctl"})], id="user"),
        pytest.param([workload(volumes=(TOKEN,))], id="token"),
        pytest.param([workload(volumes=(TOKEN,), automountServiceAccountToken=False)], id="token-of-its-own"),
        pytest.param([binding(), service_account()], id="its-account-says-nothing"),
        pytest.param([binding(), service_account(automountServiceAccountToken=True)], id="its-account-mounts"),
        pytest.param(
            [
                workload(automountServiceAccountToken=True),
                binding(),
                service_account(automountServiceAccountToken=False),
            ],
            id="it-mounts-though-its-account-does-not",
        ),
        pytest.param(
            [workload(volumes=(TOKEN,)), service_account(automountServiceAccountToken=False)],
            id="token-of-its-own-though-its-account-mounts-none",
        ),
        pytest.param(
            [binding(), service_account("other", automountServiceAccountToken=False)], id="another-account-mounts-none"
        ),
    ],
)
def test_who_is_bound_or_asks_for_a_token_needs_the_api_server(told: list[Raw]) -> None:
    """Nothing says where it is, but nobody outside is let out to on the ports that it may have."""
    subject = [one for one in told if one["kind"] == "Deployment"] or [workload()]
    rest = [one for one in told if one["kind"] != "Deployment"]
    everybody: Raw = {"to": [{"namespaceSelector": {}}]}
    (one,) = found(*subject, *rest, egress(everybody, to("0.0.0.0/0", 53)))
    assert (one.id, one.dependency, one.source, one.severity) == (
        "NP101",
        "kubernetes.default:443/TCP",
        "inferred",
        Severity.WARNING,
    )
    assert one.no_fix is not None


@pytest.mark.parametrize(
    "told",
    [
        pytest.param([workload()], id="nobody-binds-it"),
        pytest.param([workload(automountServiceAccountToken=False)], id="no-token"),
        pytest.param([workload(automountServiceAccountToken=False), binding()], id="bound-without-token"),
        pytest.param(
            [workload(), binding(), service_account(automountServiceAccountToken=False)], id="its-account-mounts-none"
        ),
        pytest.param(
            [
                workload(automountServiceAccountToken=False),
                binding(),
                service_account(automountServiceAccountToken=True),
            ],
            id="it-mounts-none-though-its-account-does",
        ),
        pytest.param([workload(), binding({"kind": "Group", "name": "system:serviceaccounts"})], id="all-accounts"),
        pytest.param([workload(), binding({"kind": "Group", "name": "system:authenticated"})], id="everybody"),
        pytest.param([workload(), binding({**ACCOUNT, "name": "other"})], id="another-account"),
        pytest.param([workload("default"), binding()], id="default"),
        pytest.param([workload(), binding({**ACCOUNT, "namespace": "other"})], id="another-namespace"),
        pytest.param([workload(), binding(role="system:openshift:scc:anyuid")], id="what-the-kubelet-may-run"),
        pytest.param([workload(), binding(role="system:image-puller")], id="what-the-kubelet-pulls"),
        pytest.param([workload(volumes=({**TOKEN, "name": "kube-api-access-x7z2p"},))], id="given-to-every-pod"),
        pytest.param(
            [
                workload(
                    volumes=(
                        {
                            "name": "aws-iam-token",
                            "projected": {"sources": [{"serviceAccountToken": {"audience": "sts.amazonaws.com"}}]},
                        },
                    )
                )
            ],
            id="for-somebody-else",
        ),
        pytest.param([workload(volumes=({"name": "t", "projected": 7},))], id="unreadable"),
    ],
)
def test_who_only_has_what_every_pod_has_needs_nothing(told: list[Raw]) -> None:
    assert found(*told, egress()) == []
    assert found(*told, SERVICE, LISTED, egress()) == []


def test_inference_off_infers_no_api_server() -> None:
    assert found(workload(), binding(), egress(), infer=False) == []
    assert found(workload(), binding(), SERVICE, LISTED, egress(), infer=False) == []


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "203.0.113.7/32", "192.168.1.10/32"])
@pytest.mark.parametrize("port", [443, 6443])
def test_where_it_may_be_let_out_to_nothing_is_said(cidr: str, port: int) -> None:
    assert found(workload(), binding(), egress(to(cidr, port))) == []


def test_without_isolation_nothing_is_said() -> None:
    assert found(workload(), binding()) == []
    assert found(workload(), binding(), SERVICE, LISTED) == []


def test_control_plane_nodes_are_taken_for_it() -> None:
    for port in (443, 6443):
        assert found(workload(), binding(), NODE, egress(to("192.168.1.0/24", port))) == []
    (one,) = found(workload(), binding(), NODE, egress(to("203.0.113.0/24", 443)))
    assert one.dependency == "kubernetes.default:443/TCP"
    ((block, port),) = ((rule["to"][0]["ipBlock"]["cidr"], rule["ports"]) for rule in one.fix[0]["spec"]["egress"])
    assert (block, port) == ("192.168.1.10/32", [{"protocol": "TCP", "port": 6443}])


def test_its_endpoints_decide_where_they_are_known() -> None:
    assert found(workload(), binding(), SERVICE, LISTED, egress(to("192.168.1.10/32", 6443))) == []
    (one,) = found(workload(), binding(), SERVICE, LISTED, egress(to("192.168.1.10/32", 443)))
    assert one.id == "NP101"
    assert one.fix[0]["spec"]["egress"][0]["ports"] == [{"protocol": "TCP", "port": 6443}]
    assert "ServiceAccount ctl is bound by RoleBinding b" in one.assumptions[0]


def test_a_declared_one_is_told_once_and_as_declared() -> None:
    declared = workload()
    declared["metadata"]["annotations"] = {"netpol-preflight.io/connects-to": "kubernetes.default:443"}
    told = found(declared, binding(), SERVICE, LISTED, egress(to("10.96.0.10/32", 53)))
    assert [one.source for one in told if one.id == "NP101"] == ["annotation"]


def test_check_warns_and_does_not_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "app.yaml").write_text("\n---\n".join(map(json.dumps, (workload(), binding(), egress()))))
    assert main(["check", "-f", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "NP101 app/ctl -> kubernetes.default:6443/TCP will time out" in out
    assert "note: its ServiceAccount ctl is bound by RoleBinding b, and may ask the API server" in out
