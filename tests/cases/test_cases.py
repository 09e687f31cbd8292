"""The semantics as data: each case is a world, questions, and what the answers are and rest on.

The rows are those of the semantics table that the evaluator is held to; tests/cases/README.md tells the format.
"""

from collections.abc import Iterator
from typing import Final

import pytest
from msgspec import structs

from tests.support.arena import Raw, world_of
from tests.support.cases import KEYS_OF_A_QUESTION, admitted, cases, objects_of, workload_ref, wrong_answer
from webhook.families import compile_crd_policy, dialect_of, project
from webhook.judge import Explanation, explain
from webhook.model.crd_policies import CompileContext, CrdPolicy
from webhook.model.refs import WorkloadRef
from webhook.model.settings import Enforcer, Settings
from webhook.review.drafts import Decision
from webhook.world import World

ROWS: Final = {*range(1, 141), *(f"T{number}" for number in range(18, 26))}
KEYS_OF_A_CASE: Final = {
    "rows",
    "about",
    "world",
    "without",
    "objects",
    "policies",
    "wide",
    "cni",
    "problems",
    "complete",
    "dry_run",
    "ask",
}


ALL: Final = dict(cases())


def test_every_row_has_a_case() -> None:
    assert {row for case in ALL.values() for row in case["rows"]} == ROWS


def test_no_case_says_what_nobody_checks() -> None:
    for name, case in ALL.items():
        assert set(case) <= KEYS_OF_A_CASE, name
        for question in case["ask"]:
            assert set(question) <= KEYS_OF_A_QUESTION, name
            assert {"verdict", "findings", "lacks"} & set(question), name


@pytest.mark.parametrize("name", ALL, ids=lambda name: name[:90])
def test_the_case_is_answered_as_it_says(name: str) -> None:
    case = ALL[name]
    objects = objects_of(case)
    complete = case.get("complete", True)
    settings = Settings(enforcer=Enforcer(case.get("cni", "generic")))
    world = world_of(objects, complete=complete, settings=settings)
    if "problems" in case:
        assert problems_of(objects, settings.enforcer) == case["problems"]
    for question in case["ask"]:
        ref = workload_ref(question["from"])
        wrong = [*wrong_answer(question, explained(world, ref, question["to"]))]
        if "findings" in question or "lacks" in question:
            wrong += wrong_findings(
                question, admitted(objects, world, ref, question["to"], dry=case.get("dry_run", False))
            )
        for cni, answer in question.get("under", {}).items():
            there = world_of(objects, complete=complete, settings=Settings(enforcer=Enforcer(cni)))
            expected = answer if isinstance(answer, dict) else {"verdict": answer}
            wrong += [f"under {cni}: {w}" for w in wrong_answer(expected, explained(there, ref, question["to"]))]
        assert wrong == [], f"{question['from']} -> {question['to']}"


def explained(world: World, ref: WorkloadRef, to: str) -> Explanation:
    workload = world.workloads.get(ref)
    assert workload is not None, f"no {ref} in this world"
    return explain(world, workload, to)


# -- the world --------------------------------------------------------------------------------------------------------


def problems_of(objects: list[Raw], enforcer: Enforcer) -> list[str]:
    """Return what is said to be wrong with the policies of other families, in their order."""
    around = CompileContext(enforcer)
    around = structs.replace(around, dialect=dialect_of(around))
    read = [value for value in map(project, objects) if isinstance(value, CrdPolicy)]
    return [problem for value in read for problem in compile_crd_policy(value, around).problems]


# -- what a case may say ----------------------------------------------------------------------------------------------


def wrong_findings(question: Raw, decision: Decision) -> Iterator[str]:
    ids = sorted(f.id for f in decision.findings)
    if "findings" in question and ids != question["findings"]:
        yield f"findings: {ids}"
    if set(ids) & set(question.get("lacks", ())):
        yield f"findings: {ids}, which should lack {question['lacks']}"
