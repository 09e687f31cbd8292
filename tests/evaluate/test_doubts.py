"""Policies of families that are not evaluated, kinds that may not be read, and who enforces."""

from typing import Any

import pytest

from webhook.evaluate import ends_of_pod, judge_outside, judge_pair
from webhook.families import project
from webhook.judge import explain
from webhook.matrix import matrix
from webhook.model.addresses import parse_block
from webhook.model.answers import Verdict
from webhook.model.crd_policies import UnlistedKind
from webhook.model.objects import Pod
from webhook.model.refs import WorkloadRef
from webhook.model.settings import Enforcer, Settings
from webhook.world import Drop, Put, World

Raw = dict[str, Any]


def namespace(name: str, **labels: str) -> Raw:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def pod(name: str, address: str, **labels: str) -> Raw:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": "shop", "name": name, "labels": labels},
        "spec": {"containers": [{"name": "c", "image": "c"}]},
        "status": {"phase": "Running", "podIP": address},
    }


def policy(version: str, kind: str, spec: Raw, where: str | None = None) -> Raw:
    metadata = {"name": "other", **({"namespace": where} if where else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


BASE = (
    namespace("shop", team="a"),
    namespace("data"),
    pod("web", "10.0.0.1", app="web"),
    pod("db", "10.0.0.2", app="db"),
)
ADMIN = "policy.networking.k8s.io/v1alpha1"


def world(*objects: Raw, settings: Settings | None = None) -> World:
    found = World(settings or Settings(), complete=True)
    for raw in (*BASE, *objects):
        value = project(raw)
        assert value is not None, raw
        found.apply([Put(value)])
    return found


def answer(view: World) -> Verdict:
    web, db = (project(raw) for raw in BASE[2:])
    assert isinstance(web, Pod)
    assert isinstance(db, Pod)
    return judge_pair(view, ends_of_pod(web), ends_of_pod(db), "TCP", 80)[0]


MAY_SELECT = [
    policy("crd.antrea.io/v1beta1", "ClusterNetworkPolicy", {"priority": 5}),
    policy("networking.gke.io/v1alpha1", "FQDNNetworkPolicy", {"podSelector": {}}, "shop"),
    policy(ADMIN, "AdminNetworkPolicy", {"priority": 1, "subject": {"workloads": {}}}),
    policy("cilium.io/v2", "CiliumNetworkPolicy", {"endpointSelector": {"matchLabels": {"k8s:app": "db"}}}, "shop"),
    policy("cilium.io/v2", "CiliumClusterwideNetworkPolicy", {"endpointSelector": {}}),
    policy("cilium.io/v2", "CiliumNetworkPolicy", {"endpointSelector": 5}, "shop"),
    policy("projectcalico.org/v3", "NetworkPolicy", {"selector": "app == 'db'"}, "shop"),
    policy("projectcalico.org/v3", "GlobalNetworkPolicy", {"selector": "has(app) || all()"}),
    policy("crd.projectcalico.org/v1", "GlobalNetworkPolicy", {}),
]
SELECTS_NOBODY_HERE = [
    policy(
        ADMIN, "AdminNetworkPolicy", {"priority": 1, "subject": {"namespaces": {"matchLabels": {"team": "b"}}}, "x": 1}
    ),
    policy("networking.gke.io/v1alpha1", "FQDNNetworkPolicy", {"podSelector": {}}, "data"),
    policy("cilium.io/v2", "CiliumNetworkPolicy", {"endpointSelector": {}}, "data"),
    policy("cilium.io/v2", "CiliumNetworkPolicy", {"endpointSelector": {"matchLabels": {"app": "x"}}}, "shop"),
    policy("projectcalico.org/v3", "NetworkPolicy", {"selector": "app == 'x'"}, "shop"),
]


@pytest.mark.parametrize("raw", MAY_SELECT, ids=lambda raw: f"{raw['kind']} {raw['spec']}")
def test_a_policy_of_another_family_that_may_select_an_end_makes_the_answer_unknown(raw: Raw) -> None:
    view = world(raw)
    assert answer(view) is Verdict.UNKNOWN
    value = project(raw)
    assert value is not None
    workload = view.workloads.get(WorkloadRef("Pod", "shop", "web"))
    assert workload is not None
    told = explain(view, workload, "po/db:80")
    assert raw["metadata"]["name"] in (told.reason or "")
    assert "other" in {ref.name for f in told.flows for side in (f.egress, f.ingress) for ref in side.policies}


@pytest.mark.parametrize("raw", SELECTS_NOBODY_HERE, ids=lambda raw: f"{raw['kind']} {raw['spec']}")
def test_one_that_selects_neither_end_changes_nothing(raw: Raw) -> None:
    assert answer(world(raw)) is Verdict.ALLOWED


@pytest.mark.parametrize("block", ["203.0.113.5/32", "203.0.113.0/24", "0.0.0.0/0"])
def test_addresses_outside_are_as_doubtful_as_pods(block: str) -> None:
    view = world(MAY_SELECT[0])
    web = project(BASE[2])
    assert isinstance(web, Pod)
    assert judge_outside(view, ends_of_pod(web), parse_block(block), "TCP", 443)[0] is Verdict.UNKNOWN


def test_an_egress_firewall_may_deny_what_leaves_the_pod_network_and_nothing_else() -> None:
    firewall = policy("k8s.ovn.org/v1", "EgressFirewall", {"egress": [{"type": "Deny"}]}, "shop")
    view = world(firewall, settings=Settings(enforcer=Enforcer("ovn-kubernetes")))
    web = project(BASE[2])
    assert isinstance(web, Pod)
    verdict, egress, _ = judge_outside(view, ends_of_pod(web), parse_block("203.0.113.5/32"), "TCP", 443)
    assert verdict is Verdict.UNKNOWN
    assert "EgressFirewall" in (egress.reason or "")
    assert answer(view) is Verdict.ALLOWED
    assert answer(world(firewall, settings=Settings(enforcer=Enforcer("calico")))) is Verdict.ALLOWED


def test_names_outside_are_as_doubtful_as_addresses() -> None:
    view = world(MAY_SELECT[0])
    workload = view.workloads.get(WorkloadRef("Pod", "shop", "web"))
    assert workload is not None
    assert explain(view, workload, "https://api.example.com").verdict is Verdict.UNKNOWN


def test_a_policy_of_another_family_can_be_dropped_again() -> None:
    view = world(MAY_SELECT[0])
    view.apply([Drop("ClusterNetworkPolicy.crd.antrea.io", "", "other")])
    assert answer(view) is Verdict.ALLOWED


@pytest.mark.parametrize(("group", "enforcer"), [("cilium.io", "calico"), ("projectcalico.org", "cilium")])
def test_objects_that_nobody_here_implements_do_nothing(group: str, enforcer: str) -> None:
    raws = [raw for raw in MAY_SELECT if raw["apiVersion"].startswith(group)]
    assert answer(world(*raws, settings=Settings(enforcer=Enforcer(enforcer)))) is Verdict.ALLOWED


@pytest.mark.parametrize(
    "unlisted", [UnlistedKind("NetworkPolicy", "networking.k8s.io", "403"), UnlistedKind("Tier", "cilium.io", "403")]
)
def test_a_kind_that_may_not_be_read_makes_every_answer_unknown(unlisted: UnlistedKind) -> None:
    view = world()
    view.apply([Put(unlisted)])
    assert answer(view) is Verdict.UNKNOWN
    view.apply([Drop("UnlistedKind", unlisted.group, unlisted.kind)])
    assert answer(view) is Verdict.ALLOWED


def test_the_matrix_has_no_row_for_what_is_in_doubt() -> None:
    found = matrix(world(MAY_SELECT[0]))
    assert list(found.connections(found.sure)) == []


def test_files_are_judged_by_the_one_family_whose_objects_are_there() -> None:
    assert world(settings=Settings(detect="files")).enforcer.name == "generic"
    assert world(MAY_SELECT[3], settings=Settings(detect="files")).enforcer.name == "cilium"
    assert world(MAY_SELECT[6], settings=Settings(detect="files")).enforcer.name == "calico"
    assert world(MAY_SELECT[3], MAY_SELECT[6], settings=Settings(detect="files")).enforcer.name == "generic"


BLOCK: Raw = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"namespace": "shop", "name": "block"},
    "spec": {
        "podSelector": {"matchLabels": {"app": "web"}},
        "policyTypes": ["Egress"],
        "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/24"}}]}],
    },
}


