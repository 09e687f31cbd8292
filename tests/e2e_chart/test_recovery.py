"""What is deleted comes back, what is away locks nobody out, and what restarts is not missed."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.chart.rendering import CI
from tests.e2e import story
from tests.e2e.scene import DRY_RUN, Scene
from tests.e2e.story import MODE
from tests.e2e_chart.kubelet import Kubelet
from tests.e2e_chart.release import CHART, CONFIGURATION, NAME, Object, Release
from tests.e2e_chart.steps import answer, harmless, reviews
from tests.testbed.control_plane import ControlPlane
from tests.testbed.pods import NODES

FAIL = ("--set", "webhook.enforcing.failurePolicy=Fail")


@pytest.fixture(scope="module", autouse=True)
def installed(release: Release, shop: Scene) -> None:
    """Install the chart, and let findings reject in the story's namespace."""
    release.install(CHART, *FAIL)
    shop.label(f"{MODE}=enforce")
    reviews(shop)


def test_every_object_that_is_deleted_comes_back(release: Release, shop: Scene, cluster: ControlPlane) -> None:
    for one in release.owned:
        cluster.client.request("DELETE", release.path(one))
        match one["kind"]:
            case "Secret":
                _await_certificate(release, one)  # the product's own work, which Helm then takes for its own
            case _:
                pass
        release.upgrade(CHART, *FAIL, wait=one["kind"] == "Deployment")
        if one["kind"] == "ServiceAccount":
            # Tokens are of the account that is gone, not of its name: the pods need new ones.
            release.kubectl("rollout", "restart", "deployment", NAME)
            release.kubectl("rollout", "status", "deployment", NAME, "--timeout=240s")
        assert cluster.client.request("GET", release.path(one)), one["kind"]
        cluster.wait_for(lambda: all(release.bundles), what="the caBundle")
        reviews(shop)


def test_a_namespace_that_is_left_out_by_the_beginning_of_its_name_is_not_reviewed(
    shop: Scene, cluster: ControlPlane
) -> None:
    platform = Scene(cluster, cluster.create_namespace("openshift-shop"))
    platform.set_up(story.production(platform.namespace))
    platform.label(f"{MODE}=enforce")
    reviews(shop)
    assert platform.apply(story.web_api(platform.namespace), DRY_RUN).silent
    cluster.delete_namespace(platform.namespace)


def test_helm_of_every_kind_leaves_the_certificate_alone_or_it_is_put_back(release: Release, shop: Scene) -> None:
    before = release.bundles
    release.upgrade(CHART, *FAIL, "--server-side=false", wait=False)  # what Helm 3 does
    assert release.bundles == before
    assert "tls.crt" in release.secret["data"]
    release.upgrade(CHART, *FAIL, "--server-side=false", "--force-replace", wait=False)
    release.plane.wait_for(lambda: release.bundles == before and release.secret.get("data"), what="the certificate")
    reviews(shop)
    release.upgrade(CHART, *FAIL, "--server-side=true", "--force-conflicts")
    assert release.bundles == before


def _await_certificate(release: Release, secret: Object) -> None:
    def made() -> bool:
        found = release.find(secret)
        return found is not None and "tls.crt" in found.get("data", {})

    release.plane.wait_for(made, what="the Secret to be made anew")


def test_a_restart_of_every_replica_fails_no_call(
    release: Release, shop: Scene, cluster: ControlPlane, kubelet: Kubelet
) -> None:
    before = set(kubelet.containers)
    with _load(shop) as answers:
        release.kubectl("rollout", "restart", "deployment", NAME)
        release.kubectl("rollout", "status", "deployment", NAME, "--timeout=240s")
        cluster.wait_for(lambda: not before & set(kubelet.containers), what="the old pods to be gone")
    assert answers
    assert [one for one in answers if one] == []


def test_on_the_nodes_network_a_restart_finds_room_where_every_node_has_a_replica(
    release: Release, shop: Scene, cluster: ControlPlane, kubelet: Kubelet
) -> None:
    restricted = "pod-security.kubernetes.io/enforce"
    cluster.kubectl("label", "namespace", NAME, f"{restricted}=privileged", "--overwrite")
    release.upgrade(CHART, *FAIL, "--set", "hostNetwork=true,webhook.port=9443,service.healthPort=9080")
    before = set(kubelet.containers)
    release.kubectl("rollout", "restart", "deployment", NAME)
    release.kubectl("rollout", "status", "deployment", NAME, "--timeout=240s")
    cluster.wait_for(lambda: not before & set(kubelet.containers), what="the old pods to be gone")
    assert len(kubelet.containers) == len(NODES) == 2
    reviews(shop)
    cluster.kubectl("label", "namespace", NAME, f"{restricted}=restricted", "--overwrite")
    release.upgrade(CHART, *FAIL)


