"""What an audit in the cluster writes: bounded, the same for the same answers, and fit for the published kinds."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.support.reviewing import world as story
from webhook.judge.workload import finished
from webhook.model.answers import Verdict
from webhook.model.refs import WorkloadRef
from webhook.model.settings import DEFAULTS, Exempted, Settings
from webhook.report.policy_report import (
    LEFT_OUT,
    MOST_BYTES,
    MOST_RESULTS,
    Result,
    Told,
    closed_before,
    event,
    not_judged,
    report,
    told,
)
from webhook.review.audit import audit_in_steps

CRDS: Final = Path(__file__).parents[1] / "e2e/crds"
WEB: Final = WorkloadRef("Deployment", "production", "web-api")
NAMES: Final = ("<b>x</b>", "a\u202eb", "x\x1b[31m", "\u6f22\u5b57" * 60, "|`*_", "\ud800")
WHEN: Final = datetime(2026, 11, 28, 12, tzinfo=UTC)
TODAY: Final = date(2026, 11, 28)
Raw = dict[str, Any]


def of_the_story(settings: Settings = DEFAULTS) -> Told:
    world = story(settings)
    workload = world.workloads.get(WEB)
    assert workload is not None
    audited = finished(audit_in_steps(world, workload, TODAY, ()))
    return told(audited, own=settings.disclose == "own")


def schema(file: str) -> tuple[str, str, Raw]:
    """Return API version, kind and schema of the newest version of a published kind."""
    crd = yaml.safe_load((CRDS / file).read_text(encoding="utf-8"))
    version = crd["spec"]["versions"][-1]
    api_version = f"{crd['spec']['group']}/{version['name']}"
    return api_version, crd["spec"]["names"]["kind"], version["schema"]["openAPIV3Schema"]


def unknown(value: object, its: Raw, path: str = "") -> list[str]:
    """Return what of a value its schema does not have: the API server would leave it out, or refuse it."""
    if isinstance(value, dict) and "properties" in its:
        known = {**its["properties"], **({"metadata": {}} if not path else {})}
        found = [f"{path}.{key}" for key in value if key not in known]
        return found + [
            one for key in value if key in known for one in unknown(value[key], known[key], f"{path}.{key}")
        ]
    if isinstance(value, list) and "items" in its:
        return [one for index, item in enumerate(value) for one in unknown(item, its["items"], f"{path}[{index}]")]
    return [] if value in its.get("enum", [value]) else [f"{path}: {value}"]


@pytest.mark.parametrize("file", sorted(path.name for path in CRDS.iterdir()))
def test_a_report_has_only_what_its_kind_has(file: str) -> None:
    api_version, kind, its = schema(file)
    made = report(api_version, kind, "production", [of_the_story(), not_judged_workload()])
    assert made is not None
    assert unknown(made, its) == []
    assert {one["result"] for one in made["results"]} == {"fail", "error"}


def not_judged_workload() -> Told:
    workload = story().workloads.get(WEB)
    assert workload is not None
    return not_judged(workload)


def test_an_exempt_finding_is_skipped_and_closes_nothing() -> None:
    every = tuple(Exempted(name, "we know") for name in ("NP101", "NP102"))
    one = of_the_story(Settings(exemptions=every))
    assert [(result.result, result.policy, result.verdict) for result in one.results] == [
        ("skip", "dependency", "denied")
    ]
    assert one.closed == ()


def test_where_answers_tell_of_their_own_namespace_alone_reports_and_events_do_too() -> None:
    told_all, own = of_the_story(), of_the_story(Settings(disclose="own"))
    assert own.verdicts == told_all.verdicts, "numbers name nobody"
    assert own.closed
    assert {result.policy for result in own.results} <= {"NP101", "NP102", "NP102 or NP201", "dependency"}


def some(count: int, message: str = "m", name: str = "web") -> list[Told]:
    results = tuple(
        Result("fail", "NP101", message, "high", f"db-{i}:1/TCP", "annotation", "denied") for i in range(20)
    )
    return [Told(WorkloadRef("Deployment", "shop", f"{name}-{n:04}"), f"uid-{n}", results) for n in range(count)]


@pytest.mark.parametrize("message", ["m", "m" * 700, "\U0001f600" * 700])
def test_a_report_is_bounded_and_counts_what_it_leaves_out(message: str) -> None:
    made = report("openreports.io/v1alpha1", "Report", "shop", some(60, message))
    assert made is not None
    assert len(made["results"]) <= MOST_RESULTS
    assert len(json.dumps(made["results"], ensure_ascii=False).encode()) <= 2 * MOST_BYTES
    assert made["summary"]["fail"] == 1_200
    assert int(made["metadata"]["annotations"][LEFT_OUT]) == 1_200 - len(made["results"])


def test_the_worst_comes_first_whatever_the_order() -> None:
    one = of_the_story()
    passing = Told(WorkloadRef("Deployment", "production", "a"), "u", (Result("pass", "dependency", "allowed"),))
    first, second = (report("a/v1", "Report", "production", every) for every in ([passing, one], [one, passing]))
    assert first == second
    assert first is not None
    assert [result["result"] for result in first["results"]] == ["fail", "fail", "pass"]


def test_nothing_to_say_is_no_report() -> None:
    assert report("a/v1", "Report", "shop", [Told(WEB, "u")]) is None


# -- Events ------------------------------------------------------------------------------------------------------------


def said(one: Told, before: frozenset[str], number: int = 0) -> Raw | None:
    return event(one, before, (WHEN, "pod-0", number))


def test_what_was_said_is_not_said_again() -> None:
    one = of_the_story()
    first = said(one, frozenset())
    assert first is not None
    assert first["type"] == "Warning"
    assert said(one, frozenset(dict(one.closed))) is None
    assert said(one, frozenset()) == first, "another replica gives it the same name"
    again = said(one, frozenset(), 2)
    assert again is not None
    assert again["metadata"]["name"] != first["metadata"]["name"], "what closed again is news"


def test_what_is_not_known_any_more_or_not_declared_has_not_opened() -> None:
    gone = Told(WEB, "uid", (Result("skip", "NP106", "m", "info", "db:1/TCP", "annotation", "unknown"),))
    assert said(gone, frozenset({"db:1/TCP", "cache:1/TCP"})) is None
    opened = said(
        Told(WEB, "uid", (Result("pass", "dependency", "m", "", "db:1/TCP", "annotation", "allowed"),)),
        frozenset({"db:1/TCP"}),
    )
    assert opened is not None
    assert (opened["type"], opened["reason"]) == ("Normal", "DependencyAllowed")


def test_a_report_remembers_what_was_closed() -> None:
    one = of_the_story()
    made = report("a/v1", "Report", "production", [one])
    assert made is not None
    assert closed_before(made) == {(WEB, one.uid): frozenset(text for text, _ in one.closed)}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("results", "resources", "properties", "policy", "name")), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(("results", "metadata")), json_values, max_size=2))
def test_a_report_that_somebody_has_written_is_read_or_overlooked(raw: Raw) -> None:
    assert isinstance(closed_before(raw), dict)


@pytest.mark.parametrize("name", NAMES)
def test_names_of_whatever_kind_stay_within_what_an_event_takes(name: str) -> None:
    closed = tuple((f"{name}-{n}", f"shop/web -> {name} will time out " * 9) for n in range(30))
    made = said(Told(WorkloadRef("Deployment", "shop", ("w" * 199 + "-.x")), "uid", closed=closed), frozenset())
    assert made is not None
    assert len(made["note"].encode()) <= 1_024
    assert len(made["metadata"]["name"]) <= 253
    assert all(
        label and label[0] not in "-." and label[-1] not in "-." for label in made["metadata"]["name"].split(".")
    )
    json.dumps(made, ensure_ascii=False).encode()


def test_the_verdicts_that_are_counted_are_all_that_there_are() -> None:
    assert of_the_story().verdicts == (Verdict.DENIED,)
