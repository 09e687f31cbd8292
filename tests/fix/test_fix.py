"""The fix in single cases: what it writes, whom it names, what it calls it, and why there is none."""

import re
from typing import Any

import pytest

from tests.support.arena import Raw, world_of
from tests.support.making import deployment, owned_by, service, workload
from tests.support.worlds import namespace, pod, policy, port
from webhook.fix import Fixed, Fixes, fix, fix_dependency
from webhook.fix.fix import UNPROVED
from webhook.judge import explain, judge_workload
from webhook.model.answers import Verdict
from webhook.model.refs import WorkloadRef
from webhook.model.settings import CONNECTS_TO
from webhook.world import Overlay

DB = deployment("data/db", [port("pg", 5432)])
DB_SERVICE = service("data/db", {"app": "db"}, [{"port": 80, "targetPort": "pg"}])
DNS = workload("Deployment", "kube-system/coredns", [port("dns", 53, "UDP"), port("dns-tcp", 53)])
DNS_PORTS = [{"name": n, "port": 53, "protocol": p, "targetPort": n} for n, p in (("dns", "UDP"), ("dns-tcp", "TCP"))]
DNS_SERVICE = service("kube-system/kube-dns", {"app": "coredns"}, DNS_PORTS)
CAST = (namespace("shop"), namespace("data"), namespace("kube-system"), DB, DB_SERVICE)
OUT = policy("shop/out", podSelector={}, policyTypes=["Egress"])
WALL = policy("data/wall", podSelector={}, policyTypes=["Ingress"])
DNS_WALL = policy("kube-system/wall", podSelector={}, policyTypes=["Ingress"])


def web(to: str, name: str = "shop/web", **more: Any) -> Raw:  # noqa: ANN401 - as `deployment`
    return deployment(name, annotations={CONNECTS_TO: to}, **more)


def fixed(*objects: Raw, complete: bool = True) -> Fixes:
    """Fix everything that the Deployments with an annotation declare."""
    world = world_of([*CAST, *objects], complete=complete)
    return fix(world, sorted((w for w in world.workloads.every() if w.connects_to), key=lambda w: w.ref))


def written(found: Fixes) -> dict[str, Raw]:
    assert found.unfixable == ()
    return {"{namespace}/{name}".format(**m["metadata"]): m["spec"] for m in found.policies}


def selecting(**labels: str) -> Raw:
    return {"podSelector": {"matchLabels": labels}}


def within(space: str, **labels: str) -> Raw:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space}}, **selecting(**labels)}


TCP_5432 = [{"protocol": "TCP", "port": 5432}]


# -- what is written --------------------------------------------------------------------------------------------------


def test_one_closed_side_takes_one_policy_in_that_direction() -> None:
    found = fixed(web("db.data:80"), WALL)
    rule = {"from": [within("shop", app="web")], "ports": TCP_5432}
    assert written(found) == {
        "data/allow-db-from-web.shop-5432": {**selecting(app="db"), "policyTypes": ["Ingress"], "ingress": [rule]}
    }
    assert found.policies[0]["apiVersion"] == "networking.k8s.io/v1"
    assert found.policies[0]["kind"] == "NetworkPolicy"
    assert found.notes == ()


def test_both_sides_closed_take_one_each_and_the_pods_port_not_the_services() -> None:
    found = written(fixed(web("deploy/db.data:5432"), WALL, OUT))
    assert list(found) == ["data/allow-db-from-web.shop-5432", "shop/allow-web-to-db.data-5432"]
    assert found["shop/allow-web-to-db.data-5432"]["egress"] == [{"to": [within("data", app="db")], "ports": TCP_5432}]


def test_within_a_namespace_no_namespace_is_named() -> None:
    found = written(fixed(web("db:80", "data/web"), WALL))
    assert found["data/allow-db-from-web-5432"]["ingress"] == [{"from": [selecting(app="web")], "ports": TCP_5432}]