@contextmanager
def _load(scene: Scene) -> Iterator[list[str]]:
    """Write without a pause; collects an empty text for each write that worked, else what was said."""
    answers: list[str] = []
    over = threading.Event()
    workload = harmless(scene)

    def write() -> None:
        while not over.is_set():
            answers.append(answer(scene, workload))
            over.wait(0.02)  # leave some of the machine to what restarts

    writers = [threading.Thread(target=write, daemon=True) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        yield answers
    finally:
        over.set()
        for writer in writers:
            writer.join(30)


def test_a_webhook_that_fails_closed_everywhere_and_is_away_locks_out_neither_itself_nor_kube_system(
    release: Release, shop: Scene, cluster: ControlPlane, kubelet: Kubelet
) -> None:
    release.upgrade(CHART, *FAIL, "--set", "mode=enforce,webhook.failurePolicy=Fail")
    reviews(shop)
    assert not answer(shop, harmless(shop))
    kubelet.crash()
    refused = shop.apply(harmless(shop))
    assert refused.code == 1
    assert 'failed calling webhook "enforcing.netpol-preflight.io"' in refused.stderr

    old = _pods(cluster, NAME) | _pods(cluster, "kube-system")
    for namespace, name in ((NAME, NAME), ("kube-system", "coredns")):
        for words in (
            ("rollout", "restart", f"deployment/{name}"),
            ("annotate", f"deployment/{name}", "touched=yes", "--overwrite"),
            ("delete", "pods", "--all", "--wait=false"),
        ):
            done = cluster.kubectl(*words, namespace=namespace)
            assert done.returncode == 0, done.stderr
    cluster.wait_for(lambda: _pods(cluster, NAME) - old, what="pods of the product")
    cluster.wait_for(lambda: _pods(cluster, "kube-system") - old, what="pods in kube-system")

    kubelet.paused.clear()
    release.kubectl("rollout", "status", f"deployment/{NAME}", "--timeout=240s")
    cluster.wait_for(lambda: not answer(shop, harmless(shop)), what="an answer")
    reviews(shop)


def test_the_emergency_stop_needs_nothing_of_the_product_and_upgrade_is_the_way_back(
    release: Release, shop: Scene, cluster: ControlPlane, kubelet: Kubelet
) -> None:
    kubelet.crash()
    assert 'failed calling webhook "enforcing' in answer(shop, harmless(shop))
    release.kubectl("delete", "validatingwebhookconfiguration", CONFIGURATION)
    cluster.wait_for(lambda: not answer(shop, harmless(shop)), what="the end of reviews")
    kubelet.paused.clear()
    release.upgrade(CHART, *FAIL)
    reviews(shop)


def test_where_some_namespaces_are_watched_the_rights_in_those_are_enough(
    release: Release, shop: Scene, cluster: ControlPlane
) -> None:
    release.upgrade(CHART, *FAIL, "--set", f"namespaces={{{shop.namespace},kube-system}}")
    account = f"--as=system:serviceaccount:{NAME}:{NAME}"
    refused = cluster.kubectl("auth", "can-i", "list", "pods", "--namespace=default", account)
    assert (refused.returncode, refused.stdout.strip()) == (1, "no")
    reviews(shop)
    elsewhere = Scene(cluster, cluster.create_namespace("elsewhere", {MODE: "enforce"}))
    assert not answer(elsewhere, story.web_api(elsewhere.namespace))
    release.upgrade(CHART, *FAIL)


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_the_api_server_takes_what_is_rendered_with_every_field_known(release: Release, values: Path) -> None:
    scope = ("--set", "namespaces={default,kube-system}") if "namespaces" in values.stem else ()
    text = release.helm("template", "another", CHART, "--values", values, "--no-hooks", *scope)
    objects = [one for one in yaml.safe_load_all(text) if one]
    ours = [one for one in objects if not one["apiVersion"].startswith(("monitoring.coreos.com", "cert-manager.io"))]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": ours})
    done = release.plane.kubectl("apply", "--dry-run=server", "--validate=strict", "--filename=-", input=listed)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(ours)


def _pods(cluster: ControlPlane, namespace: str) -> set[str]:
    pods = cluster.client.request("GET", f"/api/v1/namespaces/{namespace}/pods")["items"]
    return {pod["metadata"]["uid"] for pod in pods}
