"""What is said where policies of several families stand around NetworkPolicy: transcripts, evidence, near misses."""

import contextlib
import io
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec import structs

from tests.support.arena import Raw, world_of
from tests.support.making import deployment, metadata, service
from tests.support.worlds import namespace, policy, port
from tests.support.worlds_tiers import node, wide
from webhook.checklist.workloads import check_enforced, check_namespace, check_problems
from webhook.cli.main import main
from webhook.fix import fix_dependency
from webhook.judge import Judged, explain
from webhook.model.answers import FlowVerdict, Verdict
from webhook.model.objects import Declaration, Workload
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.model.settings import Enforcer, Settings
from webhook.report import json_
from webhook.report.words import message
from webhook.review.workload import review_workload
from webhook.world import Drop, World

PAGE: Final = Path(__file__).parents[2] / "docs/tiers.md"
TEXT: Final = PAGE.read_text(encoding="utf-8")
EXAMPLE: Final = re.search(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
RUNS: Final = re.findall(r"^```console\n\$ netpol-preflight ([^\n]*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
CAST: Final = (
    namespace("shop", {"team": "a"}),
    namespace("data", {"team": "b"}),
    deployment("shop/web", [port("http", 8080)]),
    deployment("data/db", [port("pg", 5432)]),
)
TEAM_B: Final = {"namespaces": {"matchLabels": {"team": "b"}}}
TEAM_A: Final = {"namespaces": {"matchLabels": {"team": "a"}}}
EVERYBODY: Final[Raw] = {"namespaces": {}}


@pytest.mark.parametrize(("command", "said"), RUNS, ids=[command.partition(" --")[0] for command, _ in RUNS])
def test_the_page_shows_what_the_program_prints(
    command: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert EXAMPLE is not None
    (tmp_path / "example.yaml").write_text(EXAMPLE[1])
    out = io.StringIO()
    with contextlib.chdir(tmp_path), contextlib.redirect_stdout(out):
        main(shlex.split(command))
    assert "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n" == said


def test_the_page_has_transcripts() -> None:
    assert len(RUNS) == 3


# -- asking ------------------------------------------------------------------------------------------------------------


def view_of(*objects: Raw, cni: str = "generic", complete: bool = True) -> World:
    return world_of([*CAST, *objects], complete=complete, settings=Settings(enforcer=Enforcer(cni)))


def web(world: World) -> Workload:
    found = world.workloads.get(WorkloadRef("Deployment", "shop", "web"))
    assert found is not None
    return found


def asked(world: World, to: str = "deploy/db.data:5432") -> Judged:
    found = explain(world, web(world), to)
    assert found.judged is not None
    return found.judged


def flow(world: World, to: str = "deploy/db.data:5432") -> FlowVerdict:
    (only,) = asked(world, to).flows
    return only


def admin(name: str, *rules: Raw, tier: str = "Admin", priority: int = 10, way: str = "ingress", **more: Any) -> Raw:  # noqa: ANN401
    return wide(
        "ClusterNetworkPolicy", name, tier=tier, priority=priority, **{"subject": TEAM_B, way: [*rules], **more}
    )


def rule(action: str, *peers: Raw, way: str = "from", **more: Any) -> Raw:  # noqa: ANN401 - any field of a rule
    return {"action": action, way: [*peers], **more}


def calico(kind: str, name: str, **spec: Any) -> Raw:  # noqa: ANN401 - any field of a policy
    return {"apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": metadata(name), "spec": spec}


def cilium(name: str, **spec: Any) -> Raw:  # noqa: ANN401 - any field of a policy
    return {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": metadata(name), "spec": spec}


# -- evidence ----------------------------------------------------------------------------------------------------------


def test_a_denial_tells_the_rule_where_it_stands_and_what_was_asked_before() -> None:
    side = flow(
        view_of(admin("gate", rule("Pass", TEAM_A)), admin("floor", rule("Deny", EVERYBODY), tier="Baseline"))
    ).ingress
    assert side.verdict is Verdict.DENIED
    assert side.denied_by == PolicyRef(None, "floor", "ClusterNetworkPolicy", 0, "policy.networking.k8s.io")
    assert (side.position, side.final) == ("Baseline tier, priority 10", False)
    assert [(tier_result.tier, tier_result.outcome) for tier_result in side.tier_results] == [
        ("Admin", "passed"),
        ("Baseline", "denied"),
    ]


def test_in_json_a_kind_that_several_families_have_has_its_group() -> None:
    world = view_of(admin("fence", rule("Deny", TEAM_A)))
    found = json.loads(json_.explain(explain(world, web(world), "deploy/db.data:5432"), ()))
    side = found["flows"][0]["ingress"]
    wanted = {"kind": "ClusterNetworkPolicy", "namespace": None, "name": "fence", "group": "policy.networking.k8s.io"}
    assert side["policies"] == [{**wanted, "rule": None}]
    assert side["tiers"] == [
        {
            "tier": "Admin",
            "outcome": "denied",
            "rule": {**wanted, "rule": 0},
            "standing": "Admin tier, priority 10",
            "policies": side["policies"],
        }
    ]
    assert "tiers" not in found["flows"][0]["egress"]


@pytest.mark.parametrize("tier", ["default", "late"])
def test_the_end_of_a_tier_is_final_only_before_network_policys_own(tier: str) -> None:
    late = calico("Tier", "late", order=2_000_000)
    only = calico(
        "GlobalNetworkPolicy", "some", tier=tier, order=10, selector="app == 'db'", types=["Ingress"], ingress=[]
    )
    side = flow(view_of(late, only, cni="calico")).ingress
    assert (side.verdict, side.denied_by, side.final) == (Verdict.DENIED, None, False)


def test_both_sides_denied_by_different_tiers_are_two_findings() -> None:
    wall = policy("shop/wall", podSelector={}, policyTypes=["Egress"])
    world = view_of(admin("fence", rule("Deny", TEAM_A)), wall)
    found = {f.id: f for f in review_workload(world, declaring(world, "deploy/db.data:5432"))}
    assert set(found) == {"NP101", "NP104"}
    assert found["NP104"].fix == ()
    assert found["NP101"].fix == ()
    assert "fix: denied by ClusterNetworkPolicy fence (Admin tier, priority 10)" in message(found["NP101"])
    assert "ingress denied by ClusterNetworkPolicy fence ingress[0] (Admin tier, priority 10)" in message(
        found["NP104"]
    )


def declaring(world: World, text: str) -> Workload:
    return structs.replace(web(world), connects_to=(Declaration(text, "metadata"),))


# -- near misses -------------------------------------------------------------------------------------------------------


def near(world: World) -> list[tuple[str, str, str, str]]:
    return [(m.policy.titled, m.field, m.want, m.have) for m in flow(world).ingress.near_misses]


Case = Callable[[], World]


def on_cilium(*peers: Raw, **more: Any) -> World:  # noqa: ANN401 - any field of a rule
    ingress = [{"fromEndpoints": [*peers], **more}]
    return view_of(cilium("data/db", endpointSelector={"matchLabels": {"app": "db"}}, ingress=ingress), cni="cilium")


def on_calico(source: Raw, **more: Any) -> World:  # noqa: ANN401 - any field of a rule
    ingress = [{"action": "Allow", "source": source, **more}]
    only = calico("GlobalNetworkPolicy", "db", selector="app == 'db'", types=["Ingress"], ingress=ingress)
    return view_of(only, cni="calico")


@pytest.mark.parametrize(
    ("world", "wanted"),
    [
        (
            lambda: on_cilium({"matchLabels": {"app": "web"}}),
            ("CiliumNetworkPolicy data/db", "namespace", "data", "shop"),
        ),
        (
            lambda: on_cilium({"matchLabels": {"app": "wed", "k8s:io.kubernetes.pod.namespace": "shop"}}),
            ("CiliumNetworkPolicy data/db", "podLabels", "app=wed", "app=web"),
        ),
        (
            lambda: on_calico({"selector": "app == 'wob'", "namespaceSelector": "team == 'a'"}),
            ("GlobalNetworkPolicy db", "podLabels", "app=wob", "app=web"),
        ),
        (
            lambda: on_calico({"selector": "app == 'web'", "namespaceSelector": "team == 'c'"}),
            ("GlobalNetworkPolicy db", "namespaceLabels", "team=c", "team=a"),
        ),
        (
            lambda: on_calico({"selector": "app == 'web'"}, protocol="UDP", destination={"ports": [5432]}),
            ("GlobalNetworkPolicy db", "protocol", "UDP", "TCP"),
        ),
    ],
    ids=["own namespace", "cilium label", "calico label", "calico namespace", "protocol"],
)
def test_a_rule_of_another_family_misses_by_one_thing(world: Case, wanted: tuple[str, str, str, str]) -> None:
    assert near(world()) == [wanted]


def test_a_rule_that_misses_by_label_and_namespace_is_no_near_miss() -> None:
    assert near(on_cilium({"matchLabels": {"app": "wed", "k8s:io.kubernetes.pod.namespace": "kube-system"}})) == []


def test_a_rule_behind_the_denial_is_no_near_miss() -> None:
    """It could not have let the packet through: the rule that denies comes before it."""
    labels = {"matchLabels": {"app": "wed"}}
    allow = policy("data/allow", podSelector={}, ingress=[{"from": [{"namespaceSelector": {}, "podSelector": labels}]}])
    assert near(view_of(admin("fence", rule("Deny", TEAM_A)), allow)) == []
    assert near(view_of(allow)) == [("data/allow", "podLabels", "app=wed", "app=web")]


# -- addresses and names -----------------------------------------------------------------------------------------------


def test_a_block_that_may_be_pods_is_sure_only_where_pods_fare_alike() -> None:
    nodes = [{**node(1, "192.168.0.1"), "spec": {"podCIDRs": ["10.0.0.0/16"]}}]
    deny = admin("fence", rule("Deny", TEAM_B, way="to"), way="egress", subject=TEAM_A)
    world = view_of(*nodes, deny)
    assert asked(world, "10.0.7.0/24:5432").verdict is Verdict.UNKNOWN
    assert asked(world, "192.0.2.0/24:5432").verdict is Verdict.ALLOWED


def test_on_cilium_a_block_opens_no_pods() -> None:
    nodes = [{**node(1, "192.168.0.1"), "spec": {"podCIDRs": ["10.0.0.0/16"]}}]
    out = policy(
        "shop/out", podSelector={}, policyTypes=["Egress"], egress=[{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]
    )
    assert asked(view_of(*nodes, out, cni="cilium"), "10.0.7.0/24:5432").verdict is Verdict.UNKNOWN
    assert asked(view_of(*nodes, out), "10.0.7.0/24:5432").verdict is Verdict.ALLOWED


def test_nodes_in_a_block_are_judged_one_by_one() -> None:
    deny = admin("fence", rule("Deny", {"nodes": {}}, way="to"), way="egress", subject=TEAM_A)
    world = view_of(node(1, "192.0.2.9"), deny)
    found = asked(world, "192.0.2.0/24:443")
    assert (found.verdict, found.reason) == (Verdict.PARTIAL, "255 of 256 addresses are let through")
    assert asked(world, "192.0.2.9:443").verdict is Verdict.DENIED
    assert asked(view_of(deny), "192.0.2.0/24:443").verdict is Verdict.ALLOWED


@pytest.mark.parametrize(
    ("rules", "to", "wanted"),
    [
        ([rule("Deny", TEAM_B, way="to")], "api.example.com.:443", Verdict.ALLOWED),
        ([rule("Deny", {"networks": ["192.0.2.0/24"]}, way="to")], "api.example.com.:443", Verdict.UNKNOWN),
        ([rule("Accept", {"networks": ["0.0.0.0/0"]}, way="to")], "api.example.com.:443", Verdict.ALLOWED),
        ([rule("Accept", TEAM_B, way="to")], "api.example.com.", Verdict.ALLOWED),
        ([rule("Deny", TEAM_B, way="to")], "api.example.com.", Verdict.UNKNOWN),
    ],
)
def test_a_name_outside_is_sure_where_every_address_fares_alike(rules: list[Raw], to: str, wanted: Verdict) -> None:
    assert asked(view_of(admin("fence", *rules, way="egress", subject=TEAM_A)), to).verdict is wanted


# -- fixes -------------------------------------------------------------------------------------------------------------


def test_a_fix_before_the_baseline_keeps_addresses_open_that_are_no_pods() -> None:
    nodes = [{**node(1, "192.168.0.1"), "spec": {"podCIDRs": ["10.0.0.0/16"]}}]
    floor = admin(
        "floor",
        rule("Accept", {"namespaces": {"matchLabels": {"team": "c"}}}),
        rule("Deny", EVERYBODY),
        tier="Baseline",
    )
    world = view_of(*nodes, floor)
    (manifest,) = fix_dependency(world, web(world), asked(world)).policies
    (_, accepted, outside) = manifest["spec"]["ingress"]
    assert accepted == {"from": [{"namespaceSelector": {"matchLabels": {"team": "c"}}}]}
    assert outside == {
        "from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/16"]}}, {"ipBlock": {"cidr": "::/0"}}]
    }


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ([rule("Deny", TEAM_A)], "denies some and lets others through"),
        ([rule("Deny", EVERYBODY, protocols=[{"tcp": {"destinationPort": {"number": 5432}}}])], "denies some"),
    ],
)
def test_what_no_network_policy_can_say_is_no_fix(rules: list[Raw], why: str) -> None:
    world = view_of(admin("floor", *rules, tier="Baseline"))
    found = fix_dependency(world, web(world), asked(world))
    assert (found.policies, found.reason is not None) == ((), True)
    assert why in str(found.reason)


