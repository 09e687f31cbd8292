"""Writes that touch a great many, and what two at once, a dry run or an empty world make of an answer."""

import json
from typing import Any, Final

import msgspec
import pytest

from tests.support.changed_shop import BEFORE, values
from tests.support.reviews import TODAY
from webhook.manifests import dump
from webhook.model.budget import Budget
from webhook.model.settings import DEFAULTS
from webhook.report.admission import encode
from webhook.review.decide import decide
from webhook.review.drafts import Decision
from webhook.wire.admission import AdmissionRequest, admission_request
from webhook.world import Drop, Put, World

Raw = dict[str, Any]
STEPS: Final = 1_000_000  # of a review, as `serve` gives them
MANY: Final = 3_000


def asked(kind: str, raw: Raw, old: Raw | None = None, **more: object) -> AdmissionRequest:
    group, _, version = raw["apiVersion"].rpartition("/")
    meta = raw["metadata"]
    request = {
        "uid": "u-1",
        "kind": {"group": group, "version": version, "kind": kind},
        "operation": "UPDATE" if old else "CREATE",
        "namespace": meta["name"] if kind == "Namespace" else meta.get("namespace", ""),
        "name": meta["name"],
        "object": raw,
        "oldObject": old,
        **more,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return admission_request(msgspec.json.encode(review))


def warnings(decision: Decision) -> list[str]:
    found: list[str] = json.loads(encode(decision, dump))["response"].get("warnings", [])
    return found


def wall(space: str, *sides: str, name: str = "wall") -> Raw:
    spec = {"podSelector": {}, "policyTypes": list(sides)}
    meta = {"name": name, "namespace": space}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}


def crowded(space: str) -> World:
    """Return a namespace with thousands of workloads, each of which declares the database of another one."""
    made = World(DEFAULTS, complete=True)
    made.apply(Put(value) for value in values(BEFORE))
    made.apply([Drop("NetworkPolicy", "data", "fence"), Drop("NetworkPolicy", "shop", "out")])
    for number in range(MANY):
        meta = {
            "name": f"w{number:04}",
            "namespace": space,
            "annotations": {"netpol-preflight.io/connects-to": "db.data"},
        }
        labels = {"app": f"w{number:04}"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        raw = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        }
        made.apply(Put(value) for value in values(json.dumps(raw)))
    return made


@pytest.fixture(scope="module")
def crowd() -> World:
    return crowded("shop")


def test_whoever_closes_a_namespace_of_thousands_is_told_in_few_lines(crowd: World) -> None:
    """Clients that no policy tells apart are judged once, so that all of them have their turn."""
    for policy in (wall("data", "Ingress"), wall("shop", "Egress")):
        budget = Budget(STEPS)
        decision = decide(asked("NetworkPolicy", policy), crowd, TODAY, budget=budget)
        lines = warnings(decision)
        assert not decision.exhausted
        assert len(lines) == 8
        assert all(len(line) <= 256 for line in lines)
        assert "others" not in decision.left_out
        more = f"and {MANY + 1 - 7} more workloads in 1 namespace"
        assert lines[-1] == f"netpol-preflight: {more}; run `netpol-preflight check -f FILE --against cluster`"


def test_labels_that_touch_every_pod_are_judged_as_far_as_there_is_time(crowd: World) -> None:
    old: Raw = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "shop"}}}
    new = {**old, "metadata": {"name": "shop", "labels": {"team": "x"}}}
    lets = wall("data", "Ingress", name="lets")
    lets["spec"]["ingress"] = [{"from": [{"namespaceSelector": {"matchLabels": {"team": "shop"}}}]}]
    crowd.apply(Put(value) for value in values(json.dumps(lets)))
    try:
        budget = Budget(STEPS)
        whole = decide(asked("Namespace", new, old), crowd, TODAY, budget=budget)
        assert {finding.id for finding in whole.findings} == {"NP503"}
        some = decide(
            asked("Namespace", new, old), crowd, TODAY, budget=Budget(budget.spent // 3)
        )  # it judges in a part
        assert not some.exhausted
        assert "others" in some.left_out
        (note,) = some.notes
        assert "workloads that may lose by this were looked at in time" in note
    finally:
        crowd.apply([Drop("NetworkPolicy", "data", "lets")])


def test_a_dry_run_is_answered_the_same_and_changes_nothing(crowd: World) -> None:
    version = crowd.version
    policy = wall("data", "Ingress")
    dry, wet = (decide(asked("NetworkPolicy", policy, dryRun=dry), crowd, TODAY) for dry in (True, False))
    assert warnings(dry) == warnings(wet)
    assert crowd.version == version


def test_of_two_changes_at_once_each_is_judged_in_the_world_as_it_is() -> None:
    """What the other one does is seen as soon as it is there: whoever comes second is told, or has nothing to cut."""
    made = World(DEFAULTS, complete=True)
    made.apply(Put(value) for value in values(BEFORE))
    made.apply([Drop("NetworkPolicy", "data", "fence"), Drop("NetworkPolicy", "shop", "out")])
    first, second = wall("data", "Ingress"), wall("shop", "Egress")
    assert len(warnings(decide(asked("NetworkPolicy", first), made, TODAY))) == 1
    assert len(warnings(decide(asked("NetworkPolicy", second), made, TODAY))) == 1
    made.apply(Put(value) for value in values(json.dumps(first)))
    assert warnings(decide(asked("NetworkPolicy", second), made, TODAY)) == []


def test_in_an_empty_world_nobody_loses() -> None:
    policy = wall("shop", "Ingress")
    for made in (World(complete=True), World(complete=False)):
        decision = decide(asked("NetworkPolicy", policy), made, TODAY)
        assert decision.allowed
        assert warnings(decision) == []
