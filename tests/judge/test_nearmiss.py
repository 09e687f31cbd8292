"""Near misses: the one thing that keeps a rule from letting the packet through, and nothing where it is two things."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support.arena import Raw, world_of
from tests.support.making import deployment, service
from tests.support.worlds import namespace, pod, policy, port
from webhook.evaluate import PodEnd
from webhook.families import project
from webhook.judge import explain
from webhook.judge.near_miss_peers import Packet
from webhook.judge.near_misses import MOST, near_misses
from webhook.model.addresses import PortRange, Protocol, parse_address
from webhook.model.answers import Verdict
from webhook.model.budget import Budget
from webhook.model.labels import Labels, Selector
from webhook.model.objects import PodClass, Workload
from webhook.model.policy import Direction, PodPeer, Policy, Rule
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.world import Overlay, Put, World

Found = tuple[str, str, str, str]  # policy, field, want, have
CAST = (
    namespace("shop", {"team": "a"}),
    namespace("data", {"team": "b"}),
    deployment("shop/webapi", [port("http", 8080)]),
    deployment("data/db", [port("pg", 5432)]),
    service("data/db", {"app": "db"}, [{"port": 80, "targetPort": 5432}]),
)
WALL = policy("data/wall", podSelector={}, policyTypes=["Ingress"])
OUT = policy("shop/out", podSelector={}, policyTypes=["Egress"])


def labels(**pairs: str) -> Raw:
    return {"matchLabels": {key.replace("_", "-"): value for key, value in pairs.items()}}


def admitting(*peers: Raw, ports: Iterable[Raw] = ({"port": 5432},), name: str = "data/allow", **spec: Any) -> Raw:  # noqa: ANN401
    rule = {"from": [*peers], "ports": [*ports]}
    return policy(name, **{"podSelector": labels(app="db"), "policyTypes": ["Ingress"], "ingress": [rule], **spec})


def letting(*peers: Raw, ports: Iterable[Raw] = ({"port": 5432},), name: str = "shop/let", **spec: Any) -> Raw:  # noqa: ANN401
    rule = {"to": [*peers], "ports": [*ports]}
    return policy(name, **{"podSelector": labels(app="webapi"), "policyTypes": ["Egress"], "egress": [rule], **spec})


def found(*objects: Raw, to: str = "db.data:80", without: tuple[Raw, ...] = ()) -> list[Found]:
    """Return the near misses of web-api's dependency; it must be denied."""
    world = world_of([*(o for o in CAST if o not in without), *objects])
    workload = world.workloads.get(WorkloadRef("Deployment", "shop", "webapi"))
    assert workload is not None
    answer = explain(world, workload, to)
    assert answer.verdict is Verdict.DENIED
    near = [miss for flow in answer.flows for side in (flow.egress, flow.ingress) for miss in side.near_misses]
    return [(str(miss.policy), miss.field, miss.want, miss.have) for miss in near]


TEAM_A = {"namespaceSelector": labels(team="a")}
WEBAPI = {**TEAM_A, "podSelector": labels(app="webapi")}
DB = {"namespaceSelector": labels(team="b"), "podSelector": labels(app="db")}