def test_a_name_needs_its_look_up_opened_on_both_sides_and_protocols() -> None:
    found = written(fixed(web("db.data:80"), DNS, DNS_SERVICE, OUT, DNS_WALL))
    (egress,) = (spec for key, spec in found.items() if key.startswith("shop/"))
    ports = [{"protocol": "TCP", "port": 53}, {"protocol": "UDP", "port": 53}]
    assert egress["egress"] == [
        {"to": [within("data", app="db")], "ports": TCP_5432},
        {"to": [within("kube-system", app="coredns")], "ports": ports},
    ]
    assert found["kube-system/allow-coredns-from-web.shop-53-tcp-udp"]["ingress"] == [
        {"from": [within("shop", app="web")], "ports": ports}
    ]


def test_a_look_up_is_opened_where_kube_dns_is_only_assumed() -> None:
    found = written(fixed(web("db.data:80"), OUT, complete=False))
    (spec,) = found.values()
    assert within("kube-system", **{"k8s-app": "kube-dns"}) in [rule["to"][0] for rule in spec["egress"]]


def test_a_workload_or_an_address_needs_no_look_up() -> None:
    found = written(fixed(web("deploy/db.data:5432, 192.0.2.9:443, 198.51.100.0/24:443"), DNS, DNS_SERVICE, OUT))
    (spec,) = found.values()
    assert [rule["to"][0].get("ipBlock") for rule in spec["egress"]] == [
        {"cidr": "192.0.2.9/32"},
        {"cidr": "198.51.100.0/24"},
        None,
    ]


def test_several_ports_of_one_server_share_a_rule() -> None:
    api = deployment("shop/api", [port("http", 8080), port("grpc", 9090)])
    found = written(fixed(web("deploy/api:8080, deploy/api:9090"), api, OUT))
    (spec,) = found.values()
    assert [rule["ports"] for rule in spec["egress"]] == [
        [{"protocol": "TCP", "port": 8080}, {"protocol": "TCP", "port": 9090}]
    ]


def test_only_the_part_that_is_closed_is_opened() -> None:
    some = policy("shop/some", podSelector={}, policyTypes=["Egress"], egress=[{"ports": [{"port": 5432}]}])
    found = written(fixed(web("deploy/db.data:5432, 192.0.2.9:443"), some))
    (spec,) = found.values()
    assert [rule["to"] for rule in spec["egress"]] == [[{"ipBlock": {"cidr": "192.0.2.9/32"}}]]


def test_what_is_open_or_unknown_needs_no_fix() -> None:
    hashed = {"matchLabels": {"pod-template-hash": "5d8"}}
    unsure = policy("shop/unsure", podSelector=hashed, policyTypes=["Egress"])
    for objects in ([], [unsure], [policy("shop/open", podSelector={}, policyTypes=["Egress"], egress=[{}])]):
        assert fixed(web("db.data:80, api.example.com.:443"), *objects) == Fixes()


def test_a_host_on_the_nodes_network_is_opened_by_its_address() -> None:
    agent = pod("data/agent", 9, {"app": "agent"}, [port("metrics", 9100)], hostNetwork=True)
    agent["status"] |= {"podIP": "192.0.2.9", "podIPs": [{"ip": "192.0.2.9"}]}
    found = fixed(web("pod/agent.data:9100"), agent, OUT)
    (spec,) = written(found).values()
    assert spec["egress"][0]["to"] == [{"ipBlock": {"cidr": "192.0.2.9/32"}}]
    assert found.notes == ("data/agent is on the host network: its nodes' addresses are opened",)


