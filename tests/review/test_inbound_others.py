"""Ways in that other projects' kinds and the API server's configuration declare: NP108 where they are closed."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from webhook.cli.main import main

SERVER = """\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: hooks, port: 443, targetPort: tls}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: i, ports: [{name: http, containerPort: 8080}, {name: tls, containerPort: 9443}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: own, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}
"""
SENDER = """
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: sender, namespace: edge}
spec:
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: LABELS}, spec: {containers: [{name: c, image: i, ports: [{containerPort: 9090}]}]}}
"""
PROMETHEUS = {"app.kubernetes.io/name": "prometheus"}
CALLED: dict[str, tuple[str, dict[str, Any], int]] = {
    "ValidatingWebhookConfiguration v": (
        "admissionregistration.k8s.io/v1",
        {"webhooks": [{"clientConfig": {"service": {"name": "web", "namespace": "shop"}}}]},
        9443,
    ),
    "MutatingWebhookConfiguration v": (
        "admissionregistration.k8s.io/v1",
        {"webhooks": [{"clientConfig": {"service": {"name": "web", "namespace": "shop", "port": 80}}}]},
        8080,
    ),
    "APIService v": ("apiregistration.k8s.io/v1", {"spec": {"service": {"name": "web", "namespace": "shop"}}}, 9443),
    "CustomResourceDefinition v": (
        "apiextensions.k8s.io/v1",
        {"spec": {"conversion": {"webhook": {"clientConfig": {"service": {"name": "web", "namespace": "shop"}}}}}},
        9443,
    ),
}
SENT: dict[str, tuple[str, dict[str, Any], dict[str, str], int]] = {
    "Route": (
        "route.openshift.io/v1",
        {"to": {"kind": "Service", "name": "web"}, "port": {"targetPort": "http"}},
        {"ingresscontroller.operator.openshift.io/deployment-ingresscontroller": "default"},
        8080,
    ),
    "VirtualService": (
        "networking.istio.io/v1",
        {
            "gateways": ["edge/public"],
            "http": [{"route": [{"destination": {"host": "web.shop.svc.cluster.local", "port": {"number": 80}}}]}],
        },
        {"istio": "ingressgateway"},
        8080,
    ),
    "IngressRoute": (
        "traefik.io/v1alpha1",
        {"routes": [{"services": [{"name": "web", "port": 80}]}]},
        {"app.kubernetes.io/name": "traefik"},
        8080,
    ),
    "HTTPProxy": (
        "projectcontour.io/v1",
        {"routes": [{"services": [{"name": "web", "port": 80}]}]},
        {"app": "envoy"},
        8080,
    ),
    "ServiceMonitor": (
        "monitoring.coreos.com/v1",
        {"selector": {"matchLabels": {"app": "web"}}, "endpoints": [{"port": "http"}]},
        PROMETHEUS,
        8080,
    ),
    "PodMonitor": (
        "monitoring.coreos.com/v1",
        {"selector": {"matchLabels": {"app": "web"}}, "podMetricsEndpoints": [{"port": "tls"}]},
        PROMETHEUS,
        9443,
    ),
    "Probe": ("monitoring.coreos.com/v1", {"prober": {"url": "web.shop:80"}}, PROMETHEUS, 8080),
}


def findings(folder: Path, capsys: pytest.CaptureFixture[str], *texts: str) -> list[dict[str, Any]]:
    path = folder / "all.yaml"
    path.write_text("\n---\n".join(texts))
    main(["check", "-f", str(path), "--format", "json"])
    found = json.loads(capsys.readouterr().out)
    assert found["errors"] == []
    return [one for one in found["findings"] if one["id"] == "NP108"]


@pytest.mark.parametrize("name", CALLED)
def test_what_the_api_server_calls_is_told_where_no_node_gets_in(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version, body, port = CALLED[name]
    caller = yaml.safe_dump(
        {"apiVersion": version, "kind": name.split(maxsplit=1)[0], "metadata": {"name": "v"}, **body}
    )
    (found,) = findings(tmp_path, capsys, SERVER, caller)
    assert (found["source"], found["dependency"]) == ("inbound", f"web.shop:{port}/TCP")
    assert found["message"].startswith(f"{name}: the API server -> shop/web:{port}/TCP will time out")


def test_what_the_api_server_calls_is_silent_where_its_addresses_get_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version, body, _ = CALLED["APIService v"]
    caller = yaml.safe_dump({"apiVersion": version, "kind": "APIService", "metadata": {"name": "v"}, **body})
    opened = SERVER.replace("podSelector: {}}]}]", "ipBlock: {cidr: 0.0.0.0/0}}]}]")
    assert findings(tmp_path, capsys, opened, caller) == []


@pytest.mark.parametrize("kind", SENT)
def test_what_another_kind_sends_is_told_where_the_sender_is_kept_out(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version, spec, labels, port = SENT[kind]
    sent = yaml.safe_dump(
        {"apiVersion": version, "kind": kind, "metadata": {"name": "w", "namespace": "shop"}, "spec": spec}
    )
    sender = SENDER.replace("LABELS", json.dumps(labels))
    (found,) = findings(tmp_path, capsys, SERVER + sender, sent)
    assert found["message"].startswith(f"{kind} shop/w: edge/sender -> shop/web:{port}/TCP will time out")


@pytest.mark.parametrize("kind", SENT)
def test_nothing_is_told_where_nobody_is_known_to_send(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version, spec, _, _ = SENT[kind]
    sent = yaml.safe_dump(
        {"apiVersion": version, "kind": kind, "metadata": {"name": "w", "namespace": "shop"}, "spec": spec}
    )
    assert findings(tmp_path, capsys, SERVER, sent) == []


def test_a_virtual_service_for_sidecars_alone_is_no_way_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    version, spec, labels, _ = SENT["VirtualService"]
    inside = {**spec, "gateways": ["mesh"]}
    sent = yaml.safe_dump(
        {
            "apiVersion": version,
            "kind": "VirtualService",
            "metadata": {"name": "w", "namespace": "shop"},
            "spec": inside,
        }
    )
    assert findings(tmp_path, capsys, SERVER + SENDER.replace("LABELS", json.dumps(labels)), sent) == []


def test_the_pods_of_an_istio_gateway_are_those_that_it_selects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version, spec, _, _ = SENT["VirtualService"]
    sent = yaml.safe_dump(
        {"apiVersion": version, "kind": "VirtualService", "metadata": {"name": "w", "namespace": "shop"}, "spec": spec}
    )
    gateway = yaml.safe_dump(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "public", "namespace": "edge"},
            "spec": {"selector": {"own": "gate"}},
        }
    )
    selected = SENDER.replace("LABELS", json.dumps({"own": "gate"}))
    (found,) = findings(tmp_path, capsys, SERVER + selected, sent, gateway)
    assert found["message"].startswith("VirtualService shop/w: edge/sender -> shop/web:8080/TCP will time out")
    usual = SENDER.replace("LABELS", json.dumps({"istio": "ingressgateway"}))
    assert findings(tmp_path, capsys, SERVER + usual, sent, gateway) == []


@pytest.mark.parametrize("kind", [*SENT, *(name.split()[0] for name in CALLED)])
def test_a_declaration_of_another_shape_is_left_out(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = SENT[kind][0] if kind in SENT else CALLED[f"{kind} v"][0]
    odd = {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": "w", "namespace": "shop"},
        "spec": 3,
        "webhooks": 4,
    }
    assert findings(tmp_path, capsys, SERVER, yaml.safe_dump(odd)) == []
