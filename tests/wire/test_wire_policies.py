"""NetworkPolicy on the wire: what is read, and what becomes of every way in which one can be wrong.

What the API server refuses matches nothing, what may mean two things is unclear, what has the wrong shape is
unreadable; a policy with a name never fails.
"""

from typing import Any

import pytest

from tests.support.arena import Raw, world_of
from tests.support.making import asks, deployment
from tests.support.worlds import namespace, pod, policy, port
from webhook.families import project
from webhook.families.networkpolicy import isolates
from webhook.judge import explain
from webhook.model.addresses import NamedPort, PortRange, parse_block
from webhook.model.answers import Verdict
from webhook.model.labels import EVERYTHING, Labels, Operator, Requirement, Selector
from webhook.model.policy import BlockPeer, Direction, PodPeer, Policy, Rule, UnclearPeer
from webhook.model.refs import PolicyRef
from webhook.wire.shapes import Malformed

BOTH = ["Ingress", "Egress"]


def read(**spec: Any) -> Policy:  # noqa: ANN401 - any field of a NetworkPolicy's spec
    found = project(policy("shop/p", **spec))
    assert isinstance(found, Policy)
    assert found.ref == PolicyRef("shop", "p")
    assert found.namespace == "shop"
    return found


def rule(raw: object, key: str = "ingress") -> tuple[Rule, tuple[str, ...]]:
    """Return the only rule as it was read, and what is wrong with the policy."""
    found = read(podSelector={}, policyTypes=BOTH, **{key: [raw]})
    assert found.unreadable is None
    (only,) = found.ingress if key == "ingress" else found.egress
    return only, found.problems


def exactly(**labels: str) -> Selector:
    return Selector.exactly(Labels(labels))


# -- what is read ------------------------------------------------------------------------------------------------------


