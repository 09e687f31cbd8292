"""Existing dependants of a server (NP109): who is asked, what is told once for all of them, and what is not."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.arena import Raw, world_of
from tests.support.making import deployment, external_name, headless, owned_by, service, workload
from tests.support.reading import put
from tests.support.reviews import request
from tests.support.values import filled, workloads
from tests.support.worlds import namespace, pod, policy, port
from webhook import config
from webhook.dependencies import parse, resolve
from webhook.fix import fix_all
from webhook.judge.workload import MOST, judge_dependants
from webhook.model.answers import Dependency, Finding, Severity
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.model.settings import CONNECTS_TO, DEFAULTS, EXEMPT, Mode, Settings
from webhook.report.admission import line, warnings
from webhook.report.words import remedy
from webhook.review.audit import audit_workload
from webhook.review.decide import decide
from webhook.review.inbound import review_server
from webhook.world import Group, Overlay, World
from webhook.world.workloads import mentioned

TODAY = date(2026, 11, 20)
DB = deployment("data/db", [port("pg", 5432)])
FRONT = service("data/db", {"app": "db"}, [{"port": 80, "targetPort": "pg"}])
CLOSED = policy("data/closed", podSelector={}, policyTypes=["Ingress"])
OUT = policy("shop/out", podSelector={}, policyTypes=["Egress"])
BASE = (namespace("shop"), namespace("data"), FRONT)
LET_IN = policy(
    "data/shop",
    podSelector={"matchLabels": {"app": "db"}},
    policyTypes=["Ingress"],
    ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}]}],
)


def client(name: str = "shop/web", to: str = "db.data:80", exempt: str = "", kind: str = "Deployment") -> Raw:
    return workload(kind, name, annotations={CONNECTS_TO: to, **({EXEMPT: exempt} if exempt else {})})


def told(
    *objects: Raw,
    db: Raw = DB,
    settings: Settings = DEFAULTS,
    without: Sequence[WorkloadRef] = (),
    new: bool = False,
) -> tuple[Finding, ...]:
    """Review data/db as a server."""
    world = world_of([*BASE, *objects, db], settings=settings)
    return review_server(world, server(world), TODAY, without=without, new=new)


def server(world: World) -> Workload:
    (found,) = [w for w in world.workloads.every("data") if w.ref.name == "db"]
    return found


ADMITTED = Settings(admit=("shop",))


def ids(found: Sequence[Finding]) -> list[tuple[str, str | None]]:
    return [(one.id, one.dependency) for one in found]


DENIED = [("NP109", "db.data:80/TCP")]


@pytest.mark.parametrize(
    ("about", "objects", "expected"),
    [
        ("nobody depends on it", [CLOSED], []),
        ("by its Service", [CLOSED, client()], DENIED),
        ("by its Service's whole name", [CLOSED, client(to="db.data.svc.cluster.local:80")], DENIED),
        ("by a URL", [CLOSED, client(to="http://u:p@db.data/x")], DENIED),
        ("in its own namespace", [CLOSED, client("data/web", "db:80")], DENIED),
        ("by kind and name", [CLOSED, client(to="deploy/db.data:5432")], [("NP109", "deploy/db.data:5432/TCP")]),
        ("every port", [CLOSED, client(to="db.data")], [("NP109", "db.data:*")]),
        ("among others", [CLOSED, client(to="cache:6379, db.data:80")], DENIED),
        ("of another namespace's db", [CLOSED, client(to="db:80")], []),
        ("by its address: whose that is may change", [CLOSED, client(to="10.0.0.9:80")], []),
        ("nothing is closed", [client()], []),
        ("the client is let in", [CLOSED, LET_IN, client()], []),
        ("only the client's egress is closed: its owner was told", [OUT, client()], []),
        ("a port that the Service has not", [CLOSED, client(to="db.data:81")], []),
    ],
)
def test_who_declares_it_and_is_kept_out_is_told(about: str, objects: list[Raw], expected: list[Any]) -> None:
    assert ids(told(*objects)) == expected, about


def test_a_pod_of_a_statefulset_is_asked_for_by_its_name() -> None:
    raw = workload("StatefulSet", "data/db", [port("pg", 5432)])
    raw["spec"]["serviceName"] = "db"
    none = headless("data/db", {"app": "db"}, [{"port": 5432}])
    assert ids(told(CLOSED, none, client(to="db-0.db.data:5432"), db=raw)) == [("NP109", "db-0.db.data:5432/TCP")]


def test_for_all_clients_there_is_one_finding_and_one_policy_that_lets_them_in() -> None:
    clients = [client(f"shop/c{number:02}") for number in range(30)]
    (found,) = told(CLOSED, *clients, settings=ADMITTED)
    assert (found.severity.word, found.source, found.verdict) == ("warning", "annotation", "denied")
    said = line(found)
    for word in (
        "shop/c00, shop/c01 and 28 more -> data/db:5432/TCP",
        "data/closed",
        "(NP109)",
        "netpol-preflight fix",
    ):
        assert word in said
    assert len(said) <= 256
    (fix,) = found.fix
    assert len(fix["spec"]["ingress"]) == 30
    assert told(CLOSED, *clients, fix) == ()
    world = world_of([*BASE, CLOSED, *clients, DB], settings=ADMITTED)
    assert fix_all(world, [server(world)]).policies == found.fix


def test_a_client_that_cannot_be_let_in_does_not_keep_the_others_out() -> None:
    strange = put(client("shop/strange"), "spec.template.metadata.labels", {})
    strange = put(strange, "spec.selector", {})
    (found,) = told(CLOSED, client(), strange, settings=ADMITTED)
    assert len(found.fix) == 1
    assert any("shop/strange is not let in" in note for note in found.assumptions)


def test_what_no_policy_opens_is_said_of_each_client_once() -> None:
    unlabelled = put(put(DB, "spec.template.metadata.labels", {}), "spec.selector", {})
    world = world_of(
        [*BASE, CLOSED, client(to="deploy/db.data:5432"), client("shop/b", "deploy/db.data:5432"), unlabelled],
        settings=ADMITTED,
    )
    fixes = fix_all(world, [server(world)])
    assert fixes.policies == ()
    assert [(one.workload.short, one.dependency) for one in fixes.unfixable] == [
        ("shop/b", "deploy/db.data:5432/TCP"),
        ("shop/web", "deploy/db.data:5432/TCP"),
    ]
    assert all("no labels" in one.reason for one in fixes.unfixable)


def test_no_more_are_looked_at_than_a_review_has_time_for() -> None:
    clients = [client(f"shop/c{number:03}") for number in range(MOST + 2)]
    (found,) = told(CLOSED, *clients, settings=ADMITTED)
    assert f"shop/c000, shop/c001 and {MOST - 2} more" in line(found)
    assert "(2 more were not looked at)" in line(found)
    assert len(line(found)) <= 256
    assert any("more clients are not in it" in note for note in found.assumptions)


# -- a declaration is a claim, and no right ----------------------------------------------------------------------------


def test_a_client_of_another_namespace_is_named_and_not_let_in() -> None:
    (found,) = told(CLOSED, client())
    assert found.fix == ()
    assert found.assumptions == ("not let in without `--admit shop`: shop/web",)
    assert line(found).endswith("(NP109); `netpol-preflight fix --admit shop` lets it in")
    world = world_of([*BASE, CLOSED, client(), DB])
    fixes = fix_all(world, [server(world)])
    assert (fixes.policies, fixes.unfixable, fixes.notes) == ((), (), found.assumptions)


def test_clients_of_the_own_namespace_are_let_in_and_told_first() -> None:
    (found,) = told(CLOSED, client("a/web"), client("data/web", "db.data:80"), client("shop/web"))
    (fix,) = found.fix
    assert fix["spec"]["ingress"] == [
        {"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"protocol": "TCP", "port": 5432}]}
    ]
    assert "existing clients data/web, a/web and 1 more -> data/db:5432/TCP" in line(found)
    assert line(found).endswith("run `netpol-preflight fix`")
    assert found.assumptions == (
        "not let in without `--admit a`: a/web",
        "not let in without `--admit shop`: shop/web",
    )


def test_who_is_asked_about_is_let_in_without_more() -> None:
    world = world_of([*BASE, CLOSED, client(), DB])
    (web,) = [w for w in world.workloads.every("shop") if w.ref.name == "web"]
    assert [one["metadata"]["namespace"] for one in fix_all(world, [web]).policies] == ["data"]
    both = fix_all(world, [web, server(world)])
    assert [one["metadata"]["namespace"] for one in both.policies] == ["data"]


def test_an_audit_asks_about_nobody_in_particular() -> None:
    def audited(*, asked: bool, settings: Settings = DEFAULTS) -> Finding:
        world = world_of([*BASE, CLOSED, client(), DB], settings=settings)
        (web,) = [w for w in world.workloads.every("shop") if w.ref.name == "web"]
        (found,) = audit_workload(world, web, TODAY, (), asked=asked).findings
        return found

    held = audited(asked=False)
    assert (held.id, held.fix) == ("NP102", ())
    assert remedy(held) == "no fix: it would open data to a client that nobody asked about: `--admit shop`"
    assert audited(asked=True).fix == audited(asked=False, settings=ADMITTED).fix != ()


def test_claims_from_elsewhere_take_no_own_client_s_place() -> None:
    theirs = [client(f"a/c{number:03}") for number in range(MOST + 1)]
    (found,) = told(CLOSED, *theirs, client("data/web", "db.data:80"))
    assert "existing clients data/web, a/c000 and" in line(found)
    assert len(found.fix) == 1


def test_claims_from_elsewhere_take_no_line_of_what_the_workload_itself_lacks() -> None:
    theirs = [client(f"evil/c{number}", f"db.data:80/TCP, deploy/db.data:{5432 + number}") for number in range(12)]
    own = put(DB, "metadata.annotations", {CONNECTS_TO: "nobody:80"})
    found = decided(CLOSED, *theirs, db=own)
    assert "NP201" in warnings(found)[0]
    assert warnings(found)[-1].startswith("netpol-preflight: and ")


def test_however_many_namespaces_claim_it_few_are_named() -> None:
    clients = [client(f"n{space:02}/c{number}") for space in range(20) for number in range(5)]
    (found,) = told(CLOSED, *clients)
    assert len(found.assumptions) == 6
    assert found.assumptions[0] == "not let in without `--admit n00`: n00/c0, n00/c1, n00/c2 and 2 more"
    assert found.assumptions[-1] == "not let in either: clients of 15 more namespaces"


def test_the_order_does_not_depend_on_that_of_events() -> None:
    clients = [client(f"shop/c{number}") for number in range(5)]
    assert told(CLOSED, *clients) == told(CLOSED, *reversed(clients))


@pytest.mark.parametrize(
    ("about", "one", "more", "expected"),
    [
        ("a CronJob comes again", client(kind="CronJob"), [], DENIED),
        ("a Job whose pods are gone has ended", client(kind="Job"), [], []),
        (
            "a Job that runs",
            client(kind="Job"),
            [
                pod("shop/web-1", 1, {"app": "web"}, [])
                | {
                    "metadata": {
                        "namespace": "shop",
                        "name": "web-1",
                        "labels": {"app": "web"},
                        "ownerReferences": [{"kind": "Job", "name": "web", "controller": True}],
                    }
                }
            ],
            DENIED,
        ),
        ("a bare Pod that runs", client(kind="Pod") | {"status": {"phase": "Running"}}, [], DENIED),
        ("a bare Pod that has ended", client(kind="Pod") | {"status": {"phase": "Succeeded"}}, [], []),
    ],
)
def test_what_has_ended_does_not_connect_again(about: str, one: Raw, more: list[Raw], expected: list[Any]) -> None:
    assert ids(told(CLOSED, one, *more)) == expected, about


def test_what_a_workload_made_is_not_asked_beside_it_and_what_a_custom_resource_made_is() -> None:
    replica = client(kind="ReplicaSet")
    replica["metadata"] |= owned_by("Deployment", "web")
    assert told(CLOSED, replica) == ()
    owned = put(client(), "metadata.ownerReferences", [{"kind": "Application", "name": "a", "controller": True}])
    assert ids(told(CLOSED, owned)) == DENIED


def test_a_client_that_is_told_itself_is_not_told_once_more() -> None:
    web = WorkloadRef("Deployment", "shop", "web")
    assert told(CLOSED, client(), without=[web]) == ()
    (found,) = told(CLOSED, client(), client("shop/other"), without=[web])
    assert "existing client shop/other ->" in line(found)


@pytest.mark.parametrize("exempt", ["NP102@db.data: why", "NP102: why", "NP101: why"])
def test_a_client_whose_owner_answered_for_it_is_no_news(exempt: str) -> None:
    assert told(CLOSED, client(exempt=exempt)) == ()


def test_an_exemption_of_a_client_that_is_over_or_about_something_else_does_not_count() -> None:
    assert ids(told(CLOSED, client(exempt="NP102@db.data until=2026-01-01: why"))) == DENIED
    assert ids(told(CLOSED, client(exempt="NP102@cache.data: why"))) == DENIED


def test_the_operator_can_answer_for_a_client() -> None:
    raw = {"exemptions": [{"id": "NP102", "namespace": "shop", "reason": "why"}]}
    assert told(CLOSED, client(), settings=config.settings(file=config.read_file(raw))) == ()
    ignoring = config.settings(file=config.read_file({"ignoredNamespaces": ["sh*"]}))
    assert told(CLOSED, client(), settings=ignoring) == ()
    off = config.settings(file=config.read_file({"severities": {"NP109": "off"}}))
    assert told(CLOSED, client(), settings=off) == ()


def test_of_a_server_that_was_not_there_the_clients_egress_is_told_too() -> None:
    (found,) = told(OUT, client(), new=True)
    assert [str(ref) for ref in found.policies] == ["shop/out"]
    assert told(OUT, client(), new=False) == ()


def test_the_template_counts_and_not_the_pods_that_are_still_there() -> None:
    old = pod("data/db-1", 3, {"app": "db", "tier": "old"}, [port("pg", 5432)])
    old["metadata"]["ownerReferences"] = [{"kind": "Deployment", "name": "db", "controller": True}]
    only_old = policy("data/old", podSelector={"matchLabels": {"tier": "old"}}, policyTypes=["Ingress"], ingress=[{}])
    assert ids(told(CLOSED, only_old, client(), old)) == DENIED


def test_an_alias_leads_to_it_where_it_is_the_one_that_is_declared() -> None:
    assert told(CLOSED, client(to="alias:80"), external_name("shop/alias", "db.data.svc.cluster.local")) == ()


# -- in a review -------------------------------------------------------------------------------------------------------


def decided(*objects: Raw, mode: Mode = Mode.WARN, old: Raw | None = None, db: Raw = DB, **more: Any) -> list[Finding]:  # noqa: ANN401
    world = world_of([*BASE, *objects], settings=Settings(mode=mode, **more))
    decision = decide(request(db, old, namespace="data", name="db"), world, TODAY)
    assert decision.allowed
    return list(decision.findings)


def test_applying_the_server_tells_of_its_clients() -> None:
    assert ids(decided(CLOSED, client())) == DENIED
    assert ids(decided(CLOSED, client(), DB, old=DB)) == DENIED


def test_creating_it_tells_of_their_egress_and_updating_it_does_not() -> None:
    assert ids(decided(OUT, client())) == DENIED
    assert decided(OUT, client(), DB, old=DB) == []


def test_a_client_that_is_the_server_itself_is_not_its_own_dependant() -> None:
    own = put(DB, "metadata.annotations", {CONNECTS_TO: "deploy/db.data:5432"})
    assert ids(decided(CLOSED, db=own)) == [("NP102", "deploy/db.data:5432/TCP")]


def test_the_servers_own_exemption_covers_it() -> None:
    exempt = put(DB, "metadata.annotations", {EXEMPT: "NP109@db.data:80: they move next week"})
    assert decided(CLOSED, client(), db=exempt) == []
    other = put(DB, "metadata.annotations", {EXEMPT: "NP109@cache.data:80: they move next week"})
    assert ids(decided(CLOSED, client(), db=other)) == DENIED


def test_it_never_rejects_however_grave_it_is_said_to_be() -> None:
    grave = (("NP109", Severity.ERROR.value),)
    (found,) = decided(CLOSED, client(), mode=Mode.ENFORCE, severities=grave)
    assert found.severity is Severity.ERROR


# -- the index ---------------------------------------------------------------------------------------------------------

TEXTS = (
    "db",
    "db:80",
    "DB.Data:80",
    "db.data.svc:80",
    "db.data.svc.cluster.local.:80",
    "deploy/db.data:5432",
    "deployment/db.data",
    "db-0.peers.data:5432",
    "postgres://me:pa.ss@db.data:80/x?y=z",
    "jdbc:postgresql://other,db.data:80/x",
    "http://[2001:db8::1]:80\ndb.data:80",
)


@pytest.mark.parametrize("text", TEXTS)
def test_nothing_that_leads_to_a_server_is_missed(text: str) -> None:
    """Whoever resolves to it mentions it."""
    raw = workload("StatefulSet", "data/db", [port("pg", 5432)])
    peers = headless("data/peers", {"app": "db"}, [{"port": 5432}])
    for server_raw in (DB, raw):
        world = world_of([*BASE, peers, server_raw, client("data/web", text)])
        (web,) = [w for w in world.workloads.every() if w.ref.name == "web"]
        to = {
            flow.to.ref
            for item in parse(text)
            if isinstance(item, Dependency)
            for flow in resolve(world, web, item).found.flows
            if isinstance(flow.to, Group)
        }
        names = [("data", "db"), ("data", "peers")]
        assert (web.ref in world.workloads.mentioning(names)) >= bool(to)
        found = judge_dependants(Overlay(world, [server(world)], anew=True), server(world)).found
        assert bool(found) == (server(world).ref in to)


@given(st.lists(workloads(), max_size=12))
def test_the_index_is_a_walk_over_all_workloads(some: list[Workload]) -> None:
    world = filled(some)
    for name in (("a", "s1"), ("b", "web"), ("a", "s2"), ("b", "s1")):
        walked = sorted(w.ref for w in world.workloads.every() if w.owner is None and name in mentioned(w))
        assert list(world.workloads.mentioning([name])) == walked
