"""Install, story, upgrade, rollback, uninstall, and again."""

from pathlib import Path
from typing import Any

from tests.e2e import story
from tests.e2e.scene import DRY_RUN, Scene
from tests.e2e.story import MODE
from tests.e2e_chart.kubelet import Kubelet
from tests.e2e_chart.release import CHART, NAME, Release, everything, previous
from tests.e2e_chart.steps import BOTH_SIDES, denied, reviews
from tests.testbed.control_plane import ControlPlane


def test_install_story_upgrade_rollback_uninstall_and_again(
    release: Release, shop: Scene, cluster: ControlPlane, kubelet: Kubelet, tmp_path: Path
) -> None:
    web_api = story.web_api(shop.namespace)
    cluster.wait_for(lambda: f"ServiceAccount {NAME}/default" in everything(cluster), what="the namespace")
    before = everything(cluster)

    assert "insufficient quota" in _critical_pod(cluster)  # so the quota, or no class, is what lets pods in below
    notes = release.install(previous(tmp_path), "--set", "commonLabels.team=platform")
    assert f"delete validatingwebhookconfiguration {NAME}-{NAME}" in notes
    cluster.wait_for(lambda: all(release.bundles), what="the caBundle")
    bundles = release.bundles
    assert len(set(bundles)) == 1
    assert {container.ready for container in kubelet.containers.values()} == {True}
    assert len(kubelet.containers) == 2

    shop.wait_ids(web_api, *BOTH_SIDES)
    shop.label(f"{MODE}=enforce")
    message = cluster.wait_for(lambda: denied(shop, web_api), what="a denial")
    assert denied(shop, controlled(story.renamed(web_api, "claimed")))
    shop.set_up(message.partition("\n---\n")[2])  # the message is the remedy
    cluster.wait_for(lambda: shop.apply(web_api, DRY_RUN).silent, what="the fix to be known")
    shop.set_up(web_api)

    tested = release.helm("test", NAME)
    assert "Succeeded" in tested, kubelet.tails()
    assert "Pod" not in {one.partition(" ")[0] for one in everything(cluster) if "-test" in one}

    assert f"ResourceQuota {NAME}/{NAME}" in everything(cluster)
    release.upgrade(CHART, "--reset-then-reuse-values")
    assert {one["metadata"]["labels"]["team"] for one in release.owned} == {"platform"}
    # It came with what was the default of the priority class.
    assert f"ResourceQuota {NAME}/{NAME}" not in everything(cluster)
    assert release.bundles == bundles
    assert release.version != "0.0.9"
    reviews(shop)

    release.helm("rollback", NAME, "1", "--wait")
    assert release.bundles == bundles
    assert release.version == "0.0.9"
    reviews(shop)

    release.helm("uninstall", NAME)
    left = {one for one in before if shop.namespace not in one}
    cluster.wait_for(lambda: _here(cluster, shop) == left, what="nothing to be left")
    assert not kubelet.containers
    assert shop.apply(story.renamed(web_api, "unseen")).silent

    release.install(CHART, "--set", ",".join(f"podSecurityContext.{key}=null" for key in ("runAsUser", "fsGroup")))
    reviews(shop)


def controlled(raw: dict[str, Any]) -> dict[str, Any]:
    """Return an object that claims to be a ConfigMap's."""
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "kube-root-ca.crt", "uid": "u", "controller": True}
    return raw | {"metadata": raw["metadata"] | {"ownerReferences": [owner]}}


def _here(cluster: ControlPlane, scene: Scene) -> set[str]:
    return {one for one in everything(cluster) if scene.namespace not in one}


def _critical_pod(cluster: ControlPlane) -> str:
    """Try to run a pod of a class of the system's in a namespace without a quota; returns what was said."""
    overrides = '{"spec": {"priorityClassName": "system-cluster-critical"}}'
    return cluster.kubectl("run", "critical", "--image=none", "--dry-run=server", f"--overrides={overrides}").stderr
