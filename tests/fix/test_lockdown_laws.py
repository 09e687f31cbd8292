"""A lockdown of any world under any enforcer: what is declared passes, and what else does is in its questions.

The judge asks the evaluator about each pair of workloads, and no matrix, of which the questions are made.
"""

from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.support.arena import Raw, world_of
from tests.support.worlds import namespace, pod, policy
from tests.support.worlds_whole import whole
from webhook.enforcers import ENFORCERS
from webhook.evaluate import Client, Flow, ends_of_pod, judge_connection, template_end
from webhook.families import project
from webhook.families.own_kinds import FORMS, Family, in_family
from webhook.fix.lockdown import Lockdown, lockdown
from webhook.judge import judge_workload
from webhook.matrix import End, matrix
from webhook.matrix.sets import PortSet
from webhook.model.addresses import Protocol
from webhook.model.answers import CLOSED, Verdict
from webhook.model.crd_policies import CrdPolicy
from webhook.model.objects import Pod
from webhook.model.refs import WorkloadRef
from webhook.model.settings import CONNECTS_TO, Enforcer, Settings
from webhook.wire.networkpolicies import network_policy
from webhook.world import Group, Overlay, Put, View
from webhook.world.proposed import Proposed

LOCKED: Final = "x"
PORTS: Final[tuple[tuple[Protocol, int], ...]] = (("TCP", 80), ("TCP", 8080), ("UDP", 53), ("TCP", 5432))
Open = tuple[Group, Group, Protocol, int]


@st.composite
def declaring(draw: st.DrawFn) -> list[Raw]:
    """Draw a whole world in which about half of the workloads declare that they need others."""
    objects = draw(whole())
    ours = [raw for raw in objects if raw["kind"] in {"Pod", "StatefulSet", "Deployment", "DaemonSet"}]
    names = [f"{raw['kind'].lower()}/{raw['metadata']['name']}.{raw['metadata']['namespace']}" for raw in ours]
    ports = st.sampled_from((80, 8080))
    others = st.builds("{}:{}".format, st.sampled_from(names), ports) if names else st.nothing()
    items = st.lists(others | st.just("192.0.2.1:443"), max_size=2)
    for raw in ours:
        if draw(st.booleans()):
            raw["metadata"].setdefault("annotations", {})[CONNECTS_TO] = ", ".join(draw(items))
    return objects


@settings(max_examples=2 * settings().max_examples)
@given(declaring(), st.sampled_from(sorted(ENFORCERS)))
def test_what_is_declared_passes_and_what_else_does_is_asked_about(objects: list[Raw], enforcer: str) -> None:
    world = world_of(objects, settings=Settings(enforcer=Enforcer(enforcer), admit=("*",)))
    found = lockdown(world, (LOCKED,))
    after = Overlay(world, [network_policy(one, LOCKED) for one in found.policies])
    assert list(lost(world, after, found)) == []
    assert list(open_besides(after, found)) == []


FAMILIES: Final[dict[Family, str]] = {"calico": "calico", "cilium": "cilium"}


@pytest.mark.parametrize("family", FAMILIES)
def test_so_it_is_in_the_words_of_another_family(family: Family) -> None:
    @settings(max_examples=settings().max_examples // 2)
    @given(declaring())
    def law(objects: list[Raw]) -> None:
        world = world_of(objects, settings=Settings(enforcer=Enforcer(FAMILIES[family]), admit=("*",)))
        found = lockdown(world, (LOCKED,), family)
        assert {one["apiVersion"].partition("/")[0] for one in found.policies} == {FORMS[family].kind[0]}
        after = Proposed(world, map(placed, found.policies))
        assert not {*after.policies.problems()} - {*world.policies.problems()}
        assert list(lost(world, after, found)) == []
        assert list(open_besides(after, found)) == []

    law()


def placed(policy: Raw) -> Put:
    value = project(policy)
    assert isinstance(value, CrdPolicy)
    return Put(value)


# What `fix` may write: peers of every form, ports with and without a number, and rules for everybody.
RULES: Final[tuple[Raw, ...]] = (
    {},
    {"ports": [{"port": 80}]},
    {"ports": [{"protocol": "UDP", "port": 50, "endPort": 60}, {"protocol": "TCP"}]},
    {"peers": [{"podSelector": {}}]},
    {
        "peers": [{"podSelector": {"matchLabels": {"app": "a"}}}],
        "ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}],
    },
    {"peers": [{"namespaceSelector": {}}]},
    {"peers": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "a"}}}]},
    {"peers": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "y"}}, "podSelector": {}}]},
    {"peers": [{"namespaceSelector": {"matchLabels": {"team": "b"}}}, {"ipBlock": {"cidr": "10.0.0.0/24"}}]},
    {"peers": [{"ipBlock": {"cidr": "203.0.113.0/24", "except": ["203.0.113.7/32"]}}], "ports": [{"port": 443}]},
    {
        "peers": [
            {
                "podSelector": {
                    "matchExpressions": [
                        {"key": "app", "operator": "In", "values": ["a", "b"]},
                        {"key": "tier", "operator": "DoesNotExist"},
                    ]
                }
            },
            {"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["b"]}]}},
            {"podSelector": {"matchExpressions": [{"key": "tier", "operator": "Exists"}]}},
        ]
    },
)
PLACE: Final = {"x": {"team": "a"}, "y": {"team": "b"}}
PEOPLE: Final = [
    raw
    for number, (space, labels) in enumerate(
        (space, labels) for space in PLACE for labels in ({"app": "a"}, {"app": "b", "tier": "t"}, {"app": "c"})
    )
    for raw in [pod(f"{space}/p{number}", number + 1, labels, [])]
]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("direction", ["Ingress", "Egress"])
@pytest.mark.parametrize("number", range(len(RULES)))
def test_a_policy_means_the_same_in_the_words_of_another_family(number: int, direction: str, family: Family) -> None:
    word = "from" if direction == "Ingress" else "to"
    rule = {word if key == "peers" else key: value for key, value in RULES[number].items()}
    spec = {"podSelector": {"matchLabels": {"app": "a"}}, "policyTypes": [direction], direction.lower(): [rule]}
    one, other = open_by(policy("x/p", **spec), family)
    assert one == other


