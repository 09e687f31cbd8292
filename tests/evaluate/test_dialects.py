"""What enforcers do in their own way: nodes and the host network, refusals, DNS of other places, IPv6."""

from typing import Final

import pytest

from tests.support.arena import Raw, world_of
from tests.support.making import deployment, service, workload
from tests.support.worlds import namespace, policy
from webhook.checklist.policies import check_policy
from webhook.config.settings_from_file import settings
from webhook.evaluate import ends_of_pod, judge_from_outside, judge_outside, judge_pair
from webhook.families import project
from webhook.judge import explain, judge_dns
from webhook.matrix import matrix
from webhook.model.addresses import parse_block
from webhook.model.answers import Finding, Verdict
from webhook.model.objects import Pod, Workload
from webhook.model.policy import Policy
from webhook.model.refs import WorkloadRef
from webhook.report.words import remedy, sentence
from webhook.review.workload import review_workload
from webhook.world import View

WEB: Final = WorkloadRef("Deployment", "shop", "web")
HOSTS: Final = {"namespaceSelector": {"matchLabels": {"policy-group.network.openshift.io/host-network": ""}}}


def pod(name: str, address: str, node: str = "", *, host: bool = False, **labels: str) -> Raw:
    space, _, own = name.partition("/")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": space, "name": own, "labels": labels},
        "spec": {"nodeName": node, "hostNetwork": host, "containers": [{"name": "c", "image": "c"}]},
        "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
    }


def node(name: str, address: str) -> Raw:
    status = {"addresses": [{"type": "InternalIP", "address": address}]}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": status}


DB: Final = pod("data/db", "10.244.2.7", "n2", app="db")
NODES: Final = (node("n1", "192.168.1.11"), node("n2", "192.168.1.12"))
SPACES: Final = (namespace("shop", {"team": "a"}), namespace("data", {"team": "b"}))


def world(cni: str, *objects: Raw, complete: bool = True) -> View:
    return world_of([*SPACES, *NODES, DB, *objects], settings=settings(cni=cni), complete=complete)


def value(raw: Raw) -> Pod:
    found = project(raw)
    assert isinstance(found, Pod)
    return found


def ingress(*peers: Raw) -> Raw:
    return policy("data/in", podSelector={}, policyTypes=["Ingress"], ingress=[{"from": list(peers)}])


# -- the host network --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cni", "peer", "expected"),
    [
        ("generic", {"namespaceSelector": {}}, Verdict.DENIED),
        ("aws", {"namespaceSelector": {}}, Verdict.UNKNOWN),
        ("aws", {"namespaceSelector": {"matchLabels": {"team": "c"}}}, Verdict.DENIED),
        ("ovn-kubernetes", HOSTS, Verdict.ALLOWED),
        ("ovn-kubernetes", {"namespaceSelector": {}}, Verdict.UNKNOWN),
        ("ovn-kubernetes", {"namespaceSelector": {"matchLabels": {"team": "a"}}}, Verdict.DENIED),
        ("ovn-kubernetes", {**HOSTS, "podSelector": {"matchLabels": {"app": "web"}}}, Verdict.DENIED),
        ("generic", HOSTS, Verdict.DENIED),
    ],
)
def test_pods_on_the_host_network_match_peers_by_labels_where_the_enforcer_says_so(
    cni: str, peer: Raw, expected: Verdict
) -> None:
    web = pod("shop/web", "192.168.1.11", "n1", host=True, app="web")
    found = world(cni, web, ingress(peer))
    assert judge_pair(found, ends_of_pod(value(web)), ends_of_pod(value(DB)), "TCP", 5432)[0] is expected


@pytest.mark.parametrize(("cni", "expected"), [("ovn-kubernetes", Verdict.ALLOWED), ("generic", Verdict.DENIED)])
def test_nodes_stand_in_the_namespace_of_hosts_under_ovn_kubernetes(cni: str, expected: Verdict) -> None:
    found = world(cni, ingress(HOSTS))
    side = judge_from_outside(found, parse_block("192.168.1.11/32"), ends_of_pod(value(DB)), "TCP", 5432)
    assert side.verdict is expected


@pytest.mark.parametrize(
    ("cni", "where", "expected"),
    [
        ("azure-npm", "192.168.1.12/32", Verdict.ALLOWED),
        ("azure-npm", "192.168.1.11/32", Verdict.DENIED),
        ("weave", "192.168.1.12/32", Verdict.UNKNOWN),
        ("weave", "192.168.1.11/32", Verdict.DENIED),
        ("generic", "192.168.1.12/32", Verdict.DENIED),
    ],
)
def test_a_pod_reaches_its_own_node_past_policy_where_the_enforcer_says_so(
    cni: str, where: str, expected: Verdict
) -> None:
    found = world(cni, policy("data/out", podSelector={}, policyTypes=["Egress"]))
    assert judge_outside(found, ends_of_pod(value(DB)), parse_block(where), "TCP", 10250)[0] is expected


