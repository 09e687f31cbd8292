"""The formats of CI: valid by their schemas whatever stands in a name, and read as their consumers read them."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import msgspec
import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from tests.support.findings import FAILURES, FIX, WEB_API, finding, hostile, ran
from webhook.manifests import dump
from webhook.model.answers import Finding, Location, Severity, Verdict
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.report import ci
from webhook.report.sarif import sarif
from webhook.report.text import Failure, Row, Run
from webhook.review import compare
from webhook.review.compare import fingerprints

SCHEMAS: Final = Path(__file__).parent / "schemas"
SARIF: Final = Draft4Validator(json.loads((SCHEMAS / "sarif-2.1.0.json").read_text()))
JUNIT: Final = xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd")
PAGE: Final = "# NP102: ingress is denied\n\n## What\n\nNobody gets in.\n\n## How to fix\n\nOpen it.\n"
HOSTILE: Final = "a|b`c*<d>]](http://e)\n# \x00\x1b[31m\u202e\ud800\ufffe&]]>\U000e0001é漢字"


def as_sarif(run: Run, line: int | None = None) -> dict[str, Any]:
    log: dict[str, Any] = json.loads(sarif(run, lambda _: PAGE, dump, lambda _: line))
    assert [error.message for error in SARIF.iter_errors(log)] == []
    (one,) = log["runs"]
    assert isinstance(one, dict)
    return one


def as_junit(run: Run) -> ET.Element:
    text = ci.junit(run, dump)
    JUNIT.validate(text)
    return ET.fromstring(text)  # noqa: S314 - it was written a line above


def named(name: str) -> Finding:
    ref = WorkloadRef("Deployment", name, name)
    return finding(
        workload=ref,
        dependency=name,
        policies=(PolicyRef(name, name),),
        location=Location(name, 3),
        facts=(("a", name),),
    )


# -- whatever is found -------------------------------------------------------------------------------------------------


@given(st.lists(hostile(), max_size=4), st.lists(FAILURES, max_size=2), st.sampled_from([None, *Severity]))
def test_every_format_is_valid_whatever_is_found(
    found: list[Finding], failures: list[Failure], least: Severity | None
) -> None:
    run = msgspec.structs.replace(ran(found, failures), fails_from=least)
    assert len(as_sarif(run)["results"]) == len(found)
    assert as_sarif(run)["invocations"][0]["executionSuccessful"] is not bool(failures)
    suites = as_junit(run)
    assert int(suites.get("errors", "")) == len(failures)
    issues = json.loads(ci.code_quality(run))
    assert len(issues) == len(found) + len(failures)


def test_what_a_name_holds_ends_no_cell_starts_no_markup_and_is_no_link() -> None:
    run = ran([named(HOSTILE)], [Failure(HOSTILE, 1, HOSTILE)])
    comment = ci.comment(run, dump)
    assert [line.count("|") - line.count("\\|") for line in comment.splitlines() if "NP102" in line] == [6]
    assert "<d>" not in comment.replace("\\<d\\>", "").replace("`", "") or "`" in comment
    assert all(character.isprintable() or character == "\n" for character in comment)
    (result,) = as_sarif(run)["results"]
    assert "](" not in result["message"]["text"].replace("\\](", "")
    text = ET.tostring(as_junit(run), encoding="unicode")
    assert "\u202e" not in text
    assert "\\u202e" in text


@pytest.mark.parametrize("name", ["web-é", "веб", "网", "شبكة", "שלום", "🎉"])
def test_names_of_every_script_stay_as_they_are(name: str) -> None:
    run = ran([named(name)])
    assert f"{name}/{name} ->" in as_sarif(run)["results"][0]["message"]["text"]
    assert f"deploy/{name}/{name}" in {case.get("classname") for case in as_junit(run).iter("testcase")}
    assert f"`deploy/{name}/{name}`" in ci.comment(run, dump)


def test_nothing_found_is_an_empty_report() -> None:
    run = ran([])
    assert as_sarif(run)["results"] == []
    assert as_junit(run).get("tests") == "0"
    assert ci.code_quality(run) == "[]"
    assert ci.comment(run, dump).startswith("### ✅ Network policy: no findings")


# -- SARIF -------------------------------------------------------------------------------------------------------------


def test_a_rule_says_what_its_page_says() -> None:
    (rule,) = as_sarif(ran([finding()]))["tool"]["driver"]["rules"]
    assert rule["id"] == "NP102"
    assert rule["name"] == "IngressIsDenied"
    assert rule["shortDescription"] == {"text": "ingress is denied"}
    assert rule["help"] == {"text": "Nobody gets in.\n\nOpen it.", "markdown": PAGE}
    assert rule["defaultConfiguration"] == {"level": "error"}


@pytest.mark.parametrize(
    ("severity", "level"), [(Severity.ERROR, "error"), (Severity.WARNING, "warning"), (Severity.INFO, "note")]
)
def test_the_level_is_the_severity(severity: Severity, level: str) -> None:
    (result,) = as_sarif(ran([finding(severity=severity)]))["results"]
    assert result["level"] == level


@pytest.mark.parametrize(
    ("place", "artifact", "line"),
    [
        (Location("k8s/a b.yaml", 7), {"uri": "k8s/a%20b.yaml", "uriBaseId": "%SRCROOT%"}, 7),
        (Location("./k8s/a.yaml", 7), {"uri": "k8s/a.yaml", "uriBaseId": "%SRCROOT%"}, 7),
        (Location("a:b.yaml", 7), {"uri": "a%3Ab.yaml", "uriBaseId": "%SRCROOT%"}, 7),
        (Location("/srv/a.yaml", 7), {"uri": "file:///srv/a.yaml"}, 7),
        (Location("-", 7), {"uri": "stdin"}, 7),
        (Location("-", 7, "shop/templates/web.yaml"), {"uri": "shop/templates/web.yaml", "uriBaseId": "%SRCROOT%"}, 1),
    ],
)
def test_where_a_finding_is(place: Location, artifact: dict[str, str], line: int) -> None:
    (result,) = as_sarif(ran([finding(location=place)]))["results"]
    (where,) = result["locations"]
    assert where["physicalLocation"] == {"artifactLocation": artifact, "region": {"startLine": line}}
    assert where["logicalLocations"][0]["fullyQualifiedName"] == "production/Deployment/web-api"


def test_what_stands_in_no_file_is_named() -> None:
    (result,) = as_sarif(ran([finding(location=None)]))["results"]
    assert list(result["locations"][0]) == ["logicalLocations"]


def test_a_fix_is_an_edit_of_the_file_or_a_new_one() -> None:
    change = as_sarif(ran([finding()]), 11)["results"][0]["fixes"][0]["artifactChanges"][0]
    assert change["artifactLocation"]["uri"] == "deploy/web-api.yaml"
    (edit,) = change["replacements"]
    assert edit["deletedRegion"] == {"startLine": 11, "startColumn": 1, "endLine": 11, "endColumn": 1}
    assert edit["insertedContent"]["text"] == f"{dump([FIX])}---\n"
    new = as_sarif(ran([finding()]))["results"][0]["fixes"][0]["artifactChanges"][0]
    assert new["artifactLocation"]["uri"] == "deploy/production-allow-web-api-to-postgres.yaml"
    assert new["replacements"][0]["insertedContent"]["text"] == dump([FIX])


# -- JUnit and GitLab --------------------------------------------------------------------------------------------------


def test_a_dependency_is_a_test_that_passes_fails_or_is_not_as_bad() -> None:
    row = Row(WEB_API, "cache.production:6379/TCP", "annotation", Verdict.ALLOWED)
    slight = finding("NP203", severity=Severity.INFO, dependency="queue.production:5672/TCP")
    run = ran([finding("NP101"), finding("NP102"), slight])
    suites = as_junit(msgspec.structs.replace(run, rows=(*run.rows, row), places={WEB_API: Location("a.yaml", 1)}))
    cases = {case.get("name"): [child.tag for child in case] for case in suites.iter("testcase") if len(case)}
    assert cases == {"postgres.production:5432/TCP": ["failure"], "queue.production:5672/TCP": ["skipped"]}
    passed = {case.get("name") for case in suites.iter("testcase") if not len(case)}
    assert "cache.production:6379/TCP" in passed
    failure = next(suites.iter("failure"))
    assert failure.get("message", "").endswith("(and 1 more)")
    assert "kind: NetworkPolicy" in (failure.text or "")


def test_what_cannot_be_read_is_an_error_in_each() -> None:
    run = ran([], [Failure("a.yaml", 3, "not YAML")])
    (error,) = as_junit(run).iter("error")
    assert error.get("message") == "not YAML"
    (issue,) = json.loads(ci.code_quality(run))
    assert (issue["severity"], issue["location"]) == ("blocker", {"path": "a.yaml", "lines": {"begin": 3}})
    (told,) = as_sarif(run)["invocations"][0]["toolExecutionNotifications"]
    assert told["locations"][0]["physicalLocation"]["region"] == {"startLine": 3}
    assert "- unreadable: a.yaml:3: not YAML" in ci.comment(run, dump)


def test_gitlab_gets_a_path_a_line_and_a_severity_of_its_own() -> None:
    found = [finding(location=Location("./a.yaml", 3)), finding("NP105", severity=Severity.WARNING, location=None)]
    first, second = json.loads(ci.code_quality(ran(found)))
    assert first["location"] == {"path": "a.yaml", "lines": {"begin": 3}}
    assert (first["severity"], second["severity"]) == ("critical", "minor")
    assert second["location"]["path"] == "deploy/production/web-api"
    assert len({first["fingerprint"], second["fingerprint"]}) == 2


# -- names that stay ---------------------------------------------------------------------------------------------------


@given(st.lists(hostile(), max_size=5), st.integers(1, 500), st.data())
def test_a_finding_keeps_its_name_when_lines_move_and_no_two_have_one(
    found: list[Finding], line: int, data: st.DataObject
) -> None:
    moved = [msgspec.structs.replace(one, location=Location("elsewhere.yaml", line)) for one in found]
    assert fingerprints(moved) == fingerprints(found)
    assert len(set(fingerprints(found))) == len(found)
    shuffled = data.draw(st.permutations(found))
    assert sorted(fingerprints(shuffled)) == sorted(fingerprints(found))


def test_a_long_comment_is_cut_and_says_how_much_is_missing() -> None:
    found = [finding(workload=WorkloadRef("Deployment", "a", f"w{number}")) for number in range(300)]
    comment = ci.comment(ran(found), dump)
    assert len(comment) < 65_536
    shown = comment.count("| NP102 |")
    assert f"and {300 - shown} more: `netpol-preflight check`" in comment
    slight = [finding("NP405", severity=Severity.INFO, location=Location("a.yaml", 1)) for _ in range(300)]
    assert "NP102" in ci.comment(ran([*slight, finding()]), dump)


def test_long_names_do_not_make_a_comment_too_long() -> None:
    found = [named(f"{number}" + "<" * 2_000) for number in range(200)]
    failures = [Failure("<" * 2_000, number, "|" * 2_000) for number in range(200)]
    assert len(ci.comment(ran(found, failures), dump)) < 65_536


# -- baselines ---------------------------------------------------------------------------------------------------------


@given(st.lists(hostile(), max_size=6), st.data())
def test_what_was_written_accepts_all_of_it_and_nothing_else(found: list[Finding], data: st.DataObject) -> None:
    known = compare.read(compare.written(compare.of(found)))
    assert known == compare.of(found)
    shuffled = data.draw(st.permutations(found))
    assert compare.sift(shuffled, known) == compare.Sifted((), len(found), ())
    some = data.draw(st.lists(st.sampled_from(range(len(found))), unique=True)) if found else []
    kept = [found[number] for number in sorted(some)]
    sifted = compare.sift(found, compare.of(kept))
    assert sifted.accepted == len(kept)
    assert len(sifted.new) == len(found) - len(kept)
    assert compare.sift(kept, known).new == ()


@given(st.binary(max_size=200), st.integers(0, 400), st.lists(hostile(), max_size=2))
def test_a_damaged_baseline_is_refused_or_read(junk: bytes, at: int, found: list[Finding]) -> None:
    good = compare.written(compare.of(found))
    with suppress(compare.NotABaseline):
        compare.read(good[:at] + junk + good[at:])