def test_of_a_server_that_is_partly_on_the_nodes_network_each_part_is_opened_as_it_is_seen() -> None:
    pods = [pod(f"data/agent-{n}", n, {"app": "agent"}, [port("metrics", 9100)]) for n in (3, 4)]
    pods[1]["spec"]["hostNetwork"] = True
    for one in pods:
        one["metadata"] |= owned_by("DaemonSet", "agent")
    found = fixed(web("ds/agent.data:9100"), *pods, OUT)
    (spec,) = written(found).values()
    nodes = [{"ipBlock": {"cidr": "10.0.4.4/32"}}, {"ipBlock": {"cidr": "fd00::4:4/128"}}]
    assert spec["egress"][0]["to"] == [*nodes, within("data", app="agent")]


def test_policies_are_sorted_by_namespace_and_name_and_each_is_there_once() -> None:
    two = [web("db.data:80", f"shop/{name}") for name in ("zed", "web")]
    found = fixed(*two, WALL, DNS_WALL, OUT, DNS, DNS_SERVICE)
    keys = [(m["metadata"]["namespace"], m["metadata"]["name"]) for m in found.policies]
    assert keys == sorted(set(keys))
    assert [space for space, _ in keys] == ["data", "data", "kube-system", "kube-system", "shop", "shop"]


# -- whom it selects --------------------------------------------------------------------------------------------------


def labelled(raw: Raw, matched: dict[str, str], **more: str) -> Raw:
    raw["spec"]["selector"]["matchLabels"] = matched
    raw["spec"]["template"]["metadata"]["labels"] = {**matched, **more}
    return raw


def test_what_the_owner_selects_by_is_enough() -> None:
    server = labelled(deployment("data/db", [port("pg", 5432)]), {"app": "db"}, version="7", tier="back")
    (spec,) = written(fixed(server, web("db.data:80"), WALL)).values()
    assert spec["podSelector"] == {"matchLabels": {"app": "db"}}


def test_where_that_selects_another_too_a_label_is_added() -> None:
    server = labelled(deployment("data/db", [port("pg", 5432)]), {"app": "db"}, role="primary")
    other = labelled(deployment("data/replica"), {"app": "db"}, role="replica")
    found = fixed(server, other, web("deploy/db.data:5432"), WALL)
    (spec,) = written(found).values()
    assert spec["podSelector"] == {"matchLabels": {"app": "db", "role": "primary"}}
    assert found.notes == ()


def test_where_no_label_tells_them_apart_the_other_is_named() -> None:
    other = labelled(deployment("data/replica"), {"app": "db"})
    twin = labelled(deployment("shop/twin"), {"app": "web"})
    found = fixed(other, twin, web("deploy/db.data:5432"), WALL)
    assert len(written(found)) == 1
    assert found.notes == ("data/db: its labels also select data/replica", "shop/web: its labels also select shop/twin")


def test_another_whose_template_will_be_selected_is_named_too() -> None:
    """Its running pods do not have the label yet."""
    other = labelled(deployment("data/replica"), {"app": "db"})
    running = pod("data/replica-1", 3, {"app": "replica"}, [])
    running["metadata"] |= owned_by("Deployment", "replica")
    found = fixed(other, running, web("deploy/db.data:5432"), WALL)
    assert found.notes == ("data/db: its labels also select data/replica",)


def test_another_of_the_same_name_is_named_with_its_kind() -> None:
    found = fixed(workload("StatefulSet", "data/db"), web("deploy/db.data:5432"), WALL)
    assert found.notes == ("data/db: its labels also select sts/data/db",)


def test_where_the_other_would_be_isolated_by_it_there_is_none() -> None:
    other = labelled(deployment("data/replica"), {"app": "db"}, role="replica")
    only = policy("data/only", podSelector={"matchExpressions": [{"key": "role", "operator": "DoesNotExist"}]})
    found = fixed(other, web("deploy/db.data:5432"), only)
    assert found.policies == ()
    ((workload_, dependency, reason),) = [(str(u.workload), u.dependency, u.reason) for u in found.unfixable]
    assert (workload_, dependency) == ("deploy/shop/web", "deploy/db.data:5432/TCP")
    assert reason == (
        "the labels of data/db also select pods of data/replica that no Ingress policy is sure to isolate: "
        "a policy for some would close the others; give them a label that tells them apart"
    )


