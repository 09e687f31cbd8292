"""What one workload is told: which finding, how grave, once each, with the evidence and the fix."""

from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings

from tests.support.arena import Raw, world_of
from tests.support.denied_worlds import HEAVY, Case, cases
from tests.support.making import deployment, headless, service, workload
from tests.support.worlds import namespace, pod, policy, port
from webhook import config
from webhook.judge import judge_declared
from webhook.model.answers import DEFAULT_SEVERITY, MAY_REJECT, Finding, Severity, Verdict
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.model.settings import CONNECTS_TO, DEFAULTS, UNRECOGNISED, Settings
from webhook.review.workload import draft_declared, review_workload
from webhook.world import Overlay

DB = deployment("data/db", [port("pg", 5432)])
DB_SERVICE = service("data/db", {"app": "db"}, [{"port": 80, "targetPort": "pg"}])
DNS = workload("Deployment", "kube-system/coredns", [port("dns", 53, "UDP"), port("dns-tcp", 53)])
DNS_PORTS = [{"name": n, "port": 53, "protocol": p, "targetPort": n} for n, p in (("dns", "UDP"), ("dns-tcp", "TCP"))]
DNS_SERVICE = service("kube-system/kube-dns", {"app": "coredns"}, DNS_PORTS)
CAST = (namespace("shop"), namespace("data"), namespace("kube-system"), DB, DB_SERVICE, DNS, DNS_SERVICE)
OUT = policy("shop/out", podSelector={}, policyTypes=["Egress"])
WALL = policy("data/wall", podSelector={}, policyTypes=["Ingress"])
LOOK_UPS = policy(
    "shop/dns",
    podSelector={},
    policyTypes=["Egress"],
    egress=[{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}], "to": [{"namespaceSelector": {}}]}],
)


def told(
    to: str, *objects: Raw, complete: bool = True, settings: Settings = DEFAULTS, template: str | None = None
) -> tuple[Finding, ...]:
    """Review shop/web, which declares `to`."""
    notes = {CONNECTS_TO: template} if template is not None else None
    web = deployment("shop/web", annotations={CONNECTS_TO: to}, notes=notes)
    world = world_of([*CAST, *objects, web], complete=complete, settings=settings)
    found = world.workloads.get(WorkloadRef("Deployment", "shop", "web"))
    assert found is not None
    return review_workload(Overlay(world, [found]), found)


def brief(findings: Iterable[Finding]) -> list[tuple[str, str, str | None]]:
    return [(f.id, f.severity.word, f.dependency) for f in findings]


