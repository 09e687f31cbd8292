"""Install, story, upgrade, rollback, uninstall, and again."""

from pathlib import Path

from tests.e2e import story
from tests.e2e.scene import DRY_RUN, Scene
from tests.e2e.story import MODE
from tests.e2e_chart.kubelet import Kubelet
from tests.e2e_chart.release import NAME, Release, everything, previous
from tests.testbed.control_plane import ControlPlane

BOTH_SIDES = ("NP101", "NP102")


def test_install_story_upgrade_rollback_uninstall_and_again(
    release: Release, shop: Scene, cluster: ControlPlane, kubelet: Kubelet, tmp_path: Path
) -> None:
    web_api = story.web_api(shop.namespace)
    shop.set_up({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME}})  # where helm keeps its records
    cluster.wait_for(lambda: f"ServiceAccount {NAME}/default" in everything(cluster), what="the namespace")
    before = everything(cluster)

    notes = release.install(previous(tmp_path))
    assert f"delete validatingwebhookconfiguration {NAME}-{NAME}" in notes
    cluster.wait_for(lambda: all(release.bundles), what="the caBundle")
    bundles = release.bundles
    assert len(set(bundles)) == 1
    assert {container.ready for container in kubelet.containers.values()} == {True}
    assert len(kubelet.containers) == 2

    shop.wait_ids(web_api, *BOTH_SIDES)
    shop.label(f"{MODE}=enforce")
    denied = cluster.wait_for(lambda: _denied(shop, web_api), what="a denial")
    shop.set_up(denied.partition("\n---\n")[2])  # the message is the remedy
    cluster.wait_for(lambda: shop.apply(web_api, DRY_RUN).silent, what="the fix to be known")
    shop.set_up(web_api)

    tested = release.helm("test", NAME)
    assert "Succeeded" in tested, kubelet.tails()
    assert "Pod" not in {one.partition(" ")[0] for one in everything(cluster) if "-test" in one}

    release.upgrade()
    assert release.bundles == bundles
    assert release.get("deployment", NAME)["metadata"]["labels"]["app.kubernetes.io/version"] != "0.0.9"
    _still_reviews(shop)

    release.helm("rollback", NAME, "1", "--wait")
    assert release.bundles == bundles
    assert release.get("deployment", NAME)["metadata"]["labels"]["app.kubernetes.io/version"] == "0.0.9"
    _still_reviews(shop)

    release.helm("uninstall", NAME)
    left = {one for one in before if shop.namespace not in one}
    cluster.wait_for(lambda: _here(cluster, shop) == left, 30, "nothing to be left")
    assert not kubelet.containers
    assert shop.apply(story.renamed(web_api, "unseen")).silent

    release.install()
    _still_reviews(shop)


def _denied(scene: Scene, what: story.Object) -> str:
    said = scene.apply(what, DRY_RUN)
    return said.stderr if 'admission webhook "enforcing.netpol-preflight.io" denied' in said.stderr else ""


def _still_reviews(scene: Scene) -> None:
    other = story.renamed(story.web_api(scene.namespace), "another")
    scene.control_plane.wait_for(lambda: _denied(scene, other), what="reviews")


def _here(cluster: ControlPlane, scene: Scene) -> set[str]:
    return {one for one in everything(cluster) if scene.namespace not in one}
