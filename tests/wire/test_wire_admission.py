"""AdmissionReview v1 on the wire: what is read of a request, and which requests are about a workload."""

import json
from datetime import date
from typing import Any

import pytest

from tests.support.arena import Raw, world_of
from tests.support.making import VERSIONS, owned_by, workload
from tests.support.worlds import namespace, policy
from webhook.model.objects import Declaration, Owner, Workload
from webhook.model.refs import WORKLOAD_KINDS, WorkloadRef
from webhook.model.settings import CONNECTS_TO, Mode, Settings
from webhook.review.decide import decide
from webhook.wire import admission, typed, workloads
from webhook.wire.admission import LONGEST_UID, AdmissionRequest, admission_request, decoded
from webhook.wire.shapes import Malformed

TODAY = date(2026, 11, 20)


def review(kind: str = "Deployment", obj: object = None, **request: Any) -> Raw:  # noqa: ANN401 - any field
    """Return a review as kube-apiserver sends it (`k8s.io/api/admission/v1`)."""
    group, _, version = VERSIONS.get(kind, "v1").rpartition("/")
    gvk = {"group": group, "version": version, "kind": kind}
    resource = {"group": group, "version": version, "resource": kind.lower() + "s"}
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": gvk,
            "resource": resource,
            "requestKind": gvk,
            "requestResource": resource,
            "name": "web",
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": {"username": "jane", "groups": ["system:authenticated"]},
            "object": workload(kind, "shop/web") if obj is None and kind in WORKLOAD_KINDS else obj,
            "oldObject": None,
            "dryRun": False,
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
            **request,
        },
    }


def changed(change: Raw, raw: Raw | None = None) -> Raw:
    """Return a review with some fields of its request replaced."""
    whole = raw or review()
    return {**whole, "request": {**whole["request"], **change}}


def read(raw: object) -> AdmissionRequest:
    return admission_request(json.dumps(raw).encode())


def without(raw: Raw, *path: str) -> Raw:
    head, *rest = path
    if rest:
        return {**raw, head: without(raw[head], *rest)}
    return {k: v for k, v in raw.items() if k != head}


# -- the envelope ------------------------------------------------------------------------------------------------------


def test_what_is_read_of_a_request() -> None:
    found = read(
        review(
            operation="UPDATE",
            dryRun=True,
            oldObject=workload("Deployment", "shop/web", annotations={CONNECTS_TO: "a"}),
        )
    )
    assert (found.uid, found.operation, found.kind) == ("705ab4f5-6393-11e8-b7cc-42010a800002", "UPDATE", "Deployment")
    assert (found.namespace, found.name, found.subresource) == ("shop", "web", "")
    assert found.dry_run
    assert found.workload is not None
    assert found.workload.ref == WorkloadRef("Deployment", "shop", "web")
    assert found.old is not None
    assert found.old.connects_to == (Declaration("a", "metadata"),)
    assert (found.user, found.controller, found.old_controller) == ("jane", "", "")
    assert found.problem is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "body: expected an AdmissionReview as JSON: "),
        (b"{", "body: expected an AdmissionReview as JSON: "),
        (b"\xff\xfe", "body: expected an AdmissionReview as JSON: "),
        (b'"\xff"', "body: expected an AdmissionReview as JSON: expected UTF-8 JSON of reasonable depth"),
        (b"[" * 200_000, "body: expected an AdmissionReview as JSON: expected UTF-8 JSON of reasonable depth"),
        (b'{"a":' * 200_000, "body: expected an AdmissionReview as JSON: expected UTF-8 JSON of reasonable depth"),
        (b"1" * 100_000, "body: expected an AdmissionReview as JSON: "),
        (b"NaN", "body: expected an AdmissionReview as JSON: "),
        ("{}".encode("utf-16"), "body: expected an AdmissionReview as JSON: "),
        (b"\xef\xbb\xbf{}", "body: expected an AdmissionReview as JSON: "),
        (b"null", "body: expected an AdmissionReview object"),
        (b"[]", "body: expected an AdmissionReview object"),
        (b'"AdmissionReview"', "body: expected an AdmissionReview object"),
        (b"5", "body: expected an AdmissionReview object"),
        (b"{}", "apiVersion, kind: expected admission.k8s.io/v1 AdmissionReview"),
    ],
)
def test_what_is_no_review_is_malformed(body: bytes, expected: str) -> None:
    with pytest.raises(Malformed) as caught:
        admission_request(body)
    assert str(caught.value).startswith(expected)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


