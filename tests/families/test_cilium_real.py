"""Cilium's kinds and its settings in a real API server: they come, change and go while the webhook serves."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running import STORY, eventually, served, spawn
from tests.testbed.control_plane import ControlPlane
from webhook.cli.demo import review_of

GROUP = "cilium.io"
NAMES = {"CiliumNetworkPolicy": "ciliumnetworkpolicies", "CiliumCIDRGroup": "ciliumcidrgroups"}


def definition(kind: str, plural: str) -> dict[str, object]:
    scope = "Namespaced" if kind == "CiliumNetworkPolicy" else "Cluster"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v2", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": scope,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [version | {"subresources": {"status": {}}}],
        },
    }


@pytest.fixture
def cilium(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """A cluster with Cilium's kinds, which others do not meet."""
    names = [f"customresourcedefinition/{plural}.{GROUP}" for plural in NAMES.values()]
    try:
        for kind, plural in NAMES.items():
            control_plane.apply(json.dumps(definition(kind, plural)))
        for name in names:
            control_plane.kubectl("wait", "--for=condition=Established", name)
        yield control_plane
    finally:
        control_plane.kubectl("delete", "--ignore-not-found", *names)
        control_plane.kubectl("delete", "--ignore-not-found", "configmap/cilium-config", namespace="kube-system")
        control_plane.wait_for(
            lambda: GROUP not in control_plane.kubectl("api-versions").stdout, what="no kind of Cilium"
        )


def test_policies_and_settings_of_cilium_come_change_and_go(
    cilium: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    web = tmp_path / "web-api.yaml"
    web.write_text((STORY / "web-api.yaml").read_text().replace("production", namespace))
    cilium.apply((STORY / "production.yaml").read_text().replace("production", namespace))
    kubeconfig = str(cilium.kubeconfig())
    live = ("--against", "cluster", "--kubeconfig", kubeconfig, "--cni", "cilium")
    fixed = spawn("fix", "-f", web, *live)
    assert fixed.code == 0, fixed.err
    cilium.apply(fixed.out, namespace)

    def put(**spec: object) -> None:
        metadata = {"namespace": namespace, "name": "lock"}
        cilium.apply(
            json.dumps({"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": metadata, **spec})
        )

    with served("cluster", tmp_path / "tls", "--kubeconfig", kubeconfig, "--cni", "cilium") as webhook:

        def said() -> list[str]:
            warnings = review_of(webhook.address, web, webhook.ca).warnings
            return [warning for warning in warnings if "NP10" in warning]

        assert said() == []
        closed = {"endpointSelector": {}, "ingressDeny": [{"fromEntities": ["cluster"]}]}
        put(specs=[closed])
        eventually(lambda: any("lock" in warning for warning in said()))
        put(specs=[closed | {"endpointSelector": {"matchLabels": {"app": "another"}}}])
        eventually(lambda: said() == [])
        put(specs=[closed])
        eventually(lambda: said() != [])
        settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cilium-config"}}
        off = json.dumps(settings | {"data": {"enable-cilium-network-policy": "false"}})
        cilium.apply(off, "kube-system")
        eventually(lambda: not any("denied" in warning for warning in said()))
        cilium.kubectl("delete", "configmap/cilium-config", namespace="kube-system")
        eventually(lambda: any("lock" in warning for warning in said()))
        cilium.kubectl("delete", "ciliumnetworkpolicy", "lock", namespace=namespace)
        eventually(lambda: said() == [])
