"""What goes wrong, and whom it stops: nobody."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import story
from tests.e2e.accounts import kubeconfig_of_service_account
from tests.e2e.conftest import StartServe, story_in
from tests.e2e.registration import CALLED_BY, NAME, READ, USER, configuration, revoke, rights, unregister
from tests.e2e.scene import DRY_RUN, Scene
from tests.e2e.serve import Serve
from tests.testbed.control_plane import ControlPlane
from tests.testbed.fixtures import MakeNamespace
from tests.testbed.processes import free_port

BOTH_SIDES = ("NP101", "NP102")


@pytest.fixture
def lone(control_plane: ControlPlane, cluster_dns: None, make_namespace: MakeNamespace) -> Iterator[Scene]:
    """Yield a scene that no webhook covers until the test registers one, by the namespace's name."""
    assert cluster_dns is None
    namespace = make_namespace("lone")
    scene = Scene(control_plane, namespace)
    scene.label(f"{CALLED_BY}={namespace}")
    yield story_in(scene)
    unregister(control_plane, namespace)


def register(scene: Scene, serve: Serve, failure_policy: str) -> None:
    target = {"url": f"https://127.0.0.1:{serve.port}/validate", "caBundle": serve.ca_bundle}
    _register(scene, target, failure_policy)


def _register(scene: Scene, target: dict[str, str], failure_policy: str) -> None:
    name = scene.namespace
    scene.control_plane.apply(configuration(name, target, namespace_label=name, failure_policy=failure_policy))


def failed_open(scene: Scene) -> list[str]:
    """Return the webhooks without which Deployments were written, by the API server's own account."""
    entries = scene.control_plane.audit_entries(resource="deployments", namespace=scene.namespace)
    start = "failed-open.validating.webhook.admission.k8s.io/"
    notes = [entry.get("annotations", {}).items() for entry in entries]
    return [value for items in notes for key, value in items if key.startswith(start)]


def test_an_unreachable_webhook_stops_nobody_under_failure_policy_ignore(lone: Scene) -> None:
    _register(lone, {"url": f"https://127.0.0.1:{free_port()}/validate"}, "Ignore")
    web_api = story.web_api(lone.namespace)

    def ignored() -> list[str]:
        assert lone.apply(web_api, DRY_RUN).silent
        return failed_open(lone)

    assert lone.control_plane.wait_for(ignored, what="the failure in the audit log")[0] == NAME
    assert lone.apply(web_api).silent
    assert lone.exists("deployment", "web-api")


def test_sigterm_ends_it_with_0_and_applies_go_on(lone: Scene, granted: None, start_serve: StartServe) -> None:
    assert granted is None
    serve = start_serve()
    serve.wait_ready()
    register(lone, serve, "Ignore")
    web_api = story.web_api(lone.namespace)
    lone.wait_ids(web_api, *BOTH_SIDES)
    open_connection = serve.keep_open()
    assert serve.terminate() == 0
    open_connection.close()
    assert lone.apply(web_api).silent
    lone.control_plane.wait_for(lambda: failed_open(lone), what="the failure in the audit log")
    assert "Traceback" not in serve.tail()


def test_its_user_has_the_rights_it_needs_and_no_others(control_plane: ControlPlane, served: Serve) -> None:
    names = [f"{resource}.{group}".rstrip(".") for group, resources in READ.items() for resource in resources]

    def reads_all() -> bool:
        status, text = served.get("/readyz?verbose") or (0, "")
        return status == 200 and {f"[+]{name} ok" for name in names} <= set(text.splitlines())

    control_plane.wait_for(reads_all, what="every kind to be read")
    for verb, resource in (("list", "secrets"), ("create", "pods"), ("delete", "services")):
        done = control_plane.kubectl("auth", "can-i", verb, resource, "--all-namespaces", user=USER)
        assert (done.returncode, done.stdout) == (1, "no\n"), (verb, resource)


def test_what_it_may_not_read_is_named_and_nothing_is_judged_without_it(
    lone: Scene, start_serve: StartServe, tmp_path: Path
) -> None:
    role = f"e2e-{lone.namespace}"
    kubeconfig = kubeconfig_of_service_account(lone.control_plane, lone.namespace, tmp_path / "kubeconfig")
    subject = {"kind": "ServiceAccount", "name": "blind", "namespace": lone.namespace}
    items = rights(role, subject, without="networkpolicies")
    lone.control_plane.apply({"apiVersion": "v1", "kind": "List", "items": items})
    port = free_port()
    try:
        serve = start_serve(kubeconfig, "--listen", f"127.0.0.1:{port}")
        serve.wait_answering()

        def blind() -> bool:
            status, text = serve.get("/readyz?verbose") or (0, "")
            assert status == 503
            failed = [line for line in text.splitlines() if line.startswith("[-]")]
            return text.count("[+]") >= 12 and [line.split(" ")[0] for line in failed] == [hidden]

        hidden = "[-]networkpolicies.networking.k8s.io"
        lone.control_plane.wait_for(blind, what="every kind but the one that it may not read")
        assert serve.output.read_text(encoding="utf-8") == ""
        assert serve.get("/livez") == (200, "ok")

        target = {"url": f"https://127.0.0.1:{port}/validate", "caBundle": serve.ca_bundle}
        _register(lone, target, "Fail")
        web_api = story.web_api(lone.namespace)

        def asked() -> list[str]:
            assert lone.apply(web_api, DRY_RUN).silent
            return [said["not-evaluated"] for said in lone.audited("deployments") if "not-evaluated" in said]

        assert set(lone.control_plane.wait_for(asked, what="a review")) == {"not synced"}
        assert serve.terminate() == 0
    finally:
        revoke(lone.control_plane, role)
