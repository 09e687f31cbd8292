"""What a finding costs: modes, labels, exemptions, and that nothing which was so before, or is unsure, rejects."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.support.arena import Raw
from tests.support.denied_worlds import HEAVY, Case, cases
from tests.support.making import owned_by, service, workload
from tests.support.reviews import BAD, GOOD, OUT, TO_API, TO_DB, TODAY, annotated, request, world
from tests.support.worlds import namespace, pod, policy
from webhook import config
from webhook.model.answers import MAY_REJECT, Severity, Verdict
from webhook.model.refs import WORKLOAD_KINDS
from webhook.model.settings import CONNECTS_TO, MODE_LABEL, UNRECOGNISED, Mode, Settings
from webhook.review.decide import decide
from webhook.review.drafts import Decision
from webhook.wire.admission import AdmissionRequest
from webhook.world import View


def decided(obj: Raw | None, old: Raw | None = None, view: View | None = None, **changes: Any) -> Decision:  # noqa: ANN401
    return decide(request(obj, old, **changes), view or world(), TODAY)


# -- modes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "allowed", "reviewed", "ids"),
    [
        (Mode.OFF, True, False, []),
        (Mode.AUDIT, True, True, ["NP101"]),
        (Mode.WARN, True, True, ["NP101"]),
        (Mode.ENFORCE, False, True, ["NP101"]),
    ],
)
def test_a_mode_is_what_a_finding_costs(mode: Mode, allowed: bool, reviewed: bool, ids: list[str]) -> None:
    for view in (world(mode=mode), world(mode=Mode.WARN, label=mode.value), world(label=mode.value)):
        found = decided(BAD, view=view)
        assert (found.mode, found.allowed, found.reviewed) == (mode, allowed, reviewed)
        assert [f.id for f in found.findings] == ids
        assert found.rejected == (() if allowed else found.findings)
        assert found.notes == ()


def test_another_namespaces_label_does_not_count() -> None:
    strict = namespace("data", {MODE_LABEL: "enforce"})
    assert decided(BAD, view=world(OUT, strict, mode=Mode.WARN)).allowed


@pytest.mark.parametrize("word", ["Enforce", "", "on", "enforce ", "warn,enforce"])
@pytest.mark.parametrize("mode", [Mode.WARN, Mode.ENFORCE])
def test_an_unknown_mode_falls_back_to_the_default_and_says_so(mode: Mode, word: str) -> None:
    found = decided(BAD, view=world(mode=mode, label=word))
    assert (found.mode, found.allowed) == (mode, mode is Mode.WARN)
    (note,) = found.notes
    assert f"{MODE_LABEL}={word} is none of off, audit, warn, enforce" in note
    assert f"using {mode}" in note
    assert "NP303" in note


def test_a_hostile_label_is_told_without_its_control_characters() -> None:
    (note,) = decided(BAD, view=world(label="\x1b[31m" + "x" * 300)).notes
    assert note.isprintable()
    assert len(note) < 256


@pytest.mark.parametrize(
    ("obj", "view", "audit"),
    [
        (BAD, world(), (("mode", "enforce"), ("verdict", "denied"), ("findings", "NP101"))),
        (BAD, world(mode=Mode.WARN), (("mode", "warn"), ("verdict", "error"), ("findings", "NP101"))),
        (GOOD, world(), (("mode", "enforce"), ("verdict", "clean"))),
        (
            annotated("cache:1, ::"),
            world(),
            (("mode", "enforce"), ("verdict", "warning"), ("findings", "NP201,NP303")),
        ),
        (BAD, world(mode=Mode.OFF), (("mode", "off"), ("not-evaluated", "mode off"))),
    ],
)
def test_the_audit_log_gets_the_mode_the_verdict_and_the_ids(obj: Raw, view: View, audit: object) -> None:
    assert decided(obj, view=view).audit == audit


# -- create and update ------------------------------------------------------------------------------------------------


def with_template(raw: Raw, **labels: str) -> Raw:
    found = deepcopy(raw)
    found["spec"]["template"]["metadata"]["labels"] |= labels
    return found


@pytest.mark.parametrize(
    ("about", "obj", "old", "allowed"),
    [
        ("a new bad workload", BAD, None, False),
        ("a new good one", GOOD, None, True),
        ("one that becomes bad", BAD, GOOD, False),
        ("one that becomes good", GOOD, BAD, True),
        ("the same again", BAD, BAD, True),
        ("scaling", annotated(TO_DB, replicas=9), annotated(TO_DB, replicas=1), True),
        ("scaling to nothing", annotated(TO_DB, replicas=0), BAD, True),
        ("restarting", with_template(BAD, restarted="today"), BAD, True),
        ("rolling back to another image of the same", annotated(TO_DB, revisionHistoryLimit=1), BAD, True),
        ("one bad dependency more", annotated(f"{TO_DB}, {TO_API}"), BAD, False),
        ("one bad dependency less", BAD, annotated(f"{TO_DB}, {TO_API}"), True),
        ("one bad dependency instead of another", annotated(TO_API), BAD, False),
        ("the same dependency spelt otherwise", annotated("deployment/db.data.svc:5432/tcp"), BAD, True),
        ("a malformed item more", annotated(f"{TO_DB}, ::"), BAD, True),
        ("an old object that cannot be read", BAD, {"metadata": {"name": "web"}, "spec": 5}, True),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_only_what_an_update_makes_worse_rejects(about: str, obj: Raw, old: Raw | None, allowed: bool) -> None:
    found = decided(obj, old)
    assert found.allowed is allowed, about
    assert found.reviewed


def test_only_the_new_findings_are_told_as_what_rejects() -> None:
    found = decided(annotated(f"{TO_DB}, {TO_API}"), BAD)
    assert [f.dependency for f in found.rejected] == [f"{TO_API}/TCP"]
    assert [f.dependency for f in found.findings] == [f"{TO_API}/TCP", f"{TO_DB}/TCP"]


def test_an_update_is_warned_about_what_was_so_before() -> None:
    found = decided(BAD, BAD)
    assert [(f.id, f.dependency) for f in found.findings] == [("NP101", f"{TO_DB}/TCP")]
    assert found.audit[:2] == (("mode", "enforce"), ("verdict", "error"))


def test_a_change_of_labels_that_closes_the_other_side_too_rejects() -> None:
    allow = policy(
        "data/allow",
        podSelector={},
        ingress=[{"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"role": "client"}}}]}],
    )
    view = world(OUT, allow)
    found = decided(BAD, with_template(BAD, role="client"), view)
    assert [f.id for f in found.rejected] == ["NP102"]


def test_old_and_new_are_judged_against_the_same_world() -> None:
    """The world still holds the object as it was, running pods and all."""
    running = pod("shop/web-1", 3, {"app": "web"}, [])
    running["metadata"] |= owned_by("Deployment", "web")
    view = world(OUT, BAD, running)
    assert decided(BAD, BAD, view).allowed
    assert not decided(annotated(TO_API), BAD, view).allowed


def test_the_change_is_judged_as_part_of_the_world() -> None:
    view = world(OUT, service("shop/web", {"app": "web"}, [{"port": 80}]))
    found = decided(annotated("web:80"), view=view)
    assert [f.id for f in found.findings] == ["NP106"]  # it stands behind its own Service, which has no NP204


# -- what is never rejected -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WORKLOAD_KINDS)
def test_every_kind_of_workload_is_reviewed(kind: str) -> None:
    assert not decided(workload(kind, "shop/web", annotations={CONNECTS_TO: TO_DB}), kind=kind).allowed


@pytest.mark.parametrize(
    "changes",
    [
        {"operation": "DELETE"},
        {"operation": "CONNECT"},
        {"operation": "PATCHED"},
        {"subResource": "scale"},
        {"subResource": "status"},
        {"kind": "ConfigMap"},
        {"kind": "Service"},
        {"kind": "Scale"},
    ],
    ids=str,
)
def test_what_writes_no_workload_is_allowed_without_a_word(changes: dict[str, str]) -> None:
    for old in (None, GOOD):
        found = decide(request(BAD, old, **changes), world(), TODAY)
        assert (found.allowed, found.reviewed, found.findings, found.notes) == (True, False, (), ())


def test_a_workload_that_cannot_be_read_is_allowed_and_the_audit_log_says_why() -> None:
    found = decided({**BAD, "spec": {"template": {"spec": {"containers": 5}}}})
    assert (found.allowed, found.reviewed) == (True, False)
    assert dict(found.audit)["not-evaluated"].startswith("unreadable: request.object.spec.template.spec.containers")


@pytest.mark.parametrize("name", [name for name in config.CNIS if name != config.AUTO])
def test_only_an_enforcer_whose_semantics_are_known_rejects(name: str) -> None:
    enforcer = config.settings(cni=name).enforcer
    assert decided(BAD, view=world(enforcer=enforcer)).allowed is not enforcer.decisive
    assert enforcer.decisive or name != "generic"
    assert not enforcer.decisive or name != "none"


def test_an_unrecognised_enforcer_never_rejects() -> None:
    found = decided(BAD, view=world(enforcer=UNRECOGNISED))
    assert (found.allowed, [f.id for f in found.findings]) == (True, ["NP101"])


def test_a_stale_world_never_rejects_and_says_since_what() -> None:
    found = decide(request(BAD), world(), TODAY, stale="networkpolicies not listed for 90 s")
    assert (found.allowed, found.rejected) == (True, ())
    assert all(f.assumptions[-1].endswith("networkpolicies not listed for 90 s") for f in found.findings)
    assert dict(found.audit)["stale"] == "networkpolicies not listed for 90 s"


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("api.example.com.:443", ["NP106"]),
        ("192.0.2.0/24:443", ["NP105"]),
        ("cache.data:6379", ["NP201"]),
        ("api:81", ["NP202"]),
        ("api:80", ["NP204"]),
        (":::", ["NP303"]),
    ],
)
def test_warnings_and_infos_do_not_reject(text: str, ids: list[str]) -> None:
    half = policy(
        "shop/half", podSelector={}, policyTypes=["Egress"], egress=[{"to": [{"ipBlock": {"cidr": "192.0.2.0/25"}}]}]
    )
    view = world(half, service("shop/api", {"app": "nobody"}, [{"port": 80}]))
    found = decided(annotated(text), view=view)
    assert (found.allowed, [f.id for f in found.findings]) == (True, ids)


def test_what_is_inferred_warns_and_never_rejects() -> None:
    """The same, declared and only found in the container's environment."""
    backing = service("data/db", {"app": "db"}, [{"port": 5432}])
    inferred = deepcopy(GOOD)
    (container,) = inferred["spec"]["template"]["spec"]["containers"]
    container["env"] = [{"name": "DATABASE_URL", "value": "postgres://user:secret@db.data:5432/shop"}]
    view = world(OUT, backing)
    found = decided(inferred, view=view)
    assert found.allowed
    (finding,) = found.findings
    assert (finding.id, finding.dependency, finding.source) == ("NP101", "db.data:5432/TCP", "inferred")
    assert finding.severity is Severity.WARNING
    assert not decided(annotated("db.data:5432"), view=view).allowed