def test_in_a_whole_cluster_whose_pods_have_no_known_block_there_is_no_fix_that_closes_the_outside() -> None:
    floor = admin("floor", rule("Deny", EVERYBODY), tier="Baseline")
    whole, files = view_of(floor), view_of(floor, complete=False)
    assert "cannot name them: no node tells its podCIDRs" in str(fix_dependency(whole, web(whole), asked(whole)).reason)
    found = fix_dependency(files, web(files), asked(files))
    assert found.notes == ("data/db: addresses outside the cluster that connect to it need a rule of their own",)


# -- policies themselves -----------------------------------------------------------------------------------------------


def told(world: World, kind: str) -> list[str]:
    every = [
        p
        for n in ("", *world.namespaces.names())
        for p in world.policies.crd_policies(n).values()
        if p.ref.kind == kind
    ]
    return [message(f) for p in every for f in (*check_enforced(world, p), *check_problems(world, p))]


def test_a_kind_that_nothing_here_enforces_is_told() -> None:
    only = calico("GlobalNetworkPolicy", "no-web", selector="all()", ingress=[{"action": "Deny"}])
    (said,) = told(view_of(only, cni="cilium"), "GlobalNetworkPolicy")
    sentence, _, remedy = said.partition("; ")
    assert sentence.startswith("GlobalNetworkPolicy no-web has no enforcer here: cilium takes no notice of ")
    assert remedy == "write it as a kind that is enforced here, or delete it"
    assert told(view_of(only, cni="calico"), "GlobalNetworkPolicy") == []
    unsure = world_of([*CAST, only], settings=Settings(enforcer=Enforcer("cilium", decisive=False)))
    assert told(unsure, "GlobalNetworkPolicy") == []