def test_a_whole_policy() -> None:
    found = read(
        podSelector={"matchLabels": {"app": "db"}},
        policyTypes=BOTH,
        ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 5432}]}],
        egress=[{"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}, {}],
    )
    assert found == Policy(
        PolicyRef("shop", "p"),
        "shop",
        exactly(app="db"),
        ingress=(Rule(0, (PodPeer(None, exactly(app="web")),), (PortRange("TCP", 5432, 5432),)),),
        egress=(
            Rule(0, (BlockPeer(parse_block("10.0.0.0/8"), (parse_block("10.1.0.0/16"),)),), None),
            Rule(1, None, None),
        ),
        types=frozenset(Direction),
    )


@pytest.mark.parametrize("rules", [[], [{}]])
@pytest.mark.parametrize(
    ("types", "ingress", "egress"),
    [
        (["Ingress"], True, False),
        (["Egress"], False, True),
        (["Ingress", "Egress"], True, True),
        (["Egress", "Ingress", "Egress"], True, True),
    ],
)
def test_policy_types_say_which_directions_are_isolated(
    types: list[str], ingress: bool, egress: bool, rules: list[Raw]
) -> None:
    found = read(podSelector={}, policyTypes=types, ingress=rules, egress=rules)
    assert (isolates(found, Direction.INGRESS), isolates(found, Direction.EGRESS)) == (ingress, egress)
    assert (len(found.ingress), len(found.egress)) == (len(rules), len(rules))


@pytest.mark.parametrize("types", [None, []])
def test_without_policy_types_ingress_is_isolated_and_egress_where_it_has_rules(types: list[str] | None) -> None:
    for egress, isolated in ((None, False), ([], False), ([{}], True)):
        found = read(podSelector={}, policyTypes=types, egress=egress)
        assert found.ingress == ()
        assert isolates(found, Direction.INGRESS)
        assert isolates(found, Direction.EGRESS) is isolated


@pytest.mark.parametrize("raw", [{}, {"spec": None}, {"spec": {}}, {"spec": {"podSelector": None, "ingress": None}}])
def test_an_empty_policy_closes_ingress_of_every_pod(raw: Raw) -> None:
    found = project({k: v for k, v in policy("shop/p").items() if k != "spec"} | raw)
    assert found == Policy(PolicyRef("shop", "p"), "shop", EVERYTHING)
    assert isolates(found, Direction.INGRESS)


@pytest.mark.parametrize("empty", [None, []])
def test_without_peers_or_ports_everything_is_meant(empty: object) -> None:
    assert rule({}) == (Rule(0), ())
    assert rule({"from": empty, "ports": empty}) == (Rule(0), ())
    assert rule({"to": empty, "ports": empty}, "egress") == (Rule(0), ())


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ({"podSelector": {}}, PodPeer(None, EVERYTHING)),
        ({"podSelector": {"matchLabels": {"a": "b"}}}, PodPeer(None, exactly(a="b"))),
        ({"namespaceSelector": {}}, PodPeer(EVERYTHING, EVERYTHING)),
        ({"namespaceSelector": {"matchLabels": {"a": "b"}}}, PodPeer(exactly(a="b"), EVERYTHING)),
        (
            {"namespaceSelector": {"matchLabels": {"a": "b"}}, "podSelector": {"matchLabels": {"c": ""}}},
            PodPeer(exactly(a="b"), exactly(c="")),
        ),
        ({"namespaceSelector": {}, "podSelector": None, "ipBlock": None}, PodPeer(EVERYTHING, EVERYTHING)),
        ({"podSelector": {}, "namespaceSelector": None}, PodPeer(None, EVERYTHING)),
        ({"podSelector": {"matchLabels": None, "matchExpressions": None}}, PodPeer(None, EVERYTHING)),
        ({"ipBlock": {"cidr": "10.0.0.0/8"}}, BlockPeer(parse_block("10.0.0.0/8"))),
        ({"ipBlock": {"cidr": "10.0.0.5/8", "except": None}}, BlockPeer(parse_block("10.0.0.0/8"))),
        (
            {"ipBlock": {"cidr": "::/0", "except": ["fd00::/8"]}},
            BlockPeer(parse_block("::/0"), (parse_block("fd00::/8"),)),
        ),
        ({"ipBlock": {"cidr": "::ffff:10.0.0.0/104"}, "podSelector": None}, BlockPeer(parse_block("10.0.0.0/8"))),
    ],
)
def test_a_peer(peer: Raw, expected: PodPeer | BlockPeer) -> None:
    assert rule({"from": [peer]}) == (Rule(0, (expected,)), ())
    assert rule({"to": [peer]}, "egress") == (Rule(0, (expected,)), ())


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({}, PortRange("TCP")),
        ({"protocol": "UDP"}, PortRange("UDP")),
        ({"port": 80}, PortRange("TCP", 80, 80)),
        ({"port": 80, "protocol": "SCTP"}, PortRange("SCTP", 80, 80)),
        ({"port": 80, "endPort": 90}, PortRange("TCP", 80, 90)),
        ({"port": 80, "endPort": 80}, PortRange("TCP", 80, 80)),
        ({"port": 1, "endPort": 65535}, PortRange("TCP")),
        ({"port": "http"}, NamedPort("TCP", "http")),
        ({"port": "8080-tcp", "protocol": "UDP"}, NamedPort("UDP", "8080-tcp")),
        ({"port": None, "endPort": None, "protocol": None}, PortRange("TCP")),
    ],
)
def test_a_port(entry: Raw, expected: PortRange | NamedPort) -> None:
    assert rule({"ports": [entry]}) == (Rule(0, None, (expected,)), ())


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"key": "a", "operator": "In", "values": ["x", "y"]}, Requirement("a", Operator.IN, frozenset("xy"))),
        ({"key": "a", "operator": "In", "values": [""]}, Requirement("a", Operator.IN, frozenset([""]))),
        ({"key": "a", "operator": "NotIn", "values": ["x"]}, Requirement("a", Operator.NOT_IN, frozenset("x"))),
        ({"key": "a", "operator": "Exists"}, Requirement("a", Operator.EXISTS)),
        ({"key": "a", "operator": "Exists", "values": []}, Requirement("a", Operator.EXISTS)),
        ({"key": "a", "operator": "DoesNotExist", "values": None}, Requirement("a", Operator.DOES_NOT_EXIST)),
    ],
)
def test_an_expression(expression: Raw, expected: Requirement) -> None:
    found = read(podSelector={"matchLabels": {"l": "v"}, "matchExpressions": [expression]})
    assert found.subject == Selector((Requirement("l", Operator.IN, frozenset("v")), expected))


