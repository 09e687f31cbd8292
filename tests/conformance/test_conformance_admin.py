"""The conformance suite of ClusterNetworkPolicy: what the evaluator answers, and its judge."""

from collections.abc import Callable

import pytest

from tests.conformance.corpora import Question, cluster_network_policies
from tests.support.arena import Arena
from webhook.model.answers import Verdict

PROBES = 301


def evaluator(arena: Arena, question: Question) -> bool | None:
    return {Verdict.ALLOWED: True, Verdict.DENIED: False}.get(arena.evaluate(*question[:5])[0])


def judge(arena: Arena, question: Question) -> bool | None:
    return arena.judge_tiers(*question[:5])[0]


@pytest.mark.parametrize("player", [judge, evaluator])
def test_every_probe_of_the_suite_is_answered_as_it_says(
    player: Callable[[Arena, Question], bool | None], capsys: pytest.CaptureFixture[str]
) -> None:
    asked, wrong = 0, []
    for case in cluster_network_policies():
        arena = Arena(case.objects)
        for question in case.questions:
            asked += 1
            if (found := player(arena, question)) is not question.passes:
                wrong.append(f"{case.name}: {question[:5]}: found {found}")
    with capsys.disabled():
        print(f"\n  {player.__name__} on ClusterNetworkPolicy: {asked - len(wrong)} of {asked}")  # noqa: T201 - the count
    assert wrong[:20] == []
    assert asked == PROBES
