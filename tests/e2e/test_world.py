"""The webhook's world follows the cluster."""

from tests.e2e import story
from tests.e2e.conftest import MakeScene, story_in
from tests.e2e.scene import Scene, written
from tests.e2e.serve import Serve
from tests.e2e.story import MODE

BOTH_SIDES = ("NP101", "NP102")
ROUNDS = 8


def test_a_file_with_the_policies_and_the_workload_is_judged_with_the_policies(make_scene: MakeScene) -> None:
    scene = story_in(make_scene("enforce"))
    scene.wait_denied(story.web_api(scene.namespace))
    for number in range(ROUNDS):
        workload = story.renamed(story.web_api(scene.namespace), f"web-{number}")
        fix = scene.wait_denied(workload).fix
        said = scene.apply(f"{fix}\n---\n{written(workload)}")
        assert said.silent or said.denied, (number, said)
        if said.denied:  # on a machine where an event takes longer than a denial waits for it
            assert "first" in said.stderr
            scene.wait_ids(workload)
            assert scene.apply(workload).silent


def test_a_policy_that_isolates_in_the_same_file_is_told_by_the_next_apply_at_the_latest(make_scene: MakeScene) -> None:
    scene = make_scene()
    web_api = story.web_api(scene.namespace)
    at_once = scene.apply([*story.production(scene.namespace), web_api])
    assert at_once.code == 0
    assert set(at_once.ids) <= {*BOTH_SIDES, "NP201"}
    second = story.version(web_api, "2.0.0")
    scene.wait_ids(second, *BOTH_SIDES)
    assert scene.apply(second).ids == list(BOTH_SIDES)


def test_deleting_the_policies_makes_the_same_apply_silent(scene: Scene) -> None:
    web_api = story.web_api(scene.namespace)
    scene.wait_ids(web_api, *BOTH_SIDES)
    assert scene.kubectl("delete", "networkpolicy", "web-api-egress").silent
    scene.wait_ids(web_api, "NP102")
    assert scene.kubectl("delete", "networkpolicy", "default-deny-ingress").silent
    scene.wait_ids(web_api)
    assert scene.apply(web_api).silent


def test_relabelling_a_namespace_changes_what_its_workloads_may_reach(make_scene: MakeScene) -> None:
    database, shop = story_in(make_scene()), make_scene()
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "from-shops", "namespace": database.namespace},
        "spec": {
            "podSelector": {"matchLabels": {"app": "postgres"}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"team": "shop"}}}]}],
        },
    }
    database.set_up(policy)
    web_api = story.web_api(shop.namespace, connects_to=f"postgres.{database.namespace}:5432")
    said = shop.wait_ids(web_api, "NP102")
    assert f"{database.namespace}/from-shops" in said.stderr
    shop.label("team=shop")
    shop.wait_ids(web_api)
    assert shop.apply(web_api).silent
    shop.label("team-")
    shop.wait_ids(story.version(web_api, "2.0.0"), "NP102")


def test_the_label_of_a_namespace_decides_what_a_finding_costs(scene: Scene) -> None:
    web_api = story.web_api(scene.namespace)
    scene.wait_ids(web_api, *BOTH_SIDES)
    scene.label(f"{MODE}=enforce")
    scene.wait_denied(web_api)
    scene.label(f"{MODE}=warn")
    scene.wait_ids(web_api, *BOTH_SIDES)
    scene.label(f"{MODE}=off")
    scene.wait_ids(web_api)


def test_a_service_that_comes_later_is_found(make_scene: MakeScene) -> None:
    scene = make_scene()
    web_api = story.web_api(scene.namespace)
    said = scene.wait_ids(web_api, "NP201")
    assert "postgres" in said.stderr
    scene.set_up([item for item in story.production(scene.namespace) if item["kind"] == "Service"])
    scene.wait_ids(web_api, "NP204")
    scene.set_up(story.production(scene.namespace))
    scene.wait_ids(web_api, *BOTH_SIDES)


def test_an_api_server_that_crashes_and_comes_back_is_followed_again(scene: Scene, served: Serve) -> None:
    """For a moment after its start it forbids everything, for it does not know the roles yet."""
    web_api = story.web_api(scene.namespace)
    scene.wait_ids(web_api, *BOTH_SIDES)
    scene.control_plane.restart_apiserver()

    def whole() -> bool:
        status, text = served.get("/readyz?verbose") or (0, "")
        watches = [line for line in text.splitlines() if not line.startswith("[+]certificate")]
        return status == 200 and not any(":" in line for line in watches)

    scene.control_plane.wait_for(whole, what="every watch to run again")
    scene.wait_ids(web_api, *BOTH_SIDES)
    assert scene.kubectl("delete", "networkpolicy", "web-api-egress", "default-deny-ingress").code == 0
    scene.wait_ids(web_api)