UID = f"request.uid: expected 1 to {LONGEST_UID} printable characters"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"apiVersion": "admission.k8s.io/v1beta1"}, "apiVersion, kind: expected admission.k8s.io/v1 AdmissionReview"),
        ({"apiVersion": ["admission.k8s.io/v1"]}, "apiVersion, kind: expected admission.k8s.io/v1 AdmissionReview"),
        ({"kind": "ConversionReview"}, "apiVersion, kind: expected admission.k8s.io/v1 AdmissionReview"),
        ({"request": None}, UID),
        ({"request": {}}, UID),
        ({"request": []}, "request: expected an object"),
        ({"request": "x"}, "request: expected an object"),
    ],
)
def test_a_review_of_another_version_or_without_a_request_is_malformed(change: Raw, expected: str) -> None:
    with pytest.raises(Malformed) as caught:
        read({**review(), **change})
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"uid": None}, UID),
        ({"uid": ""}, UID),
        ({"uid": "x" * (LONGEST_UID + 1)}, UID),
        ({"uid": "a\nb"}, UID),
        ({"uid": "\N{RIGHT-TO-LEFT OVERRIDE}"}, UID),
        ({"uid": 5}, "request.uid: expected a string, not `5`"),
        ({"kind": "Deployment"}, "request.kind: expected an object"),
        ({"kind": {"group": 1}}, "request.kind.group: expected a string, not `1`"),
        ({"kind": {"kind": []}}, "request.kind.kind: expected a string, not a list"),
        ({"operation": True}, "request.operation: expected a string, not `True`"),
        ({"subResource": {}}, "request.subResource: expected a string, not an object"),
        ({"namespace": 1}, "request.namespace: expected a string, not `1`"),
        ({"name": 1}, "request.name: expected a string, not `1`"),
        ({"dryRun": "yes"}, "request.dryRun: expected true or false, not `'yes'`"),
    ],
)
def test_what_is_wrong_with_a_request_is_told(change: Raw, expected: str) -> None:
    with pytest.raises(Malformed) as caught:
        read(changed(change))
    assert str(caught.value) == expected


@pytest.mark.parametrize("uid", ["x", "u" * LONGEST_UID, "grün"])
def test_the_uid_is_kept_as_it_is(uid: str) -> None:
    assert read(review(uid=uid)).uid == uid


@pytest.mark.parametrize(
    "field", ["options", "userInfo", "resource", "requestKind", "requestResource", "oldObject", "dryRun", "name"]
)
def test_only_what_is_needed_must_be_there(field: str) -> None:
    assert read(without(review(), "request", field)).workload == read(review()).workload
    assert read(changed({field: None})).workload == read(review()).workload


def test_unknown_fields_are_no_problem() -> None:
    raw = review(futureField={"a": [1]})
    assert read({**raw, "response": {"x": 1}, "future": None}) == read(review())


# -- which requests are about a workload -------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
@pytest.mark.parametrize("kind", WORKLOAD_KINDS)
def test_creating_and_updating_any_workload_is(kind: str, operation: str) -> None:
    found = read(review(kind, operation=operation))
    assert found.workload is not None
    assert found.workload.ref == WorkloadRef(kind, "shop", "web")


@pytest.mark.parametrize("operation", ["DELETE", "CONNECT", "", "create", "PATCH", "FUTURE", None])
def test_every_other_operation_is_not(operation: str | None) -> None:
    found = read(review(operation=operation))
    assert (found.workload, found.old, found.problem) == (None, None, None)
    assert found.operation == (operation or "")


def test_a_delete_has_a_null_object_and_an_old_one() -> None:
    raw = review(operation="DELETE", oldObject=workload("Deployment", "shop/web"))
    raw["request"]["object"] = None
    found = read(raw)
    assert (found.workload, found.old, found.controller, found.problem) == (None, None, "", None)


