"""Cilium's policies and settings that cannot be read, or are refused: never an error, and always a reason."""

from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.arena import Arena, Raw
from tests.support.bad_input import anything, places, replaced
from webhook.families import NODE_CONFIG, Compiled, compile_crd_policy, dialect_of, project
from webhook.families.cilium.settings import DEFAULT_UNSEEN, config_of
from webhook.model.answers import Verdict
from webhook.model.crd_policies import CompileContext, CrdPolicy
from webhook.model.dialect import Unseen, seen, visible
from webhook.model.labels import ALWAYS, EVERYTHING, AllOf, Labels, Operator, Requirement, Selector, Space
from webhook.model.peers import Place, PlacePeer, PodMatch
from webhook.model.policy import BlockPeer, Direction
from webhook.model.settings import Enforcer, Settings
from webhook.model.tier import Action
from webhook.model.truth import Truth
from webhook.wire.shapes import Malformed

CONFIG: Final = ("kube-system", "cilium-config")
EVERY_FIELD: Final[Raw] = {
    "apiVersion": "cilium.io/v2",
    "kind": "CiliumNetworkPolicy",
    "metadata": {"namespace": "shop", "name": "p"},
    "spec": {
        "endpointSelector": {"matchLabels": {"k8s:app": "x"}, "matchExpressions": [{"key": "a", "operator": "Exists"}]},
        "enableDefaultDeny": {"ingress": True, "egress": False},
        "description": "all",
        "labels": [{"key": "a", "value": "b"}],
        "ingress": [
            {
                "fromEndpoints": [{"matchLabels": {"reserved:host": ""}}],
                "authentication": {"mode": "required"},
                "toPorts": [
                    {
                        "ports": [{"port": "80", "protocol": "TCP", "endPort": 90}],
                        "rules": {"http": [{"method": "GET"}]},
                        "serverNames": [],
                    }
                ],
            },
            {"fromCIDRSet": [{"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}, {"cidrGroupRef": "g"}]},
            {"fromEntities": ["world"], "icmps": [{"fields": [{"type": 8}]}]},
            {"fromGroups": [{"aws": {}}], "fromRequires": []},
        ],
        "ingressDeny": [{"fromCIDR": ["10.0.0.0/8"], "toPorts": [{"ports": [{"port": "http"}]}]}],
        "egress": [
            {"toFQDNs": [{"matchName": "a.example"}, {"matchPattern": "*.example"}]},
            {"toServices": [{"k8sService": {"serviceName": "db", "namespace": "data"}}]},
            {"toServices": [{"k8sServiceSelector": {"selector": {"matchLabels": {"a": "b"}}, "namespace": "data"}}]},
            {"toCIDRSet": [{"cidrGroupSelector": {"matchLabels": {"a": "b"}}}]},
        ],
        "egressDeny": [{"toNodes": [{"matchLabels": {"node:a": "b"}}]}],
    },
}
PLACES: Final = [path for path in places(EVERY_FIELD) if path and path[0] == "spec"]
NODES_ON: Final = {"enable-node-selector-labels": "true"}


def around(data: dict[str, str] | None = None, *objects: CrdPolicy) -> CompileContext:
    bare = CompileContext(Enforcer("cilium"), {NODE_CONFIG: objects}, settings={CONFIG: data or {}})
    return CompileContext(bare.enforcer, bare.objects, settings=bare.settings, dialect=dialect_of(bare))


def compiled(raw: Raw, data: dict[str, str] | None = None) -> Compiled:
    value = project(raw)
    assert isinstance(value, CrdPolicy)
    return compile_crd_policy(value, around(data))


def policy(spec: Raw, kind: str = "CiliumNetworkPolicy") -> Raw:
    metadata = {"name": "p"} if "Clusterwide" in kind else {"namespace": "shop", "name": "p"}
    return {"apiVersion": "cilium.io/v2", "kind": kind, "metadata": metadata, "spec": spec}


def ingress(*rules: Raw, **more: Any) -> Raw:  # noqa: ANN401 - any field of a policy
    return policy({"endpointSelector": {}, "ingress": [*rules], **more})


def test_a_policy_of_every_field_is_understood() -> None:
    found = compiled(EVERY_FIELD, NODES_ON)
    assert found.problems == ()
    assert {piece.direction for piece in found.policies} == set(Direction)


@settings(max_examples=300)
@given(st.sampled_from(PLACES), anything)
def test_whatever_stands_anywhere_is_a_value_or_a_problem(path: tuple[str | int, ...], other: object) -> None:
    try:
        value = project(replaced(EVERY_FIELD, path, other))
    except Malformed:
        return
    assert isinstance(value, CrdPolicy)
    found = compile_crd_policy(value, around(NODES_ON))
    assert found.policies or found.problems
    assert all(piece.namespace == "shop" for piece in found.policies)


@pytest.mark.parametrize(("rule", "problem"), [
    ({"fromEntities": ["moon"]}, "spec.ingress[0].fromEntities[0]: expected all, world,"),
    ({"fromEntities": ["all"], "fromEndpoints": [{}]}, "expected fromEndpoints or fromEntities, not both"),
    ({"fromCIDR": ["10.0.0.1"]}, "spec.ingress[0].fromCIDR[0]: expected an address block, not `'10.0.0.1'`"),
    ({"fromCIDRSet": [{"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}]}, "inside 10.0.0.0/8, not 11.0.0.0/16"),
    ({"fromCIDRSet": [{}]}, "expected one of cidr, cidrGroupRef, cidrGroupSelector"),
    ({"fromNodes": [{}]}, "expected it only where enable-node-selector-labels is on"),
    ({"toPorts": [{"ports": [{"port": 80}]}]}, "ports[0].port: expected a string, not `80`"),
    ({"toPorts": [{"ports": [{"port": "80", "protocol": "tcp"}]}]}, "expected TCP, UDP, SCTP or ANY, not `'tcp'`"),
    ({"toPorts": [{"ports": [{"port": "65536"}]}]}, "expected a port up to 65535"),
    ({"toPorts": [{"ports": [{"port": "09"}]}]}, "expected a number without leading zeros"),
    ({"toPorts": [{"ports": [{"port": str(n)} for n in range(1, 42)]}]}, "expected at most 40 ports, not 41"),
    ({"toPorts": [{"ports": [{"port": "80"}], "rules": {"http": [{}]}}]}, "expected protocol TCP beside rules"),
    ({"toPorts": [{"ports": [{"port": "53"}], "rules": {"dns": [{}]}}]}, "rules.dns: expected it in egress"),
    ({"toPorts": [{"ports": [{"port": "80"}]}], "icmps": [{}]}, "icmps: expected no toPorts beside it"),
    ({"fromRequires": [{}]}, "fromRequires: expected it empty"),
])  # fmt: skip
def test_a_rule_that_cilium_does_not_take_takes_the_whole_policy_with_it(rule: Raw, problem: str) -> None:
    found = compiled(ingress(rule, {"fromEntities": ["all"]}))
    assert found.policies == ()
    assert problem in found.problems[0]


@pytest.mark.parametrize(("spec", "problem"), [
    ({"ingress": [{}]}, "spec: expected one of endpointSelector and nodeSelector"),
    ({"endpointSelector": {}, "nodeSelector": {}}, "spec: expected one of endpointSelector and nodeSelector"),
    ({"nodeSelector": {}}, "spec.nodeSelector: expected endpointSelector in a namespaced policy"),
    ({"endpointSelector": {}}, "spec: expected a rule in ingress, ingressDeny, egress or egressDeny"),
    ({"endpointSelector": {}, "egress": [{"toFQDNs": [{}]}]}, "expected matchName or matchPattern"),
    ({"endpointSelector": {}, "egress": [{"toFQDNs": [{"matchName": "a b"}]}]}, "expected a DNS name, not `'a b'`"),
    ({"endpointSelector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}, "operator: expected In, NotIn,"),
])  # fmt: skip
def test_a_policy_that_cilium_does_not_take_comes_to_nothing(spec: Raw, problem: str) -> None:
    found = compiled(policy(spec))
    assert found.policies == ()
    assert problem in found.problems[0]


def test_one_refused_part_of_specs_takes_the_rest_with_it() -> None:
    raw = policy({"endpointSelector": {}, "ingress": [{}]}) | {"specs": [{"endpointSelector": {}}]}
    assert compiled(raw) == Compiled((), ("specs[0]: expected a rule in ingress, ingressDeny, egress or egressDeny",))


def test_a_field_of_a_newer_version_leaves_its_rule_open_and_the_others_sure() -> None:
    found = compiled(ingress({"fromEntities": ["all"], "weather": 1}, {"fromEntities": ["host"]}))
    allowed = next(piece for piece in found.policies if piece.rules)
    assert [entry.unclear is None for entry in allowed.rules] == [False, True]
    assert found.problems == (allowed.rules[0].unclear,)


# -- what a policy comes to -------------------------------------------------------------------------------------------


def test_a_peer_of_labels_is_the_pods_of_the_policys_own_namespace() -> None:
    found = compiled(ingress({"fromEndpoints": [{"matchLabels": {"app": "a"}}]}))
    (entry,) = found.policies[0].rules
    assert entry.peers == (PodMatch("shop", pods=Selector.exactly(Labels({"app": "a"})), own=True),)


def test_a_subject_is_split_into_labels_of_pods_and_what_else_is_asked() -> None:
    labels = {"app": "a", "k8s:io.cilium.k8s.namespace.labels.team": "b", "pod-template-hash": "1"}
    seen_only = {key: value for key, value in labels.items() if key != "pod-template-hash"}
    assert compiled(policy({"endpointSelector": {"matchLabels": labels}, "ingress": [{}]})).policies == ()
    (piece, *_) = compiled(policy({"endpointSelector": {"matchLabels": seen_only}, "ingress": [{}]})).policies
    assert str(piece.subject) == "app=a"
    assert piece.scope == AllOf((Requirement("team", Operator.IN, frozenset({"b"}), Space.NAMESPACE),))


def test_denials_count_before_what_is_let_through_and_the_default_last() -> None:
    raw = ingress({"fromEntities": ["all"]}, ingressDeny=[{"fromEntities": ["world"]}])
    policies = sorted(compiled(raw).policies, key=lambda piece: (piece.tier, piece.precedence))
    assert [[entry.action for entry in piece.rules] for piece in policies] == [
        [Action.DENY], [Action.ALLOW], [Action.ALLOW], [],
    ]  # fmt: skip
    assert policies[2].rules[0].peers == (PlacePeer(Place.OWN_NODE),)
    assert [piece.default_deny for piece in policies] == [False, False, False, True]


def test_whether_the_own_node_comes_before_the_baseline_is_not_known() -> None:
    wide = {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy"}
    rule = {"action": "Deny", "from": []}
    floor = {"tier": "Baseline", "priority": 1, "subject": {"namespaces": {}}, "ingress": [rule]}
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {}}},
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "n1"},
            "status": {"addresses": [{"type": "InternalIP", "address": "192.168.1.11"}]},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": "shop", "name": "a", "labels": {}},
            "spec": {"nodeName": "n1", "containers": []},
            "status": {"phase": "Running", "podIP": "10.0.0.1"},
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"namespace": "kube-system", "name": "cilium-config"},
            "data": {"enable-k8s-cluster-network-policy": "true"},
        },
        {**wide, "metadata": {"name": "floor"}, "spec": floor},
    ]
    question = ("192.168.1.11", "shop/a", 4, "TCP", 80)
    empty = ingress({"fromCIDR": ["198.51.100.0/24"]})
    cilium = Settings(enforcer=Enforcer("cilium"))
    assert Arena([*objects, empty], cilium).evaluate(*question)[0] is Verdict.UNKNOWN
    assert Arena([*objects[:-1], empty], cilium).evaluate(*question)[0] is Verdict.ALLOWED


# -- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "expected"), [
    ("app", True),
    ("app.kubernetes.io/name", True),
    ("io.kubernetes.pod.namespace", True),
    ("io.kubernetes.other", False),
    ("kubernetes.io/hostname", False),
    ("pod-template-hash", False),
    ("topology.kubernetes.io/zone", False),
    ("annotation.x", False),
    ("x-pod-template-hash", True),
])  # fmt: skip
def test_built_in_labels_are_kept_from_pods(key: str, expected: bool) -> None:
    assert seen(key, DEFAULT_UNSEEN) is expected


@pytest.mark.parametrize(("labels", "unseen_keys", "seen_keys"), [
    ("k8s:!tier", ["tier", "tiers"], ["app"]),
    ("!tier", ["tier"], ["app"]),
    ("k8s:app k8s:tier", ["role"], ["app", "apps", "tier"]),
    ("k8s:app,k8s:tier", ["role"], ["app", "tier"]),
    ("!k8s:tier", ["tier", "app"], ["io.kubernetes.pod.namespace"]),  # reads as an allow-list of no label of pods
    ("k8s:!a k8s:a/b", ["a", "a/c"], ["a/b"]),
])  # fmt: skip
def test_the_setting_labels_adds_patterns(labels: str, unseen_keys: list[str], seen_keys: list[str]) -> None:
    config = config_of(around({"labels": labels}))
    assert [key for key in unseen_keys if seen(key, config.unseen)] == []
    assert [key for key in seen_keys if not seen(key, config.unseen)] == []


@pytest.mark.parametrize("pattern", ["k8s:(a+)+b", "k8s:[", "k8s:a**", "k8s:" + "a" * 300, "k8s:(?=a)", "k8s:!"])
def test_a_pattern_that_is_not_understood_leaves_every_answer_open(pattern: str) -> None:
    assert "setting `labels` has the pattern" in dialect_of(around({"labels": pattern})).certainty.doubt


@given(st.dictionaries(st.sampled_from(sorted(["labels", "enable-policy", "policy-cidr-match-mode"])), st.text()))
def test_whatever_the_settings_say_there_is_a_dialect(data: dict[str, str]) -> None:
    assert dialect_of(around(data)).name == "cilium"


def test_only_the_agents_own_namespace_sets_them() -> None:
    def said(**of: str) -> bool:
        settings = {(namespace, "cilium-config"): {"enable-policy": text} for namespace, text in of.items()}
        return config_of(CompileContext(Enforcer("cilium"), settings=settings)).always

    assert not said(anybody="always")
    assert said(cilium="always")
    assert not said(**{"kube-system": "default", "cilium": "always"})
    theirs = project(
        {
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumNodeConfig",
            "metadata": {"namespace": "a", "name": "b"},
            "spec": {"defaults": {"enable-policy": "always"}},
        }
    )
    assert isinstance(theirs, CrdPolicy)
    assert dialect_of(around({}, theirs)).certainty.doubt == ""


def test_the_longest_include_counts() -> None:
    """By a shorter one the label would be hidden, and a policy that asks for it would select nobody."""
    unseen = Unseen(ignore=("team/a",), include=("team/", "team/a-b", "t"))
    assert seen("team/a-b", unseen)
    assert not seen("team/a-c", unseen)


def test_a_selector_keeps_what_can_be_seen() -> None:
    unseen = Unseen(ignore=("hidden",))
    absent = Requirement("hidden", Operator.DOES_NOT_EXIST)
    there = Requirement("app", Operator.EXISTS)
    assert visible(Selector((absent, there)), unseen) == Selector((there,))
    assert visible(Selector((Requirement("hidden", Operator.EXISTS),)), unseen) is None
    assert visible(EVERYTHING, unseen) is EVERYTHING
    assert visible(Selector((absent,)), None) == Selector((absent,))


def test_an_unreadable_cluster_wide_policy_is_about_whom_it_can_be_about() -> None:
    spec = {"endpointSelector": {"matchLabels": {"app": "db"}}, "weather": 1, "ingress": [{}]}
    policies = compiled(policy(spec, "CiliumClusterwideNetworkPolicy")).policies
    (scope,) = {piece.scope for piece in policies}
    assert scope == AllOf((Requirement("app", Operator.IN, frozenset({"db"})),))
    spec = {"endpointSelector": {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, "weather": 1}
    policies = compiled(policy(spec, "CiliumClusterwideNetworkPolicy")).policies
    assert [piece.scope for piece in policies] == [ALWAYS] * len(policies)


def test_a_block_of_all_addresses_holds_no_node_where_others_do() -> None:
    data = {"policy-cidr-match-mode": "nodes"}
    found = compiled(ingress({"fromCIDR": ["0.0.0.0/0", "10.0.0.0/8"]}), data)
    (entry,) = found.policies[0].rules
    assert [(str(m.block), m.pods, m.nodes) for m in entry.peers or () if isinstance(m, BlockPeer)] == [
        ("0.0.0.0/0", Truth.NO, Truth.NO), ("10.0.0.0/8", Truth.NO, Truth.YES),
    ]  # fmt: skip
