"""A review that would take too much is none: allowed, said so, and the world is as it was."""

from bisect import bisect_left
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from tests.support.arena import Raw, world_of
from tests.support.growing import SPACES, pods
from tests.support.making import deployment, service
from tests.support.reviewing import Fixed, body
from tests.support.reviewing import world as story
from tests.support.reviews import BAD, GOOD, TO_API, annotated, request
from tests.support.reviews import world as shop
from tests.support.worlds import namespace, policy
from webhook import config
from webhook.api.backend import Metrics
from webhook.dependencies.grammar import MOST_ITEMS
from webhook.judge.workload import declared
from webhook.manifests import dump
from webhook.model.answers import Malformed
from webhook.model.budget import (
    FIXES,
    LEFT_OUT,
    LOOK_EVERY,
    OTHERS,
    TOO_MUCH,
    UNLIMITED,
    Budget,
    Exhausted,
)
from webhook.model.settings import CONNECTS_TO, Mode, Settings
from webhook.report.admission import denial
from webhook.report.words import message
from webhook.review.decide import decide
from webhook.review.drafts import UNWRITTEN, Decision
from webhook.wire.admission import AdmissionRequest, admission_request
from webhook.wiring.reviewer import STEPS, Reviewer
from webhook.world import View

TODAY = date(2026, 11, 20)