@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
def test_without_an_object_there_is_nothing_to_review(operation: str) -> None:
    for raw in (without(review(operation=operation), "request", "object"), review("ConfigMap", operation=operation)):
        found = read(raw)
        assert (found.workload, found.problem) == (None, None)


@pytest.mark.parametrize("subresource", ["status", "scale", "ephemeralcontainers", "eviction", "binding", "log", "x"])
def test_a_subresource_is_not(subresource: str) -> None:
    found = read(review("Pod", subResource=subresource, operation="UPDATE"))
    assert found.workload is None
    assert found.subresource == subresource


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ("autoscaling", "Scale"),
        ("batch.volcano.sh", "Job"),
        ("serving.knative.dev", "Service"),
        ("apps.kruise.io", "StatefulSet"),
        ("", "Service"),
        ("", "ConfigMap"),
        ("networking.k8s.io", "NetworkPolicy"),
        ("apps", "deployment"),
        ("", ""),
    ],
)
def test_any_other_kind_or_group_is_not(group: str, kind: str) -> None:
    obj = workload("Deployment", "shop/web")
    found = read(changed({"kind": {"group": group, "kind": kind}}, review(obj=obj)))
    assert (found.workload, found.problem) == (None, None)
    assert found.kind == kind


def test_a_scale_of_a_deployment_is_not() -> None:
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 5}}
    found = read(review("Scale", obj=scale, subResource="scale", operation="UPDATE"))
    assert (found.workload, found.problem) == (None, None)


# -- the object --------------------------------------------------------------------------------------------------------


def test_the_kind_is_the_request_s_and_not_the_object_s() -> None:
    found = read(review(obj={**workload("Deployment", "shop/web"), "kind": "Pod", "apiVersion": "v7"}))
    assert found.workload is not None
    assert found.workload.ref.kind == "Deployment"


def test_the_namespace_is_the_request_s_and_not_the_object_s() -> None:
    found = read(review(obj=workload("Deployment", "other/web")))
    assert found.workload is not None
    assert found.workload.ref.namespace == "shop"
    found = read(review(namespace=None))
    assert found.workload is not None
    assert found.workload.ref.namespace == "default"


@pytest.mark.parametrize(
    ("metadata", "name", "expected"),
    [
        ({"name": "web"}, "web", "web"),
        ({"name": "web"}, "", "web"),
        ({"name": "web"}, "other", "web"),
        ({}, "web", "web"),
        ({"generateName": "web-"}, "", "web-(generated)"),
        ({"generateName": "web-"}, "web-x7k2p", "web-x7k2p"),
        ({"generateName": "web-", "name": "web-x7k2p"}, "", "web-x7k2p"),
        ({}, "", "(generated)"),
        ({"name": None, "generateName": None}, None, "(generated)"),
    ],
)
def test_an_object_without_a_name_is_one_whose_name_is_generated(
    metadata: Raw, name: str | None, expected: str
) -> None:
    found = read(review("Pod", obj={"metadata": metadata, "spec": {}}, name=name))
    assert found.workload is not None
    assert found.workload.ref.name == expected
    assert found.problem is None


def test_a_pod_in_the_making_has_its_template_and_no_address() -> None:
    raw = workload("Pod", "shop/web", annotations={CONNECTS_TO: "db"}) | {"status": {"podIP": "nonsense"}}
    found = read(review("Pod", obj=raw))
    assert found.workload is not None
    assert found.workload.connects_to == (Declaration("db", "metadata"),)
    assert found.workload.template.pod_class.template


def test_who_asks_and_which_controller_the_object_names_are_read() -> None:
    raw, old = workload("ReplicaSet", "shop/web"), workload("ReplicaSet", "shop/web")
    raw["metadata"] |= owned_by("Deployment", "boss", "u-2")
    old["metadata"] |= owned_by("Deployment", "boss", "u-1")
    found = read(review("ReplicaSet", obj=raw, oldObject=old, operation="UPDATE", userInfo={"username": "jane"}))
    assert (found.user, found.controller, found.old_controller) == ("jane", "u-2", "u-1")
    assert found.workload is not None
    assert found.workload.owner == Owner("Deployment", "boss")
    raw["metadata"]["ownerReferences"][0]["controller"] = False
    bare = read(review("ReplicaSet", obj=raw))
    assert bare.workload is not None
    assert (bare.workload.owner, bare.controller) == (None, "")