# -- unreadable: the shape is wrong, or the meaning is lost ------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"ingress": {}}, "spec.ingress: expected a list"),
        ({"ingress": "x"}, "spec.ingress: expected a list"),
        ({"ingress": 0}, "spec.ingress: expected a list"),
        ({"ingress": False, "policyTypes": ["Egress"]}, "spec.ingress: expected a list"),
        ({"egress": {}}, "spec.egress: expected a list"),
        ({"egress": ""}, "spec.egress: expected a list"),
        ({"policyTypes": "Ingress"}, "spec.policyTypes: expected a list"),
        ({"policyTypes": ["ingress"]}, "spec.policyTypes[0]: expected Ingress or Egress, not `'ingress'`"),
        ({"policyTypes": ["Ingress", None]}, "spec.policyTypes[1]: expected a string, not `None`"),
        ({"policyTypes": ["Ingress", ""]}, "spec.policyTypes[1]: expected Ingress or Egress, not `''`"),
        ({"podselector": {}}, "spec: expected egress, ingress, podSelector, policyTypes, not `'podselector'`"),
        ({"Ingress": []}, "spec: expected egress, ingress, podSelector, policyTypes, not `'Ingress'`"),
    ],
)
def test_a_policy_of_the_wrong_shape_is_unreadable_and_may_isolate_anything(spec: Raw, reason: str) -> None:
    found = read(**{"podSelector": {"matchLabels": {"app": "web"}}, **spec})
    assert found == Policy(PolicyRef("shop", "p"), "shop", exactly(app="web"), unreadable=reason)


@pytest.mark.parametrize("spec", [[], "x", 1, True])
def test_without_a_spec_that_is_an_object_it_is_unreadable(spec: object) -> None:
    found = project({**policy("shop/p"), "spec": spec})
    assert found == Policy(PolicyRef("shop", "p"), "shop", None, unreadable="spec: expected an object")


@pytest.mark.parametrize(
    ("selector", "problem"),
    [
        ([], "spec.podSelector: expected an object"),
        ({"matchLabel": {"a": "b"}}, "spec.podSelector: expected matchLabels and matchExpressions, not `'matchLabel'`"),
        ({"app": "web"}, "spec.podSelector: expected matchLabels and matchExpressions, not `'app'`"),
        ({"matchLabels": []}, "spec.podSelector.matchLabels: expected an object"),
        ({"matchLabels": {"a": None}}, "spec.podSelector.matchLabels[a]: expected a string, not `None`"),
        ({"matchLabels": {"a": True}}, "spec.podSelector.matchLabels[a]: expected a string, not `True`"),
        ({"matchExpressions": {}}, "spec.podSelector.matchExpressions: expected a list"),
        ({"matchExpressions": [None]}, "spec.podSelector.matchExpressions[0]: expected an object"),
        ({"matchExpressions": [{}]}, "spec.podSelector.matchExpressions[0].key: expected a label key"),
        (
            {"matchExpressions": [{"key": "a"}]},
            "spec.podSelector.matchExpressions[0].operator: expected In, NotIn, Exists or DoesNotExist, not `''`",
        ),
        (
            {"matchExpressions": [{"key": "a", "operator": "in"}]},
            "spec.podSelector.matchExpressions[0].operator: expected In, NotIn, Exists or DoesNotExist, not `'in'`",
        ),
        (
            {"matchExpressions": [{"key": "a", "operator": "In"}]},
            "spec.podSelector.matchExpressions[0].values: expected at least one value for In",
        ),
        (
            {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": []}]},
            "spec.podSelector.matchExpressions[0].values: expected at least one value for NotIn",
        ),
        (
            {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["x"]}]},
            "spec.podSelector.matchExpressions[0].values: expected no values for Exists",
        ),
        (
            {"matchExpressions": [{"key": "a", "operator": "In", "values": [1]}]},
            "spec.podSelector.matchExpressions[0].values[0]: expected a string, not `1`",
        ),
    ],
)
def test_a_bad_selector_may_select_any_pod_and_the_rules_still_count(selector: object, problem: str) -> None:
    found = read(podSelector=selector, ingress=[{"ports": [{"port": 80}]}])
    assert found.subject is None
    assert found.problems == (problem,)
    assert found.unreadable is None
    assert found.ingress == (Rule(0, None, (PortRange("TCP", 80, 80),)),)


