"""Cilium, case by case: tests/families/cilium/cases.yaml."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.arena import Raw, world_of
from tests.support.cases import KEYS_OF_A_QUESTION, key_of, objects_of, workload_ref, wrong_answer
from webhook.judge import explain
from webhook.model.settings import Enforcer, Settings

FILE: Final[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "cilium" / "cases.yaml").read_text(encoding="utf-8")
)
KEYS: Final = {"id", "about", "under", "complete", "settings", "objects", "policies", "cilium", "version", "ask"}
KEYS_OF_ASK: Final = (KEYS_OF_A_QUESTION | {"elsewhere"}) - {"findings", "lacks"}
SECTION_8: Final = {*(f"T{n:02}" for n in (1, 6, 7, 8, 9, 12, 14, 17)), *(f"T{n}" for n in range(36, 41))}


def objects(case: Raw) -> list[Raw]:
    """Return the case's objects over those that every case has."""
    every = {key_of(raw): raw for raw in FILE["objects"]}
    every |= {key_of(raw): raw for raw in objects_of({"world": FILE["world"], **case})}
    return [*every.values(), *own(case)]


def own(case: Raw) -> Iterator[Raw]:
    for short in case.get("cilium", ()):
        namespace, slash, name = short["name"].rpartition("/")
        kind = "CiliumNetworkPolicy" if slash else "CiliumClusterwideNetworkPolicy"
        metadata = {"name": name, **({"namespace": namespace} if slash else {})}
        yield {
            "apiVersion": "cilium.io/v2",
            "kind": kind,
            "metadata": metadata,
            **{k: v for k, v in short.items() if k != "name"},
        }
    if "version" in case:
        yield {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"namespace": "kube-system", "name": "cilium"},
            "spec": {"template": {"spec": {"containers": [{"image": f"quay.io/cilium/cilium:{case['version']}"}]}}},
            "status": {"desiredNumberScheduled": 2, "numberReady": 2},
        }
    if "settings" in case:
        metadata = {"namespace": "kube-system", "name": "cilium-config"}
        yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": case["settings"]}


def test_every_case_of_section_8_that_is_about_cilium_is_here() -> None:
    assert {case["id"] for case in FILE["cases"]} >= SECTION_8


def test_no_case_says_what_nobody_checks() -> None:
    for case in FILE["cases"]:
        assert set(case) <= KEYS, case["id"]
        for question in case["ask"]:
            assert set(question) <= KEYS_OF_ASK, case["id"]
            assert "verdict" in question, case["id"]


@pytest.mark.parametrize("case", FILE["cases"], ids=lambda case: case["id"])
def test_the_case_is_answered_as_it_says(case: Raw) -> None:
    wrong = []
    for question in case["ask"]:
        expected = {key: value for key, value in question.items() if key != "elsewhere"}
        answers = {case.get("under", "cilium"): expected}
        answers |= {name: {"verdict": verdict} for name, verdict in question.get("elsewhere", {}).items()}
        for enforcer, answer in answers.items():
            settings = Settings(enforcer=Enforcer(enforcer))
            world = world_of(objects(case), complete=case.get("complete", True), settings=settings)
            workload = world.workloads.get(workload_ref(question["from"]))
            assert workload is not None, question["from"]
            found = explain(world, workload, question["to"])
            wrong += [f"{enforcer}: {question['to']}: {w}" for w in wrong_answer(answer, found)]
    assert wrong == [], case["about"]