@pytest.mark.parametrize(
    ("enforcer", "verdict"),
    [
        ("generic", Verdict.ALLOWED),
        ("calico", Verdict.ALLOWED),
        ("aws", Verdict.ALLOWED),  # where the client dials the pod itself
        ("cilium", Verdict.DENIED),
        ("antrea", Verdict.UNKNOWN),
        ("calico+cilium", Verdict.UNKNOWN),
    ],
)
def test_a_block_over_pod_addresses_is_what_the_enforcer_makes_of_it(enforcer: str, verdict: Verdict) -> None:
    assert answer(world(BLOCK, settings=Settings(enforcer=Enforcer(enforcer)))) is verdict


@pytest.mark.parametrize(
    ("enforcer", "verdict"),
    [("cilium", Verdict.DENIED), ("terway", Verdict.UNKNOWN), ("generic", Verdict.ALLOWED)],
)
def test_rules_that_policy_types_leave_out_count_for_some_enforcers(enforcer: str, verdict: Verdict) -> None:
    idle = {
        **BLOCK,
        "spec": {**BLOCK["spec"], "policyTypes": ["Ingress"], "podSelector": {"matchLabels": {"app": "web"}}},
    }
    assert answer(world(idle, settings=Settings(enforcer=Enforcer(enforcer)))) is verdict
