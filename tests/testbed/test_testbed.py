"""The test bed itself: what every end-to-end test takes for granted about its control plane."""

import base64
import json
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.patience import PATIENCE
from tests.testbed import build
from tests.testbed.binaries import Binaries
from tests.testbed.certificates import CertificateAuthority
from tests.testbed.client import ApiError
from tests.testbed.control_plane import ControlPlane, StartError

REPOSITORY = Path(__file__).parents[2]
SERVICE = {"selector": {"app": "hook"}, "ports": [{"port": 443, "targetPort": 8443}]}


def deployment(name: str, replicas: int) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "example/app:1"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def test_the_api_server_is_the_version_that_was_asked_for(control_plane: ControlPlane) -> None:
    said = json.loads(control_plane.kubectl("version", "--output", "json").stdout)["serverVersion"]
    major, minor, patch = control_plane.binaries.version("kube-apiserver")
    assert said["gitVersion"] == f"v{major}.{minor}.{patch}"
    assert (said["major"], said["minor"]) == (str(major), str(minor))


def test_the_pinned_kubernetes_is_what_is_built(control_plane: ControlPlane) -> None:
    if control_plane.binaries.origin != "cache":
        pytest.skip(f"the test bed is taken from {control_plane.binaries.origin}, not built")
    for tool in build.TOOLS:
        assert control_plane.binaries.version(tool.name) == build.pinned_version(tool)


