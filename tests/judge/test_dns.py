"""The look-up before every name: who is asked, and whether this workload may ask (design.md §4, DNS)."""

from itertools import product
from typing import Any

import pytest

from tests.support.arena import Raw, world_of
from tests.support.making import asks, deployment, headless, service, workload
from tests.support.worlds import namespace, pod, policy, port
from webhook.families import project
from webhook.judge import Judged, explain, judge_dns, judge_workload
from webhook.judge.dns import dns_service, needs_dns, node_local
from webhook.judge.dns_assumed import ASSUMED
from webhook.model.answers import Verdict
from webhook.model.objects import Workload
from webhook.model.settings import DEFAULTS, Dns, Settings
from webhook.world import View

PORTS = [
    {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": "dns"},
    {"name": "dns-tcp", "port": 53, "targetPort": "dns-tcp"},
]
SPACES = (namespace("shop"), namespace("kube-system"), namespace("openshift-dns"))


def dns_pod(name: str, number: int, listens: int = 53) -> Raw:
    own = name.rpartition("/")[2]
    return pod(name, number, {"k8s-app": own}, [port("dns", listens, "UDP"), port("dns-tcp", listens)])


def dns_of(name: str, **spec: Any) -> Raw:  # noqa: ANN401 - any field of a spec
    """Return a DNS Service, behind it the pod of the same name."""
    return service(name, {"k8s-app": name.rpartition("/")[2]}, PORTS, **spec)


KUBE_DNS = (*SPACES, dns_of("kube-system/kube-dns", clusterIPs=["10.96.0.10"]), dns_pod("kube-system/kube-dns", 1))
CLOSED = policy("shop/closed", podSelector={}, policyTypes=["Egress"])
NODE_LOCAL = workload("DaemonSet", "kube-system/node-local-dns", hostNetwork=True)


def egress(*rules: Raw, name: str = "shop/closed") -> Raw:
    return policy(name, podSelector={}, policyTypes=["Egress"], egress=list(rules))


def to_pods(*ports: Raw) -> Raw:
    """Return a rule to every pod of kube-system, or of another namespace with DNS."""
    return {"to": [{"namespaceSelector": {}}], "ports": list(ports)}


def to_address(address: str, *ports: Raw) -> Raw:
    return {"to": [{"ipBlock": {"cidr": address}}], "ports": list(ports) or [UDP, TCP]}


UDP: Raw = {"port": 53, "protocol": "UDP"}
TCP: Raw = {"port": 53, "protocol": "TCP"}


def client(**spec: Any) -> Workload:  # noqa: ANN401 - any field of a spec
    value = project(deployment("shop/web", **spec))
    assert isinstance(value, Workload)
    return value


def look_up(*objects: Raw, complete: bool = True, settings: Settings = DEFAULTS, **spec: Any) -> Judged | None:  # noqa: ANN401 - any field of a spec
    return judge_dns(world_of(objects, complete=complete, settings=settings), client(**spec))


def verdict(*objects: Raw, complete: bool = True) -> Verdict:
    found = look_up(*objects, complete=complete)
    assert found is not None
    return found.verdict


# -- who needs it ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "needed"),
    [
        ({}, True),
        ({"dnsPolicy": "ClusterFirst"}, True),
        ({"dnsPolicy": None}, True),
        ({"dnsPolicy": "Default"}, False),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["203.0.113.53"]}}, False),
        ({"dnsPolicy": "ClusterFirstWithHostNet"}, True),
        ({"hostNetwork": True}, False),
        ({"hostNetwork": True, "dnsPolicy": "ClusterFirst"}, False),
        ({"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}, True),
        ({"hostNetwork": True, "dnsPolicy": "Default"}, False),
    ],
)
def test_only_pods_that_ask_the_cluster_s_dns_need_it(spec: Raw, needed: bool) -> None:
    assert needs_dns(client(**spec)) is needed
    found = look_up(*KUBE_DNS, CLOSED, **spec)
    assert (found is not None and found.text.startswith("kube-dns")) is needed


