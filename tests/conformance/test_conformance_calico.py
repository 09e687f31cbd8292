"""Calico's policies against what real packets did. Run with `-s` for the counts."""

from collections import Counter

import pytest

from tests.conformance.corpora import calico, calico_quirks
from tests.support.arena import Arena, world_of
from tests.support.matrix_judge import disagreements
from webhook.families import project
from webhook.model.answers import Verdict
from webhook.model.settings import Enforcer, Settings

SETTINGS = Settings(enforcer=Enforcer("calico"))
JUDGING = 253_200
QUIRKS = {
    "invalid": 6720,
    "cnp-set": 4080,
    "lenient": 3840,
    "admission": 1920,
    "ephemeral": 960,
    "address": 960,
}
IN_THE_MATRIX = {  # one of each sort: the whole of them takes minutes
    "accounts-has",
    "cnp-and-calico-in-tier",
    "gnp-egress-name-not",
    "gnp-not-account",
    "kube-both-calico-egress",
    "nets-and-not",
    "remote-not",
    "service-egress",
    "set-not",
    "spaces-and-selector",
    "tier-pass-skips-rest",
    "random-1-30",
}
SURE = {Verdict.ALLOWED: True, Verdict.DENIED: False}


def test_every_judging_probe_of_calico_is_met(capsys: pytest.CaptureFixture[str]) -> None:
    asked: Counter[bool] = Counter()
    wrong: list[str] = []
    for case in calico():
        staged = [o for o in case.objects if o["kind"].startswith("Staged")]
        assert not any(map(project, staged)), "what is staged is never enforced, and so not read"
        arena = Arena([o for o in case.objects if o not in staged], SETTINGS)
        for question in case.questions:
            found = arena.evaluate(*question[:5])[0]
            met = SURE.get(found) is question.passes
            asked[met] += 1
            if not met:
                wrong.append(f"{case.name}: {question[:5]}: {found}, not {question.passes}")
    with capsys.disabled():
        print(f"\n  calico: {asked[True]:,} of {asked.total():,} judging probes")  # noqa: T201 - the count is the point
    assert wrong[:20] == []
    assert asked.total() == JUDGING


def test_quirks_of_calico_are_counted_and_do_not_judge(capsys: pytest.CaptureFixture[str]) -> None:
    found = calico_quirks()
    with capsys.disabled():
        told = ", ".join(f"{name} {count:,}" for name, count in found.most_common())
        print(f"\n  calico, not judging: {told}")  # noqa: T201 - the counts are the point
    assert found == QUIRKS


def test_the_matrix_says_the_same_of_every_flow() -> None:
    seen = set()
    for case in calico():
        if case.name in IN_THE_MATRIX:
            seen.add(case.name)
            world = world_of((o for o in case.objects if project(o) is not None), settings=SETTINGS)
            assert list(disagreements(world))[:5] == [], case.name
    assert seen == IN_THE_MATRIX
