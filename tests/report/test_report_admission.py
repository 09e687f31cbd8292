"""Decisions as AdmissionReview bytes: what the API server accepts, and what a person then reads."""

import json
import re
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tests.support.findings import FIX, WRONG_LABEL, finding, hostile
from webhook.manifests import dump
from webhook.model.answers import Finding
from webhook.model.settings import Mode
from webhook.report.admission import encode, not_evaluated, outcome
from webhook.review.drafts import Decision

UID = "705ab4f5-6393-11e8-b7cc-42010a800002"


def decision(**changes: Any) -> Decision:  # noqa: ANN401 - a field's value
    base = Decision(
        uid=UID,
        allowed=True,
        mode=Mode.WARN,
        findings=(finding(),),
        rejected=(),
        audit=(("verdict", "denied"),),
        notes=(),
    )
    return msgspec.structs.replace(base, **changes)


def response(one: Decision) -> dict[str, Any]:
    review = json.loads(encode(one, dump))
    assert (review["apiVersion"], review["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    answer: dict[str, Any] = review["response"]
    assert answer["uid"] == one.uid
    assert not {"patch", "patchType"} & set(answer)
    return answer


def test_a_warning_allows_and_says_why() -> None:
    answer = response(decision())
    assert answer["allowed"] is True
    assert len(answer["warnings"]) == 1
    assert "NP102" in answer["warnings"][0]
    assert "status" not in answer
    assert outcome(decision()) == "warned"


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.AUDIT])
def test_audit_and_off_say_nothing_to_the_person_who_applies(mode: Mode) -> None:
    assert response(decision(mode=mode))["warnings"] == []
    assert outcome(decision(mode=mode)) == "allowed"


def test_a_denial_is_403_forbidden_without_warnings() -> None:
    denied = decision(allowed=False, mode=Mode.ENFORCE, rejected=(finding(near_misses=(WRONG_LABEL,)),))
    answer = response(denied)
    assert answer["allowed"] is False
    assert "warnings" not in answer
    assert (answer["status"]["code"], answer["status"]["reason"]) == (403, "Forbidden")
    assert outcome(denied) == "denied"


def test_a_denial_carries_the_whole_fix_as_yaml_and_the_kubectl_line() -> None:
    denied = decision(
        allowed=False, mode=Mode.ENFORCE, rejected=(finding("NP101"), finding(near_misses=(WRONG_LABEL,)))
    )
    message = response(denied)["status"]["message"]
    head, _, manifests = message.partition("\n---\n")
    assert list(yaml.safe_load_all(manifests)) == [FIX]
    assert "if a policy in what you apply already\nallows it, put that before the workload" in head
    assert "kubectl apply -f -" in head
    assert "NP101" in head
    assert "NP102" in head
    assert "near miss: allow-db-access" in head


def fixed(number: int, size: int = 1) -> Finding:
    """Return a finding whose fix has `size` rules."""
    rules = [{"to": [{"ipBlock": {"cidr": f"10.0.{number}.{rule % 256}/32"}}]} for rule in range(size)]
    metadata = {"name": f"allow-{number}", "namespace": "shop"}
    manifest = {**FIX, "metadata": metadata, "spec": {"podSelector": {}, "egress": rules}}
    return structs.replace(finding("NP101"), dependency=f"db-{number:04}.data:5432/TCP", fix=(manifest,))


BARE = structs.replace(fixed(1), fix=())
FAR = (structs.replace(WRONG_LABEL, want="x" * 99_999),)
RUN = "run `netpol-preflight fix`"


@pytest.mark.parametrize(
    ("rejected", "policies", "rest"),
    [
        ([fixed(n) for n in range(9)], 9, None),
        ([fixed(n) for n in range(99)], None, rf"# and (\d+) more policies: {RUN}"),
        ([fixed(0, 999)], 0, f"and 1 more policy: {RUN}"),
        ([fixed(0), BARE], 1, f"# and those of 1 more finding: {RUN}"),
        ([structs.replace(fixed(n), near_misses=FAR) for n in range(20)], 20, None),
    ],
)
def test_a_denial_has_the_first_policies_whole_and_says_how_many_more(
    rejected: list[Finding], policies: int | None, rest: str | None
) -> None:
    denied = decision(allowed=False, mode=Mode.ENFORCE, rejected=tuple(rejected))
    message = response(denied)["status"]["message"]
    assert len(message.encode()) <= 16_384
    shown = [one for one in yaml.safe_load_all(message.partition("\n---\n")[2]) if one]
    assert shown == [one.fix[0] for one in rejected[: len(shown)]]
    assert policies is None or len(shown) == policies
    last = message.splitlines()[-1]
    found = re.fullmatch(rest, last) if rest else None
    assert bool(found) is (rest is not None), last
    if found and found.groups():
        assert len(shown) + int(found[1]) == len(rejected)


def test_audit_keys_have_no_slash_and_at_most_63_characters() -> None:
    answer = response(decision(audit=(("a/b", "x"), ("k" * 99, "y\nz"))))
    assert answer["auditAnnotations"] == {"a-b": "x", "k" * 63: "y z"}


def test_what_was_not_judged_is_allowed_and_says_so_in_the_audit_log() -> None:
    review = json.loads(not_evaluated(UID, "not synced"))
    assert review["response"] == {"uid": UID, "allowed": True, "auditAnnotations": {"not-evaluated": "not synced"}}


@given(st.lists(hostile(), max_size=4), st.booleans(), st.sampled_from(list(Mode)))
def test_any_decision_is_a_valid_response(findings: list[Finding], allowed: bool, mode: Mode) -> None:
    one = decision(allowed=allowed, mode=mode, findings=tuple(findings), rejected=tuple(findings))
    answer = response(one)
    assert ("warnings" in answer) == allowed
    if not allowed:
        message = answer["status"]["message"]
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", message)


@given(st.lists(hostile(), max_size=4))
def test_equal_decisions_give_equal_bytes(findings: list[Finding]) -> None:
    assert encode(decision(findings=tuple(findings)), dump) == encode(decision(findings=tuple(findings)), dump)
