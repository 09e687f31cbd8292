"""What others need of a workload, end to end: ways in that Ingresses declare, and clients that were there before."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import story
from tests.e2e.accounts import kubeconfig_of_service_account
from tests.e2e.conftest import MakeScene, StartServe
from tests.e2e.registration import revoke, rights
from tests.e2e.scene import Scene, written
from tests.e2e.story import Object
from tests.testbed.control_plane import ControlPlane

NGINX = {"app.kubernetes.io/name": "ingress-nginx"}
TOP = Path(__file__).parent.parent.parent


@pytest.fixture
def ingress_class(control_plane: ControlPlane, make_scene: MakeScene) -> Iterator[str]:
    """Yield the name of an IngressClass whose controller runs in a namespace of its own."""
    edge = make_scene()
    name = edge.namespace  # cluster-wide, and no other test's
    edge.set_up([_class(name), *_controller()])
    control_plane.run_pods(edge.namespace, 1, "app.kubernetes.io/name=ingress-nginx")
    yield name
    edge.kubectl("delete", "deployment,service", "ingress-nginx-controller")  # at once: it is like any test's
    done = control_plane.kubectl("delete", "ingressclass", name)
    assert done.returncode == 0, done.stderr


def _class(name: str) -> Object:
    spec = {"controller": "k8s.io/ingress-nginx"}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": name}, "spec": spec}


def _controller() -> list[Object]:
    deployment = _deployment("ingress-nginx-controller", NGINX, 80)
    front = story.service("ingress-nginx-controller", 80, 80)
    front["spec"] |= {"type": "LoadBalancer", "selector": NGINX}
    return [deployment, front]


def _deployment(name: str, labels: dict[str, str], port: int) -> Object:
    container = {"name": "main", "image": "registry.example.com/main:1", "ports": [{"containerPort": port}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def _ingress(class_name: str) -> Object:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rule = {"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    spec = {"ingressClassName": class_name, "rules": [rule]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}, "spec": spec}


def _closed() -> Object:
    spec = {"podSelector": {}, "policyTypes": ["Ingress"]}
    metadata = {"name": "default-deny-ingress"}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def _fix(scene: Scene, workload: Object, folder: Path, *flags: str) -> str:
    """Return what `netpol-preflight fix` prints for a workload in the cluster."""
    file = folder / "workload.yaml"
    file.write_text(written(workload), encoding="utf-8")
    kubeconfig = str(scene.control_plane.kubeconfig())
    command = [
        "fix",
        "-f",
        str(file),
        "-n",
        scene.namespace,
        "--against",
        "cluster",
        "--kubeconfig",
        kubeconfig,
        *flags,
    ]
    done = subprocess.run(
        [sys.executable, "-m", "webhook", *command], cwd=TOP, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_an_ingress_controller_that_is_kept_out_is_told_and_let_in_by_the_fix(
    make_scene: MakeScene, ingress_class: str, tmp_path: Path
) -> None:
    scene = make_scene("enforce")  # and yet only a warning
    web = _deployment("web", {"app": "web"}, 8080)
    scene.set_up([story.service("web", 80, 8080), _ingress(ingress_class), _closed()])
    (said,) = scene.wait_ids(web, "NP108").warnings
    sender, receiver = f"{ingress_class}/ingress-nginx-controller", f"{scene.namespace}/web:8080/TCP"
    assert f"Ingress {scene.namespace}/web: {sender} -> {receiver} will time out" in said
    assert f"{scene.namespace}/default-deny-ingress" in said
    assert "netpol-preflight fix" in said
    assert scene.apply(web).ids == ["NP108"]

    assert "ingress-nginx" not in _fix(scene, web, tmp_path)  # who is labelled like a controller is not let in unasked
    assert scene.apply(_fix(scene, web, tmp_path, "--admit", ingress_class)).silent
    scene.wait_ids(story.version(web, "2"))
    assert scene.apply(story.version(web, "2")).silent


def test_clients_that_were_there_before_a_server_are_told_of_when_it_comes(
    make_scene: MakeScene, tmp_path: Path
) -> None:
    scene = make_scene()
    production = story.production(scene.namespace)
    (postgres,) = [item for item in production if item["kind"] == "StatefulSet"]
    web_api = story.web_api(scene.namespace)
    scene.set_up([*(item for item in production if item != postgres), web_api])
    (said,) = scene.wait_ids(postgres, "NP109").warnings
    assert f"existing client {scene.namespace}/web-api -> {scene.namespace}/postgres:5432/TCP will time out" in said
    assert f"{scene.namespace}/default-deny-ingress" in said
    scene.set_up(postgres)

    assert scene.apply(_fix(scene, postgres, tmp_path)).silent
    scene.wait_ids(story.version(postgres, "2"))


def test_without_the_right_to_read_ingresses_all_else_is_judged(
    make_scene: MakeScene, start_serve: StartServe, tmp_path: Path
) -> None:
    scene = make_scene()
    role = f"e2e-{scene.namespace}"
    kubeconfig = kubeconfig_of_service_account(scene.control_plane, scene.namespace, tmp_path / "kubeconfig")
    subject = {"kind": "ServiceAccount", "name": "blind", "namespace": scene.namespace}
    items = rights(role, subject, without="ingresses")
    scene.control_plane.apply({"apiVersion": "v1", "kind": "List", "items": items})
    try:
        serve = start_serve(kubeconfig)
        serve.wait_ready()

        def named() -> bool:
            status, text = serve.get("/readyz?verbose") or (0, "")
            return status == 200 and any(
                line.startswith("[+]ingresses.networking.k8s.io ok") and "ways in" in line for line in text.splitlines()
            )

        scene.control_plane.wait_for(named, what="the kind that it may not read to be named")
        assert serve.terminate() == 0
    finally:
        revoke(scene.control_plane, role)
