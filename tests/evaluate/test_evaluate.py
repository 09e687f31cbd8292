"""What the case files do not hold: two address families, host networks, blocks in pieces, names outside, and doubt."""

from itertools import product
from typing import Any

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from tests.support.arena import Raw, world_of
from tests.support.making import deployment, isolating, node, service
from tests.support.values import PORTS, filled, policies
from tests.support.worlds import namespace, pod, policy, port
from webhook.evaluate import PodEnd, judge_outside, judge_pair
from webhook.judge import Explanation, explain
from webhook.model.addresses import Block, PortRange, parse_address, parse_block
from webhook.model.answers import Side, Verdict, together
from webhook.model.labels import EVERYTHING, OF_SELECTORS, Labels, Operator, Requirement, Selector
from webhook.model.objects import Node, PodClass
from webhook.model.policy import BlockPeer, PodPeer, Policy, Rule, UnclearPeer
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.world import View

ALLOWED, DENIED, PARTIAL, UNKNOWN = Verdict.ALLOWED, Verdict.DENIED, Verdict.PARTIAL, Verdict.UNKNOWN
CAST = (namespace("x"), namespace("y"), deployment("x/web"))
SERVER = pod("y/db", 3, {"app": "db"}, [port("pg", 5432)])  # 10.0.3.3 and fd00::3:3


def asked(to: str, *objects: Raw, complete: bool = True) -> Explanation:
    world = world_of([*CAST, *objects], complete=complete)
    workload = world.workloads.get(WorkloadRef("Deployment", "x", "web"))
    assert workload is not None
    return explain(world, workload, to)


def egress(*cidrs: str, name: str = "x/out", **more: Any) -> Raw:  # noqa: ANN401 - any field of a rule
    rule = {"to": [{"ipBlock": {"cidr": cidr}} for cidr in cidrs], **more}
    return policy(name, podSelector={}, policyTypes=["Egress"], egress=[rule])


def ingress(*cidrs: str, name: str = "y/in") -> Raw:
    rule = {"from": [{"ipBlock": {"cidr": cidr}} for cidr in cidrs]}
    return policy(name, podSelector={}, policyTypes=["Ingress"], ingress=[rule])


# -- two address families ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cidrs", "verdict", "reason"),
    [
        (("10.0.0.0/8", "fd00::/16"), ALLOWED, None),
        (("10.0.0.0/8",), PARTIAL, "IPv4 allowed, IPv6 denied"),
        (("fd00::/16",), PARTIAL, "IPv4 denied, IPv6 allowed"),
        (("192.0.2.0/24",), DENIED, None),
    ],
)
def test_both_families_must_pass(cidrs: tuple[str, ...], verdict: Verdict, reason: str | None) -> None:
    found = asked("pod/db.y:5432", SERVER, egress(*cidrs))
    assert (found.verdict, found.flows[0].egress.reason) == (verdict, reason)


def test_one_family_stopped_on_each_side_is_denied() -> None:
    found = asked("pod/db.y:5432", SERVER, egress("10.0.0.0/8"), ingress("::/0"))
    assert found.verdict is DENIED
    assert (found.flows[0].egress.verdict, found.flows[0].ingress.verdict) == (PARTIAL, PARTIAL)


def test_a_family_that_the_service_does_not_use_does_not_count() -> None:
    backing = service("y/db", {"app": "db"}, [{"port": 5432}], ipFamilies=["IPv4"])
    assert asked("db.y:5432", SERVER, backing, egress("10.0.0.0/8")).verdict is ALLOWED
    backing = service("y/db", {"app": "db"}, [{"port": 5432}], ipFamilies=["IPv4", "IPv6"])
    assert asked("db.y:5432", SERVER, backing, egress("10.0.0.0/8")).verdict is PARTIAL


def test_a_family_that_the_server_does_not_have_does_not_count() -> None:
    only = {"podIP": "10.0.3.3", "podIPs": [{"ip": "10.0.3.3"}], "phase": "Running"}
    assert asked("pod/db.y:5432", {**SERVER, "status": only}, egress("10.0.0.0/8")).verdict is ALLOWED