# -- unclear: it may mean more than one thing --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "spec.ingress[0]: expected an object"),
        ([], "spec.ingress[0]: expected an object"),
        ("allow", "spec.ingress[0]: expected an object"),
        ({"to": []}, "spec.ingress[0]: expected from, ports, not `'to'`"),
        ({"form": []}, "spec.ingress[0]: expected from, ports, not `'form'`"),
        ({"from": {}}, "spec.ingress[0].from: expected a list"),
        ({"from": [None]}, "spec.ingress[0].from[0]: expected an object"),
        ({"from": [{"podSelector": {}}, 1]}, "spec.ingress[0].from[1]: expected an object"),
        ({"ports": {}}, "spec.ingress[0].ports: expected a list"),
        ({"ports": [80]}, "spec.ingress[0].ports[0]: expected an object"),
        ({"ports": [None]}, "spec.ingress[0].ports[0]: expected an object"),
        (
            {"ports": [{"port": 80, "proto": "UDP"}]},
            "spec.ingress[0].ports[0]: expected endPort, port, protocol, not `'proto'`",
        ),
    ],
)
def test_a_rule_that_cannot_be_read_may_match_anything_or_nothing(raw: object, reason: str) -> None:
    assert rule(raw) == (Rule(0, unclear=reason), (reason,))


PEER = "spec.ingress[0].from[0]"