def test_a_deployment_becomes_a_replicaset_and_pods(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.apply(deployment("web", 2), namespace)
    pods = control_plane.run_pods(namespace, 2, "app=web")
    assert {pod["metadata"]["ownerReferences"][0]["kind"] for pod in pods} == {"ReplicaSet"}
    assert len({pod["status"]["podIP"] for pod in pods}) == 2
    available = ("rollout", "status", "deployment/web", "--timeout=120s")
    done = control_plane.kubectl(*available, namespace=namespace)
    assert done.returncode == 0, done.stderr


def test_running_pods_are_endpoints_of_their_service(control_plane: ControlPlane, namespace: str) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    control_plane.apply(service | {"spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}, namespace)
    control_plane.apply(deployment("web", 1), namespace)
    pod = control_plane.run_pods(namespace, 1, "app=web")[0]
    control_plane.set_pod_status(namespace, pod["metadata"]["name"], ["10.244.250.1", "fd00:10:244::1"], ready=False)

    def endpoints() -> list[Any]:
        path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
        slices = control_plane.client.request("GET", path)["items"]
        return [endpoint for item in slices for endpoint in item["endpoints"] or []]

    def reported() -> bool:
        found = [(endpoint["addresses"], endpoint["conditions"]["ready"]) for endpoint in endpoints()]
        return found == [(["10.244.250.1"], False)]

    control_plane.wait_for(reported, what="the endpoint that is not ready")


def test_a_deleted_pod_on_a_node_goes_away(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.apply(deployment("web", 1), namespace)
    control_plane.run_pods(namespace, 1)
    assert control_plane.kubectl("delete", "deployment", "web", namespace=namespace).returncode == 0
    path = f"/api/v1/namespaces/{namespace}/pods"
    control_plane.wait_for(lambda: not control_plane.client.request("GET", path)["items"], what="the pod to go")


def test_namespaces_are_dual_stack_and_have_a_default_service_account(
    control_plane: ControlPlane, namespace: str
) -> None:
    done = control_plane.kubectl("get", "serviceaccount", "default", namespace=namespace)
    assert done.returncode == 0, done.stderr
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "dual"}}
    spec = {"ipFamilyPolicy": "RequireDualStack", "ports": [{"port": 80}]}
    control_plane.apply(service | {"spec": spec}, namespace)
    found = control_plane.client.request("GET", f"/api/v1/namespaces/{namespace}/services/dual")
    assert found["spec"]["ipFamilies"] == ["IPv4", "IPv6"]


def test_a_user_without_a_role_may_do_nothing(control_plane: ControlPlane, namespace: str) -> None:
    done = control_plane.kubectl("get", "pods", namespace=namespace, user="developer")
    assert done.returncode == 1
    assert "forbidden" in done.stderr
    with pytest.raises(ApiError) as refused:
        control_plane.client_of("netpol-preflight").request("GET", "/api/v1/secrets")
    assert refused.value.status == 403


def test_writes_are_in_the_audit_log(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.apply(deployment("audited", 0), namespace)

    def written() -> list[Any]:
        return control_plane.audit_entries(resource="deployments", namespace=namespace, name="audited")

    entry = control_plane.wait_for(written, what="the audit entry")[0]
    assert entry["user"]["username"] == "admin"
    assert entry["responseStatus"]["code"] == 201


def test_helm_installs_a_chart(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    metadata = {"apiVersion": "v2", "name": "probe", "version": "0.1.0", "kubeVersion": ">=1.30.0-0"}
    (chart / "Chart.yaml").write_text(json.dumps(metadata), encoding="utf-8")
    content = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}}
    (chart / "templates" / "configmap.yaml").write_text(json.dumps(content), encoding="utf-8")
    done = control_plane.helm("install", "probe", chart, namespace=namespace)
    assert done.returncode == 0, done.stderr
    assert control_plane.kubectl("get", "configmap", "probe", namespace=namespace).returncode == 0


@dataclass
class Hook:
    """An admission webhook that allows everything, with a warning."""

    authority: CertificateAuthority
    port: int
    hosts: list[str] = field(default_factory=list)

    def register(self, control_plane: ControlPlane, namespace: str, client_config: dict[str, Any]) -> None:
        """Let it be called for the namespace's ConfigMaps; fails closed, so that a call not made is seen."""
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
        webhook = {
            "name": "hook.example.com",
            "clientConfig": client_config | {"caBundle": base64.b64encode(self.authority.pem).decode()},
            "rules": [rule],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "failurePolicy": "Fail",
            "timeoutSeconds": 5,
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        api = "admissionregistration.k8s.io/v1"
        kind = "ValidatingWebhookConfiguration"
        control_plane.apply({"apiVersion": api, "kind": kind, "metadata": {"name": namespace}, "webhooks": [webhook]})

    def is_heard(self, control_plane: ControlPlane, namespace: str) -> bool:
        """Return whether a dry run shows the warning; configurations take effect a moment after they are written."""
        arguments = ("create", "configmap", "probe", "--dry-run=server")
        return "Warning: heard" in control_plane.kubectl(*arguments, namespace=namespace).stderr


@pytest.fixture
def hook(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[Hook]:
    authority = CertificateAuthority("hook")
    certificate, key = authority.issue(["127.0.0.1", f"hook.{namespace}.svc"])
    (tmp_path / "tls.pem").write_bytes(key + certificate)
    hosts: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            hosts.append(self.headers["Host"])
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            response = {"uid": review["request"]["uid"], "allowed": True, "warnings": ["heard"]}
            answer = {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "tls.pem")
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Hook(authority, server.server_address[1], hosts)
    control_plane.kubectl("delete", "validatingwebhookconfiguration", namespace, "--ignore-not-found")
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_webhook_by_url_is_called(control_plane: ControlPlane, namespace: str, hook: Hook) -> None:
    hook.register(control_plane, namespace, {"url": f"https://127.0.0.1:{hook.port}/validate"})
    control_plane.wait_for(lambda: hook.is_heard(control_plane, namespace), what="the webhook's warning")
    assert set(hook.hosts) == {f"127.0.0.1:{hook.port}"}


def test_a_webhook_by_service_is_called_where_the_service_is_routed(
    control_plane: ControlPlane, namespace: str, hook: Hook
) -> None:
    control_plane.route(namespace, "hook", 443, hook.port)
    control_plane.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hook"}, "spec": SERVICE}, namespace
    )
    reference = {"namespace": namespace, "name": "hook", "path": "/validate"}
    hook.register(control_plane, namespace, {"service": reference})
    control_plane.wait_for(lambda: hook.is_heard(control_plane, namespace), what="the webhook's warning")
    assert set(hook.hosts) == {f"hook.{namespace}.svc:443"}


def test_a_service_that_nothing_plays_refuses_the_call(control_plane: ControlPlane, namespace: str, hook: Hook) -> None:
    control_plane.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hook"}, "spec": SERVICE}, namespace
    )
    hook.register(control_plane, namespace, {"service": {"namespace": namespace, "name": "hook"}})

    def refusal() -> str:
        done = control_plane.kubectl("create", "configmap", "probe", "--dry-run=server", namespace=namespace)
        return done.stderr if done.returncode else ""

    assert "nothing plays" in control_plane.wait_for(refusal, what="the refusal")
    assert hook.hosts == []


def test_a_restarted_api_server_has_its_port_and_its_objects(testbed_binaries: Binaries) -> None:
    own = ControlPlane(testbed_binaries)
    own.start()
    try:
        namespace = own.create_namespace()
        own.stop_apiserver()
        assert "refused" in own.kubectl("get", "namespaces").stderr
        own.start_apiserver()
        assert own.kubectl("get", "namespace", namespace).returncode == 0
        own.wait_for(lambda: own.create_namespace("after"), what="the controllers to go on")
    finally:
        pids = own.pids
        own.stop()
    assert len(pids) == 3
    assert not any(map(is_alive, pids))
    assert not own.directory.exists()


def test_a_control_plane_that_cannot_start_says_why_and_leaves_only_logs(testbed_binaries: Binaries) -> None:
    broken = ControlPlane(testbed_binaries)
    (broken.directory / "audit-policy.yaml").write_text("{}", encoding="utf-8")
    with pytest.raises(StartError, match=r"kube-apiserver did not start .*(?s:.)*audit policy"):
        broken.start()
    assert broken.pids == []
    assert [path.name for path in broken.directory.iterdir()] == ["logs"]
    broken.remove_logs()
    assert not broken.directory.exists()


KILLED = """
import os, signal
from tests.testbed import binaries
from tests.testbed.control_plane import ControlPlane

running = ControlPlane(binaries.at_hand())
running.start()
print(running.directory, *running.pids, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_test_run_leaves_no_process(testbed_binaries: Binaries) -> None:
    assert testbed_binaries.paths
    command = [sys.executable, "-c", KILLED]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    directory, *words = done.stdout.split()
    shutil.rmtree(directory)
    pids = [int(word) for word in words]
    assert len(pids) == 3
    deadline = time.monotonic() + PATIENCE
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_alive, pids))


def is_alive(pid: int) -> bool:
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()[:1] not in {"", "Z"}