@pytest.mark.parametrize(
    ("about", "to", "objects", "expected"),
    [
        ("all is open", "db.data:80", [], []),
        ("nothing is declared", "", [OUT, WALL], []),
        ("egress", "db.data:80", [OUT, LOOK_UPS], [("NP101", "error", "db.data:80/TCP")]),
        ("ingress", "db.data:80", [WALL], [("NP102", "error", "db.data:80/TCP")]),
        (
            "both sides",
            "db.data:80",
            [OUT, LOOK_UPS, WALL],
            [("NP101", "error", "db.data:80/TCP"), ("NP102", "error", "db.data:80/TCP")],
        ),
        (
            "the look-up too, once for all names",
            "db.data:80, db.data.svc",
            [OUT],
            [
                ("NP101", "error", "db.data:*"),
                ("NP101", "error", "db.data:80/TCP"),
                ("NP103", "error", "kube-dns.kube-system:53/UDP"),
            ],
        ),
        (
            "the look-up alone",
            "db.data:80",
            [policy("kube-system/wall", podSelector={}, policyTypes=["Ingress"])],
            [("NP103", "error", "kube-dns.kube-system:53/UDP")],
        ),
        (
            "a part of the addresses",
            "192.0.2.0/24:443",
            [
                policy(
                    "shop/half",
                    podSelector={},
                    policyTypes=["Egress"],
                    egress=[{"to": [{"ipBlock": {"cidr": "192.0.2.0/25"}}]}],
                )
            ],
            [("NP105", "warning", "192.0.2.0/24:443/TCP")],
        ),
        (
            "it cannot be told",
            "api.example.com.:443",
            [
                OUT,
                LOOK_UPS,
                policy(
                    "shop/half",
                    podSelector={},
                    policyTypes=["Egress"],
                    egress=[{"to": [{"ipBlock": {"cidr": "192.0.2.0/25"}}]}],
                ),
            ],
            [("NP106", "info", "api.example.com:443/TCP")],
        ),
        (
            "a name whose addresses are all shut",
            "api.example.com.:443",
            [OUT, LOOK_UPS],
            [
                ("NP101", "error", "api.example.com:443/TCP"),
            ],
        ),
        ("no such Service", "cache.data:6379", [], [("NP201", "warning", "cache.data:6379/TCP")]),
        ("no such namespace", "db.nowhere:80", [], [("NP201", "warning", "db.nowhere:80/TCP")]),
        ("no such workload", "sts/db.data:80", [], [("NP201", "warning", "sts/db.data:80/TCP")]),
        ("no such port", "db.data:81", [], [("NP202", "warning", "db.data:81/TCP")]),
        (
            "a target port that no container declares",
            "api:80",
            [
                deployment("shop/api", [{"containerPort": 9090}]),
                service("shop/api", {"app": "api"}, [{"port": 80, "targetPort": 8080}]),
            ],
            [("NP203", "info", "api.shop:80/TCP")],
        ),
        (
            "a target port by a name that no container has",
            "api:80",
            [deployment("shop/api"), service("shop/api", {"app": "api"}, [{"port": 80, "targetPort": "http"}])],
            [("NP203", "warning", "api.shop:80/TCP")],
        ),
        (
            "nobody behind the Service",
            "api:80",
            [service("shop/api", {"app": "nobody"}, [{"port": 80}])],
            [("NP204", "warning", "api.shop:80/TCP")],
        ),
        ("an item that cannot be read", "db.data:80, :::", [], [("NP303", "warning", "connects-to[2]")]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_situation_has_its_finding(
    about: str, to: str, objects: list[Raw], expected: list[tuple[str, str, str]]
) -> None:
    assert brief(told(to, *objects)) == expected, about


def test_a_target_that_may_be_elsewhere_is_worth_less() -> None:
    assert brief(told("cache.data:6379", complete=False))[0] == ("NP201", "info", "cache.data:6379/TCP")


def test_a_look_up_that_only_tcp_lacks_is_partial() -> None:
    udp = policy(
        "shop/udp", podSelector={}, policyTypes=["Egress"], egress=[{"ports": [{"port": 53, "protocol": "UDP"}]}]
    )
    found = [f for f in told("db.data:80", udp) if f.dependency == "kube-dns.kube-system:53/UDP"]
    assert brief(found) == [("NP105", "warning", "kube-dns.kube-system:53/UDP")]


SOME_53 = policy(
    "shop/some",
    podSelector={},
    policyTypes=["Egress"],
    egress=[{"to": [{"ipBlock": {"cidr": "198.51.100.0/24"}}], "ports": [{"port": 53}]}],
)


def test_worst_first_then_by_id_and_dependency() -> None:
    found = told("cache.data:6379, db.data:80, :::, api.example.com.:53, 192.0.2.1:443", OUT, SOME_53, LOOK_UPS, WALL)
    assert brief(found) == [
        ("NP101", "error", "192.0.2.1:443/TCP"),
        ("NP101", "error", "db.data:80/TCP"),
        ("NP102", "error", "db.data:80/TCP"),
        ("NP201", "warning", "cache.data:6379/TCP"),
        ("NP303", "warning", "connects-to[3]"),
        ("NP106", "info", "api.example.com:53/TCP"),
    ]


# -- once each --------------------------------------------------------------------------------------------------------


def test_one_dependency_spelt_in_many_ways_is_told_once() -> None:
    ways = "db.data:80, db.data.svc:80, db.data.svc.cluster.local:80, http://db.data/path, DB.data:80/tcp"
    assert brief(told(ways, OUT, LOOK_UPS, template="db.data:80")) == [("NP101", "error", "db.data:80/TCP")]


def test_many_backends_of_one_dependency_are_one_finding() -> None:
    others = [pod(f"data/db-{n}", n, {"app": "db", "rev": str(n)}, [port("pg", 5432)]) for n in (3, 4, 5)]
    (finding,) = told("db.data:80", *others, WALL)
    assert finding.id == "NP102"
    assert finding.policies == (PolicyRef("data", "wall"),)
    assert len({flow.to for flow in finding.flows}) == len(finding.flows) == 4


def test_several_ports_that_lack_the_same_are_one_finding() -> None:
    ports = [{"name": f"p{n}", "port": n, "targetPort": n} for n in (80, 81, 82)]
    objects = [deployment("shop/api", [{"containerPort": 9090}]), service("shop/api", {"app": "api"}, ports)]
    assert brief(told("api", *objects)) == [("NP203", "info", "api.shop:*")]


def test_bad_items_of_both_annotations_are_told_apart() -> None:
    found = told("a b", template="c d")
    assert brief(found) == [("NP303", "warning", "connects-to[1]"), ("NP303", "warning", "template connects-to[1]")]
    assert brief(told("a b", template="a b")) == [("NP303", "warning", "connects-to[1]")]


@settings(max_examples=HEAVY, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_no_finding_is_given_twice_and_each_keeps_its_form(case: Case) -> None:
    world = case.world()
    for one in case.workloads:
        found = review_workload(world, one)
        assert len({f.identity for f in found}) == len(found)
        assert found == review_workload(case.world(), one)
        assert {(f.dependency, f.verdict) for f in found if f.id == "NP102"} <= {
            (f.dependency, Verdict.DENIED) for f in found
        }
        for finding in found:
            keeps_its_form(finding)


def keeps_its_form(finding: Finding) -> None:
    packet = finding.id in ("NP101", "NP102", "NP103", "NP105")
    assert finding.id in DEFAULT_SEVERITY
    assert packet == (finding.verdict in (Verdict.DENIED, Verdict.PARTIAL))
    if packet:
        assert finding.policies
        assert list(finding.policies) == sorted(set(finding.policies))
        assert all(ref.rule is None for ref in finding.policies)
        assert bool(finding.fix) != bool(finding.no_fix)
        assert len(finding.near_misses) <= 3
        assert finding.flows
    if finding.severity is Severity.ERROR:
        assert finding.verdict is Verdict.DENIED
    if finding.verdict is Verdict.UNKNOWN:
        assert finding.id not in MAY_REJECT


# -- evidence ---------------------------------------------------------------------------------------------------------


def test_both_sides_closed_have_the_same_complete_fix_and_their_own_policies() -> None:
    egress, ingress, look_up = told("db.data:80", OUT, WALL)
    assert (egress.id, ingress.id, look_up.id) == ("NP101", "NP102", "NP103")
    assert (egress.policies, ingress.policies) == ((PolicyRef("shop", "out"),), (PolicyRef("data", "wall"),))
    assert egress.fix == ingress.fix
    assert [m["metadata"]["namespace"] for m in egress.fix] == ["data", "shop"]
    (rules,) = (m["spec"]["egress"] for m in egress.fix if "egress" in m["spec"])
    assert sorted({entry["port"] for rule in rules for entry in rule["ports"]}) == [53, 5432]
    assert [entry["port"] for m in look_up.fix for rule in m["spec"]["egress"] for entry in rule["ports"]] == [53, 53]


def test_near_misses_of_each_side_are_with_its_finding() -> None:
    objects = [
        OUT,
        LOOK_UPS,
        WALL,
        policy(
            "data/allow",
            podSelector={"matchLabels": {"app": "db"}},
            ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 5432}]}],
        ),
    ]
    egress, ingress = told("db.data:80", *objects)
    assert egress.near_misses == ()
    assert [(m.field, m.want, m.have) for m in ingress.near_misses] == [("namespace", "data", "shop")]


