"""The reviewer behind `/validate`: whatever goes wrong on our side, the deployment goes on."""

import asyncio
import json
import logging
from pathlib import Path

import pytest

from tests.support.reviewing import STORY, Fixed, body, reviewer, world
from webhook import config
from webhook.model.settings import DEFAULTS
from webhook.wiring.source import Folder
from webhook.world import View


class Failing(Fixed):
    """A source with a mistake in it."""

    def view(self) -> View | None:
        raise RuntimeError("a mistake of ours")


def test_the_storys_deployment_is_warned_about() -> None:
    answer = reviewer(Fixed(world())).review(body(dryRun=True), timeout=None)
    assert (answer.status, answer.outcome, answer.mode, answer.dry_run) == (200, "warned", "warn", True)
    assert len(json.loads(answer.body)["response"]["warnings"]) == 2


def test_enforce_denies_it() -> None:
    answer = reviewer(Fixed(world(config.settings("enforce")))).review(body(), timeout=3.0)
    assert answer.outcome == "denied"
    assert json.loads(answer.body)["response"]["status"]["code"] == 403


class Stale(Fixed):
    """A source that has heard nothing for long."""

    def stale(self) -> str | None:
        return "pods not heard of for 130 s"


def test_a_stale_world_never_denies_and_the_audit_log_says_why() -> None:
    answer = reviewer(Stale(world(config.settings("enforce")))).review(body(), timeout=3.0)
    assert answer.outcome == "warned"
    assert json.loads(answer.body)["response"]["auditAnnotations"]["stale"] == "pods not heard of for 130 s"


@pytest.mark.parametrize(("left", "outcome"), [(0.0, "not-evaluated"), (0.019, "not-evaluated"), (0.5, "denied")])
def test_an_answer_that_would_come_too_late_allows_and_says_so(left: float, outcome: str) -> None:
    answer = reviewer(Fixed(world(config.settings("enforce")))).review(body(), timeout=left)
    assert answer.outcome == outcome
    response = json.loads(answer.body)["response"]
    assert response["allowed"] is (outcome == "not-evaluated")
    assert (response["auditAnnotations"].get("not-evaluated") == "no time left") is (outcome == "not-evaluated")


def test_what_a_log_may_say_of_a_review_is_names_and_ids() -> None:
    answer = reviewer(Fixed(world())).review(body(), timeout=None)
    assert [key for key, _ in answer.about] == ["uid", "operation", "kind", "namespace", "name", "findings"]


def test_an_unrecognised_enforcer_never_denies() -> None:
    answer = reviewer(Fixed(world(config.settings("enforce", live=True)))).review(body(), timeout=3.0)
    assert answer.outcome == "warned"


@pytest.mark.parametrize(
    ("source", "timeout", "reason"),
    [
        (Fixed(None), None, "not synced"),
        (Failing(None), None, "internal error"),
        (Fixed(world()), 0.001, "no time left"),
    ],
)
def test_what_cannot_be_judged_is_allowed_and_says_so(
    source: Fixed, timeout: float | None, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    answer = reviewer(source).review(body(), timeout=timeout)
    assert (answer.status, answer.outcome) == (200, "not-evaluated")
    assert json.loads(answer.body)["response"] == {
        "uid": "u-1",
        "allowed": True,
        "auditAnnotations": {"not-evaluated": reason},
    }


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b"\xff\xfe", b"{}", b'{"request":{}}'])
def test_no_admission_review_is_400_with_one_sentence(garbage: bytes) -> None:
    answer = reviewer(Fixed(world())).review(garbage, timeout=None)
    assert (answer.status, answer.outcome) == (400, "malformed")
    assert answer.body.count(b"\n") == 1


def test_the_same_review_gives_the_same_bytes() -> None:
    one, two = (reviewer(Fixed(world())).review(body(), timeout=None).body for _ in range(2))
    assert one == two


@pytest.mark.parametrize("operation", ["DELETE", "CONNECT"])
def test_what_is_no_write_is_allowed_without_a_word(operation: str) -> None:
    answer = reviewer(Fixed(world())).review(body(operation=operation), timeout=None)
    assert answer.outcome == "allowed"
    assert json.loads(answer.body)["response"]["warnings"] == []


async def _read(folder: Folder) -> None:
    await folder.ready()


def test_a_policy_that_cannot_be_read_does_not_keep_the_folder_from_serving(tmp_path: Path) -> None:

    for file in STORY.glob("*.yaml"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "odd"}, "spec": 3}
    (tmp_path / "odd.yaml").write_text(json.dumps(policy))
    folder = Folder(str(tmp_path), DEFAULTS, "default")
    asyncio.run(_read(folder))
    assert folder.view() is not None
    assert all(check.ok for check in folder.checks())
