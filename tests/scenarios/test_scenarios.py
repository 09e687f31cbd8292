"""Situations in the words of users: each folder of `tests/scenarios` is what a cluster has, what somebody applies and
what must be said; asked of `check`, of `fix` and of a served AdmissionReview alike."""

import contextlib
import io
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from webhook.cli import main as cli
from webhook.families import project
from webhook.model.answers import Finding, Severity
from webhook.model.refs import WORKLOAD_KINDS
from webhook.model.settings import DEFAULTS, Enforcer, Settings
from webhook.report import admission
from webhook.review.decide import decide
from webhook.wire.admission import admission_request
from webhook.wire.shapes import Malformed
from webhook.world import Put, World

FOLDERS = sorted(path.parent for path in Path(__file__).parent.glob("*/expected.json"))
TODAY = date(2026, 11, 20)
_ADMIT = re.compile(r"without `--admit ([^`]+)`")  # what a note asks for before somebody else's pods are let in
CLOSED = {"NP101", "NP102", "NP103", "NP104", "NP105", "NP108", "NP109"}

Expected = dict[str, Any]


def run(*arguments: str) -> tuple[int, Any, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(list(arguments))
    return code, json.loads(out.getvalue()), err.getvalue()


def expected_of(folder: Path) -> Expected:
    found: Expected = json.loads((folder / "expected.json").read_text())
    return found


def name(ref: dict[str, Any]) -> str:
    """Return `namespace/name`; of another family's policy with its kind, and without a namespace where it has none."""
    if "rule" not in ref or (ref["kind"] == "NetworkPolicy" and "group" not in ref):
        return f"{ref['namespace']}/{ref['name']}"
    return f"{ref['kind']} {ref['namespace'] + '/' if ref['namespace'] else ''}{ref['name']}"


def flags(folder: Path) -> tuple[str, ...]:
    enforcer = expected_of(folder).get("enforcer")
    return ("--against", str(folder / "cluster.yaml"), *(("--cni", enforcer) if enforcer else ()))


def key(finding: dict[str, Any]) -> dict[str, Any]:
    """The part of a finding of `check --format json` that a scenario fixes."""
    misses = [{**miss, "policy": name(miss["policy"])} for miss in finding["nearMisses"]]
    return {
        "id": finding["id"],
        "workload": name(finding["workload"]),
        "dependency": finding["dependency"],
        "verdict": finding["verdict"],
        "policies": [name(ref) for ref in finding["policies"]],
        **({"nearMisses": misses} if misses else {}),
    }


def notes_of_fix(folder: Path) -> str:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        cli.main(["fix", "-f", str(folder / "apply.yaml"), *flags(folder)])
    return err.getvalue()


def sorted_findings(findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(findings, key=lambda f: (f["id"], f["workload"], f["dependency"]))


def test_there_are_at_least_sixty_situations() -> None:
    assert len(FOLDERS) >= 60


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_check_says_what_the_situation_is(folder: Path) -> None:
    expected = expected_of(folder)
    code, said, err = run("check", "-f", str(folder / "apply.yaml"), *flags(folder), "--format", "json")
    found = [key(f) for f in said["findings"] if f["workload"] is not None]
    assert sorted_findings(found) == sorted_findings(expected["findings"])
    errors = any(f["severity"] == "error" for f in said["findings"])
    assert code == (2 if expected.get("broken") else int(errors))
    assert expected.get("never", "\0") not in json.dumps(said) + err


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_audit_names_policies_that_nothing_enforces(folder: Path) -> None:
    expected = expected_of(folder)
    _, said, err = run("audit", "-f", str(folder / "apply.yaml"), *flags(folder), "--format", "json")
    found = [f for f in said["findings"] if f["workload"] is None and f["id"] == "NP107"]
    told = [{"id": f["id"], "policies": [name(ref) for ref in f["policies"]]} for f in found]
    assert told == expected.get("ofPolicies", [])
    assert expected.get("error", "") in "".join(error["message"] for error in said["errors"])
    assert bool(err) == bool(said["errors"])


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_fix_opens_it_or_says_why_not(folder: Path, tmp_path: Path) -> None:
    expected = expected_of(folder)
    given = ("-f", str(folder / "apply.yaml"), *flags(folder))
    _, asked, _ = run("fix", *given, "--format", "json")
    admitted_too = [word for note in asked["notes"] for space in _ADMIT.findall(note) for word in ("--admit", space)]
    _, said, _ = run("fix", *given, *admitted_too, "--format", "json")
    assert expected.get("says", "") in notes_of_fix(folder)
    closed = [f for f in expected["findings"] if f["id"] in CLOSED]
    if expected["fix"] == "exempt":
        assert said["policies"], "an exemption silences a finding; whoever asks for the fix gets it"
        return
    if not closed:
        assert (said["policies"], said["unfixable"]) == ([], [])
        return
    fixed = tmp_path / "fix.yaml"
    fixed.write_text(yaml.safe_dump_all(said["policies"]))
    if not said["policies"]:
        assert said["unfixable"], "neither a fix nor a reason"
        assert all(entry["reason"] for entry in said["unfixable"])
        return
    _, after, _ = run("check", *given, "-f", str(fixed), "--format", "json")
    left = {f["dependency"] for f in after["findings"] if f["id"] in CLOSED}
    assert left == {entry["dependency"] for entry in said["unfixable"]}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_the_webhook_warns_of_the_same(folder: Path) -> None:
    expected = expected_of(folder)
    applied = [d for d in yaml.safe_load_all((folder / "apply.yaml").read_text()) if d]
    enforcer = expected.get("enforcer")
    world = World(Settings(enforcer=Enforcer(enforcer)) if enforcer else DEFAULTS, complete=True)
    cluster = [d for d in yaml.safe_load_all((folder / "cluster.yaml").read_text()) if d]
    reviewed = [d for d in applied if d["kind"] in WORKLOAD_KINDS]
    for raw in (*cluster, *(d for d in applied if d not in reviewed), *reviewed[1:]):
        with contextlib.suppress(Malformed):
            if value := project(raw):
                world.apply([Put(value)])
    findings = [finding for raw in reviewed for finding in admitted(world, raw)]
    told = sorted((f.id, f.dependency or "") for f in findings if f.severity > Severity.INFO)
    wanted = sorted((f["id"], f["dependency"]) for f in expected["findings"] if warns(f, findings))
    assert told == wanted


def warns(expected: dict[str, Any], findings: list[Finding]) -> bool:
    """Whether an expected finding is above information in a complete world, where a missing name is a warning."""
    if expected["id"] == "NP203":
        return any(f.id == "NP203" and f.severity > Severity.INFO for f in findings)
    return expected["id"] not in ("NP106", "NP107")


def admitted(world: World, raw: dict[str, Any]) -> tuple[Finding, ...]:
    group, _, version = raw["apiVersion"].rpartition("/")
    body = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u",
            "kind": {"group": group, "version": version, "kind": raw["kind"]},
            "operation": "CREATE",
            "namespace": raw["metadata"]["namespace"],
            "name": raw["metadata"]["name"],
            "object": raw,
        },
    }
    decision = decide(admission_request(json.dumps(body).encode()), world, TODAY)
    answer = json.loads(admission.encode(decision, lambda _: ""))["response"]
    told = sum(f.severity > Severity.INFO for f in decision.findings)
    assert answer["allowed"] is True
    assert len(answer.get("warnings", [])) == told
    return decision.findings