@pytest.mark.parametrize(
    ("peer", "reason"),
    [
        ({}, f"{PEER}: expected podSelector, namespaceSelector or ipBlock, not an empty peer"),
        ({"podSelector": None}, f"{PEER}: expected podSelector, namespaceSelector or ipBlock, not an empty peer"),
        (
            {"podSelector": None, "ipBlock": None},
            f"{PEER}: expected podSelector, namespaceSelector or ipBlock, not an empty peer",
        ),
        ({"podselector": {}}, f"{PEER}: expected ipBlock, namespaceSelector, podSelector, not `'podselector'`"),
        (
            {"podSelector": {}, "toFQDNs": []},
            f"{PEER}: expected ipBlock, namespaceSelector, podSelector, not `'toFQDNs'`",
        ),
        ({"podSelector": {"app": "web"}}, f"{PEER}.podSelector: expected matchExpressions, matchLabels, not `'app'`"),
        (
            {"namespaceSelector": {"name": "x"}},
            f"{PEER}.namespaceSelector: expected matchExpressions, matchLabels, not `'name'`",
        ),
        ({"podSelector": []}, f"{PEER}.podSelector: expected an object"),
        ({"ipBlock": "10.0.0.0/8"}, f"{PEER}.ipBlock: expected an object"),
        ({"ipBlock": {"cidr": "10.0.0.0/8", "excepts": []}}, f"{PEER}.ipBlock: expected cidr, except, not `'excepts'`"),
        (
            {"ipBlock": {"cidr": "010.0.0.0/8"}},
            f"{PEER}.ipBlock: `'010.0.0.0/8'` has leading zeros, which readers take differently",
        ),
        (
            {"ipBlock": {"cidr": "10.0.0.0/08"}},
            f"{PEER}.ipBlock: `'10.0.0.0/08'` has leading zeros, which readers take differently",
        ),
        (
            {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.01.0.0/16"]}},
            f"{PEER}.ipBlock: `'10.01.0.0/16'` has leading zeros, which readers take differently",
        ),
    ],
)
def test_a_peer_that_may_mean_more_than_one_thing_is_unclear_and_the_others_count(peer: Raw, reason: str) -> None:
    assert rule({"from": [peer, {"podSelector": {}}]}) == (
        Rule(0, (UnclearPeer(reason), PodPeer(None, EVERYTHING))),
        (reason,),
    )


# -- refused by the API server: it matches nothing ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "problem"),
    [
        ({"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}, f"{PEER}: expected ipBlock alone, or selectors"),
        ({"ipBlock": {"cidr": "10.0.0.0/8"}, "namespaceSelector": {}}, f"{PEER}: expected ipBlock alone, or selectors"),
        ({"ipBlock": {}}, f"{PEER}.ipBlock: expected an address block, not `''`"),
        ({"ipBlock": {"cidr": None}}, f"{PEER}.ipBlock: expected an address block, not `''`"),
        ({"ipBlock": {"cidr": 10}}, f"{PEER}.ipBlock.cidr: expected a string, not `10`"),
        ({"ipBlock": {"cidr": "10.0.0.0"}}, f"{PEER}.ipBlock: expected an address block, not `'10.0.0.0'`"),
        ({"ipBlock": {"cidr": "10.0.0.0/33"}}, f"{PEER}.ipBlock: expected an address block, not `'10.0.0.0/33'`"),
        ({"ipBlock": {"cidr": "10.0.0/8"}}, f"{PEER}.ipBlock: expected an address block, not `'10.0.0/8'`"),
        ({"ipBlock": {"cidr": " 10.0.0.0/8"}}, f"{PEER}.ipBlock: expected an address block, not `' 10.0.0.0/8'`"),
        ({"ipBlock": {"cidr": "10.0.0.0/8/8"}}, f"{PEER}.ipBlock: expected an address block, not `'10.0.0.0/8/8'`"),
        (
            {"ipBlock": {"cidr": "fe80::1%eth0/64"}},
            f"{PEER}.ipBlock: expected an address block, not `'fe80::1%eth0/64'`",
        ),
        ({"ipBlock": {"cidr": "::/129"}}, f"{PEER}.ipBlock: expected an address block, not `'::/129'`"),
        ({"ipBlock": {"cidr": "10.0.0.0/8", "except": "10.1.0.0/16"}}, f"{PEER}.ipBlock.except: expected a list"),
        ({"ipBlock": {"cidr": "10.0.0.0/8", "except": [1]}}, f"{PEER}.ipBlock.except[0]: expected a string, not `1`"),
        ({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["x"]}}, f"{PEER}.ipBlock: expected an address block, not `'x'`"),
        (
            {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}},
            f"{PEER}.ipBlock.except: expected a block inside 10.0.0.0/8, not `'11.0.0.0/16'`",
        ),
        (
            {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}},
            f"{PEER}.ipBlock.except: expected a block inside 10.0.0.0/8, not `'10.0.0.0/8'`",
        ),
        (
            {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["0.0.0.0/0"]}},
            f"{PEER}.ipBlock.except: expected a block inside 10.0.0.0/8, not `'0.0.0.0/0'`",
        ),
        (
            {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["::/64"]}},
            f"{PEER}.ipBlock.except: expected a block inside 10.0.0.0/8, not `'::/64'`",
        ),
        (
            {"podSelector": {"matchExpressions": [{"key": "a", "operator": "Gt"}]}},
            f"{PEER}.podSelector.matchExpressions[0].operator: expected In, NotIn, Exists or DoesNotExist, not `'Gt'`",
        ),
        (
            {"namespaceSelector": {"matchLabels": {"a": 1}}},
            f"{PEER}.namespaceSelector.matchLabels[a]: expected a string, not `1`",
        ),
    ],
)
def test_a_peer_that_the_api_server_refuses_matches_nothing_and_the_others_count(peer: Raw, problem: str) -> None:
    assert rule({"from": [peer]}) == (Rule(0, ()), (problem,))
    assert rule({"from": [peer, {"podSelector": {}}]}) == (Rule(0, (PodPeer(None, EVERYTHING),)), (problem,))


