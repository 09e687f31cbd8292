"""The evaluator against the judge of tiers: on every small world with cluster-wide policies, and on random ones.

The planted bugs are a test of these tests, as in test_judge.py.
"""

from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from hypothesis import event, given
from hypothesis import strategies as st

from tests.spec import tiers
from tests.support.arena import Arena, Raw
from tests.support.worlds_tiers import enumerated, packets, tiered_worlds
from webhook.model.answers import Verdict

ENUMERATED = list(enumerated())
JUDGE = Path(tiers.__file__)
PLANTED: dict[str, tuple[str, str]] = yaml.safe_load(JUDGE.with_name("planted_tiers.yaml").read_text(encoding="utf-8"))
SAMPLES = 40  # packets asked of each random world, out of some hundreds
STEP = 17  # every how manieth packet is asked of a small world: prime to the number of ports and of ends


def test_there_are_enough_small_worlds_with_tiers() -> None:
    assert len(ENUMERATED) >= 200


@pytest.mark.parametrize("part", range(4))
def test_the_evaluator_agrees_with_the_judge_on_every_small_world_with_tiers(part: int) -> None:
    for number, world in list(enumerate(ENUMERATED))[part::4]:
        arena = Arena(world)
        both = [(q, judged(number)[i], sure(arena.evaluate(*q))) for i, q in enumerate(asked(number))]
        assert [disagreement for disagreement in both if disagreement[1] != disagreement[2]][:5] == [], world[15:]


@given(tiered_worlds(), st.data())
def test_the_evaluator_agrees_with_the_judge_on_random_worlds_with_tiers(world: list[Raw], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(packets(world)), min_size=SAMPLES, max_size=SAMPLES, unique=True))
    arena = Arena(world)
    for question in chosen:
        expected = arena.judge_tiers(*question)
        event(f"egress {expected[1]}, ingress {expected[2]}")
        assert sure(arena.evaluate(*question)) == expected, question


@pytest.mark.parametrize("bug", PLANTED)
def test_the_small_worlds_tell_every_planted_bug_of_tiers(bug: str) -> None:
    mutant = planted(*PLANTED[bug])
    assert any(differs(mutant, number) for number in range(len(ENUMERATED)))


def sure(found: tuple[Verdict, Verdict, Verdict]) -> tuple[bool | None, ...]:
    """None: the evaluator could not tell, which is right just where the API leaves it open."""
    return tuple({Verdict.ALLOWED: True, Verdict.DENIED: False}.get(side) for side in found)


@cache
def asked(number: int) -> list[Any]:
    return packets(ENUMERATED[number])[number % STEP :: STEP]


@cache
def judged(number: int) -> list[tuple[bool | None, bool | None, bool | None]]:
    arena = Arena(ENUMERATED[number])
    return [arena.judge_tiers(*q) for q in asked(number)]


def planted(old: str, new: str) -> Any:  # noqa: ANN401 - a function of the judge's own text
    source = JUDGE.read_text(encoding="utf-8")
    assert source.count(old) == 1, f"`{old}` must stand in the judge exactly once"
    module = ModuleType("mutant")
    exec(compile(source.replace(old, new), "mutant", "exec"), module.__dict__)  # noqa: S102 - the judge's own text
    return module.decide


def differs(mutant: Any, number: int) -> bool:  # noqa: ANN401 - see `planted`
    arena = Arena(ENUMERATED[number])
    for (source, target, *packet), expected in zip(asked(number), judged(number), strict=True):
        found = mutant(arena.objects, arena.pods.get(source, source), arena.pods.get(target, target), *packet)
        if (found["egress"], found["ingress"]) != expected[1:]:
            return True
    return False