def test_steps_beyond_the_most_are_refused_one_by_one_or_all_at_once() -> None:
    for several in (1, 7):
        budget = Budget(21)
        for _ in range(21 // several):
            budget.spend(several)
        with pytest.raises(Exhausted):
            budget.spend()


def test_the_time_is_looked_at_every_few_steps() -> None:
    looks = iter([False] * 6 + [True])
    budget = Budget(100 * LOOK_EVERY, lambda _: next(looks))
    for _ in range(6 * LOOK_EVERY):
        budget.spend()
    with pytest.raises(Exhausted):
        budget.spend()


def steps(obj: Raw, old: Raw | None = None) -> int:
    """Return what a whole review takes."""
    budget = Budget(10**9)
    decide(request(obj, old), shop(), TODAY, budget=budget)
    return budget.spent


def identities(decision: Decision) -> list[object]:
    return [finding.identity for finding in decision.rejected]


@pytest.mark.parametrize("old", [None, GOOD, BAD])
def test_wherever_a_review_breaks_off_it_is_allowed_and_the_next_one_is_as_if_it_had_not_been(old: Raw | None) -> None:
    asked = request(BAD, old)
    whole = decide(asked, shop(), TODAY)
    view = shop()
    for most in range(steps(BAD, old)):
        found = decide(asked, view, TODAY, budget=Budget(most))
        # Answers are remembered: the next try takes fewer steps.
        assert found.exhausted or found.left_out or found == whole
        if not found.exhausted:
            assert (found.allowed, identities(found)) == (whole.allowed, identities(whole)) or OTHERS in found.left_out
        if found.exhausted:
            assert found.allowed
            assert found.audit == (("mode", "enforce"), ("not-evaluated", TOO_MUCH))
            assert (found.findings, found.rejected, found.reviewed) == ((), (), False)
        assert view.budget is UNLIMITED
    assert decide(asked, view, TODAY) == whole


def test_an_update_whose_old_object_takes_too_much_is_allowed() -> None:
    least = enough(request(BAD), shop)
    assert enough(request(BAD, annotated(TO_API)), shop) > least
    assert decide(request(BAD, annotated(TO_API)), shop(), TODAY, budget=Budget(least)).exhausted


# -- what cannot reject costs only itself ------------------------------------------------------------------------------


def enough(asked: AdmissionRequest, world: Callable[[], View]) -> int:
    """Return the least budget in which anything is judged."""
    return bisect_left(
        range(100_000), x=True, key=lambda most: not decide(asked, world(), TODAY, budget=Budget(most)).exhausted
    )


def test_a_denial_stands_where_its_fix_takes_too_much() -> None:
    least = enough(request(BAD), shop)
    found = decide(request(BAD), shop(), TODAY, budget=Budget(least))
    assert not found.allowed
    assert [(one.fix, one.no_fix) for one in found.rejected] == [((), UNWRITTEN)]
    assert FIXES in found.left_out
    assert ("left-out", ",".join(found.left_out)) in found.audit
    said = denial(found.rejected, dump)
    assert "no fix: too much to work out in time: run `netpol-preflight fix`" in said
    assert decide(request(BAD), shop(), TODAY).rejected[0].fix


@pytest.mark.parametrize("number", [120, 250])
def test_a_denied_service_over_pods_of_distinct_labels_is_denied_with_or_without_its_fix(number: int) -> None:
    objects, obj = pods(number, alike=False, bare=True)
    world = world_of([*SPACES, *objects], settings=Settings(mode=Mode.ENFORCE))
    found = decide(request(obj), world, TODAY, budget=Budget(STEPS))
    assert not found.allowed
    assert {one.id for one in found.rejected} == {"NP101", "NP102"}
    assert found.left_out in ((), (FIXES,))


def many_clients() -> View:
    items = "\n".join(["web.shop:8080", *(f"other{n}:80" for n in range(149))])
    hostile = [deployment(f"else/c{n}", annotations={CONNECTS_TO: items}) for n in range(60)]
    wall = [policy("shop/out", podSelector={}, policyTypes=["Egress"]), policy("shop/in", podSelector={})]
    server = service("shop/web", {"app": "web"}, [{"port": 8080}])
    spaces = [namespace("shop"), namespace("else")]
    return world_of([*spaces, *wall, server, *hostile], settings=Settings(mode=Mode.ENFORCE))


@pytest.mark.parametrize("item", ["198.51.100.1:443", "nobody.shop:80"])
def test_an_owner_among_hostile_clients_is_told_of_what_is_declared(item: str) -> None:
    asked = request(deployment("shop/web", annotations={CONNECTS_TO: item}))
    whole = decide(asked, many_clients(), TODAY)
    own = [one for one in whole.findings if one.id != "NP109"]
    assert own
    found = whole
    for most in (500, 5_000):
        found = decide(asked, many_clients(), TODAY, budget=Budget(most))
        assert OTHERS in found.left_out
        assert [one.identity for one in found.findings if one.id != "NP109"] == [one.identity for one in own]
        assert found.allowed == whole.allowed
        for one in found.findings:
            assert one.id != "NP109" or "more were not looked at" in message(one)
    assert [one.id for one in found.findings if one.id == "NP109"]


def test_what_is_left_out_is_counted() -> None:
    view = story(config.settings("enforce"))
    least = enough(admission_request(body()), lambda: story(config.settings("enforce")))
    answer = Reviewer(Fixed(view), lambda: TODAY, steps=least).review(body(), timeout=3.0)
    assert answer.outcome == "denied"
    assert FIXES in answer.left_out
    metrics = Metrics()
    metrics.answered(answer, 0.25)
    counted = {
        what: metrics.registry.get_sample_value("netpol_preflight_admission_left_out_total", {"what": what})
        for what in LEFT_OUT
    }
    assert counted == {what: float(what in answer.left_out) for what in LEFT_OUT}


# -- items -------------------------------------------------------------------------------------------------------------


def items(top: str, inside: str = "") -> tuple[Any, ...]:
    raw = deployment("shop/web", annotations={CONNECTS_TO: top}, notes={CONNECTS_TO: inside})
    workload = request(raw).workload
    assert workload is not None
    return declared(workload)


def names(first: int, last: int) -> list[str]:
    return [f"n{number}" for number in range(first, last)]


MOST = MOST_ITEMS
MORE = f"at most {MOST_ITEMS} items, each host counted"


@pytest.mark.parametrize(
    ("about", "top", "inside", "taken", "position"),
    [
        ("as many as may be", "\n".join(names(0, MOST)), "", MOST, None),
        ("one more", "\n".join(names(0, MOST + 1)), "", MOST, MOST + 1),
        ("both annotations together", "\n".join(names(0, 150)), "\n".join(names(150, 251)), MOST, 51),
        ("the same in both counts once", "\n".join(names(0, 150)), "\n".join(names(0, 150)), 150, None),
        ("hosts of URLs", "\n".join(f"http://{','.join(names(n, n + 50))}/" for n in range(0, 250, 50)), "", MOST, 5),
        ("a URL that does not fit is not taken in part", f"a\nhttp://{','.join(names(0, 50))}/\n" * 9, "", 51, 8),
    ],
)
def test_items_are_counted_over_both_annotations_and_all_hosts(
    about: str, top: str, inside: str, taken: int, position: int | None
) -> None:
    found = items(top, inside)
    bad = [item for item in found if isinstance(item, Malformed)]
    assert len(found) - len(bad) == taken, about
    assert [(one.position, one.expected) for one in bad] == ([] if position is None else [(position, MORE)])


@pytest.mark.parametrize("mode", [Mode.WARN, Mode.ENFORCE])
def test_what_is_declared_beyond_the_most_is_told(mode: Mode) -> None:
    raw = deployment("shop/web", annotations={CONNECTS_TO: ",".join(names(0, MOST + 1))})
    found = decide(request(raw), shop(mode=mode), TODAY)
    assert [one.dependency for one in found.findings if one.id == "NP303"] == [f"connects-to[{MOST + 1}]"]
