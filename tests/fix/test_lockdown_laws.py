"""A lockdown of any world under any enforcer: what is declared passes, and what else does is in its questions.

The judge asks the evaluator about each pair of workloads, and no matrix, of which the questions are made.
"""

from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.support.arena import Raw, world_of
from tests.support.worlds_whole import whole
from webhook.enforcers import ENFORCERS
from webhook.evaluate import Client, Flow, ends_of_pod, judge_connection, template_end
from webhook.fix.lockdown import Lockdown, lockdown
from webhook.judge import judge_workload
from webhook.model.addresses import Protocol
from webhook.model.objects import Pod
from webhook.model.settings import CONNECTS_TO, Enforcer, Settings
from webhook.model.verdict import CLOSED, Verdict
from webhook.wire.networkpolicies import network_policy
from webhook.world import Group, Overlay, View

EACH: Final = -(-settings().max_examples // len(ENFORCERS))
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


@pytest.mark.parametrize("enforcer", sorted(ENFORCERS))
def test_what_is_declared_passes_and_what_else_does_is_asked_about(enforcer: str) -> None:
    @settings(max_examples=EACH)
    @given(declaring())
    def law(objects: list[Raw]) -> None:
        world = world_of(objects, settings=Settings(enforcer=Enforcer(enforcer), admit=("*",)))
        found = lockdown(world, (LOCKED,))
        after = Overlay(world, [network_policy(one, LOCKED) for one in found.policies])
        assert list(lost(world, after, found)) == []
        assert list(open_besides(after, found)) == []

    law()


def lost(before: View, after: View, found: Lockdown) -> Iterator[str]:
    """Yield what was declared, passed, is not said to be impossible, and does not pass any more."""
    said = {(one.workload, one.dependency) for one in found.unfixable}
    for workload in (one for one in before.workloads() if one.owner is None):
        answers = (judge_workload(view, workload).dependencies for view in (before, after))
        for one, then in zip(*answers, strict=True):
            event(f"declared: {one.verdict}, then {then.verdict}")
            if one.verdict not in CLOSED and then.verdict in CLOSED and (workload.ref, one.text) not in said:
                yield f"{workload.ref} -> {one.text}"


def open_besides(after: View, found: Lockdown) -> Iterator[str]:
    """Yield what passes for sure, has an end that is locked and not on its host's network, and is not asked about."""
    declared = {
        (workload.ref, flow.to, flow.protocol, flow.port)
        for workload in after.workloads()
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
    groups = [group for name in view.namespaces() for group in view.groups(name)]
    for source, target in ((one, other) for one in groups for other in groups if one.ref != other.ref):
        if any(one.ref.namespace == LOCKED and not on_host(one) for one in (source, target)):
            yield from ((source, target, *port) for port in PORTS if passes(view, source, target, *port))


def passes(view: View, source: Group, target: Group, protocol: Protocol, port: int) -> bool:
    """Say whether every pod of the source may for sure send to every pod of the target."""
    workload = view.workload(source.ref)
    if workload is None:
        return False
    some: tuple[Pod | None, ...] = source.pods or (None,)
    clients = [Client(workload, template_end(view, workload) if pod is None else ends_of_pod(pod)) for pod in some]
    answers = (one for client in clients for one in judge_connection(view, client, Flow(target, protocol, port)))
    return {answer.pair[0] for answer in answers} == {Verdict.ALLOWED}


def on_host(group: Group) -> bool:
    shapes = [pod.shape for pod in group.pods] or ([group.template.template.shape] if group.template else [])
    return any(shape.host_network for shape in shapes)
