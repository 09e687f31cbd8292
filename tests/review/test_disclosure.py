"""`disclose: own`: what an answer says is a function of what whoever asks may see, and of what works."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tests.support.arena import Raw, world_of
from tests.support.making import deployment, service, workload
from tests.support.reviews import TODAY, request
from tests.support.values import ADDRESSES, filled, pods, policies, services, slices, workloads
from tests.support.worlds import namespace, policy, port
from webhook import config
from webhook.manifests import dump
from webhook.model.addresses import parse_address
from webhook.model.budget import Budget
from webhook.model.objects import EndpointSlice, Pod, Service
from webhook.model.settings import CONNECTS_TO, EXEMPT, VISIBLE_LABEL, Mode, Settings
from webhook.report.admission import encode
from webhook.review.decide import decide
from webhook.review.drafts import Decision
from webhook.world import View
from webhook.world.changes import Value, key_of
from webhook.world.seen import Seen

SHOP = (namespace("shop"), deployment("shop/db", [port("pg", 5432)]))
OPEN = [*SHOP, service("shop/db", {"app": "db"}, [{"port": 5432}])]
VICTIM = [
    namespace("victim", {"tier": "gold"}),
    deployment("victim/db", [port("pg", 5432)]),
    service("victim/db", {"app": "db"}, [{"name": "pg", "port": 5432, "targetPort": "pg"}]),
]
SHUT = policy("victim/nobody-knows", podSelector={}, policyTypes=["Ingress"])
EMPTY = service("victim/db", {"app": "nobody"}, [{"port": 5432}])
OTHER_PORT = service("victim/db", {"app": "db"}, [{"port": 1}])
LINE = "netpol-preflight: shop/web -> db.victim:5432/TCP is closed, or is not there (NP102 or NP201); "
LINE += "correct its name, or ask whoever owns it"
SECRETS = ("nobody-knows", "gold", "pg", "namespace `", "Service")


def answered(
    objects: Iterable[Raw],
    to: str = "db.victim:5432",
    mode: Mode = Mode.WARN,
    exempt: str = "",
    **more: Any,  # noqa: ANN401
) -> Raw:
    """Return the response to applying shop/web."""
    notes = {CONNECTS_TO: to, **({EXEMPT: exempt} if exempt else {})}
    world = world_of(objects, settings=Settings(mode=mode, disclose="own", **more))
    found: Raw = json.loads(encode(decide(request(deployment("shop/web", annotations=notes)), world, TODAY), dump))
    response: Raw = found["response"]
    return response


@pytest.mark.parametrize(
    ("about", "objects"),
    [
        ("it is closed", [*OPEN, *VICTIM, SHUT]),
        ("there is no such namespace", OPEN),
        ("there is no such Service", [*OPEN, namespace("victim")]),
        ("it has no such port", [*OPEN, *VICTIM[:2], OTHER_PORT]),
        ("it has no backends", [*OPEN, namespace("victim"), EMPTY]),
        ("it cannot be told", [*OPEN, *VICTIM, policy("victim/odd", podSelector={}, ingress=[{"from": [{"x": {}}]}])]),
    ],
)
def test_whatever_is_the_matter_with_what_is_not_seen_the_same_is_said(about: str, objects: list[Raw]) -> None:
    for to in ("db.victim:5432", "db.victim.svc:5432"):
        assert answered(objects, to)["warnings"] == [LINE], about


def test_what_works_is_not_talked_about() -> None:
    assert answered([*OPEN, *VICTIM])["warnings"] == []


def test_a_denial_says_no_more_than_a_warning_and_still_denies() -> None:
    found = answered([*OPEN, *VICTIM, SHUT], mode=Mode.ENFORCE)
    assert not found["allowed"]
    message = found["status"]["message"]
    assert "NP102 or NP201 shop/web -> db.victim:5432/TCP is closed, or is not there" in message
    assert not [secret for secret in SECRETS if secret in message]
    assert "NP102" in found["auditAnnotations"]["findings"]


def test_what_the_own_namespace_denies_is_told_whole() -> None:
    out = policy("shop/out", podSelector={}, policyTypes=["Egress"])
    found = answered([*OPEN, out], "deploy/db:5432, 203.0.113.7:443", mode=Mode.ENFORCE)
    message = found["status"]["message"]
    assert "NP101 shop/web -> shop/db:5432/TCP will time out: egress isolated by shop/out" in message
    assert "NP101 shop/web -> 203.0.113.7:443/TCP will time out: egress isolated by shop/out" in message
    assert "kind: NetworkPolicy" in message


def test_a_cluster_wide_policy_is_not_named() -> None:
    wide = {
        "apiVersion": "policy.networking.k8s.io/v1alpha1",
        "kind": "AdminNetworkPolicy",
        "metadata": {"name": "fence"},
    }
    to: list[Raw] = [{"namespaces": {}}]
    wide["spec"] = {"priority": 1, "subject": {"namespaces": {}}, "egress": [{"action": "Deny", "to": to}]}
    (line,) = answered([*OPEN, wide], "deploy/db:5432")["warnings"]
    assert "fence" not in line
    assert "shop/web -> deploy/db.shop:5432/TCP is closed, or is not there" in line


@pytest.mark.parametrize(("value", "told"), [("true", True), ("", True), ("false", False)])
def test_a_namespace_that_is_labelled_so_may_be_told_of(value: str, told: bool) -> None:
    visible = [namespace("victim", {VISIBLE_LABEL: value}), *VICTIM[1:], SHUT]
    (line,) = answered([*OPEN, *visible])["warnings"]
    assert ("victim/nobody-knows" in line) == told


def test_whose_address_it_is_is_not_told() -> None:
    there = workload("Pod", "victim/p") | {
        "status": {"phase": "Running", "podIP": "10.0.1.1", "podIPs": [{"ip": "10.0.1.1"}]}
    }
    out = policy("shop/out", podSelector={}, policyTypes=["Egress"], egress=[{"to": [{"namespaceSelector": {}}]}])
    for objects in ([*OPEN, *VICTIM, SHUT, there, out], [*OPEN, out]):
        (line,) = answered(objects, "10.0.1.1:80")["warnings"]
        assert "shop/web -> 10.0.1.1:80/TCP will time out: egress isolated by shop/out" in line


def test_clients_of_other_namespaces_are_not_told_to_a_server() -> None:
    shut = policy("shop/shut", podSelector={}, policyTypes=["Ingress"])
    theirs = deployment("victim/web", annotations={CONNECTS_TO: "deploy/web.shop:80"})
    ours = deployment("shop/client", annotations={CONNECTS_TO: "deploy/web:80"})
    assert answered([*OPEN, shut, theirs], "")["warnings"] == []
    (line,) = answered([*OPEN, shut, theirs, ours], "")["warnings"]
    assert "existing client shop/client -> shop/web:80/TCP" in line


def test_the_look_up_is_told_by_its_id_alone() -> None:
    dns = service(
        "kube-system/kube-dns", {"app": "dns"}, [{"port": 53, "protocol": p, "name": p} for p in ("UDP", "TCP")]
    )
    pods_ = deployment("kube-system/dns", [port("dns", 53)])
    out = policy("shop/out", podSelector={}, policyTypes=["Egress"], egress=[{"to": [{"podSelector": {}}]}])
    world = [*OPEN, namespace("kube-system"), dns, pods_, out]
    (line,) = answered(world, "db:5432")["warnings"]
    assert line.startswith("netpol-preflight: shop/web cannot resolve names: the look-up is closed to it (NP103); ")
    visible = namespace("kube-system", {VISIBLE_LABEL: "true"})
    (line,) = answered([*OPEN, visible, dns, pods_, out], "db:5432")["warnings"]
    assert "kube-system/dns" in line


def test_an_exemption_of_any_of_it_covers_the_one_line() -> None:
    for name in ("NP102", "NP201", "NP204"):
        for objects in ([*OPEN, *VICTIM, SHUT], OPEN):
            assert answered(objects, exempt=f"{name}@db.victim:5432: why")["warnings"] == []
    assert answered(OPEN, exempt="NP102@db.else: why")["warnings"] == [LINE]


def test_what_is_wrong_with_the_declaration_itself_is_told() -> None:
    assert "(NP303)" in answered(OPEN, "db:x:y")["warnings"][0]


def test_a_name_outside_is_not_said_to_be_absent() -> None:
    to_some = [{"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}]
    out = policy("shop/out", podSelector={}, policyTypes=["Egress"], egress=to_some)
    assert answered([*OPEN, out], "api.example.com.:443")["warnings"] == []


def test_it_is_a_setting() -> None:
    assert config.settings().disclose == "all"
    assert config.settings(file=config.read_file({"disclose": "own"})).disclose == "own"
    with pytest.raises(config.Invalid, match="disclose: `none` is unknown: expected all, own"):
        config.read_file({"disclose": "none"})


# -- the law -----------------------------------------------------------------------------------------------------------

ITEMS = (
    *("s1.b:80", "s1.b", "s1.b:web", "s2.b.svc:80", "web.b:80", "deploy/web.b:80", "p1.s1.b:80", "s1.c:80"),
    *(
        "10.0.9.1:80",
        "10.0.9.2:80",
        "[fd00::91]:80",
        "192.0.2.9:443",
        "10.0.9.0/24:80",
        "http://s1.b",
        "s1:80",
        "web:80",
    ),
)
THEIRS = dict(
    zip(
        ADDRESSES,
        map(parse_address, ("10.0.9.1", "10.0.9.2", "10.0.9.3", "fd00::91", "fd00::92", "192.0.2.9")),
        strict=True,
    )
)
every: st.SearchStrategy[Value] = st.one_of(pods(), workloads(), policies(), services, slices)


def moved(value: Value) -> Value:
    """Give what is in a foreign namespace addresses that nobody has here."""
    match value:
        case Pod(addresses=some) | EndpointSlice(addresses=some):
            return structs.replace(value, addresses=tuple(THEIRS[one] for one in some))
        case Service(cluster_ips=some, outside_ips=more):
            changed = {
                "cluster_ips": tuple(THEIRS[one] for one in some),
                "outside_ips": tuple(THEIRS[one] for one in more),
            }
            return structs.replace(value, **changed)
        case _:
            return value


ours = st.lists(every.filter(lambda value: key_of(value).namespace == "a"), max_size=6)
theirs = st.lists(every.filter(lambda value: key_of(value).namespace == "b").map(moved), max_size=6)


def said(objects: list[Value], item: str, mode: Mode) -> tuple[list[str], bool]:
    world = filled(objects)
    world.configure(Settings(mode=mode, disclose="own"))
    raw = deployment("a/asking", annotations={CONNECTS_TO: item})
    decision = decide(request(raw, namespace="a", name="asking"), world, TODAY)
    found = json.loads(encode(decision, dump))["response"]
    return found.get("warnings") or [found.get("status", {}).get("message", "")], found["allowed"]


@given(ours, theirs, theirs, st.sampled_from(ITEMS), st.sampled_from((Mode.WARN, Mode.ENFORCE)))
def test_what_is_said_of_an_item_depends_on_the_own_namespace_alone(
    own: list[Value], one: list[Value], other: list[Value], item: str, mode: Mode
) -> None:
    """Two worlds that differ elsewhere alone: nothing is said of what works, and of all else the same."""
    first, second = said([*own, *one], item, mode), said([*own, *other], item, mode)
    if first[1] == second[1] and first[0] != [""] and second[0] != [""]:
        assert first[0] == second[0]


@given(ours, theirs)
def test_a_view_of_some_namespaces_is_as_if_there_were_no_others(own: list[Value], foreign: list[Value]) -> None:
    whole, alone = filled([*own, *foreign]), filled(own)
    seen, same = (Seen(world, lambda name: name == "a") for world in (whole, alone))
    assert _everything(seen) == _everything(same)
    assert _everything(seen)[:-1] == _everything(alone)[:-1]


def _everything(view: View) -> list[Any]:
    names = ("a", "b", "")
    return [
        [
            ((name in view.namespaces), dict(view.policies.named(name)), dict(view.policies.crd_policies(name)))
            for name in names
        ],
        [(list(view.services.within(name)), view.pods.groups(name)) for name in names],
        [view.pods.behind(one) for one in view.services.within("a")],
        {w.ref for w in view.workloads.every()},
        [(view.pods.at(a), view.services.at(a), view.services.outside_at(a)) for a in (*ADDRESSES, *THEIRS.values())],
        [view.workloads.mentioning([(name, own)]) for name in names for own in ("s1", "web")],
        sorted(one.name for one in view.services.published()),
        view.families(),
    ]


def test_the_operator_still_hears_all() -> None:
    world = world_of([*OPEN, *VICTIM, SHUT], settings=Settings(disclose="own"))
    decision: Decision = decide(
        request(deployment("shop/web", annotations={CONNECTS_TO: "db.victim:5432"})), world, TODAY
    )
    assert [one.id for one in decision.findings] == ["NP102"]
    assert ("findings", "NP102") in decision.audit


def test_where_there_is_no_time_to_look_a_denial_says_no_more() -> None:
    web = deployment("shop/web", annotations={CONNECTS_TO: "db.victim:5432"})
    world = world_of([*OPEN, *VICTIM, SHUT], settings=Settings(mode=Mode.ENFORCE, disclose="own"))
    messages = set()
    for steps in range(5, 400):
        world.memos.clear()
        decision = decide(request(web), world, TODAY, budget=Budget(steps))
        if not decision.allowed:
            messages.add(json.loads(encode(decision, dump))["response"]["status"]["message"])
    assert any("shop/web -> its dependencies is closed" in message for message in messages)
    assert any("shop/web -> db.victim:5432/TCP is closed" in message for message in messages)
    assert not [secret for secret in SECRETS for message in messages if secret in message]