def test_a_policy_that_calico_cannot_read_is_told_and_changes_nothing() -> None:
    wall = policy("data/wall", podSelector={}, policyTypes=["Ingress"])
    bad = calico("GlobalNetworkPolicy", "bad", selector="app = 'db'", ingress=[{"action": "Allow"}])
    world = view_of(wall, bad, cni="calico")
    (said,) = told(world, "GlobalNetworkPolicy")
    assert said.startswith("GlobalNetworkPolicy bad is not taken as it is written: not in force: spec.selector")
    assert flow(world) == flow(view_of(wall, cni="calico"))


@pytest.mark.parametrize(
    ("world", "closed"),
    [
        (view_of, False),
        (lambda: view_of(admin("floor", rule("Deny", EVERYBODY), tier="Baseline")), True),
        (lambda: view_of(admin("floor", rule("Deny", TEAM_A), tier="Baseline")), False),
        (lambda: view_of(calico("GlobalNetworkPolicy", "w", selector="all()", types=["Ingress"]), cni="calico"), True),
        (
            lambda: view_of(calico("GlobalNetworkPolicy", "w", selector="a == 'b'", types=["Ingress"]), cni="calico"),
            False,
        ),
        (lambda: view_of(cilium("data/w", endpointSelector={}, ingress=[{}]), cni="cilium"), True),
    ],
)
def test_a_namespace_is_closed_by_default_by_any_family(world: Case, *, closed: bool) -> None:
    assert ("NP305" not in {f.id for f in check_namespace(world(), "data")}) is closed