def test_a_pod_on_its_host_s_network_may_always_ask() -> None:
    found = look_up(*KUBE_DNS, CLOSED, hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet")
    assert found is not None
    assert found.verdict is Verdict.ALLOWED


def test_the_look_up_is_judged_once_for_a_workload_and_only_where_a_name_is_used() -> None:
    view = world_of([*KUBE_DNS, CLOSED])
    raw = deployment("shop/web", annotations={"netpol-preflight.io/connects-to": "a.com.:1, b.com.:2, 10.9.9.9:3"})
    named = project(raw)
    assert isinstance(named, Workload)
    judged = judge_workload(view, named)
    assert len(judged.dependencies) == 3
    assert judged.dns is not None
    assert judged.dns.verdict is Verdict.DENIED
    raw["metadata"]["annotations"]["netpol-preflight.io/connects-to"] = "10.9.9.9:3, 10.0.0.0/8:4, deploy/x:5"
    by_address = project(raw)
    assert isinstance(by_address, Workload)
    assert judge_workload(view, by_address).dns is None


def test_a_name_that_cannot_be_looked_up_is_denied_with_that_reason() -> None:
    view = world_of([*KUBE_DNS, CLOSED])
    found = explain(view, client(), "api.example.com:443")
    assert found.verdict is Verdict.DENIED
    assert found.reason == "DNS look-ups are denied, so the name cannot be resolved"


# -- who is asked ------------------------------------------------------------------------------------------------------


def asked(*objects: Raw, settings: Settings = DEFAULTS, complete: bool = True) -> str | None:
    found = dns_service(world_of(objects, settings=settings, complete=complete))
    return f"{found.namespace}/{found.name}" if found else None


OPENSHIFT = dns_of("openshift-dns/dns-default")


def labelled(name: str, ports: list[Raw] | None = None) -> Raw:
    raw = service(name, {"k8s-app": "coredns"}, PORTS if ports is None else ports)
    raw["metadata"]["labels"] = {"k8s-app": "kube-dns"}
    return raw


def test_kube_system_comes_first_then_openshift_s_then_what_kubernetes_keeps_for_itself() -> None:
    kube_dns = KUBE_DNS[3]
    everybody = [*SPACES, labelled("kube-dns-cache/b"), OPENSHIFT, labelled("kube-system/z"), kube_dns]
    assert asked(*everybody) == "kube-system/kube-dns"
    assert asked(*everybody[:-1]) == "kube-system/z"
    assert asked(*everybody[:-2]) == "openshift-dns/dns-default"
    assert asked(*everybody[:-3]) == "kube-dns-cache/b"
    assert asked(*SPACES, labelled("kube-system/b"), labelled("kube-system/a")) == "kube-system/a"
    assert asked(*SPACES) is None


@pytest.mark.parametrize("complete", [True, False])
def test_whoever_labels_a_service_so_is_not_asked_by_others(complete: bool) -> None:
    assert asked(*SPACES, labelled("shop/b"), labelled("data/c"), complete=complete) is None
    configured = Settings(dns=Dns("data", "c"))
    assert asked(*SPACES, labelled("data/c"), settings=configured, complete=complete) == "data/c"


def test_in_a_cluster_it_decides_nothing() -> None:
    claimed = [labelled("data/dns"), dns_pod("data/coredns", 7)]
    for objects in ([*SPACES, CLOSED], [*KUBE_DNS, CLOSED], [*KUBE_DNS, egress(to_pods(UDP, TCP))]):
        assert look_up(*objects, *claimed) == look_up(*objects)


@pytest.mark.parametrize(
    ("place", "expected"), [("data", Verdict.UNKNOWN), ("kube-system", Verdict.UNKNOWN), ("shop", Verdict.DENIED)]
)
def test_in_files_it_is_as_plausible_as_the_one_that_is_assumed(place: str, expected: Verdict) -> None:
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": place}}}
    spaces = [namespace(n, {"kubernetes.io/metadata.name": n}) for n in ("shop", "data", "kube-system")]
    only = egress({"to": [peer], "ports": [UDP, TCP]})
    found = look_up(*spaces, labelled("data/dns"), dns_pod("data/coredns", 7), only, complete=False)
    assert found is not None
    assert found.verdict is expected
    unsure = expected is Verdict.UNKNOWN
    note = "data/dns is labelled as the cluster's DNS, too: --dns NAMESPACE/SERVICE says who answers"
    assert (note in found.assumptions) is unsure
    assert {str(flow.to) for flow in found.flows} == {"deploy/kube-system/kube-dns", *(["po/data/coredns"] * unsure)}
    if unsure:
        other = {"data": "kube-system/kube-dns", "kube-system": "data/coredns"}[place]
        assert found.reason is not None
        assert f"{other}, which is denied" in found.reason


def test_in_files_a_rule_for_the_dns_pods_may_tell_the_port_on_which_they_answer() -> None:
    for port_, settings, expected in (
        (8053, DEFAULTS, Verdict.UNKNOWN),
        (53, DEFAULTS, Verdict.ALLOWED),
        (8053, Settings(dns=Dns("kube-system", "kube-dns")), Verdict.DENIED),
        (8053, Settings(dns=Dns("kube-system", "coredns")), Verdict.UNKNOWN),
        (8053, Settings(dns=Dns("kube-system", "coredns", 53)), Verdict.DENIED),
    ):
        ports = [{"port": port_, "protocol": "UDP"}, {"port": port_}]
        rule = policy(
            "kube-system/dns",
            podSelector={"matchLabels": {"k8s-app": "kube-dns"}},
            policyTypes=["Ingress"],
            ingress=[{"ports": ports}],
        )
        found = look_up(rule, complete=False, settings=settings)
        assert found is not None
        assert found.verdict is expected
        if expected is Verdict.UNKNOWN:
            told = "kube-system/dns ingress[0] opens 8053/UDP, on which they may answer"
            assert found.reason == f"{told}: --dns NAMESPACE/SERVICE says who does"
    nobody = policy("kube-system/wall", podSelector={}, policyTypes=["Ingress"])
    assert verdict(nobody, complete=False) is Verdict.DENIED


def test_a_labelled_service_without_port_53_answers_nobody() -> None:
    assert asked(*SPACES, labelled("kube-system/metrics", [{"port": 9153}])) is None


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        (Dns("shop", "unbound"), "shop/unbound"),
        (Dns("", "coredns"), "kube-system/coredns"),
        (Dns("openshift-dns", "dns-default"), "openshift-dns/dns-default"),
        (Dns("shop", "nobody"), None),
    ],
)
def test_a_configured_service_is_asked_and_no_other(configured: Dns, expected: str | None) -> None:
    objects = [*KUBE_DNS, OPENSHIFT, dns_of("shop/unbound"), dns_of("kube-system/coredns")]
    assert asked(*objects, settings=Settings(dns=configured)) == expected


