"""`matrix` as people and programs meet it: who stands in it, what a row says, and the four formats."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from tests.support.arena import Raw, world_of
from tests.support.worlds import namespace, pod, policy, port
from webhook.cli.main import main
from webhook.matrix import fold, matrix
from webhook.report.matrix_text import text

SHOP: Final = Path(__file__).parent / "shop"


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: object) -> Done:
        try:
            code = main(["matrix", *map(str, arguments)])
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Done(code, *capsys.readouterr())

    return command


def shown(objects: list[Raw], *, unknown: bool = False, group: bool = False) -> list[str]:
    """Return rows as `FROM -> TO: PORTS`, those that are not known with a `?` before them."""
    whole = matrix(world_of(objects, complete=False), unknown=unknown)
    lines = text(fold(whole) if group else whole).split("\n")
    found = []
    for line in lines[1 : lines.index("")] if "" in lines else ():
        source, target, *middle, ports = [part.strip() for part in line.split("  ") if part.strip()]
        mark = "? " if middle == ["unknown"] else ""
        found.append(f"{mark}{source} -> {target}: {ports}")
    return found


def between(objects: list[Raw], **flags: bool) -> list[str]:
    """Return the same without address ranges."""
    return [row for row in shown(objects, **flags) if "." not in row.rpartition(":")[0] and "::" not in row]


def workload(kind: str, name: str, **rest: Any) -> Raw:  # noqa: ANN401 - any field of an object
    """Return `namespace/name` with one container; `labels`, `owner`, `replicas`, `ports` and `host` as given."""
    space, _, own = name.partition("/")
    spec: Raw = {"containers": [{"name": "c", "image": "c", "ports": rest.get("ports", [])}]}
    if rest.get("host"):
        spec["hostNetwork"] = True
    template = {"metadata": {"labels": rest.get("labels", {"app": own})}, "spec": spec}
    metadata: Raw = {"namespace": space, "name": own}
    if "owner" in rest:
        metadata["ownerReferences"] = [owner(rest["owner"])]
    group = {"Job": "batch/v1", "CronJob": "batch/v1", "ReplicationController": "v1"}.get(kind, "apps/v1")
    body: Raw = {"template": template}
    if kind == "CronJob":
        body = {"jobTemplate": {"spec": body}}
    if "replicas" in rest:
        body["replicas"] = rest["replicas"]
    return {"apiVersion": group, "kind": kind, "metadata": metadata, "spec": body}


def owner(word: str) -> Raw:
    kind, _, name = word.partition("/")
    group = "batch/v1" if kind in ("Job", "CronJob") else "apps/v1"
    return {"apiVersion": group, "kind": kind, "name": name, "controller": True}


def owned(name: str, number: int, by: str, labels: Raw, **spec: Any) -> Raw:  # noqa: ANN401 - any field of a pod
    found = pod(name, number, labels, [], **spec)
    found["metadata"]["ownerReferences"] = [owner(by)]
    return found


def closed(space: str, **rest: Any) -> Raw:  # noqa: ANN401 - any field of a NetworkPolicy's spec
    """Return a policy that closes a namespace to all but what `rest` opens."""
    return policy(f"{space}/closed", **{"podSelector": {}, "policyTypes": ["Ingress"], **rest})


# -- the formats -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("word", "suffix"), [("text", "txt"), ("json", "json"), ("dot", "dot"), ("markdown", "md")])
def test_each_format_is_as_written_down(run: Run, word: str, suffix: str) -> None:
    done = run("-f", SHOP, "--unknown", "--format", word)
    assert done.out == SHOP.with_suffix(f".{suffix}").read_text(encoding="utf-8")
    assert (done.code, done.err) == (0, "")


def test_json_has_the_contracts_keys_and_no_others(run: Run) -> None:
    answer = json.loads(run("-f", SHOP, "--format", "json").out)
    assert list(answer) == ["connections", "errors", "skipped"]
    for row in answer["connections"]:
        assert list(row) == ["from", "to", "ports"]
        for end in (row["from"], row["to"]):
            assert list(end) in (["kind", "namespace", "name"], ["cidrs"])
        assert all(list(some) == ["protocol", "first", "last"] for some in row["ports"])


def test_only_rows_that_are_not_known_carry_a_verdict(run: Run) -> None:
    rows = json.loads(run("-f", SHOP, "--unknown", "--format", "json").out)["connections"]
    assert {row.get("verdict") for row in rows} == {None, "unknown"}
    assert rows[: len(json.loads(run("-f", SHOP, "--format", "json").out)["connections"])] == [
        row for row in rows if "verdict" not in row
    ]


def test_hostile_names_stay_inside_their_cell_string_and_line(run: Run, tmp_path: Path) -> None:
    name = 'a|b"c\\d\n\u202e*\ud800'
    raw = workload("Deployment", "x/y")
    raw["metadata"]["name"] = name
    (tmp_path / "one.json").write_text(json.dumps(raw), encoding="utf-8")
    table = run("-f", tmp_path)
    assert all(ord(c) >= 32 or c == "\n" for c in table.out)
    assert "\u202e" not in table.out
    (markdown,) = [
        line for line in run("-f", tmp_path, "--format", "markdown").out.splitlines()[2:] if "0.0" not in line
    ]
    assert markdown.replace("\\|", "").count("|") == 4
    dot = run("-f", tmp_path, "--format", "dot").out
    assert all(line.replace('\\"', "").replace("\\\\", "").count('"') % 2 == 0 for line in dot.splitlines())
    first = json.loads(run("-f", tmp_path, "--format", "json").out)["connections"][0]["from"]["name"]
    assert first.startswith('a|b"c\\d\n\u202e*')


def test_a_broken_document_is_an_error_and_the_others_still_count(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(workload("Deployment", "x/a")), encoding="utf-8")
    (tmp_path / "b.yaml").write_text("apiVersion: v1\nkind: [\n", encoding="utf-8")
    done = run("-f", tmp_path, "--format", "json")
    answer = json.loads(done.out)
    assert done.code == 2
    assert [error["file"] for error in answer["errors"]] == [str(tmp_path / "b.yaml")]
    assert len(answer["connections"]) == 3
    assert f"{tmp_path / 'b.yaml'}:" in done.err
    assert "1 document unreadable" in run("-f", tmp_path).out


@pytest.mark.parametrize("focus", ["web", "deploy/web", "web.shop", "deployments/web"])
def test_focus_shows_only_rows_that_touch_it(run: Run, focus: str) -> None:
    rows = json.loads(run("-f", SHOP, "--focus", focus, "--format", "json").out)["connections"]
    every = json.loads(run("-f", SHOP, "--format", "json").out)["connections"]
    web = {"kind": "Deployment", "namespace": "shop", "name": "web"}
    assert rows == [row for row in every if web in (row["from"], row["to"])]
    assert len(rows) == 6


def test_a_focus_that_names_nobody_says_who_is_near(run: Run) -> None:
    done = run("-f", SHOP, "--focus", "wep")
    assert (done.code, done.out) == (2, "")
    assert "no workload `wep`, did you mean `web`?" in done.err


def test_against_alone_is_enough(run: Run) -> None:
    assert run("--against", SHOP, "--format", "json").out.count('"from"') == 18
    assert run().code == 2


def test_a_folder_without_workloads_has_no_rows(run: Run, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps(namespace("x")), encoding="utf-8")
    assert run("-f", tmp_path).out == "0 connections between 0 workloads\n"
    assert json.loads(run("-f", tmp_path, "--format", "json").out)["connections"] == []


# -- who stands in it --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob"]
)
def test_every_kind_of_workload_stands_in_it(kind: str) -> None:
    (source, _), *_ = (row.split(" -> ") for row in shown([workload(kind, "x/a")]))
    assert source.endswith("/x/a")


def test_pods_stand_under_their_topmost_controller() -> None:
    objects = [
        workload("CronJob", "x/c"),
        workload("Job", "x/c-1", owner="CronJob/c"),
        owned("x/c-1-aaaaa", 1, "Job/c-1", {"app": "c"}),
        owned("x/sts-0", 2, "StatefulSet/sts", {"app": "s"}),
        owned("x/sts-1", 3, "StatefulSet/sts", {"app": "s"}),
    ]
    assert {row.split(" -> ")[0] for row in between(objects)} == {"cj/x/c", "sts/x/sts"}


HASHED: Final = {"app": "web", "pod-template-hash": "5d4f8c7b9"}


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([workload("ReplicaSet", "x/web-5d4f8c7b9", owner="Deployment/web")], id="owned, no Deployment"),
        pytest.param([workload("ReplicaSet", "x/web-5d4f8c7b9", labels=HASHED)], id="no owner, its template says"),
        pytest.param([owned("x/web-1", 1, "ReplicaSet/web-5d4f8c7b9", HASHED)], id="no ReplicaSet, the pod says"),
        pytest.param(
            [
                workload("ReplicaSet", "x/web-5d4f8c7b9", labels=HASHED),
                owned("x/web-1", 1, "ReplicaSet/web-5d4f8c7b9", HASHED),
            ],
            id="a ReplicaSet without owner, and its pod",
        ),
        pytest.param(
            [
                workload("Deployment", "x/web"),
                workload("ReplicaSet", "x/web-5d4f8c7b9", owner="Deployment/web"),
                workload("ReplicaSet", "x/web-6c7d9f5b8", owner="Deployment/web", replicas=0),
            ],
            id="all three",
        ),
    ],
)
def test_a_replicasets_hash_is_stripped(objects: list[Raw]) -> None:
    assert between(objects) == ["deploy/x/web -> deploy/x/web: all"]


def test_a_replicaset_without_hash_stands_for_itself() -> None:
    assert between([workload("ReplicaSet", "x/web-1", replicas=2)]) == ["rs/x/web-1 -> rs/x/web-1: all"]


def test_a_missing_deployment_is_met_as_its_scaled_replicasets_are() -> None:
    new = workload("ReplicaSet", "x/web-2", owner="Deployment/web", labels={"v": "2"}, replicas=1)
    old = workload("ReplicaSet", "x/web-1", owner="Deployment/web", labels={"v": "1"}, replicas=0)
    to_new = closed("x", ingress=[], podSelector={"matchLabels": {"v": "1"}})
    objects = [new, workload("Deployment", "x/other", replicas=1), to_new]
    assert "deploy/x/other -> deploy/x/web: all" in between([*objects, old])
    old["spec"]["replicas"] = 1
    assert "deploy/x/other -> deploy/x/web: all" not in between([*objects, old])


def test_what_an_operator_makes_stands_for_itself() -> None:
    objects = [workload("StatefulSet", "x/pg-0", owner="Postgresql/pg", replicas=2)]
    assert between(objects) == ["sts/x/pg-0 -> sts/x/pg-0: all"]


def test_finished_pods_do_not_count() -> None:
    done = pod("x/done", 1, {}, [])
    done["status"]["phase"] = "Succeeded"
    assert shown([done, namespace("x")]) == []


@pytest.mark.parametrize(
    ("objects", "there"),
    [
        ([workload("Deployment", "x/a", replicas=1)], False),
        ([workload("Deployment", "x/a", replicas=2)], True),
        ([workload("Deployment", "x/a", replicas=0)], True),
        ([workload("Deployment", "x/a")], True),
        ([workload("DaemonSet", "x/a")], True),
        ([pod("x/a", 1, {}, [])], False),
        ([workload("StatefulSet", "x/a", replicas=1), owned("x/a-0", 1, "StatefulSet/a", {})], False),
        ([workload("StatefulSet", "x/a", replicas=2), owned("x/a-0", 1, "StatefulSet/a", {})], True),
        ([owned("x/a-0", 1, "StatefulSet/a", {}), owned("x/a-1", 2, "StatefulSet/a", {})], True),
    ],
)
def test_a_workloads_own_traffic_is_there_where_it_may_have_several_pods(objects: list[Raw], there: bool) -> None:
    assert bool(between(objects)) is there


# -- what a row says ---------------------------------------------------------------------------------------------------


def test_a_row_holds_for_every_pod_of_both_ends() -> None:
    """Two replicas with different labels: only what reaches both is a row."""
    stateful = [owned(f"x/s-{n}", n + 1, "StatefulSet/s", {"app": "s", "n": str(n)}) for n in (0, 1)]
    each = [
        {"from": [{"podSelector": {"matchLabels": {"app": "c"}}}], "ports": [{"port": 1, "endPort": 10}]},
        {"from": [{"podSelector": {"matchLabels": {"app": "c"}}}], "ports": [{"port": 5, "endPort": 20}]},
    ]
    rules = [
        policy(f"x/n{n}", podSelector={"matchLabels": {"n": str(n)}}, policyTypes=["Ingress"], ingress=[rule])
        for n, rule in enumerate(each)
    ]
    assert (
        between([*stateful, pod("x/c", 9, {"app": "c"}, []), *rules])
        == [
            "sts/x/s -> po/x/c: all",
            "po/x/c -> sts/x/s: 5-10/TCP",
        ][::-1]
    )


def test_a_pod_and_itself_are_no_connection_of_a_workload_whose_pods_differ() -> None:
    stateful = [owned(f"x/s-{n}", n + 1, "StatefulSet/s", {"n": str(n)}) for n in (0, 1)]
    others = [
        policy(
            f"x/n{n}",
            podSelector={"matchLabels": {"n": str(n)}},
            policyTypes=["Ingress"],
            ingress=[{"from": [{"podSelector": {"matchLabels": {"n": str(1 - n)}}}], "ports": [{"port": 80}]}],
        )
        for n in (0, 1)
    ]
    assert between([*stateful, *others]) == ["sts/x/s -> sts/x/s: 80/TCP"]


def test_ports_are_disjoint_and_sorted_by_protocol_and_number() -> None:
    ports = [
        {"protocol": "SCTP", "port": 7},
        {"port": 90},
        {"port": 80, "endPort": 89},
        {"protocol": "UDP", "port": 1, "endPort": 65535},
        {"port": 85},
        {"port": 92},
    ]
    objects = [
        workload("Deployment", "x/a", replicas=1),
        pod("y/b", 1, {}, []),
        closed("x", ingress=[{"ports": ports}]),
    ]
    assert "po/y/b -> deploy/x/a: 80-90/TCP, 92/TCP, */UDP, 7/SCTP" in between(objects)


def test_a_named_port_is_each_pods_own() -> None:
    servers = [pod("x/a", 1, {}, [port("web", 80)]), pod("x/b", 2, {}, [port("web", 8080), port("web", 53, "UDP")])]
    rules = closed("x", ingress=[{"ports": [{"port": "web"}]}])
    rows = between([*servers, pod("y/c", 3, {}, []), rules])
    assert {"po/y/c -> po/x/a: 80/TCP", "po/y/c -> po/x/b: 8080/TCP"} <= set(rows)


def test_a_named_port_of_an_egress_rule_is_no_port_of_an_address() -> None:
    out = closed("x", policyTypes=["Egress"], egress=[{"ports": [{"port": "web"}]}])
    rows = shown([pod("x/a", 1, {}, []), pod("y/b", 2, {}, [port("web", 80)]), out])
    assert [row for row in rows if row.startswith("po/x/a")] == ["po/x/a -> po/y/b: 80/TCP"]


def test_both_families_must_pass_where_both_ends_have_both() -> None:
    only_four = closed("x", ingress=[{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}])
    four, both = pod("y/four", 1, {}, []), pod("y/both", 2, {}, [])
    four["status"]["podIPs"] = four["status"]["podIPs"][:1]
    rows = between([pod("x/a", 3, {}, []), four, both, only_four])
    assert "po/y/four -> po/x/a: all" in rows
    assert "po/y/both -> po/x/a: all" not in rows


def test_nothing_can_be_told_where_rules_ask_for_addresses_and_no_family_is_shared() -> None:
    four, six = pod("x/four", 1, {}, []), pod("y/six", 2, {}, [])
    four["status"]["podIPs"] = four["status"]["podIPs"][:1]
    six["status"] |= {"podIP": six["status"]["podIPs"][1]["ip"], "podIPs": six["status"]["podIPs"][1:]}
    rules = closed("x", ingress=[{"from": [{"ipBlock": {"cidr": "::/0"}}]}])
    assert between([four, six, rules], unknown=True) == ["po/x/four -> po/y/six: all", "? po/y/six -> po/x/four: all"]


def test_an_address_of_a_pod_is_no_range() -> None:
    rules = closed(
        "x", ingress=[{"from": [{"ipBlock": {"cidr": "10.0.2.2/32"}}, {"ipBlock": {"cidr": "10.9.0.0/16"}}]}]
    )
    rows = shown([pod("x/a", 1, {}, []), pod("y/b", 2, {}, []), pod("y/c", 3, {}, []), rules])
    assert [row for row in rows if "-> po/x/a" in row] == ["10.9.0.0/16 -> po/x/a: all"]


def test_an_address_of_a_pod_in_a_larger_range_divides_it_only_where_a_rule_does() -> None:
    rules = closed("x", ingress=[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.2.0/24"]}}]}])
    rows = shown([pod("x/a", 1, {}, []), pod("y/b", 200, {}, []), rules])
    (into,) = [row for row in rows if row.endswith("-> po/x/a: all") and not row.startswith("po")]
    assert into == "10.0.0.0/23, 10.0.3.0-10.255.255.255 -> po/x/a: all"


# -- the host network --------------------------------------------------------------------------------------------------


def agents(*nodes: str) -> list[Raw]:
    return [
        owned(f"x/agent-{n}", 50 + n, "DaemonSet/agent", {}, hostNetwork=True, nodeName=node)
        for n, node in enumerate(nodes)
    ]


CLOSED: Final = [closed("y", ingress=[])]


def test_a_node_reaches_its_own_pods_whatever_the_policy() -> None:
    here, there = pod("y/here", 1, {}, [], nodeName="n1"), pod("y/there", 2, {}, [], nodeName="n2")
    rows = between([*agents("n1"), here, there, *CLOSED], unknown=True)
    assert "ds/x/agent -> po/y/here: all" in rows
    assert not any("-> po/y/there" in row for row in rows)


def test_hosts_on_several_nodes_reach_no_closed_pod_from_each_of_them() -> None:
    here = pod("y/here", 1, {}, [], nodeName="n1")
    assert not any("-> po/y/here" in row for row in between([*agents("n1", "n2"), here, *CLOSED], unknown=True))


@pytest.mark.parametrize("node", ["", "n1"])
def test_a_host_without_a_node_may_be_on_any(node: str) -> None:
    target = pod("y/a", 1, {}, [], nodeName=node)
    host = workload("DaemonSet", "x/agent", host=True)
    rows = between([host, target, *CLOSED], unknown=True)
    assert "? ds/x/agent -> po/y/a: all" in rows


# -- what cannot be told -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "values", "known"),
    [("In", ["1"], False), ("NotIn", ["1"], True), ("Exists", [], False), ("DoesNotExist", [], True)],
)
def test_a_label_that_is_added_later_makes_a_row_unknown(operator: str, values: list[str], known: bool) -> None:
    expression = {"key": "pod-template-hash", "operator": operator, **({"values": values} if values else {})}
    rules = closed(
        "x", ingress=[{"from": [{"namespaceSelector": {}, "podSelector": {"matchExpressions": [expression]}}]}]
    )
    objects = [workload("Deployment", "y/a", replicas=1), pod("y/b", 1, {}, []), pod("x/c", 2, {}, []), rules]
    rows = [row for row in between(objects, unknown=True) if row.endswith("po/x/c: all")]
    assert rows == ["po/y/b -> po/x/c: all"] * known + ["? deploy/y/a -> po/x/c: all"]


def test_a_namespace_that_nobody_gave_has_its_name_and_labels_nobody_knows() -> None:
    by_name = {"matchLabels": {"kubernetes.io/metadata.name": "y"}}
    by_label = {"matchLabels": {"team": "y"}}
    rules = closed(
        "x",
        ingress=[
            {"from": [{"namespaceSelector": by_name}], "ports": [{"port": 80}]},
            {"from": [{"namespaceSelector": by_label}], "ports": [{"port": 81}]},
        ],
    )
    objects = [pod("x/c", 2, {}, []), pod("y/a", 1, {}, []), rules]
    rows = [row for row in between(objects, unknown=True) if row.startswith(("po/y/a -> po/x/c", "? po/y/a -> po/x/c"))]
    assert rows == ["po/y/a -> po/x/c: 80/TCP", "? po/y/a -> po/x/c: 81/TCP"]


def test_a_policy_that_cannot_be_read_makes_unknown_only_what_it_touches() -> None:
    rules = policy("x/odd", podSelector={"matchLabels": {"app": "a"}}, policyTypes=["Sideways"])
    objects = [pod("x/a", 1, {"app": "a"}, []), pod("x/b", 2, {"app": "b"}, []), pod("y/c", 3, {}, []), rules]
    rows = between(objects, unknown=True)
    assert {row for row in rows if not row.startswith("?")} == {"po/x/b -> po/y/c: all", "po/y/c -> po/x/b: all"}
    assert sum(row.startswith("?") for row in rows) == 4


def only_on(family: int, name: str, number: int) -> Raw:
    """Return a running pod with an address of one family."""
    raw = pod(name, number, {}, [])
    ips = [ip for ip in raw["status"]["podIPs"] if (":" in ip["ip"]) == (family == 6)]
    raw["status"] = {"phase": "Running", "podIP": ips[0]["ip"], "podIPs": ips}
    return raw


@pytest.mark.parametrize("scheduled", [True, False])
def test_a_pod_to_come_on_the_host_network_has_the_address_families_of_nodes_and_no_other(*, scheduled: bool) -> None:
    """Where a rule asks for addresses, and the two ends have no family in common, nothing is sure."""
    host = pod("x/host", 2, {}, [], hostNetwork=True)
    host["status"] = {"phase": "Pending"}
    if not scheduled:
        host["spec"].pop("nodeName")
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n2"}, "status": {"addresses": []}}
    node["status"] = {"addresses": [{"type": "InternalIP", "address": "192.0.2.2"}]}
    rules = [{"from": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}, {"ports": [{"port": 80}]}]
    objects = [host, only_on(6, "x/six", 1), only_on(4, "x/four", 3), node, closed("x", ingress=rules)]
    rows = [row for row in between(objects, unknown=True) if "po/x/host -> " in row]
    assert "po/x/host -> po/x/four: 80/TCP" in rows
    assert [row for row in rows if "six" in row] == ["? po/x/host -> po/x/six: all"]


# -- nodes -------------------------------------------------------------------------------------------------------------


def the_node(number: int) -> Raw:
    status = {"addresses": [{"type": "InternalIP", "address": f"192.0.2.{number}"}]}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"n{number}"}, "status": status}


def test_a_node_reaches_its_own_pods_and_those_of_others_by_the_rules() -> None:
    objects = [pod("x/a", 1, {}, []), the_node(1), the_node(2), closed("x", ingress=[])]
    assert "192.0.2.1/32 -> po/x/a: all" in shown(objects)
    assert not [row for row in shown(objects, unknown=True) if row.endswith("-> po/x/a: all") and "192.0.2.2" in row]


def test_it_is_not_known_which_node_reaches_a_pod_to_come() -> None:
    objects = [workload("Deployment", "x/a"), the_node(1), the_node(4), closed("x", ingress=[])]
    assert [row for row in shown(objects, unknown=True) if row.startswith("? 192")] == [
        "? 192.0.2.1/32, 192.0.2.4/32 -> deploy/x/a: all"
    ]


# -- groups ------------------------------------------------------------------------------------------------------------


def test_workloads_with_the_same_rows_are_one_group() -> None:
    objects = [workload("Deployment", f"x/{name}", replicas=2) for name in "abc"]
    objects += [workload("Deployment", "y/d", replicas=2), closed("y", ingress=[])]
    assert between(objects, group=True) == [
        "deploy/x/{a,b,c} -> deploy/x/{a,b,c}: all",
        "deploy/y/d -> deploy/x/{a,b,c}: all",
    ]


def test_single_pods_that_reach_the_same_others_but_not_each_other_are_one_group() -> None:
    objects = [workload("Deployment", f"x/{name}", replicas=1) for name in "abc"]
    objects += [workload("Deployment", "y/d", replicas=1), closed("x", ingress=[])]
    assert between(objects, group=True) == ["deploy/x/{a,b,c} -> deploy/y/d: all"]


def test_a_large_group_is_named_once_below_the_table(run: Run, tmp_path: Path) -> None:
    objects = [workload("Deployment", f"shop/application-{n:02}", replicas=2) for n in range(12)]
    (tmp_path / "all.json").write_text("\n".join(map(json.dumps, objects)), encoding="utf-8")
    lines = run("-f", tmp_path, "--group").out.splitlines()
    assert lines[1] == "group 1 (12 workloads)  group 1 (12 workloads)  all"
    assert lines[5].startswith("group 1 (12 workloads): deploy/shop/{application-00,application-01,")
    assert lines[-1] == "3 connections between 1 group of 12 workloads"


def test_a_group_in_json_lists_its_workloads(run: Run, tmp_path: Path) -> None:
    objects = [workload("Deployment", f"x/{name}", replicas=2) for name in "ab"]
    (tmp_path / "all.json").write_text("\n".join(map(json.dumps, objects)), encoding="utf-8")
    row, *_ = json.loads(run("-f", tmp_path, "--group", "--format", "json").out)["connections"]
    refs = [{"kind": "Deployment", "namespace": "x", "name": name} for name in "ab"]
    assert row["from"] == row["to"] == {"workloads": refs}