# -- IPv6 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cni", "expected"), [("azure-npm", Verdict.UNKNOWN), ("generic", Verdict.DENIED)])
def test_an_address_family_that_is_not_policed_is_unknown_where_policy_selects(cni: str, expected: Verdict) -> None:
    six = pod("shop/six", "fd00::6", app="six")
    db = pod("data/db", "fd00::7", app="db")
    ends = ends_of_pod(value(six)), ends_of_pod(value(db))
    closed = world(cni, six, db, policy("data/in", podSelector={}, policyTypes=["Ingress"]))
    assert judge_pair(closed, *ends, "TCP", 80)[0] is expected
    assert judge_pair(world(cni, six, db), *ends, "TCP", 80)[0] is Verdict.ALLOWED


def test_addresses_outside_of_a_family_that_is_not_policed_are_unknown_where_policy_selects() -> None:
    block, db = parse_block("2001:db8::5/128"), ends_of_pod(value(DB))
    closed = world("azure-npm", policy("data/out", podSelector={}, policyTypes=["Egress"]))
    assert judge_outside(closed, db, block, "TCP", 443)[0] is Verdict.UNKNOWN
    assert judge_outside(world("azure-npm"), db, block, "TCP", 443)[0] is Verdict.ALLOWED


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cni", "fate"), [("kube-router", "will be refused"), ("generic", "will time out")])
def test_what_a_client_sees_is_what_the_enforcer_does(cni: str, fate: str) -> None:
    web = project(deployment("shop/web", notes={"netpol-preflight.io/connects-to": "po/db.data:5432"}))
    assert isinstance(web, Workload)
    found = world(cni, policy("data/in", podSelector={}, policyTypes=["Ingress"]))
    told = [sentence(one) for one in review_workload(found, web) if one.id == "NP102"]
    assert len(told) == 1
    assert fate in told[0]


# -- DNS ---------------------------------------------------------------------------------------------------------------


def dns_out(port: int, **labels: str) -> Raw:
    ports = [{"port": port, "protocol": protocol} for protocol in ("UDP", "TCP")]
    to = [{"namespaceSelector": {"matchLabels": labels}}]
    return policy("shop/dns", podSelector={}, policyTypes=["Egress"], egress=[{"to": to, "ports": ports}])


KUBE: Final = {"kubernetes.io/metadata.name": "kube-system"}
OPENSHIFT: Final = {"kubernetes.io/metadata.name": "openshift-dns"}


@pytest.mark.parametrize(
    ("cni", "port", "labels", "expected"),
    [
        ("generic", 53, KUBE, Verdict.ALLOWED),
        ("ovn-kubernetes", 53, KUBE, Verdict.UNKNOWN),
        ("ovn-kubernetes", 5353, OPENSHIFT, Verdict.UNKNOWN),
        ("ovn-kubernetes", 53, {"kubernetes.io/metadata.name": "other"}, Verdict.DENIED),
    ],
)
def test_in_files_the_dns_of_ovn_kubernetes_may_be_openshift_s(
    cni: str, port: int, labels: dict[str, str], expected: Verdict
) -> None:
    web = project(deployment("shop/web"))
    assert isinstance(web, Workload)
    found = judge_dns(world(cni, dns_out(port, **labels), complete=False), web)
    assert found is not None
    assert found.verdict is expected


@pytest.mark.parametrize(
    ("cni", "more", "expected"),
    [
        ("gke-dataplane-v2", (), Verdict.DENIED),
        (
            "gke-dataplane-v2",
            (
                policy(
                    "shop/cloud",
                    podSelector={},
                    policyTypes=["Egress"],
                    egress=[{"to": [{"ipBlock": {"cidr": "169.254.169.254/32"}}]}],
                ),
            ),
            Verdict.ALLOWED,
        ),
        ("generic", (), None),
    ],
)
def test_where_no_pod_answers_names_a_cloud_s_own_address_may(
    cni: str, more: tuple[Raw, ...], expected: Verdict | None
) -> None:
    web = project(deployment("shop/web"))
    assert isinstance(web, Workload)
    found = judge_dns(world(cni, dns_out(53, **KUBE), *more), web)
    assert (found and found.verdict) is expected