# -- exemptions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exempt", "allowed", "ids"),
    [
        (f"NP101@{TO_DB}: ticket 7", True, []),
        ("NP101: ticket 7", True, []),
        ("NP101 until=2026-11-20: ticket 7", True, []),
        ("NP101 until=2026-11-19: ticket 7", False, ["NP101", "NP303"]),
        ("NP101:", False, ["NP101", "NP303"]),
        ("NP102: another finding", False, ["NP101"]),
        (f"NP101@{TO_API}: another dependency", False, ["NP101"]),
    ],
)
def test_what_somebody_answers_for_is_neither_told_nor_rejected(exempt: str, allowed: bool, ids: list[str]) -> None:
    found = decided(annotated(TO_DB, exempt))
    assert (found.allowed, [f.id for f in found.findings]) == (allowed, ids)
    assert dict(found.audit).get("exempt") == (None if ids else "1")


def test_an_exemption_that_is_taken_away_leaves_a_new_finding() -> None:
    assert not decided(BAD, annotated(TO_DB, "NP101: ticket 7")).allowed
    assert decided(annotated(TO_DB, "NP101: ticket 7"), BAD).allowed


# -- always -----------------------------------------------------------------------------------------------------------


def test_a_dry_run_gets_the_same_verdict_and_findings() -> None:
    for obj, old in ((BAD, None), (GOOD, None), (BAD, BAD), (BAD, GOOD)):
        wet, dry = decided(obj, old), decided(obj, old, dryRun=True)
        assert (wet.dry_run, dry.dry_run) == (False, True)
        assert structs.replace(dry, dry_run=False) == wet


