"""What is deleted comes back, what is away locks nobody out, and what restarts is not missed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.scene import DRY_RUN, Scene
from tests.e2e.story import MODE
from tests.e2e_chart.kubelet import Kubelet
from tests.e2e_chart.release import CHART, CONFIGURATION, NAME, Release
from tests.e2e_chart.steps import denied, harmless, reviews
from tests.testbed.client import ApiError
from tests.testbed.control_plane import ControlPlane


def test_every_object_that_is_deleted_comes_back(release: Release, shop: Scene, cluster: ControlPlane) -> None:
    release.install()
    shop.label(f"{MODE}=enforce")
    reviews(shop)
    for one in release.owned:
        kind, name = one["kind"], one["metadata"]["name"]
        release.kubectl("delete", kind, name)
        match kind:
            case "Secret":
                # The product's own work, which Helm then takes for its own.
                cluster.wait_for(lambda: _data(release), what="the Secret to be made anew")
                release.upgrade()
            case "ServiceAccount":
                # Tokens are of the account that is gone, not of its name: the pods need new ones.
                release.upgrade()
                release.kubectl("rollout", "restart", "deployment", NAME)
                release.kubectl("rollout", "status", "deployment", NAME, "--timeout=30s")
            case "ValidatingWebhookConfiguration":
                assert not denied(shop, harmless(shop))
                release.upgrade()
            case _:
                release.upgrade()
        assert release.get(kind, name)
        cluster.wait_for(lambda: all(release.bundles), what="the caBundle")
        reviews(shop)


def _data(release: Release) -> bool:
    listed = release.kubectl("get", "secret", f"{NAME}-tls", "--ignore-not-found", "--output=jsonpath={.data}")
    return "tls.crt" in listed


def test_a_webhook_that_fails_closed_everywhere_and_is_away_locks_out_neither_itself_nor_kube_system(
    release: Release, shop: Scene, cluster: ControlPlane, kubelet: Kubelet
) -> None:
    release.install(CHART, "--set", "mode=enforce,webhook.failurePolicy=Fail,webhook.enforcing.failurePolicy=Fail")
    reviews(shop)
    assert shop.apply(harmless(shop), DRY_RUN).silent
    kubelet.crash()
    refused = shop.apply(harmless(shop))
    assert refused.code == 1
    assert 'failed calling webhook "enforcing.netpol-preflight.io"' in refused.stderr

    for command in (
        ("rollout", "restart", "deployment", NAME),
        ("delete", "pods", "--all", "--wait=false"),
        ("scale", "deployment", NAME, "--replicas=2"),
    ):
        release.kubectl(*command)
    for words in (
        ("rollout", "restart", "deployment/coredns"),
        ("annotate", "deployment/coredns", "touched=yes", "--overwrite"),
        ("delete", "pods", "--selector=k8s-app=kube-dns", "--wait=false"),
    ):
        done = cluster.kubectl(*words, namespace="kube-system")
        assert done.returncode == 0, done.stderr
    cluster.run_pods("kube-system", 2, "k8s-app=kube-dns")
    kubelet.paused.clear()
    release.kubectl("rollout", "status", "deployment", NAME, "--timeout=60s")
    cluster.wait_for(lambda: shop.apply(harmless(shop), DRY_RUN).silent, 30, "an answer")
    reviews(shop)

    # The emergency stop, and the way back.
    kubelet.crash()
    release.kubectl("delete", "validatingwebhookconfiguration", CONFIGURATION)
    cluster.wait_for(lambda: shop.apply(harmless(shop), DRY_RUN).silent, 30, "the end of reviews")
    kubelet.paused.clear()


def test_a_restart_of_every_replica_fails_no_call(release: Release, shop: Scene, cluster: ControlPlane) -> None:
    release.install(CHART, "--set", "webhook.enforcing.failurePolicy=Fail")
    shop.label(f"{MODE}=enforce")
    reviews(shop)
    with _load(cluster, shop) as answers:
        release.kubectl("rollout", "restart", "deployment", NAME)
        release.kubectl("rollout", "status", "deployment", NAME, "--timeout=60s")
        cluster.wait_for(lambda: len(_pods(release)) == 2, 30, "the old pods to be gone")
    assert len(answers) > 50
    assert [answer for answer in answers if answer] == []


def _pods(release: Release) -> list[str]:
    return release.kubectl("get", "pods", "--output=name").split()


@contextmanager
def _load(cluster: ControlPlane, scene: Scene) -> Iterator[list[str]]:
    """Write without a pause; collects an empty text for each write that worked, else what was said."""
    answers: list[str] = []
    over = threading.Event()
    workload = harmless(scene)
    path = f"/apis/apps/v1/namespaces/{scene.namespace}/deployments?dryRun=All"

    def write() -> None:
        while not over.is_set():
            try:
                cluster.client.request("POST", path, workload)
                answers.append("")
            except ApiError as error:
                answers.append(str(error))

    writers = [threading.Thread(target=write, daemon=True) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        yield answers
    finally:
        over.set()
        for writer in writers:
            writer.join(30)