def test_no_family_in_common_is_unknown_and_says_so() -> None:
    only = {"podIP": "10.0.3.3", "podIPs": [{"ip": "10.0.3.3"}], "phase": "Running"}
    backing = service("y/db", {"app": "db"}, [{"port": 5432}], ipFamilies=["IPv6"])
    found = asked("db.y:5432", {**SERVER, "status": only}, backing, egress("10.0.0.0/8"))
    assert (found.verdict, found.reason) == (UNKNOWN, "the two ends have no address family in common")


def test_unknown_on_both_families_for_two_reasons_gives_a_reason() -> None:
    """A server to come has no address yet; each family hangs on another rule."""
    nodes = node("n1", "192.0.2.1", blocks=["10.0.0.0/8", "fd00::/16"])
    rules = [{"to": [{"ipBlock": {"cidr": cidr}}]} for cidr in ("10.0.1.0/24", "fd00::/64")]
    out = policy("x/out", podSelector={}, policyTypes=["Egress"], egress=rules)
    found = asked("deploy/api.y:80", deployment("y/api", [port("http", 80)]), nodes, out)
    assert found.verdict is UNKNOWN
    assert found.reason is not None
    assert "not assigned yet" in found.reason


# -- host networks and nodes ------------------------------------------------------------------------------------------

NODES = (node("n1", "192.0.2.1"), node("n2", "192.0.2.2"))


def hosted(name: str, at: str) -> Raw:
    raw = pod(name, 9, {"app": "host"}, [port("metrics", 9100)], hostNetwork=True)
    number = at.removeprefix("n")
    address = f"192.0.2.{number}"
    raw["spec"]["nodeName"] = at
    raw["status"] |= {"podIP": address, "podIPs": [{"ip": address}]}
    return raw


@pytest.mark.parametrize(
    ("cidrs", "verdict"), [(("192.0.2.1/32",), DENIED), (("192.0.2.2/32",), ALLOWED), (("192.0.2.0/24",), ALLOWED)]
)
def test_a_pod_on_the_host_network_is_reached_at_its_nodes_address(cidrs: tuple[str, ...], verdict: Verdict) -> None:
    assert asked("pod/agent.y:9100", *NODES, hosted("y/agent", "n2"), egress(*cidrs)).verdict is verdict


@pytest.mark.parametrize(
    ("cidrs", "verdict"), [((), UNKNOWN), (("192.0.2.1/32",), UNKNOWN), (("192.0.2.0/24",), ALLOWED)]
)
def test_a_client_to_come_on_the_host_network_may_run_on_any_node(cidrs: tuple[str, ...], verdict: Verdict) -> None:
    web = deployment("x/web", hostNetwork=True)
    inside = ingress(*cidrs) if cidrs else policy("y/in", podSelector={}, policyTypes=["Ingress"])
    found = asked("pod/db.y:5432", web, SERVER, *NODES, inside)
    assert found.verdict is verdict
    assert found.flows[0].egress.reason == "a pod on the host network is not subject to NetworkPolicy"


@pytest.mark.parametrize(("where", "verdict"), [("n3", ALLOWED), ("n2", DENIED)])
def test_a_running_client_on_the_host_network_reaches_pods_of_its_own_node(where: str, verdict: Verdict) -> None:
    world = world_of([*CAST, SERVER, hosted("x/agent", where), policy("y/in", podSelector={})])
    agent = world.workloads.get(WorkloadRef("Pod", "x", "agent"))
    assert agent is not None
    assert explain(world, agent, "pod/db.y:5432").verdict is verdict  # the server runs on n3


