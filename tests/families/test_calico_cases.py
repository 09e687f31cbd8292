"""Calico, case by case: tests/families/calico/cases.yaml."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.arena import Raw, world_of
from tests.support.cases import KEYS_OF_A_QUESTION, objects_of, workload_ref, wrong_answer
from webhook.families import project
from webhook.judge import explain
from webhook.model.settings import Enforcer, Settings

FILE: Final[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "calico" / "cases.yaml").read_text(encoding="utf-8")
)
OWN: Final = {"calico": "projectcalico.org/v3", "crd": "crd.projectcalico.org/v1"}
KEYS: Final = {"id", "about", "under", "version", "complete", "objects", "policies", "ask", *OWN}
SECTION_8: Final = {"T02", "T03", "T17", *(f"T{n}" for n in range(26, 36))}


def cases() -> Iterator[tuple[Raw, str]]:
    for case in FILE["cases"]:
        for enforcer in case.get("under", ("calico", "canal")):
            yield {"world": FILE["world"], **case}, enforcer


def objects(case: Raw, enforcer: str) -> Iterator[Raw]:
    yield from objects_of(case)
    yield from FILE["objects"]
    for key, version in OWN.items():
        yield from ({"apiVersion": version, **raw} for raw in case.get(key, ()))
    if "version" in case:
        name = {"calico": "calico-node", "canal": "canal"}[enforcer]
        container = {"name": "calico-node", "image": f"quay.io/calico/node:{case['version']}"}
        yield {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"namespace": "kube-system", "name": name},
            "spec": {"template": {"spec": {"containers": [container]}}},
            "status": {"desiredNumberScheduled": 2, "numberReady": 2},
        }


def test_every_case_of_section_8_that_is_about_calico_is_here() -> None:
    assert {case["id"] for case in FILE["cases"]} >= SECTION_8


def test_no_case_says_what_nobody_checks() -> None:
    for case in FILE["cases"]:
        assert set(case) <= KEYS, case["id"]
        for question in case["ask"]:
            assert set(question) <= KEYS_OF_A_QUESTION - {"findings", "lacks"}, case["id"]
            assert "verdict" in question, case["id"]


@pytest.mark.parametrize(
    ("case", "enforcer"), list(cases()), ids=lambda part: part["id"] if isinstance(part, dict) else part
)
def test_the_case_is_answered_as_it_says(case: Raw, enforcer: str) -> None:
    known = [raw for raw in objects(case, enforcer) if project(raw) is not None]
    world = world_of(known, complete=case.get("complete", True), settings=Settings(enforcer=Enforcer(enforcer)))
    for question in case["ask"]:
        ref = workload_ref(question["from"])
        workload = world.workloads.get(ref)
        assert workload is not None, f"no {ref} in this world"
        wrong = list(wrong_answer(question, explain(world, workload, question["to"])))
        assert wrong == [], f"{case['about']}: {question['from']} -> {question['to']}"
