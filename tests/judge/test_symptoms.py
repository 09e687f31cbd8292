"""Symptoms that people report: each told where it shows, by the finding that it belongs to, and not elsewhere."""

from copy import deepcopy
from typing import Final

import pytest
import yaml

from tests.support.arena import Raw, world_of
from tests.support.cases import CASES, TODAY, key_of, objects_of, workload_ref
from tests.support.making import agent
from webhook.config.settings_from_file import settings
from webhook.families import project
from webhook.judge import explain
from webhook.model.answers import Finding
from webhook.model.objects import Workload
from webhook.model.settings import CONNECTS_TO
from webhook.report.words import message
from webhook.review.inbound import review_server
from webhook.review.workload import review_workload
from webhook.world import Overlay

FILE: Final = yaml.safe_load((CASES / "symptoms.yaml").read_text(encoding="utf-8"))
KEYS: Final = {"symptom", "about", "cni", "agent", "from", "to", "objects", "policies", "in", "says", "lacks"}
ALL: Final = {case["symptom"]: case for case in FILE["cases"]}


def test_every_symptom_has_a_case_that_shows_it_and_one_that_does_not() -> None:
    assert len(ALL) == len(FILE["cases"])
    for number in range(1, 13):
        assert f"S{number}" in ALL
        assert f"not S{number}" in ALL


def test_no_case_says_what_nobody_checks() -> None:
    for case in FILE["cases"]:
        assert set(case) <= KEYS, case["symptom"]
        assert ({"in", "says"} <= set(case)) is not ("lacks" in case), case["symptom"]


def told(case: Raw) -> tuple[list[Finding], str]:
    """Return the findings of a workload that declares the dependency, and all that is said of it."""
    found = {key_of(raw): raw for raw in objects_of({"world": FILE["world"], **case})}
    if "agent" in case:
        one = agent(case["agent"])
        found[key_of(one)] = one
    world = world_of(found.values(), settings=settings(cni=case["cni"]))
    ref = workload_ref(case.get("from", "deploy/shop/web"))
    to = case.get("to", "db.data:5432")
    raw = deepcopy(found[f"{ref.kind}/{ref.namespace}/{ref.name}"])
    raw["metadata"].setdefault("annotations", {})[CONNECTS_TO] = to
    declaring = project(raw)
    assert isinstance(declaring, Workload)
    findings = (*review_workload(Overlay(world, [declaring]), declaring), *review_server(world, declaring, TODAY))
    workload = world.workloads.get(ref)
    assert workload is not None
    explained = explain(world, workload, to)
    return list(findings), "\n".join([*map(message, findings), *explained.assumptions, explained.reason or ""])


@pytest.mark.parametrize("name", [name for name, case in ALL.items() if "says" in case])
def test_the_symptom_is_told_by_its_finding(name: str) -> None:
    case = ALL[name]
    findings, every = told(case)
    assert any(case["says"] in message(one) for one in findings if one.id in case["in"]), every


@pytest.mark.parametrize("name", [name for name, case in ALL.items() if "lacks" in case])
def test_the_symptom_is_not_told_where_it_does_not_show(name: str) -> None:
    _, every = told(ALL[name])
    for part in ALL[name]["lacks"]:
        assert part not in every