def test_all_near_misses_together_are_three_the_nearest_first() -> None:
    """Two kinds of servers behind one Service, each with two rules that misspell the client."""
    servers = [pod(f"data/db-{n}", n, {"app": "db", "kind": str(n)}, [port("pg", 5432)]) for n in (3, 4)]
    rules = [
        policy(
            f"data/{letter}{n}",
            podSelector={"matchLabels": {"app": "db", "kind": str(n)}},
            ingress=[{"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": word}}}]}],
        )
        for n in (3, 4)
        for letter, word in (("a", "something"), ("b", "webb"))
    ]
    backing = service("data/both", {"app": "db"}, [{"port": 5432}])
    (finding,) = told("both.data:5432", *servers, *rules, WALL, backing)
    assert [str(miss.policy) for miss in finding.near_misses] == ["data/b3", "data/b4", "data/a3"]


def test_a_finding_without_a_fix_says_why() -> None:
    bare = pod("data/bare", 3, {}, [port("pg", 5432)])
    (finding,) = told("pod/bare.data:5432", bare, WALL)
    assert (finding.fix, finding.no_fix) == ((), "data/bare has no labels that a policy could select it by")


def test_whom_the_fix_reaches_too_is_among_the_assumptions() -> None:
    twin = deployment("shop/twin")
    twin["spec"]["template"]["metadata"]["labels"] = {"app": "web"}
    (finding,) = told("deploy/db.data:5432", twin, WALL)
    assert finding.assumptions == ("shop/web: its labels also select shop/twin",)


