"""The evaluator against the judge: on every small world, and on random ones aimed at the traps.

The planted bugs are a test of these tests: each is a way in which a published engine or a person reads the API wrongly,
and the small worlds must tell every one of them from the judge.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from hypothesis import event, given
from hypothesis import strategies as st

from tests.spec import netpol
from tests.support.arena import Arena, Raw
from tests.support.worlds import enumerated, questions, worlds
from webhook.model.answers import Verdict

ENUMERATED = list(enumerated())
JUDGE = Path(netpol.__file__)
PLANTED: dict[str, tuple[str, str]] = yaml.safe_load(JUDGE.with_name("planted.yaml").read_text(encoding="utf-8"))
SAMPLES = 40  # packets asked of each random world, out of some hundreds


def test_there_are_enough_small_worlds() -> None:
    assert len(ENUMERATED) >= 200


@pytest.mark.parametrize("part", range(4))
def test_the_evaluator_agrees_with_the_judge_on_every_small_world(part: int) -> None:
    for number, world in list(enumerate(ENUMERATED))[part::4]:
        arena = Arena(world)
        both = [(q, judged(number)[i], sure(arena.evaluate(*q))) for i, q in enumerate(questions(world))]
        assert [disagreement for disagreement in both if disagreement[1] != disagreement[2]][:5] == [], world[-2:]


@given(worlds(), st.data())
def test_the_evaluator_agrees_with_the_judge_on_random_worlds(world: list[Raw], data: st.DataObject) -> None:
    asked = data.draw(st.lists(st.sampled_from(questions(world)), min_size=SAMPLES, max_size=SAMPLES, unique=True))
    arena = Arena(world)
    for question in asked:
        expected = arena.judge(*question)
        event(f"egress {expected[1]}, ingress {expected[2]}")
        assert sure(arena.evaluate(*question)) == expected, question


@pytest.mark.parametrize("bug", PLANTED)
def test_the_small_worlds_tell_every_planted_bug(bug: str) -> None:
    mutant = planted(*PLANTED[bug])
    assert any(differs(mutant, number) for number in range(len(ENUMERATED)))


def sure(found: tuple[Verdict, Verdict, Verdict]) -> tuple[bool | None, ...]:
    """None: the evaluator could not tell, which in these worlds is wrong."""
    return tuple({Verdict.ALLOWED: True, Verdict.DENIED: False}.get(side) for side in found)


@cache
def judged(number: int) -> list[tuple[bool, bool, bool]]:
    arena = Arena(ENUMERATED[number])
    return [arena.judge(*q) for q in questions(arena.objects)]


def planted(old: str, new: str) -> Callable[..., Raw]:
    source = JUDGE.read_text(encoding="utf-8")
    assert source.count(old) == 1, f"`{old}` must stand in the judge exactly once"
    module = ModuleType("mutant")
    exec(compile(source.replace(old, new), "mutant", "exec"), module.__dict__)  # noqa: S102 - the judge's own text
    decide: Callable[..., Raw] = module.decide
    return decide


def differs(mutant: Callable[..., Raw], number: int) -> bool:
    arena = Arena(ENUMERATED[number])
    for (source, target, *packet), expected in zip(questions(arena.objects), judged(number), strict=True):
        found = mutant(arena.objects, arena.pods.get(source, source), arena.pods.get(target, target), *packet)
        if (found["egress"], found["ingress"]) != expected[1:]:
            return True
    return False