def test_where_the_configured_service_is_not_here_it_cannot_be_told() -> None:
    found = look_up(*KUBE_DNS, CLOSED, settings=Settings(dns=Dns("shop", "nobody")))
    assert found is not None
    assert (found.verdict, found.flows, found.assumptions) == (Verdict.UNKNOWN, (), ())
    assert found.reason == "the configured DNS Service shop/nobody is not here"
    assert found.text == "nobody.shop:53/UDP"


@pytest.mark.parametrize(
    ("dns", "port", "place"),
    [
        (Dns("openshift-dns", "dns-default"), 5353, "openshift-dns"),
        (Dns("kube-system", "rke2-coredns-rke2-coredns"), 53, "kube-system"),
        (Dns("shop-dns", "own", 1053), 1053, "shop-dns"),
    ],
)
def test_in_files_the_configured_service_is_where_look_ups_go(dns: Dns, port: int, place: str) -> None:
    rule = {
        "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": place}}}],
        "ports": [{"port": port, "protocol": "UDP"}, {"port": port}],
    }
    for policy_of, expected in ((egress(rule), Verdict.ALLOWED), (CLOSED, Verdict.DENIED)):
        found = look_up(policy_of, complete=False, settings=Settings(dns=dns))
        assert found is not None
        assert (found.verdict, found.text) == (expected, f"{dns.service}.{place}:53/UDP")
        assert [note for note in found.assumptions if f"port {port}" in note] != []


@pytest.mark.parametrize(
    ("pods", "port", "expected"),
    [
        ({"app.kubernetes.io/name": "rke2-coredns"}, 53, Verdict.UNKNOWN),
        ({"dns.operator.openshift.io/daemonset-dns": "default"}, 5353, Verdict.UNKNOWN),
        ({"k8s-app": "kube-dns"}, 8053, Verdict.UNKNOWN),
        ({"k8s-app": "metrics"}, 443, Verdict.DENIED),
    ],
)
def test_in_files_a_rule_for_other_dns_pods_or_another_port_may_be_the_right_one(
    pods: Raw, port: int, expected: Verdict
) -> None:
    peer = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": pods},
    }
    rule = {"to": [peer], "ports": [{"port": port, "protocol": "UDP"}, {"port": port}]}
    found = look_up(egress(rule), complete=False)
    assert found is not None
    assert found.verdict is expected
    if expected is Verdict.UNKNOWN:
        assert found.reason is not None
        assert "--dns NAMESPACE/SERVICE" in found.reason


def test_evidence_of_openshift_makes_its_dns_as_plausible_as_any_other() -> None:
    to_kube_dns = egress(to_pods(UDP, TCP))
    found = look_up(namespace("openshift-monitoring"), to_kube_dns, complete=False)
    assert found is not None
    assert found.verdict is Verdict.UNKNOWN
    assert found.reason == (
        "look-ups may go to openshift-dns/dns-default, which is denied, or to kube-system/kube-dns, which is allowed"
    )