ENTRY = "spec.ingress[0].ports[0]"


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"endPort": 90}, f"{ENTRY}.endPort: expected `port` beside it"),
        ({"port": "http", "endPort": 90}, f"{ENTRY}.endPort: expected a number in `port` beside it"),
        ({"port": 80, "endPort": 79}, f"{ENTRY}.endPort: expected a port from 80 to 65535, not `79`"),
        ({"port": 80, "endPort": 65536}, f"{ENTRY}.endPort: expected a port from 80 to 65535, not `65536`"),
        ({"port": 80, "endPort": 0}, f"{ENTRY}.endPort: expected a port from 80 to 65535, not `0`"),
        ({"port": 80, "endPort": "90"}, f"{ENTRY}.endPort: expected an integer, not `'90'`"),
        ({"port": 0}, f"{ENTRY}.port: expected a port from 1 to 65535 or a port's name, not `0`"),
        ({"port": -1}, f"{ENTRY}.port: expected a port from 1 to 65535 or a port's name, not `-1`"),
        ({"port": 65536}, f"{ENTRY}.port: expected a port from 1 to 65535 or a port's name, not `65536`"),
        ({"port": True}, f"{ENTRY}.port: expected a port from 1 to 65535 or a port's name, not `True`"),
        ({"port": 80.0}, f"{ENTRY}.port: expected a port from 1 to 65535 or a port's name, not `80.0`"),
        ({"port": [80]}, f"{ENTRY}.port: expected a port from 1 to 65535 or a port's name, not a list"),
        ({"port": "80"}, f"{ENTRY}.port: expected a port's name with a letter in it, not `'80'`"),
        ({"port": ""}, f"{ENTRY}.port: expected a port's name with a letter in it, not `''`"),
        ({"port": "80", "endPort": 90}, f"{ENTRY}.endPort: expected a number in `port` beside it"),
        ({"protocol": "tcp", "port": 80}, f"{ENTRY}.protocol: expected TCP, UDP or SCTP, not `'tcp'`"),
        ({"protocol": "ICMP"}, f"{ENTRY}.protocol: expected TCP, UDP or SCTP, not `'ICMP'`"),
        ({"protocol": 6}, f"{ENTRY}.protocol: expected a string, not `6`"),
    ],
)
def test_a_port_that_the_api_server_refuses_matches_nothing_and_the_others_count(entry: Raw, problem: str) -> None:
    assert rule({"ports": [entry]}) == (Rule(0, None, ()), (problem,))
    assert rule({"ports": [entry, {"port": 443}]}) == (Rule(0, None, (PortRange("TCP", 443, 443),)), (problem,))


def test_every_problem_is_told_in_its_place() -> None:
    found = read(
        podSelector={"matchLabels": {"a": 1}},
        policyTypes=BOTH,
        ingress=[{"from": [{"ipBlock": {"cidr": "x"}}, {}], "ports": [{"port": 0}]}, None],
        egress=[{}, {"to": [{"ipBlock": {"cidr": "y"}}]}],
    )
    assert [problem.partition(": ")[0] for problem in found.problems] == [
        "spec.podSelector.matchLabels[a]",
        "spec.ingress[0].from[0].ipBlock",
        "spec.ingress[0].ports[0].port",
        "spec.ingress[0].from[1]",
        "spec.ingress[1]",
        "spec.egress[1].to[0].ipBlock",
    ]