# -- blocks in pieces -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cidrs", "verdict", "reason"),
    [
        (("192.0.2.0/25", "192.0.2.128/25"), ALLOWED, None),
        (("192.0.2.0/26", "192.0.2.64/26", "192.0.2.128/25"), ALLOWED, None),
        (("192.0.2.0/25",), PARTIAL, "128 of 256 addresses are let through"),
        (("192.0.2.0/25", "192.0.2.130/32"), PARTIAL, "129 of 256 addresses are let through"),
        (("198.51.100.0/24",), DENIED, None),
        (("0.0.0.0/0",), ALLOWED, None),
    ],
)
def test_several_rules_may_cover_what_none_covers_alone(
    cidrs: tuple[str, ...], verdict: Verdict, reason: str | None
) -> None:
    separate = [egress(cidr, name=f"x/out{number}") for number, cidr in enumerate(cidrs)]
    for objects in ([egress(*cidrs)], separate):
        found = asked("192.0.2.0/24:443", *objects)
        assert (found.verdict, found.reason) == (verdict, reason)


def test_a_block_that_too_many_rules_divide_is_unknown() -> None:
    cidrs = [f"10.{a}.{b}.1/32" for a, b in product(range(64), range(16))]
    found = asked("10.0.0.0/8:443", egress(*cidrs))
    assert (found.verdict, found.reason) == (UNKNOWN, "too many rules divide 10.0.0.0/8")


SMALL = [
    Block(4, parse_address(f"192.0.2.{first}").value, prefix)
    for prefix in (28, 29, 30, 31, 32)
    for first in range(0, 16, 1 << (32 - prefix))
]
inner = st.lists(st.sampled_from([b for b in SMALL if b.prefix > 29]), max_size=2).map(tuple)
pieces = st.builds(
    lambda block, excepts: BlockPeer(block, tuple(e for e in excepts if block.covers(e) and block != e)),
    st.sampled_from(SMALL),
    inner,
)
HASHED = Selector((Requirement("pod-template-hash", Operator.EXISTS),))
dividing = st.builds(
    lambda name, subject, peers, ports: isolating(
        PolicyRef("a", name), subject, egress=(Rule(0, tuple(peers), ports),) if peers else ()
    ),
    st.sampled_from(("one", "two", "three")),
    st.sampled_from((EVERYTHING, EVERYTHING, HASHED)),
    st.lists(pieces | pieces | st.just(UnclearPeer("unclear")), max_size=3),
    st.sampled_from((None, (PortRange("TCP", 443, 443),), (PortRange("TCP", 80, 80),))),
)


@given(st.lists(dividing, min_size=1, max_size=3), st.sampled_from([b for b in SMALL if b.prefix < 32]))
def test_a_block_is_judged_as_all_its_addresses_one_by_one(some: list[Policy], block: Block) -> None:
    world, source = filled(some), PodEnd(PodClass("a", template=True))
    singles = [Block(4, value, 32) for value in range(block.first, block.last + 1)]
    verdicts = [judge_outside(world, source, single, "TCP", 443)[0] for single in singles]
    found, side, _ = judge_outside(world, source, block, "TCP", 443)
    event(str(found))
    assert found is together(verdicts)
    assert found is side.verdict
    assert (side.reason is not None) == (found in (PARTIAL, UNKNOWN))


# -- names outside ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objects", "verdict"),
    [
        ([], ALLOWED),
        ([egress("0.0.0.0/0")], ALLOWED),
        ([egress("0.0.0.0/1", "128.0.0.0/1")], ALLOWED),
        ([egress("0.0.0.0/0", ports=[{"port": 443}])], ALLOWED),
        ([egress("0.0.0.0/0", ports=[{"port": 80}])], DENIED),  # nobody is let out on the port
        ([egress("10.0.0.0/8")], UNKNOWN),
        ([SERVER, egress("0.0.0.0/0")], UNKNOWN),  # pods of this cluster have IPv6 too
        ([SERVER, egress("0.0.0.0/0", "::/0")], ALLOWED),
        ([policy("x/out", podSelector={}, policyTypes=["Egress"], egress=[{"ports": [{"port": 443}]}])], ALLOWED),
        (
            [policy("x/out", podSelector={}, policyTypes=["Egress"], egress=[{"to": [{"namespaceSelector": {}}]}])],
            DENIED,
        ),
    ],
)
def test_a_name_outside_is_sure_only_where_every_address_is_open(objects: list[Raw], verdict: Verdict) -> None:
    dns = policy(
        "x/dns",
        podSelector={},
        policyTypes=["Egress"],
        egress=[{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}]}],
    )
    found = asked("api.example.com.:443", *objects, *([dns] if objects else []))
    assert found.verdict is verdict
    assert (found.reason is not None) == (verdict is UNKNOWN)


