"""The evaluator, and its judge, against what others have measured or written down. Run with `-s` for the counts."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import pytest

from tests.conformance.corpora import Case, cyclonus, defaulted, end_to_end, packets
from tests.support.arena import Arena
from webhook.model.answers import Verdict

Answers = tuple[bool, bool, bool]
SIDES = ("combined", "egress", "ingress")


def stored(cases: Iterable[Case]) -> Iterator[Case]:
    for case in cases:
        objects = [defaulted(o) if o["kind"] == "NetworkPolicy" else o for o in case.objects]
        yield case._replace(objects=objects)


TABLES: dict[str, tuple[Callable[[], Iterable[Case]], dict[str, int]]] = {
    "end to end, as written": (end_to_end, {"combined": 506}),
    "end to end, with API defaults": (lambda: stored(end_to_end()), {"combined": 506}),
    "cyclonus": (cyclonus, dict.fromkeys(SIDES, 109_956)),
    "packets": (packets, {"combined": 149_292}),
    "packets, with API defaults": (lambda: stored(packets()), {"combined": 149_292}),
}


def evaluator(arena: Arena, *question: object) -> Answers:
    """Every question of the tables has a sure answer: `unknown` and `partial` count as wrong both ways."""
    found = arena.evaluate(*question)  # type: ignore[arg-type]
    assert set(found) <= {Verdict.ALLOWED, Verdict.DENIED}, (question, found)
    verdict, egress, ingress = (side is Verdict.ALLOWED for side in found)
    return verdict, egress, ingress


def judge(arena: Arena, *question: object) -> Answers:
    return arena.judge(*question)  # type: ignore[arg-type]


@pytest.mark.parametrize("player", [judge, evaluator])
@pytest.mark.parametrize("table", TABLES)
def test_every_recorded_verdict_is_met(
    table: str, player: Callable[..., Answers], capsys: pytest.CaptureFixture[str]
) -> None:
    read, expected = TABLES[table]
    asked: Counter[str] = Counter()
    wrong: list[str] = []
    for case in read():
        arena = Arena(case.objects)
        for question in case.questions:
            found = dict(zip(SIDES, player(arena, *question[:5]), strict=True))
            truth = dict(zip(SIDES, (question.passes, question.egress, question.ingress), strict=True))
            for side, passes in truth.items():
                if passes is not None:
                    asked[side] += 1
                    if found[side] is not passes:
                        wrong.append(f"{case.name}: {side} of {question[:5]}: found {found[side]}")
    with capsys.disabled():
        counts = ", ".join(f"{side} {n - sum(f' {side} of ' in w for w in wrong)}/{n}" for side, n in asked.items())
        print(f"\n  {player.__name__} on {table}: {counts}")  # noqa: T201 - the counts are what a reader comes for
    assert wrong[:20] == []
    assert asked == expected
