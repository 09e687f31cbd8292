"""`lockdown`: what is declared still passes, nothing else is opened, and a second run changes nothing."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec import structs

from tests.support.denied_worlds import CLOSED, HEAVY, Case, cases
from webhook.cli.main import main
from webhook.fix.lockdown import lockdown
from webhook.judge import judge_workload
from webhook.matrix import matrix, sets
from webhook.model.answers import Manifest
from webhook.model.refs import WorkloadRef
from webhook.model.settings import DEFAULTS
from webhook.wire.networkpolicies import network_policy
from webhook.world import Drop, Overlay, View

SHOP: Final = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, annotations: {netpol-preflight.io/connects-to: "db:5432, https://api.example.com"}}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  selector: {matchLabels: {app: db}}
  serviceName: db
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, image: i, ports: [{containerPort: 5432}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}, ports: [{port: 5432}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: idle, namespace: shop}
spec:
  schedule: "@daily"
  jobTemplate:
    spec: {template: {metadata: {labels: {app: idle}}, spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}
"""
FOREIGN: Final = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: report, namespace: finance, annotations: {netpol-preflight.io/connects-to: "db.shop:5432"}}
spec:
  selector: {matchLabels: {app: report}}
  template: {metadata: {labels: {app: report}}, spec: {containers: [{name: c, image: i}]}}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with the shop in it."""
    (tmp_path / "shop.yaml").write_text(SHOP)
    return tmp_path


def found(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any]]:
    code = main(["lockdown", *map(str, arguments), "--format", "json"])
    return code, json.loads(capsys.readouterr().out)


def names(policies: Iterable[Manifest]) -> list[str]:
    return [one["metadata"]["name"] for one in policies]


# -- laws --------------------------------------------------------------------------------------------------------------


def put(view: View, policies: tuple[Manifest, ...]) -> Overlay:
    return Overlay(view, [network_policy(one, one["metadata"]["namespace"]) for one in policies])


@hypothesis_settings(max_examples=HEAVY)
@given(cases(), st.sampled_from((("x",), ("y",), ("x", "y"))))
def test_what_passes_before_passes_after_or_is_said(case: Case, locked: tuple[str, ...]) -> None:
    world = case.world(settings=structs.replace(DEFAULTS, admit=("x", "y")))
    result = lockdown(world, locked)
    after = put(world, result.policies)
    said = {(one.workload, one.dependency) for one in result.unfixable}
    for workload in case.workloads:
        before, now = (judge_workload(view, workload) for view in (world, after))
        for one, then in zip(before.dependencies, now.dependencies, strict=True):
            event(f"{one.verdict} {then.verdict}")
            if one.verdict not in CLOSED and then.verdict in CLOSED:
                assert (workload.ref, one.text) in said, (one, then, result)


@hypothesis_settings(max_examples=HEAVY)
@given(cases(), st.sampled_from((("x",), ("x", "y"))))
def test_no_connection_is_opened_that_was_closed_and_nobody_declares(case: Case, locked: tuple[str, ...]) -> None:
    world = case.world()
    after = put(world, lockdown(world, locked).policies)
    declared = {
        (one.ref, flow.to, flow.protocol, flow.port)
        for one in world.workloads.every()
        for part in judge_workload(world, one).parts
        for flow in part.flows
    }
    open_before = sure(world)
    for (source, target), ports in sure(after).items():
        more = sets.difference(ports, open_before.get((source, target), sets.NOTHING))
        for some in sets.ranges(more):
            assert some.first == some.last
            if not reaches_others(world, source, target):
                assert (source, target, some.protocol, some.first) in declared


def sure(view: View) -> dict[tuple[WorkloadRef, WorkloadRef], sets.PortSet]:
    whole = matrix(view)
    return {
        (row.source, row.target): row.ports
        for row in whole.connections(whole.sure)
        if isinstance(row.source, WorkloadRef) and isinstance(row.target, WorkloadRef)
    }


def reaches_others(view: View, *ends: WorkloadRef) -> bool:
    """Say whether pods of another workload have all labels that select an end: then a rule for one is for both."""
    for ref in ends:
        workload = view.workloads.get(ref)
        if workload is None or workload.selector is None:
            return True
        others = (one for one in view.workloads.every(ref.namespace) if one.ref != ref)
        if any(set(workload.selector.pairs) & set(one.template.pod_class.labels.pairs) for one in others):
            return True
    return False


@hypothesis_settings(max_examples=HEAVY)
@given(cases())
def test_a_second_run_over_its_own_result_writes_the_same(case: Case) -> None:
    first = lockdown(case.world(), ("x",))
    again = case.world(*(network_policy(one, one["metadata"]["namespace"]) for one in first.policies))
    own = [ref for ref, policy in again.policies.named("x").items() if policy.of_lockdown]
    assert sorted(ref.name for ref in own) == sorted(names(first.policies))
    again.apply(Drop(ref.kind, "x", ref.name) for ref in own)
    assert lockdown(again, ("x",)) == first


# -- the command -------------------------------------------------------------------------------------------------------


def test_allows_come_first_and_the_documented_deny_last(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, result = found(capsys, "shop", "-f", shop)
    assert code == 0
    assert names(result["policies"]) == ["allow-db", "allow-web", "default-deny"]
    deny = result["policies"][-1]
    assert deny["metadata"]["annotations"]["netpol-preflight.io/allow-path"] == "allowed by allow-db, allow-web"
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert result["policies"][0]["spec"]["podSelector"] == {"matchLabels": {"app": "db"}}


def test_what_it_cannot_know_is_a_question(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, result = found(capsys, "shop", "-f", shop)
    asked = {(one["workload"]["name"], one["about"]) for one in result["questions"]}
    assert ("web", "api.example.com:443/TCP") in asked
    assert ("idle", "no declaration") in asked
    assert main(["lockdown", "shop", "-f", str(shop)]) == 0
    assert "# question: shop/idle: no declaration: " in capsys.readouterr().out


def test_its_own_result_is_clean_and_a_second_run_prints_the_same(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["lockdown", "shop", "-f", str(shop)])
    first = capsys.readouterr().out
    (shop / "locked.yaml").write_text(first)
    main(["lockdown", "shop", "-f", str(shop)])
    assert capsys.readouterr().out == first
    code = main(["check", "-f", str(shop), "--format", "json"])
    told = json.loads(capsys.readouterr().out)["findings"]
    assert code in {0, 1}
    assert [one for one in told if one["dependency"] == "db.shop:5432/TCP"] == []


def test_a_client_of_another_namespace_is_let_in_only_where_it_is_admitted(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "foreign.yaml").write_text(FOREIGN)
    _, closed = found(capsys, "shop", "-f", shop)
    assert "finance" not in json.dumps(closed["policies"])
    (asked,) = [one for one in closed["questions"] if "finance" in one["reason"]]
    assert "--admit finance" in asked["reason"]
    _, admitted = found(capsys, "shop", "-f", shop, "--admit", "finance")
    assert "finance" in json.dumps(admitted["policies"][0])


def test_a_connection_that_stays_open_and_nobody_declares_is_asked_about(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = {"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [{"from": [{"podSelector": {}}]}]}
    spec |= {"policyTypes": ["Ingress"]}
    out = {"podSelector": {"matchLabels": {"app": "idle"}}, "policyTypes": ["Egress"], "egress": [{}]}
    policies = [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": some,
        }
        for name, some in (("in", spec), ("out", out))
    ]
    (shop / "wide.yaml").write_text(yaml.safe_dump_all(policies))
    _, result = found(capsys, "shop", "-f", shop)
    assert "shop/idle -> shop/db on all ports" in {one["about"] for one in result["questions"]}


def test_staged_policies_are_calicos_kind(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, result = found(capsys, "--all", "-f", shop, "--staged")
    assert {one["kind"] for one in result["policies"]} == {"StagedKubernetesNetworkPolicy"}
    assert {one["spec"]["stagedAction"] for one in result["policies"]} == {"Set"}


@pytest.mark.parametrize(
    ("family", "cni", "kind"),
    [
        ("networkpolicy", "generic", "networking.k8s.io/v1 NetworkPolicy"),
        ("calico", "calico", "projectcalico.org/v3 NetworkPolicy"),
        ("cilium", "cilium", "cilium.io/v2 CiliumNetworkPolicy"),
    ],
)
def test_a_second_run_prints_the_same_in_any_family_and_says_what_is_no_longer_needed(
    family: str, cni: str, kind: str, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("shop", "-f", shop, "--cni", cni, "--family", family)
    _, first = found(capsys, *asked)
    assert {f"{one['apiVersion']} {one['kind']}" for one in first["policies"]} == {kind}
    assert first["obsolete"] == []
    (shop / "locked.yaml").write_text(yaml.safe_dump_all(first["policies"]))
    assert found(capsys, *asked) == (0, first)
    (shop / "locked.yaml").write_text(
        yaml.safe_dump_all([*first["policies"], named(first["policies"][0], "allow-gone")])
    )
    _, again = found(capsys, *asked)
    assert [one["name"] for one in again["obsolete"]] == ["allow-gone"]
    assert again["policies"] == first["policies"]
    assert main(["lockdown", *map(str, asked)]) == 0
    assert "-n shop allow-gone\n" in capsys.readouterr().out


def named(policy: Manifest, name: str) -> Manifest:
    return {**policy, "metadata": {**policy["metadata"], "name": name}}


def test_another_family_than_before_takes_its_place(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, first = found(capsys, "shop", "-f", shop, "--cni", "calico")
    (shop / "locked.yaml").write_text(yaml.safe_dump_all(first["policies"]))
    _, other = found(capsys, "shop", "-f", shop, "--cni", "calico", "--family", "calico")
    assert names(other["policies"]) == names(first["policies"])
    assert [one["name"] for one in other["obsolete"]] == sorted(names(first["policies"]))


def test_a_family_is_written_only_where_it_is_enforced(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more, says in (
        (("--family", "calico", "--cni", "cilium"), "`cilium` does not enforce it"),
        (("--family", "cilium"), "`generic` does not enforce it: say who does by `--cni`"),
        (("--family", "cilium", "--cni", "cilium", "--staged"), "cilium has no staged kind"),
    ):
        assert main(["lockdown", "shop", "-f", str(shop), *more]) == 2
        assert says in capsys.readouterr().err


def test_staged_policies_come_with_their_own_steps(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["lockdown", "shop", "-f", str(shop), "--cni", "calico", "--family", "calico", "--staged"]
    assert main(asked) == 0
    out = capsys.readouterr().out
    assert {one["kind"] for one in yaml.safe_load_all(out)} == {"StagedNetworkPolicy"}
    assert "# 1. apply all of it: nothing is dropped" in out
    assert "kubectl delete stagednetworkpolicies.projectcalico.org -n shop -l" in out


@pytest.mark.parametrize("arguments", [[], ["shop", "--all"], ["nowhere"]])
def test_which_namespaces_has_to_be_clear(arguments: list[str], shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lockdown", *arguments, "-f", str(shop)]) == 2
    assert "expected" in capsys.readouterr().err


def test_addresses_that_stay_open_are_asked_about_as_far_as_nobody_declares_them(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SHOP.replace("https://api.example.com", "203.0.113.0/24:443")
    rules = [
        {"to": [{"ipBlock": {"cidr": "203.0.113.0/25"}}], "ports": [{"port": 443}, {"port": 80}]},
        {"to": [{"ipBlock": {"cidr": "198.51.100.0/24"}}]},
    ]
    spec = {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"], "egress": rules}
    name = {"name": "out", "namespace": "shop"}
    wide = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": name, "spec": spec}
    (shop / "shop.yaml").write_text(f"{text}---\n{yaml.safe_dump(wide)}")
    _, result = found(capsys, "shop", "-f", shop)
    asked = [one["about"] for one in result["questions"] if "->" in one["about"]]
    assert asked == [
        "shop/web -> 198.51.100.0/24 on all ports",
        "shop/web -> 203.0.113.0/25 on 80/TCP",
    ]
