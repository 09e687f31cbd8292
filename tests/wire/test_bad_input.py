"""Any bytes, any JSON, any text: a value or one clear error, and an answer that can be sent (brief: Bad input).

Nothing here is timed; what once cost seconds is kept as an example, and would hang the suite.
"""

import contextlib
import json
from copy import deepcopy
from datetime import date
from typing import Final

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.arena import Raw
from tests.support.bad_input import (
    BASE,
    CONTAINER,
    FULL,
    REVIEW,
    anything,
    places,
    replaced,
    review_of,
    told,
    world_with,
)
from tests.support.making import deployment, service, workload
from tests.support.worlds import pod, policy, port
from webhook.families import project
from webhook.judge import explain
from webhook.manifests import dump
from webhook.model.objects import Pod, Workload
from webhook.model.settings import CONNECTS_TO, EXEMPT, Mode
from webhook.report.admission import encode
from webhook.review.decide import decide
from webhook.wire import admission
from webhook.wire.admission import AdmissionRequest, admission_request
from webhook.wire.objects import flatten
from webhook.wire.shapes import Malformed
from webhook.world import World

TODAY: Final = date(2026, 11, 20)
QUARTER_MEGABYTE: Final = 262_144  # all annotations of an object together (`TotalAnnotationSizeLimitB`)

# -- any JSON, in the places of a real object --------------------------------------------------------------------------


ASKED: Final = (
    "db.data:5432",
    "db.data",
    "x.shop:80",
    "deploy/db.data:pg",
    "10.0.1.1:80",
    "10.0.0.0/8:80",
    "api.example.com:443",
)