def test_the_port_of_a_headless_service_is_dialled_unchanged() -> None:
    objects = [headless("data/db-pods", {"app": "db"}, [{"port": 5432}]), WALL]
    (finding,) = told("db-pods.data:5432", *objects)
    assert [(flow.port, flow.service_port) for flow in finding.flows] == [(5432, 5432)]


def test_one_policy_that_cannot_be_read_changes_no_other_answer() -> None:
    broken = policy("data/broken")
    broken["spec"] = 5
    (finding,) = told("deploy/db.data:5432", OUT, WALL, broken)[:1]
    assert (finding.id, finding.policies) == ("NP101", (PolicyRef("shop", "out"),))
    assert brief(told("deploy/db.data:5432", broken)) == [("NP106", "info", "deploy/db.data:5432/TCP")]


# -- who enforces -----------------------------------------------------------------------------------------------------


def test_where_nobody_enforces_that_is_told_instead() -> None:
    found = told("db.data:80, cache.data:6379", OUT, WALL, settings=config.settings(cni="none"))
    assert brief(found) == [
        ("NP201", "warning", "cache.data:6379/TCP"),
        ("NP107", "info", "db.data:80/TCP"),
        ("NP107", "info", "kube-dns.kube-system:53/UDP"),
    ]
    assert {f.verdict for f in found if f.id == "NP107"} == {Verdict.ALLOWED}
    assert all(f.fix == () for f in found)


def test_where_it_is_not_recognised_who_does_the_finding_says_so() -> None:
    (finding,) = told("deploy/db.data:5432", WALL, settings=Settings(enforcer=UNRECOGNISED))
    assert finding.id == "NP102"
    assert any("not recognised" in assumption for assumption in finding.assumptions)


def test_near_misses_of_an_address_are_told_when_the_finding_is_shown() -> None:
    near = policy("shop/near", podSelector={}, egress=[{"to": [{"ipBlock": {"cidr": "203.0.113.0/28"}}]}])
    web = deployment("shop/web", annotations={CONNECTS_TO: "203.0.113.99:443"})
    world = world_of([*CAST, near | {"spec": near["spec"] | {"policyTypes": ["Egress"]}}, web])
    found = world.workloads.get(WorkloadRef("Deployment", "shop", "web"))
    assert found is not None
    (shown,) = [one.whole() for one in draft_declared(world, judge_declared(world, found)) if one.finding.id == "NP101"]
    assert [(miss.want, miss.have) for miss in shown.near_misses] == [("203.0.113.0/28", "203.0.113.99")]
    assert shown in review_workload(world, found)