def test_pods_that_answer_names_are_asked_and_no_cloud() -> None:
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "tcp", "port": 53}]
    dns = (
        namespace("kube-system"),
        service("kube-system/kube-dns", {"app": "kube-dns"}, ports, clusterIP="10.96.0.10"),
        workload("Deployment", "kube-system/kube-dns", [{"containerPort": 53, "protocol": "UDP"}]),
    )
    web = project(deployment("shop/web"))
    assert isinstance(web, Workload)
    found = judge_dns(world("gke-dataplane-v2", dns_out(53, **KUBE), *dns), web)
    assert found is not None
    assert found.verdict is Verdict.ALLOWED


# -- several -----------------------------------------------------------------------------------------------------------


def test_two_enforcers_leave_open_only_what_policy_selects() -> None:
    agents = [
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"namespace": "kube-system", "name": name},
            "spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}},
            "status": {"desiredNumberScheduled": 2, "numberReady": 2},
        }
        for name, image in (("calico-node", "calico/node:v3.32.1"), ("cilium", "cilium/cilium:v1.20.2"))
    ]
    auto = settings(live=True)
    base = [*SPACES, *NODES, DB, deployment("shop/web"), *agents]
    for more, expected in (((), Verdict.ALLOWED), ((ingress({"namespaceSelector": {}}),), Verdict.UNKNOWN)):
        found = world_of([*base, *more], settings=auto)
        assert (found.enforcer.name, found.enforcer.decisive) == ("calico+cilium", False)
        web = found.workloads.get(WEB)
        assert web is not None
        told = explain(found, web, "po/db.data:5432")
        assert told.verdict is expected
        assert any("each must allow" in note for note in told.assumptions)


# -- slips that are none everywhere ------------------------------------------------------------------------------------


def slips(cni: str, address: str, *objects: Raw) -> list[Finding]:
    """Return what is said of a policy whose rule for egress opens one address."""
    raw = policy("shop/one", podSelector={}, policyTypes=["Egress"], egress=[{"to": [{"ipBlock": {"cidr": address}}]}])
    found = project(raw)
    assert isinstance(found, Policy)
    return [one for one in check_policy(world(cni, raw, *objects), found) if one.id == "NP409"]


KUBERNETES: Final = (
    namespace("default"),
    service("default/kubernetes", None, [{"port": 443, "targetPort": 6443}], clusterIP="10.96.0.1"),
    {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"namespace": "default", "name": "k", "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["192.168.1.10"]}],
        "ports": [{"port": 6443}],
    },
)


def test_a_service_without_pods_is_written_by_its_endpoints() -> None:
    told = slips("generic", "10.96.0.1/32", *KUBERNETES)
    assert [remedy(one) for one in told] == ["write its endpoints instead: 192.168.1.10/32 on port 6443"]


def test_the_address_of_a_service_is_no_slip_where_it_is_what_policy_sees() -> None:
    assert slips("aws", "10.96.0.1/32", *KUBERNETES) == []


# -- the matrix --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profiles", "sure"),
    [
        (None, True),
        ({}, False),
        ({"profiles": "projectcalico-default-allow"}, False),  # no list: nobody can tell that it lets anything through
        ({"profiles": ["projectcalico-default-allow"]}, True),
    ],
)
def test_the_matrix_has_no_sure_row_for_hosts_that_policy_may_be_about(profiles: Raw | None, sure: bool) -> None:
    agent = pod("shop/agent", "192.168.1.11", "n1", host=True)
    spec = {"node": "n1", "interfaceName": "eth0", **(profiles or {})}
    endpoint: Raw = {
        "apiVersion": "projectcalico.org/v3",
        "kind": "HostEndpoint",
        "metadata": {"name": "h"},
        "spec": spec,
    }
    table = matrix(world("calico", agent, *([] if profiles is None else [endpoint])))
    ref = WorkloadRef("Pod", "shop", "agent")
    assert any(row.source == ref for row in table.connections(table.sure)) is sure


def test_the_matrix_has_no_sure_row_of_a_family_that_is_not_policed() -> None:
    six, more = pod("shop/six", "fd00::6", app="six"), pod("data/seven", "fd00::7", app="seven")
    closed = policy("data/in", podSelector={}, policyTypes=["Ingress"], ingress=[{}])
    for cni, sure in (("azure-npm", False), ("generic", True)):
        table = matrix(world(cni, six, more, closed))
        ends = WorkloadRef("Pod", "shop", "six"), WorkloadRef("Pod", "data", "seven")
        assert any((row.source, row.target) == ends for row in table.connections(table.sure)) is sure