@settings(max_examples=HEAVY, suppress_health_check=[HealthCheck.too_slow])
@given(cases(), st.sampled_from(Mode), st.data())
def test_whatever_the_world_only_sure_and_new_errors_reject(case: Case, mode: Mode, data: st.DataObject) -> None:
    new = data.draw(st.sampled_from(case.workloads), "new")
    others = [None, new, *(structs.replace(w, ref=new.ref, template=new.template) for w in case.workloads)]
    old = data.draw(st.sampled_from(others), "old")
    asked = AdmissionRequest(
        "u", "UPDATE" if old else "CREATE", new.ref.kind, "", new.ref.namespace, new.ref.name, workload=new, old=old
    )
    view = case.world(settings=Settings(mode=mode))
    found = decide(asked, view, TODAY)
    event(f"{mode}, {'allowed' if found.allowed else 'rejected'}")
    assert found == decide(asked, view, TODAY)
    assert found.allowed is not bool(found.rejected)
    assert all(finding in found.findings for finding in found.rejected)
    assert not found.rejected or mode is Mode.ENFORCE
    for finding in found.rejected:
        assert (finding.severity, finding.verdict) == (Severity.ERROR, Verdict.DENIED)
        assert finding.id in MAY_REJECT
        assert finding.policies
    if old == new:
        assert found.allowed
    if old is None and mode is Mode.ENFORCE:
        assert found.allowed is not any(f.severity is Severity.ERROR for f in found.findings)