@pytest.mark.parametrize(
    ("obj", "problem"),
    [
        ([], "request.object: expected an object"),
        ("x", "request.object: expected an object"),
        ({"metadata": []}, "request.object.metadata: expected an object"),
        ({"metadata": {"name": 5}}, "request.object.metadata.name: expected a string, not `5`"),
        ({"metadata": {"generateName": {}}}, "request.object.metadata.generateName: expected a string, not an object"),
        ({"metadata": {"name": "x" * 300}}, "request.object.metadata.name: expected at most 253 characters"),
        ({"metadata": {"ownerReferences": 1}}, "request.object.metadata.ownerReferences: expected a list"),
        (
            {"metadata": {"annotations": {CONNECTS_TO: 1}}},
            f"request.object.metadata.annotations[{CONNECTS_TO}]: expected a string, not `1`",
        ),
        ({"spec": {"template": 1}}, "request.object.spec.template: expected an object"),
        ({"spec": {"template": {"metadata": 1}}}, "request.object.spec.template.metadata: expected an object"),
        (
            {"spec": {"template": {"spec": {"containers": 1}}}},
            "request.object.spec.template.spec.containers: expected a list",
        ),
    ],
)
def test_a_bad_object_in_a_good_review_is_a_problem_and_not_malformed(obj: object, problem: str) -> None:
    found = read(review(obj=obj))
    assert found.problem == problem
    assert (found.workload, found.uid) == (None, review()["request"]["uid"])


@pytest.mark.parametrize("old", [[], "x", {"metadata": []}, {"spec": {"template": 1}}, {}, None])
def test_an_old_object_that_cannot_be_read_excuses_nothing(old: object) -> None:
    found = read(review(operation="UPDATE", oldObject=old))
    assert found.old is None
    assert found.workload is not None
    assert found.problem is None


# -- what is decided about them ----------------------------------------------------------------------------------------

ENFORCING = world_of(
    [
        namespace("shop"),
        namespace("data"),
        workload("Deployment", "data/db", [{"containerPort": 5432}]),
        policy("shop/closed", podSelector={}, policyTypes=["Egress"]),
    ],
    settings=Settings(mode=Mode.ENFORCE),
)
BAD = {CONNECTS_TO: "deploy/db.data:5432"}


def decided(raw: Raw) -> tuple[bool, bool]:
    found = decide(read(raw), ENFORCING, TODAY)
    return found.allowed, found.reviewed


@pytest.mark.parametrize("kind", WORKLOAD_KINDS)
def test_in_enforce_a_bad_workload_is_denied_whatever_its_kind(kind: str) -> None:
    assert decided(review(kind, obj=workload(kind, "shop/web", annotations=BAD))) == (False, True)


def test_what_is_no_workload_write_is_never_denied() -> None:
    bad = workload("Deployment", "shop/web", annotations=BAD)
    for raw in (
        review(obj=bad, operation="DELETE"),
        review(obj=bad, operation="CONNECT"),
        review(obj=bad, operation="FUTURE"),
        review(obj=bad, subResource="scale", operation="UPDATE"),
        review("Scale", obj=bad),
        review("ConfigMap", obj=bad),
        review(obj={**bad, "spec": 5}),
        review(obj=None, operation="DELETE", oldObject=bad),
    ):
        assert decided(raw) == (True, False)


def test_a_workload_that_was_bad_before_may_be_updated_and_one_that_becomes_bad_may_not() -> None:
    bad, good = workload("Deployment", "shop/web", annotations=BAD), workload("Deployment", "shop/web")
    assert decided(review(obj=bad, oldObject=bad, operation="UPDATE")) == (True, True)
    assert decided(review(obj=good, oldObject=bad, operation="UPDATE")) == (True, True)
    assert decided(review(obj=bad, oldObject=good, operation="UPDATE")) == (False, True)
    assert decided(review(obj=bad, oldObject={"spec": 5}, operation="UPDATE")) == (
        True,
        True,
    )  # what was cannot be told
    assert decided(review(obj=bad, oldObject=bad, operation="CREATE")) == (False, True)