def test_pods_that_its_template_may_still_make_are_not_isolated_by_it_either() -> None:
    """A running pod is closed by a label of its old template; by the new one it will be open."""
    running = pod("data/db-1", 3, {"app": "db", "rev": "old"}, [port("pg", 5432)])
    running["metadata"] |= owned_by("Deployment", "db")
    old = policy("data/old", podSelector={"matchLabels": {"rev": "old"}}, policyTypes=["Ingress"])
    found = fixed(running, web("deploy/db.data:5432"), old)
    (spec,) = written(found).values()
    assert spec["podSelector"] == {"matchLabels": {"app": "db", "rev": "old"}}


def test_labels_that_come_and_go_with_a_pod_are_not_selected_by() -> None:
    running = pod("data/job-1", 3, {"batch.kubernetes.io/job-name": "job"}, [port("pg", 5432)])
    found = fixed(running, web("pod/job-1.data:5432"), WALL)
    assert [u.reason for u in found.unfixable] == ["data/job-1 has no labels that a policy could select it by"]


def test_what_cannot_be_fixed_does_not_keep_the_rest_from_it() -> None:
    bare = pod("data/bare", 3, {}, [port("pg", 5432)])
    found = fixed(bare, web("pod/bare.data:5432, deploy/db.data:5432"), WALL)
    assert [u.dependency for u in found.unfixable] == ["po/bare.data:5432/TCP"]
    assert [m["metadata"]["name"] for m in found.policies] == ["allow-db-from-web.shop-5432"]


def test_what_is_unknown_even_with_the_fix_is_said() -> None:
    """The server's side is sure to be closed and is opened; the client's own hangs on a label that is added later."""
    hashed = {"matchLabels": {"pod-template-hash": "5d8"}}
    unsure = policy("shop/unsure", podSelector=hashed, policyTypes=["Egress"])
    found = fixed(web("deploy/db.data:5432"), unsure, WALL)
    assert len(written(found)) == 1
    why = "shop/unsure selects pods by labels that are added later (pod-template-hash=5d8)"
    assert found.notes == (f"deploy/db.data:5432/TCP is unknown even with the fix: {why}",)


def test_a_side_that_is_isolated_and_may_be_open_is_opened_for_sure() -> None:
    """The client's rule names a peer that no one can read; the server's side is closed."""
    vague = policy("shop/vague", podSelector={}, policyTypes=["Egress"], egress=[{"to": [{"fqdn": "db"}]}])
    found = fixed(web("deploy/db.data:5432"), vague, WALL)
    assert sorted(written(found)) == ["data/allow-db-from-web.shop-5432", "shop/allow-web-to-db.data-5432"]
    assert found.notes == ()


# -- names ------------------------------------------------------------------------------------------------------------

NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def names(*objects: Raw) -> list[str]:
    found = [m["metadata"]["name"] for m in fixed(*objects).policies]
    assert all(NAME.fullmatch(name) and len(name) <= 253 for name in found), found
    return found


def test_a_name_that_is_taken_gets_a_number() -> None:
    taken = [policy(f"data/allow-db-from-web.shop-5432{tail}", podSelector={}) for tail in ("", "-2")]
    assert names(web("deploy/db.data:5432"), WALL, *taken) == ["allow-db-from-web.shop-5432-3"]


def test_the_same_name_in_two_namespaces_is_told_apart() -> None:
    both = [web("deploy/db.data:5432", f"{space}/web") for space in ("shop", "kube-system")]
    assert names(*both, WALL) == ["allow-db-from-web.kube-system-5432", "allow-db-from-web.shop-5432"]


