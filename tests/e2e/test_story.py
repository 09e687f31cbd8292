"""The story, end to end: what a person with kubectl sees."""

from collections.abc import Mapping

import pytest

from tests.e2e import story
from tests.e2e.conftest import CLIENT_CONFIGS, MakeScene, story_in
from tests.e2e.scene import DRY_RUN, Scene
from tests.e2e.story import MODE

BOTH_SIDES = ("NP101", "NP102")


@pytest.mark.parametrize("called_by", CLIENT_CONFIGS)
def test_the_story_is_told_in_time(make_scene: MakeScene, called_by: str) -> None:
    scene = story_in(make_scene(called_by=called_by))
    namespace, web_api = scene.namespace, story.web_api(scene.namespace)
    scene.wait_ids(web_api, *BOTH_SIDES)

    strict = scene.apply(web_api, DRY_RUN, "--warnings-as-errors")
    assert (strict.code, strict.ids) == (1, list(BOTH_SIDES))
    assert not scene.exists("deployment", "web-api")

    warned = scene.apply(web_api)
    assert (warned.code, warned.stdout) == (0, "deployment.apps/web-api created\n")
    egress, ingress = warned.warnings
    end = f"netpol-preflight: {namespace}/web-api -> {namespace}/postgres:5432/TCP will time out"
    assert egress.startswith(end)
    assert f"{namespace}/web-api-egress" in egress
    assert ingress.startswith(end)
    assert f"{namespace}/default-deny-ingress" in ingress
    assert all("netpol-preflight fix" in warning and len(warning) <= 256 for warning in warned.warnings)
    assert scene.kubectl("delete", "deployment", "web-api").code == 0

    scene.label(f"{MODE}=enforce")
    scene.wait_denied(web_api)
    denied = scene.apply(web_api)
    assert denied.denied
    assert denied.warnings == []
    assert not scene.exists("deployment", "web-api")
    assert all(word in denied.stderr for word in (*BOTH_SIDES, "web-api-egress", "default-deny-ingress"))

    fixed = scene.apply(denied.fix)
    assert fixed.silent
    assert fixed.stdout.splitlines() == [
        f"networkpolicy.networking.k8s.io/{name} created" for name in sorted(_names(scene, fixed.stdout))
    ]
    scene.wait_ids(web_api)
    applied = scene.apply(web_api)
    assert applied.silent
    assert applied.stdout == "deployment.apps/web-api created\n"


def _names(scene: Scene, stdout: str) -> list[str]:
    """Return the policies that were created, of which there is one for each side, and prove them to be there."""
    names = [line.split()[0].partition("/")[2] for line in stdout.splitlines()]
    assert len(names) == 2
    assert all(scene.exists("networkpolicy", name) for name in names)
    return names


def test_the_audit_log_tells_what_was_found(scene: Scene) -> None:
    web_api = story.web_api(scene.namespace)
    scene.wait_ids(web_api, *BOTH_SIDES)
    scene.apply(web_api)
    scene.set_up(story.web_api(scene.namespace, connects_to="postgres:5432,!"))

    def written() -> list[Mapping[str, str]]:
        """Return the dry run that found both sides closed, and the write after it; earlier ones found less."""
        found = [said for said in scene.audited("deployments", "web-api") if said.get("verdict") == "error"]
        both = [said for said in found if said["findings"] == "NP101,NP102"]
        return both if len(both) >= 2 else []

    tried, created, *_ = scene.control_plane.wait_for(written, what="the audit entries")
    assert tried == created
    assert created["mode"] == "warn"
    assert created["verdict"] == "error"
    assert created["findings"] == "NP101,NP102"


def test_a_namespace_in_mode_audit_is_silent_but_for_the_audit_log(make_scene: MakeScene) -> None:
    scene = story_in(make_scene("audit"))
    web_api = story.web_api(scene.namespace)

    def found() -> bool:
        assert scene.apply(web_api, DRY_RUN).silent
        return any(said.get("findings") == "NP101,NP102" for said in scene.audited("deployments", "web-api"))

    scene.control_plane.wait_for(found, what="findings in the audit log")


def test_a_namespace_in_mode_off_is_not_judged(make_scene: MakeScene) -> None:
    scene = story_in(make_scene("off"))
    web_api = story.web_api(scene.namespace)

    def skipped() -> bool:
        scene.apply(web_api, DRY_RUN)
        return any("not-evaluated" in said for said in scene.audited("deployments", "web-api"))

    scene.control_plane.wait_for(skipped, what="the audit log to say so")
    assert scene.apply(web_api).silent


def test_an_unknown_mode_is_told_and_falls_back_to_warnings(make_scene: MakeScene) -> None:
    scene = story_in(make_scene("enforced"))
    said = scene.wait_ids(story.web_api(scene.namespace), *BOTH_SIDES, "NP303")
    assert "off, audit, warn, enforce" in said.warnings[-1]