def test_an_answer_that_hangs_on_a_service_changes_with_it() -> None:
    """Services come and go without emptying the memo, so nothing of it may be remembered."""
    allow = [{"action": "Allow", "destination": {"services": {"namespace": "data", "name": "db"}}}]
    out = calico("GlobalNetworkPolicy", "out", selector="app == 'web'", types=["Egress"], egress=allow)
    world = view_of(out, service("data/db", {"app": "db"}, [{"port": 5432}]), cni="calico")
    assert asked(world).verdict is Verdict.ALLOWED
    world.apply([Drop("Service", "data", "db")])
    assert asked(world).verdict is Verdict.DENIED


def test_on_cilium_no_network_policy_names_a_node() -> None:
    wall = policy("shop/wall", podSelector={}, policyTypes=["Egress"])
    world = view_of(node(1, "192.0.2.9"), wall, cni="cilium")
    found = fix_dependency(world, web(world), asked(world, "192.0.2.9:6443"))
    assert found.policies == ()
    assert found.reason == (
        "it is the address of node n1, and address blocks of a NetworkPolicy hold no nodes here: "
        "write toEntities: [host, remote-node] in a CiliumNetworkPolicy"
    )
    generic = view_of(node(1, "192.0.2.9"), wall)
    assert fix_dependency(generic, web(generic), asked(generic, "192.0.2.9:6443")).policies
