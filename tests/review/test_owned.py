"""Whose review counts for an object that names a controller: only that of a workload that is there."""

from typing import Any

import pytest

from tests.support.arena import Raw, world_of
from tests.support.making import deployment, owned_by, workload
from tests.support.reviews import OUT, TO_DB, TODAY, request, world
from tests.support.worlds import namespace, port
from webhook.model.settings import CONNECTS_TO, Mode, Settings
from webhook.review.decide import CONTROL_PLANE, decide
from webhook.review.drafts import Decision
from webhook.world import View

MADE_OF = [("ReplicaSet", "Deployment"), ("Job", "CronJob"), *(("Pod", kind) for kind in ("ReplicaSet", "StatefulSet"))]
MADE_OF += [("Pod", kind) for kind in ("DaemonSet", "Job", "ReplicationController")]
SKIPPED = ("not-evaluated", "controlled by another object, which was reviewed")
CONTROLLER = "system:serviceaccount:kube-system:replicaset-controller"
CONFIG_MAP = {
    "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u", "controller": True}]
}
KAFKA = {"apiVersion": "kafka.strimzi.io/v1", "kind": "Kafka", "name": "x", "uid": "u", "controller": True}


def made(kind: str, owner: Raw | None, to: str = TO_DB) -> Raw:
    raw = workload(kind, "shop/web", annotations={CONNECTS_TO: to})
    raw["metadata"] |= owner or {}
    return raw


def boss(kind: str, uid: str = "u-1") -> Raw:
    raw = workload(kind, "shop/boss")
    raw["metadata"] |= {"uid": uid}
    return raw


def asked(view: View, new: Raw, old: Raw | None = None, user: str = "jane") -> Decision:
    return decide(request(new, old, kind=new["kind"], userInfo={"username": user}), view, TODAY)


def skipped(decision: Decision) -> bool:
    return not decision.reviewed and SKIPPED in decision.audit


@pytest.mark.parametrize(("kind", "owner"), MADE_OF)
def test_what_a_workload_made_that_is_there_was_reviewed_with_it(kind: str, owner: str) -> None:
    assert skipped(asked(world(OUT, boss(owner)), made(kind, owned_by(owner, "boss", "u-1"))))


@pytest.mark.parametrize(
    ("about", "kind", "owner"),
    [
        ("a ConfigMap makes nothing", "Deployment", CONFIG_MAP),
        ("a custom resource is not reviewed", "Deployment", {"ownerReferences": [KAFKA]}),
        ("nor for its pods", "Pod", {"ownerReferences": [KAFKA]}),
        ("no Deployment makes Deployments", "Deployment", owned_by("Deployment", "boss", "u-1")),
        ("no Deployment makes Pods", "Pod", owned_by("Deployment", "boss", "u-1")),
        ("of that name there is another one", "ReplicaSet", owned_by("Deployment", "boss", "u-2")),
        ("no uid is no proof", "ReplicaSet", owned_by("Deployment", "boss")),
        ("there is nobody of that name", "ReplicaSet", owned_by("Deployment", "other", "u-1")),
        ("there is nobody of that kind", "Pod", owned_by("StatefulSet", "boss", "u-1")),
        (
            "a kind of that name, of another group",
            "ReplicaSet",
            {
                "ownerReferences": [
                    owned_by("Deployment", "boss", "u-1")["ownerReferences"][0] | {"apiVersion": "x.io/v1"}
                ]
            },
        ),
        (
            "an owner that is no controller",
            "ReplicaSet",
            {"ownerReferences": [owned_by("Deployment", "boss", "u-1")["ownerReferences"][0] | {"controller": False}]},
        ),
    ],
)
def test_any_other_controller_is_a_claim_and_no_reason_to_skip(about: str, kind: str, owner: Raw) -> None:
    assert not asked(world(OUT, boss("Deployment")), made(kind, owner)).allowed, about


def test_a_workload_of_that_name_in_another_namespace_is_another_one() -> None:
    there = deployment("data/boss")
    there["metadata"] |= {"uid": "u-1"}
    assert not asked(world(OUT, there), made("ReplicaSet", owned_by("Deployment", "boss", "u-1"))).allowed


@pytest.mark.parametrize("user", sorted(CONTROL_PLANE))
def test_the_control_plane_may_be_ahead_of_our_watches(user: str) -> None:
    assert skipped(asked(world(), made("ReplicaSet", owned_by("Deployment", "boss", "u-1")), user=user))


@pytest.mark.parametrize(
    "user",
    ["jane", "", "system:serviceaccount:shop:replicaset-controller", "system:serviceaccount:kube-system:default"],
)
def test_nobody_else_is_believed_before_the_owner_is_there(user: str) -> None:
    assert not asked(world(), made("ReplicaSet", owned_by("Deployment", "boss", "u-1")), user=user).allowed


def test_what_a_controller_of_the_control_plane_makes_of_a_custom_resource_is_reviewed() -> None:
    assert asked(world(), made("Deployment", {"ownerReferences": [KAFKA]}), user=CONTROLLER).reviewed


def test_an_update_that_names_a_controller_for_the_first_time_is_reviewed_like_any() -> None:
    view = world(OUT, boss("Deployment"))
    good, owner = made("ReplicaSet", None, to=""), owned_by("Deployment", "boss", "u-1")
    assert not asked(view, made("ReplicaSet", owner), good).allowed
    assert skipped(asked(view, made("ReplicaSet", owner), made("ReplicaSet", owner, to="")))
    assert skipped(asked(view, made("ReplicaSet", owner), good, user=CONTROLLER))  # it adopts


@pytest.mark.parametrize(
    "after", [None, CONFIG_MAP, owned_by("Deployment", "boss", "u-2")], ids=["none", "other", "uid"]
)
def test_an_object_that_is_taken_from_its_workload_is_judged_as_if_it_were_new(after: Raw | None) -> None:
    view = world(OUT, boss("Deployment"))
    before = made("ReplicaSet", owned_by("Deployment", "boss", "u-1"))
    assert not asked(view, made("ReplicaSet", after), before).allowed
    let_go = asked(
        view, made("ReplicaSet", after), before, user="system:serviceaccount:kube-system:generic-garbage-collector"
    )
    assert let_go.allowed


def test_an_object_whose_workload_is_gone_can_be_changed_as_before() -> None:
    bad = made("ReplicaSet", owned_by("Deployment", "boss", "u-1"))
    assert asked(world(), bad, bad).allowed


def test_what_an_operator_made_is_rejected_once_and_not_for_what_was_so_before() -> None:
    bad = made("Deployment", {"ownerReferences": [KAFKA]})
    assert not asked(world(), bad).allowed
    assert asked(world(), made("Deployment", None), bad).allowed


def test_a_folder_of_manifests_has_no_uids_and_names_are_all_there_is() -> None:
    objects = [namespace("shop"), deployment("data/db", [port("pg", 5432)]), OUT, deployment("shop/boss")]
    view = world_of(objects, settings=Settings(mode=Mode.ENFORCE))
    assert skipped(asked(view, made("ReplicaSet", owned_by("Deployment", "boss", "u-1"))))


def test_pods_of_a_custom_resource_are_workloads_while_they_live() -> None:
    def there(**status: Any) -> list[str]:  # noqa: ANN401 - any field of a Pod's status
        return [
            w.ref.short
            for w in world(OUT, made("Pod", {"ownerReferences": [KAFKA]}) | {"status": status}).workloads.every("shop")
        ]

    assert there(phase="Running") == ["shop/web"]
    assert there(phase="Succeeded") == []
