"""Every kind of write on every kind of workload."""

import pytest

from tests.e2e import story
from tests.e2e.conftest import MakeScene, story_in
from tests.e2e.scene import Scene, written
from tests.e2e.story import MODE

BOTH_SIDES = ("NP101", "NP102")


def test_one_apply_warns_once(scene: Scene) -> None:
    web_api = story.web_api(scene.namespace)
    scene.wait_ids(web_api, *BOTH_SIDES)
    assert scene.apply(web_api).ids == list(BOTH_SIDES)
    scene.control_plane.run_pods(scene.namespace, 2, "app=web-api")

    def owned() -> bool:
        pods = [said for said in scene.audited("pods") if "controlled" in said.get("not-evaluated", "")]
        return len(pods) >= 3  # postgres-0 and these two

    scene.control_plane.wait_for(owned, what="the pods in the audit log")
    (replica_set,) = [said for said in scene.audited("replicasets") if "not-evaluated" in said][:1]
    assert "controlled by another object" in replica_set["not-evaluated"]
    entries = scene.control_plane.audit_entries(namespace=scene.namespace)
    key = "validate.netpol-preflight.io/findings"
    judged = [entry["objectRef"]["resource"] for entry in entries if key in entry.get("annotations", {})]
    assert set(judged) == {"deployments"}


def test_a_workload_that_was_bad_before_can_be_scaled_rolled_back_restarted_and_deleted(scene: Scene) -> None:
    web_api = story.web_api(scene.namespace)
    scene.wait_ids(web_api, *BOTH_SIDES)
    scene.set_up(web_api)
    _await_images(scene, "1.0.0")
    scene.set_up(story.version(web_api, "2.0.0"))
    _await_images(scene, "2.0.0")
    scene.label(f"{MODE}=enforce")
    scene.wait_denied(web_api | {"metadata": web_api["metadata"] | {"name": "another"}})

    for command in (
        ("scale", "deployment/web-api", "--replicas=3"),
        ("rollout", "undo", "deployment/web-api"),
        ("rollout", "restart", "deployment/web-api"),
        ("set", "image", "deployment/web-api", "web-api=registry.example.com/web-api:3.0.0"),
    ):
        said = scene.kubectl(*command)
        assert said.code == 0, said
    _await_images(scene, "3.0.0")
    assert scene.apply(story.version(web_api, "4.0.0")).ids == list(BOTH_SIDES)
    _await_images(scene, "4.0.0")
    assert _images(scene) == {"1.0.0", "2.0.0", "3.0.0", "4.0.0"}

    worse = story.web_api(scene.namespace, connects_to="postgres:5432,tcp://10.9.9.9:443")
    assert scene.apply(worse).denied
    assert scene.kubectl("delete", "deployment", "web-api").code == 0
    assert scene.apply(web_api).denied


def _await_images(scene: Scene, tag: str) -> None:
    """Wait for the ReplicaSet of a version: the controller leaves out versions that were the last for a moment."""
    scene.control_plane.wait_for(lambda: tag in _images(scene), what=f"the ReplicaSet of {tag}")


def _images(scene: Scene) -> set[str]:
    path = "jsonpath={.items[*].spec.template.spec.containers[0].image}"
    words = scene.kubectl("get", "replicasets", "--output", path).stdout.split()
    return {word.rpartition(":")[2] for word in words}


def test_scaling_by_the_scale_subresource_is_allowed_with_nothing_said(scene: Scene) -> None:
    web_api = story.web_api(scene.namespace)
    scene.wait_ids(web_api, *BOTH_SIDES)
    scene.set_up(web_api)
    assert scene.kubectl("scale", "deployment/web-api", "--replicas=3").silent


@pytest.mark.parametrize("kind", story.kinds(""))
def test_every_kind_of_workload_is_judged(make_scene: MakeScene, kind: str) -> None:
    scene = make_scene()
    scene.set_up(story.production(scene.namespace))
    workload = story.kinds(scene.namespace)[kind]
    scene.wait_ids(workload, *BOTH_SIDES)
    warned = scene.apply(workload)
    assert (warned.code, warned.ids) == (0, list(BOTH_SIDES))
    assert all(f"{scene.namespace}/web-api -> " in warning for warning in warned.warnings)

    scene.label(f"{MODE}=enforce")
    another = workload | {"metadata": workload["metadata"] | {"name": "another"}}
    assert "NP102" in scene.wait_denied(another).stderr


def test_a_name_that_the_api_server_generates_is_no_obstacle(scene: Scene) -> None:
    pod = story.kinds(scene.namespace)["Pod"]
    scene.wait_ids(pod, *BOTH_SIDES)
    del pod["metadata"]["name"]
    pod["metadata"]["generateName"] = "web-api-"
    said = scene.kubectl("create", "--filename", "-", text=written(pod))
    assert (said.code, said.ids) == (0, list(BOTH_SIDES))


def test_a_deployment_without_dependencies_is_silent(make_scene: MakeScene) -> None:
    scene = story_in(make_scene("enforce"))
    web_api = story.web_api(scene.namespace)
    scene.wait_denied(web_api)
    del web_api["metadata"]["annotations"]
    assert scene.apply(web_api).silent


def test_a_malformed_item_is_told_and_the_others_still_count(make_scene: MakeScene) -> None:
    scene = story_in(make_scene())
    web_api = story.web_api(scene.namespace, connects_to="postgres:5432,postgres:port:5432")
    said = scene.wait_ids(web_api, *BOTH_SIDES, "NP303")
    assert "item 2" in said.warnings[-1]
    assert "`postgres:port:5432`" in said.warnings[-1]


def test_a_malformed_item_never_denies(make_scene: MakeScene) -> None:
    scene = make_scene("enforce")
    web_api = story.web_api(scene.namespace, connects_to="!")
    scene.wait_ids(web_api, "NP303")
    assert scene.apply(web_api).ids == ["NP303"]
    assert scene.exists("deployment", "web-api")


def test_an_object_that_the_api_server_refuses_anyway_is_refused_by_it(scene: Scene) -> None:
    web_api = story.web_api(scene.namespace)
    web_api["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    said = scene.apply(web_api)
    assert said.code == 1
    assert "is invalid" in said.stderr
    assert not said.denied
