"""Laws of flow logs on worlds of every kind: a log that the evaluator would write itself is agreed with throughout."""

from collections.abc import Iterator
from typing import Final

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.support.arena import Raw, world_of
from tests.support.worlds_whole import whole
from webhook.enforcers import ENFORCERS
from webhook.evaluate import Client, Flow, ends_of_pod, judge_connection
from webhook.judge import judge_workload
from webhook.model.addresses import Block, Protocol
from webhook.model.answers import Host, Verdict, together
from webhook.model.objects import Declaration
from webhook.model.refs import WorkloadRef
from webhook.model.settings import CONNECTS_TO, Enforcer, Settings
from webhook.review.evidence import Standing, evidence
from webhook.review.observed import Tally
from webhook.review.suggest import suggested
from webhook.wire.flowlogs import Endpoint, FlowRecord
from webhook.world import Group, Put, View, World

PORTS: Final[tuple[tuple[Protocol, int], ...]] = (("TCP", 80), ("UDP", 53), ("TCP", 8080))
HALF: Final = settings().max_examples // 2  # each asks about every pair of pods
worlds = st.tuples(whole(), st.sampled_from(sorted(ENFORCERS)))
Drawn = tuple[list[Raw], str]


def built(drawn: Drawn) -> World:
    objects, enforcer = drawn
    return world_of(objects, settings=Settings(enforcer=Enforcer(enforcer)))


def groups(view: View) -> list[Group]:
    return [one for name in view.namespaces.names() for one in view.pods.groups(name) if one.pods]


def endpoint(group: Group) -> Endpoint:
    return Endpoint(namespace=group.ref.namespace, pod=group.pods[0].name)


def records(view: View) -> Iterator[tuple[FlowRecord, Verdict]]:
    """Yield what a log would have of every pair of workloads whose pods all fare alike."""
    for source in groups(view):
        workload = view.workloads.get(source.ref)
        for target in groups(view) if workload is not None else ():
            for protocol, port in PORTS:
                clients = [Client(workload, ends_of_pod(pod)) for pod in source.pods] if workload else []
                flow = Flow(target, protocol, port)
                verdict = together(a.pair[0] for client in clients for a in judge_connection(view, client, flow))
                dropped = verdict is Verdict.DENIED
                yield FlowRecord(endpoint(source), endpoint(target), protocol, port, dropped=dropped), verdict


@settings(max_examples=HALF)
@given(worlds)
def test_what_the_evaluator_would_do_itself_is_agreed_with_and_the_contrary_is_not(drawn: Drawn) -> None:
    view = built(drawn)
    whole_log = list(records(view))
    for flipped in (False, True):
        tally = Tally(view)
        for record, _ in whole_log:
            tally.add(structs.replace(record, dropped=record.dropped is not flipped))
        assert sum(one.passed + one.dropped for one in tally.flows.values()) == len(whole_log)
        found = {
            (one.flow.source, one.flow.target, one.flow.protocol, one.flow.port): one.standing
            for one in evidence(view, tally).flows
        }
        for record, verdict in whole_log:
            event(f"{verdict}")
            assert found[ends(view, record)] is expected(verdict, flipped=flipped), (record, verdict)


def ends(view: View, record: FlowRecord) -> tuple[WorkloadRef, WorkloadRef, Protocol, int]:
    who = {(pod.namespace, pod.name): group.ref for group in groups(view) for pod in group.pods}
    source, target = (who[end.namespace, end.pod] for end in (record.source, record.target))
    return source, target, record.protocol, record.port


def expected(verdict: Verdict, *, flipped: bool) -> Standing:
    match verdict:
        case Verdict.ALLOWED:
            return Standing.DROPPED if flipped else Standing.AGREED
        case Verdict.DENIED:
            return Standing.PASSED if flipped else Standing.AGREED
        case _:
            return Standing.UNDECIDED


@settings(max_examples=HALF)
@given(worlds, st.data())
def test_a_log_of_all_that_is_declared_leaves_nothing_undeclared_or_unseen(drawn: Drawn, data: st.DataObject) -> None:
    objects, enforcer = drawn
    names = [f"{raw['kind'].lower()}/{raw['metadata']['name']}.{raw['metadata']['namespace']}" for raw in ours(objects)]
    assume(names)
    for raw in ours(objects):
        some = data.draw(st.lists(st.sampled_from([*names, "192.0.2.1", "api.example.com."]), min_size=1, max_size=3))
        raw["metadata"].setdefault("annotations", {})[CONNECTS_TO] = ", ".join(f"{one}:8080" for one in some)
    view = built((objects, enforcer))
    tally = Tally(view)
    every = {one.ref: one for one in groups(view)}
    for workload in (one for one in view.workloads.every() if one.owner is None and one.ref in every):
        for flow in (flow for part in judge_workload(view, workload).parts for flow in part.flows):
            match flow.to:
                case WorkloadRef() as ref if ref in every:
                    target = endpoint(every[ref])
                case Block() as block if block.size == 1:
                    target = Endpoint(str(block).partition("/")[0])
                case Host() as host:
                    target = Endpoint("203.0.113.9", hosts=(host.name,))
                case _:
                    continue
            tally.add(FlowRecord(endpoint(every[workload.ref]), target, flow.protocol, flow.port or 1))
    found = evidence(view, tally)
    assert found.undeclared == ()
    seen = {flow.source for flow in tally.flows}
    unseen = [
        one for one in found.unseen if one.workload in seen and reaches(view, one.workload, one.dependency, every)
    ]
    assert unseen == []
    event(f"{min(len(tally.flows), 5)} flows")


def ours(objects: list[Raw]) -> list[Raw]:
    return [raw for raw in objects if raw["kind"] in {"Pod", "StatefulSet"}]


def reaches(view: View, ref: WorkloadRef, text: str, every: dict[WorkloadRef, Group]) -> bool:
    """Say whether the log could have a line about a dependency."""
    workload = view.workloads.get(ref)
    parts = judge_workload(view, workload).dependencies if workload is not None else ()
    flows = [flow for one in parts if one.text == text for flow in one.flows]
    return any(not isinstance(flow.to, WorkloadRef) or flow.to in every for flow in flows)


@settings(max_examples=HALF)
@given(worlds)
def test_what_is_suggested_is_what_was_seen(drawn: Drawn) -> None:
    view = built(drawn)
    tally = Tally(view)
    for record, _ in records(view):
        tally.add(structs.replace(record, dropped=False))
    first = evidence(view, tally)
    left = set()
    for ref, one in suggested(view, first).items():
        workload = view.workloads.get(ref)
        assert workload is not None
        more = Declaration("\n".join(one.items), "metadata")
        view.apply([Put(structs.replace(workload, connects_to=(*workload.connects_to, more)))])
        left |= {two.flow for two in one.left}
    assert {one.flow for one in evidence(view, tally).undeclared} <= left
    event(f"{bool(first.undeclared)} {bool(left)}")
