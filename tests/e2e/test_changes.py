"""The story's second act, end to end: whoever closes a namespace is told who loses by it, before it lands."""

from tests.e2e import story
from tests.e2e.conftest import MakeScene
from tests.e2e.scene import DRY_RUN, Scene
from tests.e2e.story import Object

POLICY_MODE = "netpol-preflight.io/policy-mode"


def open_scene(make_scene: MakeScene) -> Scene:
    """Return a scene in which web-api and its database run, and no policy is."""
    scene = make_scene()
    scene.set_up([item for item in story.production(scene.namespace) if item["kind"] != "NetworkPolicy"])
    scene.set_up(story.web_api(scene.namespace))
    for app, count in (("postgres", 1), ("web-api", 2)):
        scene.control_plane.run_pods(scene.namespace, count, f"app={app}")
    return scene


def denial(scene: Scene) -> Object:
    (policy,) = [one for one in story.policies(scene.namespace) if one["metadata"]["name"] == "default-deny-ingress"]
    return policy


def test_whoever_closes_a_namespace_is_told_and_silent_once_the_fix_is_there(make_scene: MakeScene) -> None:
    scene = open_scene(make_scene)
    namespace, policy = scene.namespace, denial(scene)
    scene.wait_ids(policy, "NP501")
    strict = scene.apply(policy, DRY_RUN, "--warnings-as-errors")
    assert (strict.code, strict.ids) == (1, ["NP501"])

    warned = scene.apply(policy)
    assert (warned.code, warned.ids) == (0, ["NP501"])
    (line,) = warned.warnings
    cause = f"{namespace}/default-deny-ingress"
    assert line.startswith(f"netpol-preflight: {cause} cuts {namespace}/web-api -> {namespace}/postgres:5432/TCP: ")
    assert scene.kubectl("delete", "networkpolicy", "default-deny-ingress").silent

    scene.label(f"{POLICY_MODE}=enforce")
    scene.wait_denied(policy)
    denied = scene.apply(policy)
    assert denied.denied
    assert "NP501" in denied.stderr
    assert not scene.exists("networkpolicy", "default-deny-ingress")
    assert scene.apply(denied.fix).silent
    scene.wait_ids(policy)
    assert scene.apply(policy).silent


def test_a_deletion_warns_and_is_never_rejected(make_scene: MakeScene) -> None:
    scene = open_scene(make_scene)
    policy = denial(scene)
    scene.wait_ids(policy, "NP501")
    allowing = {
        **policy,
        "metadata": {**policy["metadata"], "name": "lets"},
        "spec": {"podSelector": {}, "ingress": [{}]},
    }
    scene.set_up([allowing, policy])
    scene.label(f"{POLICY_MODE}=enforce")
    scene.control_plane.wait_for(
        lambda: scene.kubectl("delete", "networkpolicy", "lets", DRY_RUN).ids == ["NP501"],
        what="a warning of the deletion",
    )
    gone = scene.kubectl("delete", "networkpolicy", "lets")
    assert (gone.code, gone.ids) == (0, ["NP501"])
    assert not scene.exists("networkpolicy", "lets")


def test_a_service_that_leads_elsewhere_is_told_of(make_scene: MakeScene) -> None:
    scene = open_scene(make_scene)
    (service,) = [one for one in story.production(scene.namespace) if one["kind"] == "Service"]
    scene.wait_ids(denial(scene), "NP501")
    elsewhere = {**service, "spec": {**service["spec"], "selector": {"app": "nobody"}}}
    said = scene.apply(elsewhere, DRY_RUN)
    assert (said.code, said.ids) == (0, ["NP502"])
    assert "no backends are left" in said.stderr


def test_nothing_is_rejected_of_what_is_being_deleted(make_scene: MakeScene) -> None:
    """A policy that a finalizer keeps, and then a whole namespace: whoever tidies up is not held up."""
    scene = open_scene(make_scene)
    policy = denial(scene)
    scene.wait_ids(policy, "NP501")
    lets = {
        **policy,
        "metadata": {**policy["metadata"], "name": "lets", "finalizers": ["example.com/keep"]},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]},
    }
    shuts = {**lets, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}
    scene.set_up([lets])
    scene.label(f"{POLICY_MODE}=enforce")
    scene.wait_denied(shuts)

    gone = scene.kubectl("delete", "networkpolicy", "lets", "--wait=false")
    assert gone.code == 0
    edited = scene.apply(shuts)
    assert (edited.code, edited.ids) == (0, [])
    freed = scene.kubectl("patch", "networkpolicy", "lets", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    assert (freed.code, freed.ids) == (0, [])
    assert not scene.exists("networkpolicy", "lets")

    kept = {**lets, "metadata": {**lets["metadata"], "finalizers": []}}
    scene.set_up([kept])
    shut = {**shuts, "metadata": {**shuts["metadata"], "finalizers": []}}
    scene.wait_denied(shut)
    assert scene.kubectl("delete", "namespace", scene.namespace, "--wait=false").code == 0
    scene.control_plane.wait_for(lambda: scene.apply(shut).code == 0, what="a write in a namespace that goes")
    removed = scene.kubectl("delete", "networkpolicy", "lets")
    assert removed.code == 0