# -- doubt ------------------------------------------------------------------------------------------------------------

Rules = tuple[Rule, ...]
OPEN_ALL: Rules = (Rule(0),)
CLOSED_ALL: Rules = ()
SURE, MAYBE = EVERYTHING, Selector((Requirement("pod-template-hash", Operator.IN, frozenset(("5d8",))),))
VAGUE = (Rule(0, (UnclearPeer("`fqdn`"),)),)


@pytest.mark.parametrize(
    ("parts", "verdict", "isolated"),
    [
        ([(SURE, OPEN_ALL)], ALLOWED, True),
        ([(SURE, CLOSED_ALL)], DENIED, True),
        ([(MAYBE, OPEN_ALL)], ALLOWED, None),
        ([(MAYBE, CLOSED_ALL)], UNKNOWN, None),
        ([(SURE, VAGUE)], UNKNOWN, True),
        ([(SURE, CLOSED_ALL), (MAYBE, OPEN_ALL)], UNKNOWN, True),
        ([(SURE, CLOSED_ALL), (MAYBE, CLOSED_ALL)], DENIED, True),
        ([(SURE, CLOSED_ALL), (SURE, VAGUE)], UNKNOWN, True),
        ([(SURE, OPEN_ALL), (MAYBE, CLOSED_ALL)], ALLOWED, True),
        ([(SURE, OPEN_ALL), (SURE, VAGUE), (MAYBE, CLOSED_ALL)], ALLOWED, True),
        ([(MAYBE, OPEN_ALL), (MAYBE, CLOSED_ALL)], UNKNOWN, None),
        ([(MAYBE, OPEN_ALL), (MAYBE, OPEN_ALL)], ALLOWED, None),
        ([(MAYBE, VAGUE)], UNKNOWN, None),
        ([(None, OPEN_ALL)], ALLOWED, None),
        ([(None, CLOSED_ALL)], UNKNOWN, None),
        ([(None, CLOSED_ALL), (SURE, CLOSED_ALL)], DENIED, True),
        ([(None, OPEN_ALL), (SURE, CLOSED_ALL)], UNKNOWN, True),
    ],
)
def test_what_is_in_doubt_counts_both_ways(
    parts: list[tuple[Selector | None, Rules]], verdict: Verdict, isolated: bool | None
) -> None:
    some = [isolating(PolicyRef("a", f"np{n}"), subject, egress=rules) for n, (subject, rules) in enumerate(parts)]
    for order in (some, some[::-1]):
        side = egress_of(filled(order))
        assert (side.verdict, side.isolated) == (verdict, isolated)
        assert (side.reason is not None) == (verdict is UNKNOWN)


def test_a_policy_that_cannot_be_read_keeps_its_namespace_in_doubt_and_no_other() -> None:
    broken = Policy(PolicyRef("a", "broken"), "a", None, unreadable="spec: expected an object")
    found = egress_of(filled([broken]))
    assert found == Side(UNKNOWN, None, (broken.ref,), reason="a/broken cannot be read: spec: expected an object")
    assert egress_of(filled([broken]), "b").verdict is ALLOWED


def test_doubt_about_one_side_does_not_hide_that_the_other_is_closed() -> None:
    some = [
        isolating(PolicyRef("a", "maybe"), MAYBE, egress=CLOSED_ALL),
        isolating(PolicyRef("b", "closed"), EVERYTHING, ingress=CLOSED_ALL),
    ]
    ends = [PodEnd(PodClass(name, template=True)) for name in "ab"]
    verdict, one, two = judge_pair(filled(some), ends[0], ends[1], "TCP", 80)
    assert (verdict, one.verdict, two.verdict) == (DENIED, UNKNOWN, DENIED)