@pytest.mark.parametrize("family", FAMILIES)
def test_so_does_a_default_deny(family: Family) -> None:
    one, other = open_by(policy("x/p", podSelector={}, policyTypes=["Ingress", "Egress"]), family)
    assert one == other
    assert {source.namespace for source, _ in one if isinstance(source, WorkloadRef)} == {"y"}


def open_by(own: Raw, family: Family) -> list[dict[tuple[End, End], PortSet]]:
    """Return what is open under a policy as it is, and in the words of another family."""
    world = world_of(
        [*(namespace(name, labels) for name, labels in PLACE.items()), *PEOPLE],
        settings=Settings(enforcer=Enforcer(FAMILIES[family])),
    )
    views = (Overlay(world, [network_policy(own, "x")]), Proposed(world, [placed(in_family(own, family))]))
    return [
        {(row.source, row.target): row.ports for row in whole.connections(whole.sure)} for whole in map(matrix, views)
    ]


def lost(before: View, after: View, found: Lockdown) -> Iterator[str]:
    """Yield what was declared, passed, is not said to be impossible, and does not pass any more."""
    said = {(one.workload, one.dependency) for one in found.unfixable}
    for workload in (one for one in before.workloads.every() if one.owner is None):
        answers = (judge_workload(view, workload).dependencies for view in (before, after))
        for one, then in zip(*answers, strict=True):
            event(f"declared: {one.verdict}, then {then.verdict}")
            if one.verdict not in CLOSED and then.verdict in CLOSED and (workload.ref, one.text) not in said:
                yield f"{workload.ref} -> {one.text}"


def open_besides(after: View, found: Lockdown) -> Iterator[str]:
    """Yield what passes for sure, has an end that is locked and not on its host's network, and is not asked about."""
    declared = {
        (workload.ref, flow.to, flow.protocol, flow.port)
        for workload in after.workloads.every()
        for part in judge_workload(after, workload).parts
        for flow in part.flows
    }
    asked = {one.about.partition(" on ")[0] for one in found.questions}
    for source, target, protocol, port in passing(after):
        if (source.ref, target.ref, protocol, port) not in declared:
            event("open besides")
            if f"{source.ref.short} -> {target.ref.short}" not in asked:
                yield f"{source.ref} -> {target.ref} on {port}/{protocol}"


def passing(view: View) -> Iterator[Open]:
    groups = [group for name in view.namespaces.names() for group in view.pods.groups(name)]
    for source, target in ((one, other) for one in groups for other in groups if one.ref != other.ref):
        if any(one.ref.namespace == LOCKED and not on_host(one) for one in (source, target)):
            yield from ((source, target, *port) for port in PORTS if passes(view, source, target, *port))


def passes(view: View, source: Group, target: Group, protocol: Protocol, port: int) -> bool:
    """Say whether every pod of the source may for sure send to every pod of the target."""
    workload = view.workloads.get(source.ref)
    if workload is None:
        return False
    some: tuple[Pod | None, ...] = source.pods or (None,)
    clients = [Client(workload, template_end(view, workload) if pod is None else ends_of_pod(pod)) for pod in some]
    answers = (one for client in clients for one in judge_connection(view, client, Flow(target, protocol, port)))
    return {answer.pair[0] for answer in answers} == {Verdict.ALLOWED}


def on_host(group: Group) -> bool:
    pod_classes = [pod.pod_class for pod in group.pods] or (
        [group.template.template.pod_class] if group.template else []
    )
    return any(pod_class.host_network for pod_class in pod_classes)
