"""What is said of everybody follows the world: after any changes it is what a fresh audit says, counted right."""

import random
from collections import Counter
from datetime import date
from typing import Final

import pytest

from tests.support.patience import PATIENCE
from tests.support.reviewing import world as story
from tests.support.watched import OBJECTS
from webhook.families import project
from webhook.model.budget import TOO_MUCH
from webhook.model.refs import WorkloadRef
from webhook.model.settings import Enforcer, Mode, Settings
from webhook.report.policy_report import Told
from webhook.wiring import audit_judging
from webhook.wiring.audit_judging import Judging
from webhook.world import Drop, Put, World
from webhook.world.changes import Value, key_of

VALUES: Final[tuple[Value, ...]] = tuple(value for raw in OBJECTS if (value := project(raw)) is not None)
EVERY: Final = 1_800.0
WEB: Final = WorkloadRef("Deployment", "production", "web-api")


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no machine be too slow."""
    monkeypatch.setattr(audit_judging, "_PROCESSOR", PATIENCE)
    monkeypatch.setattr(audit_judging, "_AT_MOST", PATIENCE)


def today() -> date:
    return date(2026, 11, 28)


def finish(judging: Judging) -> None:
    for _ in judging.steps():
        pass


def picture(judging: Judging) -> dict[WorkloadRef, Told]:
    return {ref: one for each in judging.picture.by_namespace.values() for ref, one in each.items()}


def afresh(here: dict[Drop, Value], settings: Settings) -> dict[WorkloadRef, Told]:
    world = World(settings, complete=True)
    world.apply(map(Put, here.values()))
    judging = Judging(world, today, Time())
    finish(judging)
    return picture(judging)


@pytest.mark.parametrize("enforcer", ["generic", "calico", "cilium"])
def test_after_any_changes_the_same_is_said_as_by_a_fresh_audit(enforcer: str) -> None:
    rng, time, settings = random.Random(enforcer), Time(), Settings(enforcer=Enforcer(enforcer))
    here = {key_of(value): value for value in rng.sample(VALUES, len(VALUES))}
    world = World(settings, complete=True)
    world.apply(map(Put, here.values()))
    judging = Judging(world, today, time)
    finish(judging)
    for _ in range(60):
        for _ in range(rng.randrange(1, 4)):
            value = rng.choice(VALUES)
            key = key_of(value)
            here.pop(key, None)
            if rng.random() < 0.6:
                here[key] = value
            world.apply([Put(value) if key in here else key])
            steps = judging.steps()
            for _ in range(rng.randrange(6)):  # while it is at work, the world goes on
                next(steps, None)
            for _ in steps:  # what has begun comes to its end
                pass
        time.now += 61.0
        judging.hear(EVERY)
        finish(judging)
        found = picture(judging)
        assert found == afresh(here, settings)
        assert +judging.picture.verdicts == Counter(verdict for one in found.values() for verdict in one.verdicts)
        assert +judging.picture.findings == Counter(name for one in found.values() for name in one.findings)


def test_a_change_that_may_touch_anybody_has_everybody_judged_but_not_at_once_again() -> None:
    time, world = Time(), story()
    judging = Judging(world, today, time)
    finish(judging)
    first = judging.judged
    node = project({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "spec": {}})
    assert node is not None
    time.now += 61.0
    world.apply([Put(node)])
    judging.hear(EVERY)
    finish(judging)
    assert judging.judged == 2 * first
    world.apply([key_of(node)])
    judging.hear(EVERY)
    finish(judging)
    assert judging.judged == 2 * first, "not again within a minute"
    time.now += 61.0
    judging.hear(EVERY)
    finish(judging)
    assert judging.judged == 3 * first


def test_everybody_is_judged_on_a_schedule_and_by_other_settings() -> None:
    time, world = Time(), story()
    judging = Judging(world, today, time)
    finish(judging)
    first = judging.judged
    time.now += EVERY - 1
    judging.hear(EVERY)
    assert not judging.pending
    time.now += 1
    judging.hear(EVERY)
    finish(judging)
    assert judging.judged == 2 * first
    world.configure(Settings(mode=Mode.OFF))
    judging.hear(EVERY)
    finish(judging)
    assert picture(judging) == {}
    assert +judging.picture.verdicts == Counter()


def test_what_takes_too_much_is_said_and_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_judging, "_STEPS", 1)
    judging = Judging(story(), today, Time())
    finish(judging)
    assert judging.failed[TOO_MUCH] >= 1
    assert [result.result for result in picture(judging)[WEB].results] == ["error"]


def test_a_mistake_of_ours_stops_nobody(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def mistaken(*_: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(audit_judging, "audit_in_steps", mistaken)
    judging = Judging(story(), today, Time())
    finish(judging)
    assert judging.failed["internal error"] >= 1
    assert "web-api" in caplog.text
    assert judging.pending == {}