# -- only a policy without a name fails --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, "", 5, [], "x" * 254])
def test_a_policy_without_a_name_fails(name: object) -> None:
    raw = policy("shop/p", podSelector={})
    raw["metadata"]["name"] = name
    with pytest.raises(Malformed, match=r"^metadata\.name: expected "):
        project(raw)


# -- what it comes to: no problem of one policy makes a wrong answer ---------------------------------------------------

WORLD = (
    namespace("shop"),
    namespace("other"),
    deployment("shop/db", [port("pg", 5432)]),
    pod("shop/db-1", 1, {"app": "db"}, [port("pg", 5432)]),
)
SELECT = {"podSelector": {"matchLabels": {"app": "db"}}}
PG = {"ports": [{"port": 5432}]}


def answer(*policies: Raw) -> Verdict:
    view = world_of([*WORLD, *policies])
    return explain(view, asks("shop/web"), "10.0.1.1:5432").verdict


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (SELECT, Verdict.DENIED),
        ({**SELECT, "ingress": [{"from": [{"ipBlock": {"cidr": "x"}}]}]}, Verdict.DENIED),
        ({**SELECT, "ingress": [{"ports": [{"port": 5432, "endPort": 1}]}]}, Verdict.DENIED),
        ({**SELECT, "ingress": [{"ports": [{"port": "5432"}]}]}, Verdict.DENIED),
        ({**SELECT, "ingress": [{"from": [{"ipBlock": {"cidr": "x"}}]}, PG]}, Verdict.ALLOWED),
        ({**SELECT, "ingress": [{"from": [{}]}]}, Verdict.UNKNOWN),
        ({**SELECT, "ingress": [{"from": [{}]}, PG]}, Verdict.ALLOWED),
        ({**SELECT, "ingress": [{"from": [{}], "ports": [{"port": 1}]}]}, Verdict.DENIED),
        ({**SELECT, "ingress": [{"form": []}]}, Verdict.UNKNOWN),
        ({**SELECT, "ingress": [{"form": []}, PG]}, Verdict.ALLOWED),
        ({**SELECT, "ingress": [None]}, Verdict.UNKNOWN),
        ({**SELECT, "ingress": [{"from": [{"ipBlock": {"cidr": "010.0.0.0/8"}}]}]}, Verdict.UNKNOWN),
        ({**SELECT, "ingress": {}}, Verdict.UNKNOWN),
        ({**SELECT, "policytypes": []}, Verdict.UNKNOWN),
        ({"podSelector": {"matchLabels": {"app": "nobody"}}, "ingress": {}}, Verdict.ALLOWED),
        ({"podSelector": {"matchLabel": {}}}, Verdict.UNKNOWN),
        ({"podSelector": {"matchLabel": {}}, "ingress": [PG]}, Verdict.ALLOWED),
    ],
)
def test_a_problem_makes_the_answer_unsure_at_most(spec: Raw, expected: Verdict) -> None:
    assert answer(policy("shop/p", **spec)) is expected


@pytest.mark.parametrize(
    "spec",
    [
        {"podSelector": {"matchLabel": {}}, "ingress": {}},
        {"podSelector": [], "policyTypes": 5},
        {"ingress": [None, 5, {"from": 1}]},
    ],
)
def test_a_policy_of_another_namespace_that_cannot_be_read_changes_nothing(spec: Raw) -> None:
    bad = policy("other/bad", **spec)
    assert answer(bad) is Verdict.ALLOWED
    assert answer(bad, policy("shop/p", **SELECT)) is Verdict.DENIED
    assert answer(bad, policy("shop/p", **SELECT, ingress=[PG])) is Verdict.ALLOWED