def test_a_dry_run_is_decided_alike() -> None:
    bad = workload("Deployment", "shop/web", annotations=BAD)
    assert decided(review(obj=bad, dryRun=True)) == decided(review(obj=bad)) == (False, True)


class Looked(dict[str, Any]):
    """An object that knows which keys were looked for."""

    def __init__(self, raw: Raw, seen: set[str]) -> None:
        super().__init__(raw)
        self.seen = seen

    def get(self, key: str, default: object = None) -> Any:  # noqa: ANN401 - any JSON
        self.seen.add(key)
        return super().get(key, default)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "ReplicaSet", "ReplicationController", "Job"])
def test_nothing_is_passed_over_that_is_looked_for(kind: str) -> None:
    seen: dict[str, set[str]] = {name: set() for name in READ_AS}
    container = Looked({}, seen["container"])
    pod = Looked({"containers": [container], "initContainers": [container]}, seen["pod"])
    template = Looked({"metadata": Looked({}, seen["metadata of a template"]), "spec": pod}, seen["template"])
    spec = Looked({"template": template}, seen["spec"])
    workloads.workload(Looked({"metadata": Looked({}, seen["metadata"]), "spec": spec}, seen["object"]), kind, "x", "x")
    for name, keys in seen.items():
        assert keys
        assert keys <= set(vars(typed)[READ_AS[name]].__struct_encode_fields__), name


READ_AS = {
    "object": "_Object",
    "metadata": "_Metadata",
    "metadata of a template": "_TemplateMetadata",
    "spec": "_Spec",
    "template": "_Template",
    "pod": "_PodSpec",
    "container": "_Container",
}


SPACE = {"name": "SPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
TOLD: Raw = {
    "name": "main",
    "env": [SPACE, {"name": "DB_URL", "value": "http://db.$(SPACE):80"}],
    "args": ["--cache=redis:6379"],
    "volumeMounts": [{"name": "v", "mountPath": "/etc"}],
}
MAPPED: Raw = {"name": "v", "configMap": {"name": "settings"}}


def told(namespace: str = "shop", volume: str = "settings", **container: Any) -> bytes:  # noqa: ANN401 - any field
    raw = workload("Deployment", f"{namespace}/x", containers=[{**TOLD, **container}])
    raw["spec"]["template"]["spec"]["volumes"] = [{**MAPPED, "configMap": {"name": volume}}]
    return json.dumps(review("Deployment", raw, namespace=namespace)).encode()


def test_what_containers_say_is_remembered_by_all_that_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    several = [
        told(),
        told(namespace="till"),
        told(volume="others"),
        told(args=["--cache=redis:6380"]),
        told(args=[], command=TOLD["args"]),
        told(env=TOLD["env"][:1]),
        told(volumeMounts=[]),
        told(envFrom=[{"configMapRef": {"name": "more"}}]),
    ]
    quick = [workload_of(body).hints for body in several * 2]
    monkeypatch.setattr(admission, "typed", lambda _: None)
    assert quick == [workload_of(body).hints for body in several * 2]
    assert len(set(quick)) == len(several) - 1  # a command line is one, whoever's words these are


def test_a_review_is_the_same_once_more_where_all_that_is_read_of_it_is() -> None:
    def digest(image: str = "web:1", user: str = "jane", uid: str = "u", **labels: str) -> bytes:
        raw = workload("Deployment", "shop/web", containers=[{**TOLD, "image": image}])
        raw["spec"]["template"]["metadata"]["labels"] |= labels
        found = decoded(json.dumps(review(obj=raw, uid=uid, userInfo={"username": user})).encode())
        assert found is not None
        return found.digest

    assert digest() == digest(image="web:2", uid="v")
    assert len({digest(), digest(user="joe"), digest(version="2")}) == 3


def workload_of(body: bytes) -> Workload:
    found = admission_request(body).workload
    assert found is not None
    return found