def test_the_same_name_of_two_kinds_is_told_apart() -> None:
    note = {CONNECTS_TO: "deploy/db.data:5432"}
    twins = [
        labelled(workload(k, "shop/web", annotations=note), {"app": k.lower()}) for k in ("Deployment", "StatefulSet")
    ]
    found = names(*twins, WALL)
    assert len(set(found)) == 2
    assert all(re.fullmatch(r"allow-db-from-web\.shop-5432-[0-9a-f]{6}", name) for name in found)


def test_names_that_could_be_read_two_ways_are_told_apart() -> None:
    clients = [web("deploy/a-from-b.data:80", "data/c"), web("deploy/a.data:80", "data/b-from-c")]
    servers = [deployment(f"data/{name}", [port("p", 80)]) for name in ("a", "a-from-b")]
    found = names(*clients, *servers, WALL)
    assert len(set(found)) == 2
    assert {name[:-7] for name in found} == {"allow-a-from-b-from-c-80"}


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("deploy/db.data:5432", "allow-web-to-db.data-5432"),
        ("deploy/db.data:5432/UDP", "allow-web-to-db.data-5432-udp"),
        ("deploy/db.data:5432/SCTP", "allow-web-to-db.data-5432-sctp"),
        ("deploy/db.data:5432, deploy/db.data:5432/UDP", "allow-web-to-db.data-5432-tcp-udp"),
    ],
)
def test_a_protocol_other_than_tcp_is_in_the_name(to: str, expected: str) -> None:
    assert names(web(to), OUT) == [expected]


def test_what_has_no_name_of_its_own_has_a_hash_of_what_it_opens() -> None:
    for to in ("192.0.2.9:443", "192.0.2.10:443", "192.0.2.9:443, deploy/db.data:5432"):
        assert re.fullmatch(r"allow-web-egress-[0-9a-f]{6}", names(web(to), OUT)[0])
    assert names(web("192.0.2.9:443"), OUT) != names(web("192.0.2.10:443"), OUT)


def test_a_long_name_is_cut_and_stays_one_of_its_own() -> None:
    server = labelled(deployment(f"data/{'x' * 120}", [port("p", 80)]), {"app": "x"})
    to = f"deploy/{'x' * 120}.data:80"
    clients = [labelled(web(to, f"shop/{'z' * 180}{tail}"), {"app": tail}) for tail in "ab"]
    assert len(set(names(server, *clients, WALL))) == 2


def test_a_name_that_the_server_has_yet_to_make_up_gives_one_that_can_be_applied() -> None:
    world = world_of([*CAST, WALL])
    client = next(iter(world_of([web("deploy/db.data:5432", "shop/web-(generated)")]).workloads.every()))
    found = fix(Overlay(world, [client]), [client])
    assert [NAME.fullmatch(m["metadata"]["name"]) is not None for m in found.policies] == [True]


# -- the proof --------------------------------------------------------------------------------------------------------


def test_applied_it_makes_the_dependency_allowed() -> None:
    objects = [*CAST, web("db.data:80"), WALL, OUT, DNS_WALL, DNS, DNS_SERVICE]
    found = fixed(*objects[len(CAST) :])
    after = world_of([*objects, *found.policies])
    client = after.workloads.get(WorkloadRef("Deployment", "shop", "web"))
    assert client is not None
    answer = explain(after, client, "db.data:80")
    assert answer.dns is not None
    assert (answer.verdict, answer.dns.verdict) == (Verdict.ALLOWED, Verdict.ALLOWED)
    assert fix(after, [client]) == Fixes()


def test_what_does_not_open_it_is_not_shown() -> None:
    """The verdict is from before the server's side was closed too: what opens the other is not enough."""
    before, after = world_of([*CAST, web("deploy/db.data:5432"), OUT]), world_of([*CAST, OUT, WALL])
    client = before.workloads.get(WorkloadRef("Deployment", "shop", "web"))
    assert client is not None
    (judged,) = judge_workload(before, client).dependencies
    assert fix_dependency(before, client, judged).policies
    found = fix_dependency(Overlay(after, [client]), client, judged)
    assert found == Fixed(reason=UNPROVED)