@pytest.mark.parametrize(
    ("about", "objects", "expected"),
    [
        (
            "a label of the client is misspelt",
            [WALL, admitting({**TEAM_A, "podSelector": labels(app="web-api")})],
            ("data/allow", "podLabels", "app=web-api", "app=webapi"),
        ),
        (
            "the client lacks a label",
            [WALL, admitting({**TEAM_A, "podSelector": labels(app="webapi", role="client")})],
            ("data/allow", "podLabels", "role=client", "no role"),
        ),
        (
            "the policy is for another server",
            [WALL, admitting(WEBAPI, podSelector=labels(app="dbs"))],
            ("data/allow", "podLabels", "app=dbs", "app=db"),
        ),
        (
            "the client's namespace has another label",
            [WALL, admitting({"namespaceSelector": labels(team="A"), "podSelector": labels(app="webapi")})],
            ("data/allow", "namespaceLabels", "team=A", "team=a"),
        ),
        (
            "a podSelector that stands alone means its own namespace",
            [WALL, admitting({"podSelector": labels(app="webapi")})],
            ("data/allow", "namespace", "data", "shop"),
        ),
        (
            "the Service's port is opened instead of the pod's",
            [WALL, admitting(WEBAPI, ports=[{"port": 80}])],
            ("data/allow", "port", "80/TCP", "5432/TCP"),
        ),
        (
            "another port is opened",
            [WALL, admitting(WEBAPI, ports=[{"port": 5433}])],
            ("data/allow", "port", "5433/TCP", "5432/TCP"),
        ),
        (
            "a port's name that the pod does not have is opened",
            [WALL, admitting(WEBAPI, ports=[{"port": "postgres"}])],
            ("data/allow", "port", "postgres/TCP (no container calls a port so)", "5432/TCP"),
        ),
        (
            "a namespace is admitted on another port",
            [WALL, admitting(TEAM_A, ports=[{"port": 8443}])],
            ("data/allow", "port", "8443/TCP", "5432/TCP"),
        ),
        (
            "the policy stands in the client's namespace",
            [WALL, admitting(WEBAPI, name="shop/allow", podSelector=labels(app="db"))],
            ("shop/allow", "namespace", "shop, and belongs into data", "data"),
        ),
        (
            "the port is opened for another protocol",
            [WALL, admitting(WEBAPI, ports=[{"port": 5432, "protocol": "UDP"}])],
            ("data/allow", "protocol", "UDP", "TCP"),
        ),
        (
            "the port's name is opened for another protocol",
            [WALL, admitting(WEBAPI, ports=[{"port": "pg", "protocol": "SCTP"}])],
            ("data/allow", "protocol", "SCTP", "TCP"),
        ),
        (
            "policyTypes leaves the direction out",
            [WALL, admitting(WEBAPI, policyTypes=["Egress"])],
            ("data/allow", "policyTypes", "Ingress", "Egress"),
        ),
        (
            "egress to a misspelt server",
            [OUT, letting({**DB, "podSelector": labels(app="dbs")})],
            ("shop/let", "podLabels", "app=dbs", "app=db"),
        ),
        (
            "egress to the Service's port",
            [OUT, letting(DB, ports=[{"port": 80}])],
            ("shop/let", "port", "80/TCP", "5432/TCP"),
        ),
        (
            "egress to pods of the client's own namespace",
            [OUT, letting({"podSelector": labels(app="db")})],
            ("shop/let", "namespace", "shop", "data"),
        ),
        (
            "egress rules that policyTypes leaves out",
            [OUT, letting(DB, policyTypes=["Ingress"])],
            ("shop/let", "policyTypes", "Egress", "Ingress"),
        ),
        (
            "egress for a client of another name",
            [OUT, letting(DB, podSelector=labels(app="web-api"))],
            ("shop/let", "podLabels", "app=web-api", "app=webapi"),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_thing_is_told(about: str, objects: list[Raw], expected: Found) -> None:
    assert found(*objects) == [expected], about


@pytest.mark.parametrize(
    ("about", "objects"),
    [
        ("label and port", [admitting({**TEAM_A, "podSelector": labels(app="web-api")}, ports=[{"port": 80}])]),
        ("label and namespace", [admitting({"podSelector": labels(app="web-api")})]),
        ("two labels", [admitting({**TEAM_A, "podSelector": labels(app="web-api", role="x")})]),
        ("port and protocol", [admitting(WEBAPI, ports=[{"port": 5433, "protocol": "UDP"}])]),
        ("the Service's port and protocol", [admitting(WEBAPI, ports=[{"port": 80, "protocol": "UDP"}])]),
        ("server and policyTypes", [admitting(WEBAPI, podSelector=labels(app="x"), policyTypes=["Egress"])]),
        ("server and port", [admitting(WEBAPI, podSelector=labels(app="x"), ports=[{"port": 80}])]),
        ("nothing is admitted", []),
        ("no rule at all", [admitting(WEBAPI, ingress=[])]),
        ("a rule without a peer that can be", [admitting({"ipBlock": {"cidr": "192.0.2.0/33"}})]),
        ("another direction", [admitting(WEBAPI, policyTypes=["Egress"], ingress=[], egress=[{}])]),
        ("a policy of everybody in another namespace", [admitting(WEBAPI, name="shop/allow", podSelector={})]),
        ("anybody, on another port: that is about something else", [admitting(TEAM_A, ports=[{"port": 53}])]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_two_things_are_no_near_miss(about: str, objects: list[Raw]) -> None:
    assert found(WALL, *objects) == [], about


def test_the_rule_is_named() -> None:
    far = {"from": [{"podSelector": labels(app="x", role="y")}]}
    near = {"from": [{**TEAM_A, "podSelector": labels(app="web-api")}]}
    world = world_of([*CAST, WALL, admitting(ingress=[far, near])])
    workload = world.workloads.get(WorkloadRef("Deployment", "shop", "webapi"))
    assert workload is not None
    (flow,) = explain(world, workload, "db.data:80").flows
    assert [miss.policy for miss in flow.ingress.near_misses] == [PolicyRef("data", "allow", rule=1)]


def test_the_nearest_come_first_and_at_most_three() -> None:
    policies = [
        admitting({**TEAM_A, "podSelector": labels(app="nothing")}, name="data/a-other"),
        admitting(WEBAPI, ports=[{"port": 5432, "protocol": "UDP"}], name="data/b-protocol"),
        admitting({**TEAM_A, "podSelector": labels(app="web-api")}, name="data/c-typo"),
        admitting(WEBAPI, ports=[{"port": 9999}], name="data/d-port"),
        admitting(WEBAPI, ports=[{"port": 80}], name="data/e-service-port"),
    ]
    assert [miss[0] for miss in found(WALL, *policies)] == ["data/c-typo", "data/e-service-port", "data/b-protocol"]
    assert found(WALL, *reversed(policies)) == found(WALL, *policies)


def test_both_sides_have_their_own() -> None:
    objects = [OUT, letting(DB, ports=[{"port": 80}]), WALL, admitting({"podSelector": labels(app="webapi")})]
    assert [(miss[0], miss[1]) for miss in found(*objects)] == [("shop/let", "port"), ("data/allow", "namespace")]


def test_a_dependency_that_passes_has_none() -> None:
    world = world_of([*CAST, WALL, admitting(WEBAPI), admitting(WEBAPI, ports=[{"port": 80}], name="data/other")])
    workload = world.workloads.get(WorkloadRef("Deployment", "shop", "webapi"))
    assert workload is not None
    assert [flow.ingress.near_misses for flow in explain(world, workload, "db.data:80").flows] == [()]


# -- addresses --------------------------------------------------------------------------------------------------------


def block(cidr: str, *excepts: str) -> Raw:
    return {"ipBlock": {"cidr": cidr, **({"except": [*excepts]} if excepts else {})}}


@pytest.mark.parametrize(
    ("peer", "to", "want", "have"),
    [
        (block("192.0.2.0/24"), "198.51.100.7:443", "192.0.2.0/24", "198.51.100.7"),
        (
            block("198.51.100.0/24", "198.51.100.7/32"),
            "198.51.100.7:443",
            "198.51.100.0/24 except 198.51.100.7/32",
            "198.51.100.7",
        ),
        (block("192.0.2.0/24"), "198.51.100.0/28:443", "192.0.2.0/24", "198.51.100.0/28"),
        (block("2001:db8:1::/64"), "[2001:db8:2::5]:443", "2001:db8:1::/64", "2001:db8:2::5"),
    ],
)
def test_a_block_that_misses_the_address_is_told(peer: Raw, to: str, want: str, have: str) -> None:
    assert found(OUT, letting(peer, ports=[{"port": 443}]), to=to) == [("shop/let", "cidr", want, have)]


def test_a_block_of_the_other_family_is_no_near_miss() -> None:
    assert found(OUT, letting(block("2001:db8::/64"), ports=[{"port": 443}]), to="198.51.100.7:443") == []


def test_a_block_that_misses_a_pods_address_is_told() -> None:
    server = pod("data/p", 3, {"app": "db"}, [port("pg", 5432)])
    objects = [server, OUT, letting(block("10.0.4.0/24"))]
    assert found(*objects, without=(CAST[3],)) == [("shop/let", "cidr", "10.0.4.0/24", "10.0.3.3")]


def test_a_block_that_holds_an_ipv6_address_does_not_hide_the_wrong_port() -> None:
    server = pod("data/p", 3, {"app": "db"}, [port("pg", 5432)])
    server["status"]["podIPs"] = server["status"]["podIPs"][1:]
    server["status"]["podIP"] = server["status"]["podIPs"][0]["ip"]
    objects = [server, OUT, letting(block("fd00::/16"), {"podSelector": labels(app="x")}, ports=[{"port": 80}])]
    assert found(*objects, without=(CAST[3],)) == [("shop/let", "port", "80/TCP", "5432/TCP")]


# -- what a near miss promises ----------------------------------------------------------------------------------------

words = st.sampled_from(("web", "web-1", "db"))
pairs = st.dictionaries(st.sampled_from(("app", "tier")), words, max_size=2).map(Labels)
named = st.dictionaries(st.sampled_from(("app", "tier")), words, min_size=1, max_size=2).map(Labels)
speaks: st.SearchStrategy[Protocol] = st.sampled_from(("TCP", "UDP"))
numbers = st.sampled_from((80, 8080))
rules = st.lists(
    st.builds(
        Rule,
        st.just(0),
        st.lists(
            st.builds(PodPeer, st.sampled_from((None, Selector())), named.map(Selector.exactly)), min_size=1, max_size=2
        ).map(tuple),
        st.lists(st.builds(lambda p, n: PortRange(p, n, n), speaks, numbers), min_size=1, max_size=2).map(tuple),
    ),
    max_size=2,
).map(tuple)
policies = st.builds(
    lambda name, subject, some, idle: Policy(
        PolicyRef("a", name),
        "a",
        subject,
        ingress=some,
        types=frozenset((Direction.EGRESS if idle else Direction.INGRESS,)),
    ),
    st.sampled_from(("one", "two", "three", "four")),
    pairs.map(Selector.exactly),
    rules,
    st.booleans(),
)


@given(st.lists(policies, min_size=1, max_size=4), pairs, pairs, st.sampled_from("ab"), speaks, numbers)
def test_a_policy_has_a_near_miss_where_it_differs_in_one_thing(
    some: list[Policy], mine: Labels, theirs: Labels, where: str, protocol: Protocol, number: int
) -> None:
    world = World(complete=True)
    world.apply(map(Put, some))
    address = (parse_address("10.0.0.1"),)
    packet = Packet(
        Direction.INGRESS,
        PodEnd(PodClass("a", mine), address),
        PodEnd(PodClass(where, theirs), address),
        protocol,
        number,
    )
    here = world.policies.named("a").values()
    assume(all(differences(policy_, packet) for policy_ in here))  # nobody asks about what passes
    told = near_misses(world, packet)
    assert {miss.policy.at(None) for miss in told} <= {p.ref for p in here if differences(p, packet) == 1}
    assert len(told) <= MOST
    assert bool(told) == any(differences(policy_, packet) == 1 for policy_ in here)


def differences(policy_: Policy, packet: Packet) -> int:
    """Count, in plain sight, in how many things the packet and the nearest rule of a policy differ."""
    assert isinstance(packet.other, PodEnd)
    assert policy_.subject is not None
    labels_, other = packet.other.pod_class.labels, packet.other.pod_class.namespace
    idle = Direction.INGRESS not in policy_.types
    best = 99
    for rule in policy_.ingress:
        some = [p for p in rule.peers or () if isinstance(p, PodPeer)]
        peers = [away(p.pods, labels_) + (p.namespaces is None and other != "a") for p in some]
        ranges = [p for p in rule.ports or () if isinstance(p, PortRange)]
        ports = [(p.protocol != packet.protocol) + (p.first != packet.port) for p in ranges]
        best = min(best, min(peers) + min(ports))
    mine = packet.subject.pod_class.labels
    if len(policy_.subject.requirements) == 1 and away(policy_.subject, mine):
        (asked,) = policy_.subject.requirements
        if not {mine.get(asked.key), *asked.values} <= {"web", "web-1"}:
            return 99  # nothing ties the policy to the pod
    return away(policy_.subject, mine) + idle + best


def away(selector: Selector, given_: Labels) -> int:
    return sum(given_.get(requirement.key) not in requirement.values for requirement in selector.requirements)


# -- clients that share what is remembered ---------------------------------------------------------------------------


def of_new(world: World, name: str, space: str = "shop", **own: str) -> list[Found]:
    """Return the near misses of a client that is only proposed, with the labels of its pods."""
    raw = {**deployment(f"{space}/{name}", []), "spec": {"template": {"metadata": {"labels": own}, "spec": {}}}}
    client = project(raw)
    assert isinstance(client, Workload)
    answer = explain(Overlay(world, [client]), client, "db.data:80")
    near = [miss for flow in answer.flows for side in (flow.egress, flow.ingress) for miss in side.near_misses]
    return [(str(miss.policy), miss.field, miss.want, miss.have) for miss in near]


def test_each_client_has_its_own_label_said() -> None:
    world = world_of([*CAST, WALL, admitting({**TEAM_A, "podSelector": labels(app="web")})])
    assert of_new(world, "one", app="webs") == [("data/allow", "podLabels", "app=web", "app=webs")]
    assert of_new(world, "two", app="job") == [("data/allow", "podLabels", "app=web", "app=job")]
    assert of_new(world, "three") == [("data/allow", "podLabels", "app=web", "no app")]


def test_clients_with_a_label_that_is_asked_for_and_without_it_miss_by_different_things() -> None:
    both = {**TEAM_A, "podSelector": labels(app="web", tier="front")}
    world = world_of([*CAST, WALL, admitting(both)])
    assert of_new(world, "one", app="job", tier="back") == []
    assert of_new(world, "two", app="web", tier="back") == [("data/allow", "podLabels", "tier=front", "tier=back")]
    assert of_new(world, "three", app="job", tier="front") == [("data/allow", "podLabels", "app=web", "app=job")]
    assert of_new(world, "four", app="job", tier="none") == []


def test_the_nearest_of_several_peers_is_the_nearest_to_each_client() -> None:
    peers = [{**TEAM_A, "podSelector": labels(app=app)} for app in ("a-b-c-d", "e-f-g-h", "i-j-k-l", "web-api")]
    world = world_of([*CAST, WALL, admitting(*peers)])
    assert of_new(world, "one", app="web-apis")[0][2] == "app=web-api"
    assert of_new(world, "two", app="i-j-k-m")[0][2] == "app=i-j-k-l"


def test_a_policy_about_a_client_that_is_only_proposed_is_near_to_nobody_else() -> None:
    near = [("data/allow", "podLabels", "app=dbs", "app=db")]
    elsewhere = admitting({"podSelector": {}}, podSelector=labels(app="dbs"))
    world = world_of([*CAST, WALL, elsewhere])
    assert of_new(world, "one", "data", app="job") == near
    assert of_new(world, "two", "data", app="dbs") == []
    assert of_new(world, "three", "data", app="job") == near


def test_a_node_port_is_named_as_soon_as_a_service_has_it() -> None:
    world = world_of([*CAST, WALL, admitting(WEBAPI, ports=[{"port": 30080}])])
    assert "node port" not in of_new(world, "one", app="webapi")[0][2]
    nodes = [{"port": 80, "targetPort": 5432, "nodePort": 30080}]
    service_ = project(service("data/db-too", {"app": "db"}, nodes, type="NodePort"))
    assert service_ is not None
    world.apply([Put(service_)])
    assert "node port of Service data/db-too" in of_new(world, "two", app="webapi")[0][2]


def test_each_client_that_a_policy_all_but_selects_has_its_own_label_said() -> None:
    own = labels(app="web", tier="front")
    world = world_of([*CAST, OUT, letting(DB, podSelector=own)])
    for app in ("job", "cron"):
        assert of_new(world, app, app=app, tier="front") == [("shop/let", "podLabels", "app=web", f"app={app}")]


def test_each_server_has_its_own_ports_said() -> None:
    admin = deployment("data/db-too", [port("pg", 5432), port("admin", 9)])
    world = world_of([*CAST, admin, WALL, admitting(WEBAPI, ports=[{"port": "admin"}], podSelector={})])
    client = world.workloads.get(WorkloadRef("Deployment", "shop", "webapi"))
    assert client is not None
    said = []
    for name in ("db", "db-too"):
        (flow,) = explain(world, client, f"deploy/{name}.data:5432").flows
        said += [miss.want for miss in flow.ingress.near_misses]
    assert said == ["admin/TCP (no container calls a port so)", "admin/TCP"]


def test_each_pod_of_a_class_has_its_own_address_said() -> None:
    pods = [pod(f"data/p{number}", number, {"app": "p"}, []) for number in (1, 2)]
    world = world_of([*CAST, *pods, OUT, letting({"ipBlock": {"cidr": "10.9.0.0/16"}})])
    client = world.workloads.get(WorkloadRef("Deployment", "shop", "webapi"))
    assert client is not None
    said = []
    for number in (1, 2):
        (flow,) = explain(world, client, f"pod/p{number}.data:5432").flows
        said += [miss.have for miss in flow.egress.near_misses]
    assert said == ["10.0.1.1", "10.0.2.2"]


def test_a_policy_is_about_others_as_soon_as_they_are_there() -> None:
    world = world_of([*CAST, WALL, admitting(WEBAPI, podSelector=labels(app="dbs"))])
    assert of_new(world, "one", app="webapi") == [("data/allow", "podLabels", "app=dbs", "app=db")]
    others = project(deployment("data/dbs", []))
    assert others is not None
    world.apply([Put(others)])
    assert of_new(world, "two", app="webapi") == []


def test_a_policy_in_the_wrong_namespace_is_found_by_whom_it_leaves_out_too() -> None:
    but = {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["db"]}]}
    world = world_of([*CAST, OUT, letting({"podSelector": {}}, name="data/let", podSelector=but)])
    assert [one[1] for one in of_new(world, "one", app="job")] == ["namespace"]
    assert of_new(world, "two", app="db") == []


def test_a_client_pays_for_no_policy_about_others_of_its_namespace() -> None:
    def steps(count: int) -> int:
        apps = [f"app-{number:02}" for number in range(count)]
        others = [deployment(f"shop/{app}") for app in apps]
        theirs = [letting(DB, name=f"shop/{app}", podSelector=labels(app=app)) for app in apps]
        world = world_of([*CAST, OUT, *others, *theirs])
        assert of_new(world, "one", app="app-x1") == []
        budget = Budget(1_000_000)
        with world.within(budget):
            assert of_new(world, "two", app="app-x2") == []
        return budget.spent

    assert steps(10) == steps(40)
