"""A review that would take too much is none: allowed, said so, and the world is as it was."""

from datetime import date
from typing import Any

import msgspec
import pytest

from tests.arena import Raw
from tests.making import deployment
from tests.test_decide import BAD, GOOD, TO_API, annotated, request
from tests.test_decide import world as shop
from tests.test_reviewer import Fixed, body, reviewer
from tests.test_reviewer import world as story
from webhook import config
from webhook.api.metrics import Metrics
from webhook.dependencies.grammar import MOST_ITEMS
from webhook.explain.workload import declared
from webhook.model.budget import LOOK_EVERY, TOO_MUCH, UNLIMITED, Budget, Exhausted
from webhook.model.dependency import Malformed
from webhook.model.settings import CONNECTS_TO, Mode
from webhook.review import decide
from webhook.wiring.reviewer import Reviewer

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
    budget = Budget(100 * LOOK_EVERY, lambda: next(looks))
    for _ in range(6 * LOOK_EVERY):
        budget.spend()
    with pytest.raises(Exhausted):
        budget.spend()


def steps(obj: Raw, old: Raw | None = None) -> int:
    """Return what a whole review takes."""
    budget = Budget(10**9)
    decide(request(obj, old), shop(), TODAY, budget=budget)
    return budget.spent


@pytest.mark.parametrize("old", [None, GOOD, BAD])
def test_wherever_a_review_breaks_off_it_is_allowed_and_the_next_one_is_as_if_it_had_not_been(old: Raw | None) -> None:
    asked = request(BAD, old)
    whole = decide(asked, shop(), TODAY)
    view = shop()
    for most in range(steps(BAD, old)):
        found = decide(asked, view, TODAY, budget=Budget(most))
        assert found.exhausted or found == whole  # answers are remembered: the next try takes fewer steps
        if found.exhausted:
            assert found.allowed
            assert found.audit == (("mode", "enforce"), ("not-evaluated", TOO_MUCH))
            assert (found.findings, found.rejected, found.reviewed) == ((), (), False)
        assert view.budget is UNLIMITED
    assert decide(asked, view, TODAY) == whole


def test_an_update_whose_old_object_takes_too_much_is_allowed() -> None:
    old = annotated(TO_API)
    alone = steps(BAD)
    assert steps(BAD, old) > alone
    assert decide(request(BAD, old), shop(), TODAY, budget=Budget(alone)).exhausted


def test_a_review_that_breaks_off_says_why_and_is_counted() -> None:
    view = story(config.settings("enforce"))
    answer = Reviewer(Fixed(view), lambda: TODAY, steps=3).review(body(), timeout=3.0)
    assert (answer.outcome, answer.reason) == ("not-evaluated", TOO_MUCH)
    response = msgspec.json.decode(answer.body)["response"]
    assert response == {"uid": "u-1", "allowed": True, "auditAnnotations": {"not-evaluated": TOO_MUCH}}
    metrics = Metrics()
    metrics.answered(answer, 0.25)
    name, labels = "netpol_preflight_admission_not_evaluated_total", {"reason": TOO_MUCH}
    assert metrics.registry.get_sample_value(name, labels) == 1
    assert reviewer(Fixed(view)).review(body(), timeout=3.0).outcome == "denied"


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