def egress_of(view: View, where: str = "a") -> Side:
    return judge_pair(view, PodEnd(PodClass(where, template=True)), PodEnd(PodClass("c", template=True)), "TCP", 80)[1]


POOLS = {4: ("10.0.1.0/24", "10.0.2.0/24"), 6: ("fd00::/64",)}
LATER = (Labels(), *(Labels({"pod-template-hash": value}) for value in ("a", "h1", "other")))
WHERE = {4: ("10.0.1.1", "10.0.1.2", "10.0.2.1"), 6: ("fd00::1", "fd00::2")}


hashes = st.builds(
    lambda operator: Selector((Requirement("pod-template-hash", operator, frozenset(("h1",))),)),
    st.sampled_from(OF_SELECTORS),
)
about = st.sampled_from((EVERYTHING, Selector.exactly(Labels({"app": "a"})))) | hashes
pod_peers = st.builds(PodPeer, st.sampled_from((None, EVERYTHING)), about)
block_peers = st.sampled_from(("10.0.1.0/24", "10.0.1.1/32", "10.0.0.0/8", "fd00::/64", "fd00::1/128"))
aimed = st.builds(
    lambda name, space, subject, peers, out: isolating(
        PolicyRef(space, name),
        subject,
        egress=(Rule(0, tuple(peers)),) if out else None,
        ingress=None if out else (Rule(0, tuple(peers)),),
    ),
    st.sampled_from(("one", "two")),
    st.sampled_from("ab"),
    about,
    st.lists(pod_peers | block_peers.map(parse_block).map(BlockPeer), min_size=1, max_size=2),
    st.booleans(),
)


@given(
    st.lists(aimed, min_size=1, max_size=5),
    st.sampled_from(((4,), (6,), (4, 6))),
    st.sampled_from([Labels(found) for found in ({"app": "a"}, {"tier": "a"}, {})]),
    st.sampled_from("ab"),
)
def test_what_is_sure_of_a_template_holds_for_every_pod_that_is_made_from_it(
    some: list[Policy], families: tuple[int, ...], labels: Labels, where: str
) -> None:
    view = filled([*some, Node("n", pod_blocks=tuple(parse_block(pool) for f in families for pool in POOLS[f]))])
    template = PodEnd(PodClass(where, labels, PORTS[:1], template=True))
    running = tuple(map(parse_address, (WHERE[f][0] for f in families)))
    other = PodEnd(PodClass("a", Labels({"app": "a"}), PORTS[:1]), running, "n")
    for ends in ((0, 1), (1, 0)):
        source, target = ((template, other)[i] for i in ends)
        expected = judge_pair(view, source, target, "TCP", 80)[0]
        event(str(expected))
        if expected is UNKNOWN:
            continue
        for more, own in product(LATER, product(*(WHERE[f] for f in families))):
            pod_class = PodClass(where, Labels({*labels.pairs, *more.pairs}), PORTS[:1])
            made = PodEnd(pod_class, tuple(map(parse_address, own)), "m")
            source, target = ((made, other)[i] for i in ends)
            assert judge_pair(view, source, target, "TCP", 80)[0] is expected, (ends, more, own)


@given(st.lists(policies(), min_size=1, max_size=5), st.integers(0, 2))
def test_a_verdict_says_what_it_rests_on(some: list[Policy], number: int) -> None:
    view = filled(some)
    source, target = (PodEnd(PodClass(n, Labels({"app": "a"}), PORTS[:1], template=True)) for n in ("a", "b"))
    verdict, *sides = judge_pair(view, source, target, "TCP", (80, 8080, 53)[number])
    assume(verdict is not PARTIAL)
    for side in sides:
        assert (side.verdict is UNKNOWN) == (side.reason is not None)
        assert (side.admitted_by is not None) == (side.verdict is ALLOWED and side.isolated is not False)
        assert bool(side.policies) == (side.isolated is not False)
        assert list(side.policies) == sorted(side.policies)