def test_the_look_up_is_named_by_its_service_and_goes_to_its_pods_by_both_protocols() -> None:
    found = look_up(*KUBE_DNS, CLOSED)
    assert found is not None
    assert found.text == "kube-dns.kube-system:53/UDP"
    assert found.assumptions == ()
    assert [(str(f.to), f.protocol, f.port, f.service_port, f.purpose, f.pods) for f in found.flows] == [
        ("po/kube-system/kube-dns", "UDP", 53, 53, "dns", 1),
        ("po/kube-system/kube-dns", "TCP", 53, 53, "dns", 1),
    ]


def test_a_complete_world_without_any_dns_service_has_nobody_to_ask() -> None:
    assert look_up(*SPACES, CLOSED) is None


def test_a_dns_service_without_backends_is_nothing_that_policy_decides() -> None:
    assert look_up(*SPACES, dns_of("kube-system/kube-dns"), CLOSED) is None


def test_in_files_kube_dns_is_assumed_and_said_to_be() -> None:
    for objects, expected in (
        ([], Verdict.ALLOWED),
        ([CLOSED], Verdict.DENIED),
        ([egress(to_pods(UDP, TCP))], Verdict.ALLOWED),
        ([egress({"to": [{"podSelector": {}}], "ports": [UDP, TCP]})], Verdict.DENIED),
    ):
        found = look_up(*objects, complete=False)
        assert found is not None
        assert (found.verdict, found.assumptions, found.text) == (expected, (ASSUMED,), "kube-dns.kube-system:53/UDP")


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        (
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            },
            Verdict.ALLOWED,
        ),
        ({"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "coredns"}}}, Verdict.UNKNOWN),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "dns"}}}, Verdict.UNKNOWN),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}, Verdict.DENIED),
        ({"namespaceSelector": {"matchLabels": {"name": "kube-system"}}}, Verdict.UNKNOWN),
        ({"ipBlock": {"cidr": "10.96.0.10/32"}}, Verdict.UNKNOWN),
        ({"ipBlock": {"cidr": "0.0.0.0/0"}}, Verdict.ALLOWED),
    ],
)
def test_what_is_not_known_of_the_assumed_kube_dns_is_unknown(peer: Raw, expected: Verdict) -> None:
    assert verdict(egress({"to": [peer], "ports": [UDP, TCP]}), complete=False) is expected


def test_in_files_with_a_dns_service_nothing_is_assumed() -> None:
    found = look_up(*KUBE_DNS, CLOSED, complete=False)
    assert found is not None
    assert (found.verdict, found.assumptions) == (Verdict.DENIED, ())


# -- the real port -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listens", [53, 1053, 5353])
def test_policy_must_open_the_port_that_the_dns_pods_listen_on(listens: int) -> None:
    server = (*SPACES, OPENSHIFT, dns_pod("openshift-dns/dns-default", 2, listens))
    real = [{"port": listens, "protocol": p} for p in ("UDP", "TCP")]
    assert verdict(*server, egress(to_pods(*real))) is Verdict.ALLOWED
    assert verdict(*server, egress(to_pods(UDP, TCP))) is (Verdict.ALLOWED if listens == 53 else Verdict.DENIED)


def test_the_dns_pods_own_ingress_policy_counts() -> None:
    assert verdict(*KUBE_DNS, policy("kube-system/wall", podSelector={})) is Verdict.DENIED


def test_dns_pods_that_differ_make_it_partial() -> None:
    second = dns_pod("kube-system/kube-dns-2", 3)
    second["metadata"]["labels"] = {"k8s-app": "kube-dns", "closed": "yes"}
    wall = policy("kube-system/wall", podSelector={"matchLabels": {"closed": "yes"}})
    assert verdict(*KUBE_DNS, second, wall) is Verdict.PARTIAL


# -- UDP and TCP -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ([], Verdict.ALLOWED),
        ([UDP, TCP], Verdict.ALLOWED),
        ([UDP], Verdict.PARTIAL),
        ([TCP], Verdict.DENIED),
        ([{"port": 80}], Verdict.DENIED),
        ([{"protocol": "UDP"}], Verdict.PARTIAL),
        ([{"port": "dns", "protocol": "UDP"}, {"port": "dns-tcp"}], Verdict.ALLOWED),
        ([{"port": "dns"}], Verdict.DENIED),
    ],
)
def test_without_udp_nothing_is_answered_and_without_tcp_only_what_is_short(
    ports: list[Raw], expected: Verdict
) -> None:
    assert verdict(*KUBE_DNS, egress(to_pods(*ports))) is expected