def answer(raw: Raw, world: World) -> Raw:
    """Send a whole review through reader, review and writer; hold the answer to what the API server takes."""
    request = admission_request(json.dumps(raw).encode())
    reply = msgspec.json.decode(encode(decide(request, world, TODAY), dump))
    assert (reply["apiVersion"], reply["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    response: Raw = reply["response"]
    assert response["uid"] == request.uid
    warnings = response.get("warnings") or []
    assert len(warnings) <= 9
    assert all(w.isprintable() and len(w) <= 256 for w in warnings)
    assert all(len(v) <= 1024 and v.isprintable() for v in (response.get("auditAnnotations") or {}).values())
    return response


# -- any bytes ---------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=400))
@example(b"")
@example(b"\x00" * 300)
@example(REVIEW[:-1])
@example(REVIEW.decode().encode("utf-16"))
@example(REVIEW.replace(b"shop", b"\xff\xfe"))
@example(REVIEW.replace(b'"u-1"', b'"\\ud800"'))
@example(REVIEW.replace(b'"u-1"', b"1e400"))
@example(REVIEW.replace(b'"u-1"', b"9" * 4000))
def test_any_bytes_are_a_request_or_malformed(body: bytes) -> None:
    try:
        admission_request(body)
    except Malformed as error:
        told(error)


@given(st.integers(0, len(REVIEW) - 1), st.integers(0, 255), st.integers(0, len(REVIEW)))
def test_any_byte_changed_and_any_cut_is_a_request_or_malformed(place: int, byte: int, cut: int) -> None:
    for body in (REVIEW[:place] + bytes([byte]) + REVIEW[place + 1 :], REVIEW[:cut], REVIEW[cut:] + REVIEW[:cut]):
        try:
            request = admission_request(body)
        except Malformed as error:
            told(error)
        else:
            assert request.uid


# -- any JSON in any place of a review ---------------------------------------------------------------------------------

READY: Final = world_with(*BASE)
REVIEWS: Final = [review_of(FULL[kind], kind) for kind in ("Deployment", "CronJob", "Pod")]
SPOTS: Final = [(number, path) for number, raw in enumerate(REVIEWS) for path in places(raw)]


@given(st.sampled_from(SPOTS), anything)
@settings(max_examples=300)
def test_any_json_in_any_place_of_a_review_is_answered_or_malformed(
    spot: tuple[int, tuple[str | int, ...]], value: object
) -> None:
    number, path = spot
    raw = replaced(REVIEWS[number], path, value)
    try:
        response = answer(raw, READY)
    except Malformed as error:
        told(error)
    else:
        assert isinstance(response["allowed"], bool)


@pytest.mark.parametrize("value", [None, True, 0, "", [], {}, [None], {"": None}, 10**300], ids=lambda v: repr(v)[:9])
def test_every_place_of_a_review_takes_every_kind_of_json(value: object) -> None:
    for number, path in SPOTS:
        try:
            answer(replaced(REVIEWS[number], path, value), READY)
        except Malformed as error:
            told(error)


def read(body: bytes) -> object:
    try:
        return msgspec.structs.replace(admission_request(body), digest=b"")
    except Malformed as error:
        return str(error)


@pytest.mark.parametrize(
    "value", [None, True, 0, "", "a", [], {}, [None], {"": None}, 10**300], ids=lambda v: repr(v)[:9]
)
@pytest.mark.parametrize(("kind", "old"), [("Deployment", False), ("StatefulSet", False), ("StatefulSet", True)])
def test_what_is_passed_over_makes_no_difference(
    kind: str, old: bool, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A review of a workload is read without what says nothing; the same as when all of it is looked at."""
    raw = review_of(FULL[kind], kind)
    if old:
        raw["request"] |= {"operation": "UPDATE", "object": FULL["ReplicaSet"], "oldObject": FULL[kind]}
    bodies = [json.dumps(replaced(raw, path, value)).encode() for path in places(raw)]
    quick = [read(body) for body in bodies]
    monkeypatch.setattr(admission, "typed", lambda _: None)
    assert quick == [read(body) for body in bodies]


CHANGED: Final[tuple[object, ...]] = (None, "a", 7, [])


@pytest.mark.parametrize("kind", ["Deployment", "CronJob"])
def test_reviews_of_one_digest_ask_the_same(kind: str) -> None:
    raw = review_of(FULL[kind], kind)
    found: dict[bytes, AdmissionRequest] = {}
    for path in places(raw):
        for value in CHANGED:
            with contextlib.suppress(Malformed):
                one = admission_request(json.dumps(replaced(raw, path, value)).encode())
                asked = msgspec.structs.replace(one, uid="", dry_run=False)
                assert not one.digest or found.setdefault(one.digest, asked) == asked
    assert len(found) > 20


# -- any JSON in any place of an object --------------------------------------------------------------------------------

OBJECT_SPOTS: Final = [(kind, path) for kind, raw in FULL.items() for path in places(raw)]


def questions(world: World) -> None:
    """Ask about everything in a world, so that a value that only reads well cannot hide."""
    value = project(FULL["Deployment"])
    assert isinstance(value, Workload)
    for text in ASKED:
        found = explain(world, value, text)
        assert found.verdict
    for other in list(world.workloads.every()):
        explain(world, other, ASKED[0])


@given(st.sampled_from(OBJECT_SPOTS), anything)
@settings(max_examples=300)
def test_any_json_in_any_place_of_an_object_is_a_value_or_malformed(
    spot: tuple[str, tuple[str | int, ...]], value: object
) -> None:
    kind, path = spot
    raw = replaced(FULL[kind], path, value)
    if isinstance(raw, dict):
        questions(world_with(*BASE, raw))


@pytest.mark.parametrize("kind", FULL)
def test_every_place_of_every_kind_takes_every_kind_of_json(kind: str) -> None:
    for path in places(FULL[kind]):
        for value in (None, True, 0, -1, "", "x", [], {}, [None], {"": None}, 10**300, 0.5):
            raw = replaced(FULL[kind], path, value)
            if isinstance(raw, dict):
                world_with(raw)


@given(anything)
def test_any_json_is_flattened_or_malformed(value: object) -> None:
    for raw in (value, {"kind": "List", "items": value}, {"kind": "PodList", "apiVersion": "v1", "items": [value]}):
        if not isinstance(raw, dict):
            continue
        try:
            for item in flatten(raw):
                project(item)
        except Malformed as error:
            told(error)


@given(st.sampled_from([path for path in places(FULL["NetworkPolicy"]) if path[:1] == ("spec",)]), anything)
def test_a_policy_with_a_name_is_always_a_value_that_says_what_is_wrong(
    path: tuple[str | int, ...], value: object
) -> None:
    found = project(replaced(FULL["NetworkPolicy"], path, value))
    assert found is not None
    for text in (*getattr(found, "problems", ()), getattr(found, "unreadable", None) or ""):
        assert text.isprintable()
        assert len(text) < 600


@given(st.sampled_from([path for path in places(FULL["NetworkPolicy"]) if path[:1] == ("spec",)]), anything)
def test_one_bad_policy_never_changes_the_answer_about_another_namespace(
    path: tuple[str | int, ...], value: object
) -> None:
    bad = replaced(FULL["NetworkPolicy"], path, value)
    bad["metadata"]["namespace"] = "elsewhere"
    assert answer(REVIEWS[0], world_with(*BASE, bad)) == answer(REVIEWS[0], READY)


# -- any text in an annotation -----------------------------------------------------------------------------------------

PARTS = (
    "db",
    ".data",
    ":5432",
    ",",
    "\n",
    "http://",
    "u:p@",
    "/",
    "NP101",
    "@",
    ": why",
    " until=",
    "2026-12-31",
    "\x00",
    "\u202e",
)
annotations = st.text(max_size=60) | st.lists(st.sampled_from(PARTS), max_size=12).map("".join)


@given(annotations, annotations)
@settings(max_examples=200)
def test_any_text_in_an_annotation_is_answered(connects: str, exempt: str) -> None:
    raw = deployment("shop/x", annotations={CONNECTS_TO: connects}, notes={CONNECTS_TO: exempt, EXEMPT: connects})
    response = answer(review_of(raw), READY)
    assert isinstance(response["allowed"], bool)


HUGE: Final = {
    "commas": ",",
    "newlines": "\n",
    "spaces": " ",
    "one item": "a",
    "scheme ends": "://",
    "schemes": "a://",
    "schemes and commas": "a://,",
    "user infos": "http://u:p@,",
    "at signs": "@",
    "dots": "a.",
    "colons": ":",
    "brackets": "[",
    "bracket pairs": "[]:",
    "digits": "1",
    "octets": "1.",
    "slashes": "/",
    "kinds": "deploy/",
    "jdbc": "jdbc:",
    "percents": "%41",
    "queries": "http://a?b,",
    "lines of urls": "http://a,b,c/d\n",
    "names": "db.data:5432,",
    "different names": "n{},",
    "different urls": "http://u{}:p@h{}.data/x,",
    "addresses": "10.0.0.1:1,",
    "blocks": "0.0.0.0/0:1,",
    "exemptions": "NP101@a until=2026-12-31: x\n",
    "exemption ids": "NP101",
    "exemption colons": "NP101@a:",
    "bidirectional": "\u202e",
    "zero bytes": "\x00",
    "wide": "💥",
}
PREFIXES: Final = ("", "http://", "http://u:p@", "deploy/", "[", "a:", "NP101@")


@pytest.mark.parametrize("name", HUGE)
def test_an_annotation_of_256_kilobytes_is_answered(name: str) -> None:
    unit = HUGE[name]
    count = QUARTER_MEGABYTE // len(unit)
    text = "".join(unit.replace("{}", str(i)) for i in range(count)) if "{}" in unit else unit * count
    for prefix in PREFIXES:
        whole = (prefix + text)[:QUARTER_MEGABYTE] + ("/" if prefix == "http://" else "")
        raw = deployment("shop/x", annotations={CONNECTS_TO: whole, EXEMPT: whole})
        assert isinstance(answer(review_of(raw), READY)["allowed"], bool)


@pytest.mark.parametrize("name", HUGE)
def test_settings_of_256_kilobytes_are_answered(name: str) -> None:
    unit = HUGE[name]
    text = (unit * (QUARTER_MEGABYTE // len(unit) + 1))[:QUARTER_MEGABYTE]
    for key in ("URL", "app.yaml"):
        config = replaced(FULL["ConfigMap"], ("data", key), text)
        inside = CONTAINER | {"env": [{"name": "DB_HOST", "value": text}], "args": ["--db", text, f"--url={text}"]}
        raw = deployment("shop/x", containers=[inside], annotations={CONNECTS_TO: "db.data"})
        assert isinstance(answer(review_of(raw), world_with(*BASE, config))["allowed"], bool)


# -- hostile shapes ----------------------------------------------------------------------------------------------------


def nested(depth: int, *, by: str) -> str:
    return "[" * depth + "]" * depth if by == "list" else '{"a":' * depth + "1" + "}" * depth


@pytest.mark.parametrize("by", ["list", "object"])
@pytest.mark.parametrize("depth", [50, 200, 500, 800, 900, 950, 970, 980, 990, 1000, 5000])
def test_deep_nesting_anywhere_is_answered_or_malformed(depth: int, by: str) -> None:
    deep = nested(depth, by=by)
    for field in ("object", "uid", "namespace", "dryRun", "kind", "options"):
        body = json.dumps(review_of(None, **{field: "@@"})).replace('"@@"', deep).encode()
        try:
            admission_request(body)
        except Malformed as error:
            told(error)
    inside = (
        json.dumps(review_of(replaced(FULL["Deployment"], ("spec", "replicas"), "@@"))).replace('"@@"', deep).encode()
    )
    try:
        assert admission_request(inside).problem is not None
    except Malformed as error:
        told(error)


def test_a_policy_nested_deeply_is_a_value() -> None:
    deep: object = 1
    for _ in range(400):
        deep = [deep]
    for path in places(FULL["NetworkPolicy"]):
        if path[:1] == ("spec",):
            assert project(replaced(FULL["NetworkPolicy"], path, deep)) is not None


HOSTILE: Final = (
    "\x00",
    "\x1b[2J",
    "\u202etxt",
    "a\nb",
    "a,b",
    "../..",
    "x" * 253,
    "é" * 100,
    "💥" * 60,
    "%s{}$(id)",
    "'; --",
    " ",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_everything_are_answered(name: str) -> None:
    raws = [deepcopy(raw) for raw in FULL.values()]
    for raw in raws:
        raw["metadata"]["name"] = name
        if "namespace" in raw["metadata"]:
            raw["metadata"]["namespace"] = name
        if raw["metadata"].get("labels"):
            raw["metadata"]["labels"] = {name: name}
    world = world_with(*raws, policy(f"{name}/closed", podSelector={}, policyTypes=["Ingress", "Egress"]))
    obj = workload(
        "Deployment",
        "x/x",
        [port(name, 80)],
        annotations={CONNECTS_TO: "db.data, deploy/x, 10.0.1.1:80, !", EXEMPT: name},
    )
    obj["metadata"]["name"] = name
    obj["spec"]["template"]["metadata"]["labels"] = {name: name}
    assert isinstance(answer(review_of(obj, name=name, namespace=name), world)["allowed"], bool)


@pytest.mark.parametrize("count", [10_000])
def test_many_of_everything_in_one_object_are_answered(count: int) -> None:
    ports = [{"name": f"p{i}", "containerPort": i % 65535 + 1} for i in range(count)]
    obj = workload("Deployment", "shop/x", ports, annotations={CONNECTS_TO: "deploy/x.shop, deploy/x.shop:80, rs/x:p7"})
    obj["metadata"]["labels"] = {f"l{i}": "v" for i in range(count)}
    obj["metadata"]["annotations"] |= {f"a{i}": "v" for i in range(count)}
    obj["metadata"]["ownerReferences"] = [{"kind": "X", "name": f"o{i}"} for i in range(count)]
    assert isinstance(answer(review_of(obj), READY)["allowed"], bool)


def test_a_policy_of_many_rules_peers_and_ports_is_answered() -> None:
    peers = [{"podSelector": {"matchLabels": {"app": f"a{i}"}}} for i in range(2000)]
    blocks = [{"ipBlock": {"cidr": f"10.{i // 256}.{i % 256}.0/24"}} for i in range(2000)]
    ports = [{"port": i % 65535 + 1} for i in range(2000)]
    big = policy(
        "data/big", podSelector={}, ingress=[{"from": peers, "ports": ports}, *({"from": [p]} for p in blocks)]
    )
    obj = deployment("shop/x", annotations={CONNECTS_TO: "db.data:5432, deploy/db.data"})
    assert isinstance(answer(review_of(obj), world_with(*BASE, big))["allowed"], bool)


def test_owners_in_a_circle_end() -> None:
    circle = []
    for one, two in (("a", "b"), ("b", "c"), ("c", "a"), ("me", "me")):
        raw = workload("ReplicaSet", f"shop/{one}")
        raw["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": two, "controller": True}]
        circle.append(raw)
    below = pod("shop/p", 3, {"app": "a"}, [])
    below["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "a", "controller": True}]
    world = world_with(*BASE, *circle, below, service("shop/s", {"app": "a"}, [{"port": 80}]))
    obj = deployment("shop/x", annotations={CONNECTS_TO: "s:80, 10.0.3.3:80, rs/a:80, rs/me:80"})
    assert isinstance(answer(review_of(obj), world)["allowed"], bool)


def test_no_password_reaches_an_answer_wherever_it_stands() -> None:
    secret = "hunter2"
    urls = (
        f"postgres://u:{secret}@db.data:5432/app",
        f"postgres://u:{secret}@nobody.data",
        f"postgres://u:{secret}@db.data:bad",
        f"postgres://u:{secret},{secret}@db.data:1",
        f"postgres://u:{secret}/{secret}@db.data",
        f"https://api.example.com/?token={secret}",
        f"https://db.data:7/{secret}?x={secret},{secret}",
        f"u:{secret}@tcp(db.data:3306)/app",
        f"Server=db;Password={secret}",
    )
    for mode in Mode:
        world = world_with(*BASE, mode=mode)
        for url in urls:
            for text in (url, f"db.data,\n{url}\n, x", f"'{url}'", f"NP101@{url}: why"):
                raw = deployment("shop/x", annotations={CONNECTS_TO: text})
                assert secret not in json.dumps(answer(review_of(raw, oldObject=None), world)), (mode, text)


def test_a_pod_s_own_secrets_are_nowhere_in_its_value() -> None:
    raw = deepcopy(FULL["Pod"])
    raw["spec"]["containers"][0]["env"] = [{"name": "PASSWORD", "value": "hunter2"}]
    raw["spec"]["containers"][0]["args"] = ["--password=hunter2"]
    raw["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"}
    found = project(raw)
    assert isinstance(found, Pod)
    assert "hunter2" not in repr(found)
