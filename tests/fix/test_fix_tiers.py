"""What every fix keeps in worlds with cluster-wide policies: the laws of `test_fix_laws`, with tiers around them."""

from typing import Any, Final

from hypothesis import assume, event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.support.arena import Raw, world_of
from tests.support.denied_worlds import (
    CLOSED,
    HEAVY,
    NAME,
    Case,
    again,
    applied,
    beyond,
    cases,
    endpoints,
    lost,
    one_denied,
    passing,
)
from tests.support.worlds import namespace, pod, policy, port
from tests.support.worlds_tiers import wide
from webhook.families import project
from webhook.fix import fix
from webhook.fix.behind import _wholly
from webhook.fix.behind import lost as closed
from webhook.model.addresses import parse_block
from webhook.model.answers import Verdict
from webhook.model.crd_policies import CrdPolicy
from webhook.model.policy import BlockPeer, Direction, Policy
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.model.tier import Action, CompiledRule
from webhook.model.truth import Truth
from webhook.world import Overlay

EVERYBODY: Final[Raw] = {"namespaces": {}}
subjects = st.sampled_from(
    (
        EVERYBODY,
        {"namespaces": {"matchLabels": {NAME: "x"}}},
        {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}},
        {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "db"}}}},
    )
)
about = st.sampled_from(
    (
        EVERYBODY,
        EVERYBODY,
        {"namespaces": {"matchLabels": {NAME: "y"}}},
        {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}},
        {"pods": {"namespaceSelector": {"matchLabels": {NAME: "x"}}, "podSelector": {"matchLabels": {"tier": "back"}}}},
    )
)
outside = st.sampled_from(({"networks": ["0.0.0.0/0"]}, {"networks": ["192.0.2.0/31", "10.0.0.1/32"]}))
ports = st.sampled_from(
    (
        None,
        None,
        [{"tcp": {"destinationPort": {"number": 8080}}}],
        [
            {"udp": {"destinationPort": {"number": 53}}},
            {"tcp": {"destinationPort": {"range": {"start": 50, "end": 90}}}},
        ],
    )
)


@st.composite
def tiered(draw: st.DrawFn) -> Raw:
    """Draw one policy: of the Baseline tier most often, and often one that denies all pods in the end."""
    tier = draw(st.sampled_from(("Baseline", "Baseline", "Admin")))
    found: dict[str, list[Raw]] = {}
    for key, peers_key in (("ingress", "from"), ("egress", "to")):
        peers = about if key == "ingress" else about | outside
        rule = st.builds(
            lambda action, peer, port, where=peers_key: {
                "action": action,
                where: [peer],
                **({"protocols": port} if port else {}),
            },
            st.sampled_from(("Accept", "Accept", "Deny", "Pass")),
            peers,
            ports,
        )
        rules = draw(st.lists(rule, max_size=2))
        last: list[Any] = draw(st.sampled_from(([], [{"action": "Deny", peers_key: [EVERYBODY]}])))
        if rules or last:
            found[key] = [*rules, *last]
    name = draw(st.sampled_from(("one", "two")))
    return wide(
        "ClusterNetworkPolicy", name, tier=tier, priority=draw(st.integers(0, 2)), subject=draw(subjects), **found
    )


@st.composite
def worlds(draw: st.DrawFn) -> Case:
    case = draw(cases())
    policies: list[CrdPolicy] = []
    for raw in draw(st.lists(tiered(), min_size=1, max_size=2, unique_by=lambda raw: raw["metadata"]["name"])):
        value = project(raw)
        assert isinstance(value, CrdPolicy)
        policies.append(value)
    return Case([*case.objects, *policies], case.workloads)


@given(worlds(), st.data())
def test_what_is_denied_is_open_afterwards_or_there_is_a_reason(case: Case, data: st.DataObject) -> None:
    _, workload, part, lookup, found = one_denied(case, data)
    assert bool(found.policies) != bool(found.reason)
    if any(side.final for f in part.flows if f.verdict in CLOSED for side in (f.egress, f.ingress)):
        event("denied before any NetworkPolicy is asked")
        assert found.policies == ()
        assert found.reason is not None
        assert "an administrator must change it" in found.reason
    if found.policies:
        after = applied(case, found.policies)
        for some in (part, *((lookup,) if lookup and part.by_name else ())):
            verdict = again(after, workload, some).verdict
            stays = any(note.startswith(f"{some.text} is unknown even with the fix") for note in found.notes)
            assert verdict is (Verdict.UNKNOWN if stays else Verdict.ALLOWED)


@hypothesis_settings(max_examples=HEAVY)
@given(worlds(), st.data())
def test_nothing_that_was_open_closes(case: Case, data: st.DataObject) -> None:
    world, *_, found = one_denied(case, data)
    everybody, after = endpoints(world), applied(case, found.policies)
    assert [*lost(passing(world, everybody), passing(after, everybody))] == []
    assert [*lost(beyond(world, everybody), beyond(after, everybody))] == []


@hypothesis_settings(max_examples=HEAVY)
@given(worlds(), st.data())
def test_nothing_opens_but_what_was_asked(case: Case, data: st.DataObject) -> None:
    world, workload, part, lookup, found = one_denied(case, data)
    assume(found.policies and not found.notes)
    everybody, after = endpoints(world), applied(case, found.policies)
    flows = [*part.flows, *(lookup.flows if lookup and part.by_name else ())]
    dialled, targets = {(flow.protocol, flow.port) for flow in flows}, {flow.to for flow in flows}
    then = passing(after, everybody)
    for question, verdict in passing(world, everybody).items():
        one, two, *packet = question
        if then[question] is not verdict:
            assert one.ref == workload.ref
            assert two.ref in targets
            assert tuple(packet) in dialled


@hypothesis_settings(max_examples=HEAVY)
@given(worlds())
def test_one_fix_for_everything_closes_nothing(case: Case) -> None:
    world = case.world()
    fixes = fix(world, case.workloads)
    everybody, after = endpoints(world), applied(case, fixes.policies)
    assert [*lost(passing(world, everybody), passing(after, everybody))] == []
    assert {Direction(d) for m in fixes.policies for d in m["spec"]["policyTypes"]} <= set(Direction)


def test_whom_a_policy_would_close_is_found() -> None:
    """Without it a policy is offered as a fix that closes what passed before."""
    objects = [namespace("x"), pod("x/web", 1, {"app": "web"}, []), pod("x/db", 2, {"app": "db"}, [port("pg", 5432)])]
    world = world_of(objects)
    after = Overlay(
        world, [closing for closing in [project(policy("x/wall", podSelector={}))] if isinstance(closing, Policy)]
    )
    (db,) = world.pods.of(WorkloadRef("Pod", "x", "db"))
    ends = [(db.pod_class, db.declares)]
    assert closed(world, after, ends, Direction.INGRESS) == {
        WorkloadRef("Pod", "x", "web"),
        WorkloadRef("Pod", "x", "db"),
    }
    assert closed(world, world, ends, Direction.INGRESS) == set()


def test_a_block_that_holds_no_pods_denies_not_everybody() -> None:
    """Cilium's blocks hold no pods: read as all of a family, what the tier lets through would stay closed."""
    everything = parse_block("0.0.0.0/0")
    ref = PolicyRef(None, "baseline", "ClusterNetworkPolicy")
    for holds, expected in ((Truth.NO, set()), (Truth.YES, {4})):
        rule = CompiledRule(ref, (BlockPeer(everything, pods=holds),), action=Action.DENY)
        assert _wholly(rule) == expected