def test_a_service_that_speaks_only_udp_needs_no_tcp() -> None:
    objects = (*SPACES, service("kube-system/kube-dns", {"k8s-app": "kube-dns"}, PORTS[:1]), KUBE_DNS[4])
    assert verdict(*objects, egress(to_pods(UDP))) is Verdict.ALLOWED


def test_a_service_that_speaks_only_tcp_answers_nobody() -> None:
    objects = (*SPACES, service("kube-system/kube-dns", {"k8s-app": "kube-dns"}, PORTS[1:]), KUBE_DNS[4])
    assert look_up(*objects, CLOSED) is None


def test_a_headless_dns_service_is_dialled_on_53() -> None:
    objects = (
        *SPACES,
        headless("kube-system/kube-dns", {"k8s-app": "kube-dns"}, PORTS),
        dns_pod("kube-system/kube-dns", 1),
    )
    found = look_up(*objects, egress(to_pods(UDP, TCP)))
    assert found is not None
    assert {f.port for f in found.flows} == {53}
    assert found.verdict is Verdict.ALLOWED


# -- NodeLocal DNSCache ------------------------------------------------------------------------------------------------

PATHS = (to_pods(UDP, TCP), to_address("10.96.0.10/32"), to_address("169.254.20.10/32"))


@pytest.mark.parametrize("opened", list(product((True, False), repeat=3)))
def test_with_node_local_dns_it_is_sure_only_where_every_path_agrees(opened: tuple[bool, ...]) -> None:
    rules = [rule for rule, is_open in zip(PATHS, opened, strict=True) if is_open]
    expected = {3: Verdict.ALLOWED, 0: Verdict.DENIED}.get(sum(opened), Verdict.UNKNOWN)
    assert verdict(*KUBE_DNS, NODE_LOCAL, egress(*rules)) is expected


def test_without_node_local_dns_the_pods_alone_decide() -> None:
    for opened in product((True, False), repeat=3):
        rules = [rule for rule, is_open in zip(PATHS, opened, strict=True) if is_open]
        assert verdict(*KUBE_DNS, egress(*rules)) is (Verdict.ALLOWED if opened[0] else Verdict.DENIED), opened


def test_with_node_local_dns_and_no_policy_it_is_allowed() -> None:
    found = look_up(*KUBE_DNS, NODE_LOCAL)
    assert found is not None
    assert found.verdict is Verdict.ALLOWED
    assert [str(f.to) for f in found.flows if f.protocol == "UDP"] == [
        "po/kube-system/kube-dns",
        "10.96.0.10/32",
        "169.254.20.10/32",
    ]


def test_node_local_dns_is_known_by_its_daemon_set_or_by_its_pods() -> None:
    one = pod("kube-system/node-local-dns-x", 8, {"k8s-app": "node-local-dns"}, [], hostNetwork=True)
    one["metadata"]["ownerReferences"] = [{"kind": "DaemonSet", "name": "node-local-dns", "controller": True}]
    elsewhere = workload("DaemonSet", "shop/node-local-dns")
    for objects, expected in (([NODE_LOCAL], True), ([one], True), ([elsewhere], False), ([], False)):
        view: View = world_of([*KUBE_DNS, *objects])
        assert node_local(view) is expected


def test_with_node_local_dns_in_files_the_link_local_address_and_the_assumed_pods_count() -> None:
    assert verdict(NODE_LOCAL, CLOSED, complete=False) is Verdict.DENIED
    assert verdict(NODE_LOCAL, complete=False) is Verdict.ALLOWED
    assert verdict(NODE_LOCAL, egress(PATHS[0]), complete=False) is Verdict.UNKNOWN
    assert verdict(NODE_LOCAL, egress(PATHS[0], PATHS[2]), complete=False) is Verdict.ALLOWED


def test_an_unknown_look_up_says_why() -> None:
    found = look_up(
        egress({"to": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}], "ports": [UDP, TCP]}), complete=False
    )
    assert found is not None
    assert found.verdict is Verdict.UNKNOWN
    assert found.reason is not None
    assert "kube-system" in found.reason


def test_dns_itself_asks_like_everybody_else() -> None:
    objects = [*KUBE_DNS, policy("kube-system/closed", podSelector={}, policyTypes=["Egress"])]
    found = judge_dns(world_of(objects), asks("kube-system/other"))
    assert found is not None
    assert found.verdict is Verdict.DENIED
