"""What every fix keeps, whatever the world: it opens what was asked, nothing else, closes nothing."""

from random import Random

from hypothesis import assume, event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec import structs

from tests.support.arena import forgetful
from tests.support.denied_worlds import (
    CLOSED,
    HEAVY,
    Case,
    Endpoint,
    again,
    another,
    applied,
    beyond,
    cases,
    denied,
    endpoints,
    lost,
    one_denied,
    passing,
)
from tests.support.making import isolating
from webhook.fix import fix, fix_dependency
from webhook.fix.needs import may_open
from webhook.judge import judge_declared, judge_workload
from webhook.model.addresses import Block
from webhook.model.answers import Manifest, Verdict
from webhook.model.labels import EVERYTHING, Labels
from webhook.model.objects import Pod
from webhook.model.policy import Direction, Policy
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.model.truth import Truth
from webhook.review.workload import draft_declared, review_workload
from webhook.wire.networkpolicies import network_policy
from webhook.world import Overlay, Put
from webhook.world.changes import Change, Drop

# -- worlds -----------------------------------------------------------------------------------------------------------


# -- what may be asked of a world --------------------------------------------------------------------------------------


# -- laws -------------------------------------------------------------------------------------------------------------


@given(cases(), st.data())
def test_what_is_denied_is_open_afterwards_or_there_is_a_reason(case: Case, data: st.DataObject) -> None:
    _, workload, part, lookup, found = one_denied(case, data)
    assert bool(found.policies) != bool(found.reason)
    if found.policies:
        after = applied(case, found.policies)
        for some in (part, *((lookup,) if lookup and part.by_name else ())):
            verdict = again(after, workload, some).verdict
            stays = any(note.startswith(f"{some.text} is unknown even with the fix") for note in found.notes)
            assert verdict is (Verdict.UNKNOWN if stays else Verdict.ALLOWED)


@hypothesis_settings(max_examples=HEAVY)
@given(cases(), st.data())
def test_nothing_that_was_open_closes(case: Case, data: st.DataObject) -> None:
    world, *_, found = one_denied(case, data)
    everybody, after = endpoints(world), applied(case, found.policies)
    assert [*lost(passing(world, everybody), passing(after, everybody))] == []
    assert [*lost(beyond(world, everybody), beyond(after, everybody))] == []


@hypothesis_settings(max_examples=HEAVY)
@given(cases(), st.data())
def test_nothing_opens_but_what_was_asked_and_what_the_notes_name(case: Case, data: st.DataObject) -> None:
    world, workload, part, lookup, found = one_denied(case, data)
    assume(found.policies)
    everybody, after = endpoints(world), applied(case, found.policies)
    flows = [*part.flows, *(lookup.flows if lookup and part.by_name else ())]
    dialled = {(flow.protocol, flow.port) for flow in flows}
    named = {p.ref for p in everybody if any(names(note, p.ref) for note in found.notes)}
    sources = {workload.ref, *named}
    targets = {flow.to for flow in flows} | named
    hosts = any("host network" in note for note in found.notes)

    def meant(endpoint: Endpoint, whom: set[object]) -> bool:
        return endpoint.ref in whom or (hosts and endpoint.end.pod_class.host_network)

    before, then = passing(world, everybody), passing(after, everybody)
    for question, verdict in before.items():
        one, two, *packet = question
        if then[question] is not verdict:
            assert meant(one, {*sources}), question
            assert meant(two, {*targets}), question
            assert tuple(packet) in dialled, question
    blocks = [to for to in targets if isinstance(to, Block)]
    before_out, then_out = beyond(world, everybody), beyond(after, everybody)
    for (one, block, protocol, port, way), verdict in before_out.items():
        if then_out[one, block, protocol, port, way] is not verdict:
            assert way == "out"
            assert meant(one, {*sources})
            assert any(asked.overlaps(block) for asked in blocks)
            assert (protocol, port) in dialled


def names(note: str, ref: WorkloadRef) -> bool:
    _, _, others = note.partition(" also select ")
    return bool({ref.short, str(ref)} & set(others.split(", ")))


@given(cases(), st.data())
def test_a_policy_says_its_direction_and_isolates_nobody_who_was_not(case: Case, data: st.DataObject) -> None:
    world, *_, found = one_denied(case, data)
    for manifest in found.policies:
        spec, space = manifest["spec"], manifest["metadata"]["namespace"]
        (direction,) = map(Direction, spec["policyTypes"])
        assert set(spec) == {"podSelector", "policyTypes", direction.value.lower()}
        policy = network_policy(manifest, space)
        assert (policy.problems, policy.unreadable, policy.types) == ((), None, frozenset((direction,)))
        assert policy.ref not in world.policies.named(space)
        assert policy.subject is not None
        assert policy.subject.requirements
        for endpoint in endpoints(world):
            pod_class = endpoint.end.pod_class
            if pod_class.namespace == space and policy.subject.matches(pod_class.labels) is Truth.YES:
                assert any(truth is Truth.YES for _, truth in world.policies.selecting(pod_class, direction)), (
                    manifest,
                    pod_class,
                )


@hypothesis_settings(max_examples=HEAVY)
@given(cases())
def test_one_fix_for_everything_opens_all_that_has_a_fix_alone(case: Case) -> None:
    world = case.world()
    fixes = fix(world, case.workloads)
    event(f"{len(fixes.policies)} policies")
    after = applied(case, fixes.policies)
    unfixable = {(u.workload, u.dependency): u.reason for u in fixes.unfixable}
    for workload, part, _ in denied(world, case):
        if reason := unfixable.pop((workload.ref, part.text), None):
            assert fix_dependency(world, workload, part).reason == reason
        else:
            assert again(after, workload, part).verdict not in CLOSED
    unsure = {
        (one.ref, part.text) for one in case.workloads for part in judge_workload(world, one).parts if may_open(part)
    }
    assert unfixable.keys() <= unsure
    keys = [(m["metadata"]["namespace"], m["metadata"]["name"]) for m in fixes.policies]
    assert keys == sorted(set(keys))
    everybody = endpoints(world)
    assert [*lost(passing(world, everybody), passing(after, everybody))] == []


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_objects_changes_nothing(case: Case, random: Random) -> None:
    shuffled = list(case.objects)
    random.shuffle(shuffled)
    backwards = Case(shuffled, case.workloads[::-1])
    for workload in case.workloads:
        assert fix(case.world(), [workload]) == fix(backwards.world(), [workload])


@given(cases())
def test_what_is_remembered_changes_no_fix_and_no_near_miss(case: Case) -> None:
    """Clients that policies do not tell apart share proofs and near misses."""
    remembering, forgetting = case.world(), forgetful(case.world())
    for workload in (one for w in case.workloads for one in (w, *(another(w, number) for number in range(1, 5)))):
        found = [review_workload(Overlay(world, [workload]), workload) for world in (remembering, forgetting)]
        assert found[0] == found[1]
        event(f"{sum(bool(one.fix) for one in found[0])} fixed")


@given(cases())
def test_a_finding_is_the_same_whether_it_is_written_at_once_or_when_it_is_shown(case: Case) -> None:
    world = case.world()
    for workload in case.workloads:
        whole = [draft.whole() for draft in draft_declared(world, judge_declared(world, workload))]
        every = review_workload(world, workload)
        assert [one for one in whole if one not in every] == []


@given(cases())
def test_a_client_on_top_is_told_what_one_is_told_that_is_there(case: Case) -> None:
    """Its name may be that of another kind, and its labels those of others."""
    world = case.world()
    for one in case.workloads:
        same = structs.replace(one, ref=structs.replace(one.ref, kind="DaemonSet"))
        for workload in (another(one, 1), same, structs.replace(another(one, 2), ref=same.ref)):
            there = case.world()
            there.apply([Put(workload)])
            assert review_workload(Overlay(world, [workload]), workload) == review_workload(there, workload)


@given(cases(), st.data())
def test_what_is_remembered_holds_no_longer_than_what_it_rests_on(case: Case, data: st.DataObject) -> None:
    """Neighbours with the same labels, the same names and other ports come; pods and policies go, and come back."""
    world, changes = case.world(), list[Change]()
    doubles = [
        structs.replace(w, ref=structs.replace(w.ref, name=f"{w.ref.name}-too"), connects_to=()) for w in case.workloads
    ]
    gone = [Drop("Pod", one.namespace, one.name) for one in case.objects if isinstance(one, Pod)]
    shut = [
        Drop("NetworkPolicy", one.ref.namespace or "", one.ref.name) for one in case.objects if isinstance(one, Policy)
    ]
    told = [structs.replace(w, selector=Labels(w.template.pod_class.labels.pairs[:1])) for w in case.workloads]
    news: list[Change] = [*map(Put, doubles), *map(Put, told), *gone, *shut, *map(Put, case.objects)]
    for number, change in enumerate((None, *data.draw(st.lists(st.sampled_from(news), min_size=1, max_size=4)))):
        changes += [change] if change else []
        world.apply([change] if change else [])
        forgetting = forgetful(case.world())
        forgetting.apply(changes)
        for workload in (another(one, number) for one in case.workloads):
            found = [review_workload(Overlay(some, [workload]), workload) for some in (world, forgetting)]
            assert found[0] == found[1]
        for workload in filter(None, [world.workloads.get(one.ref) for one in case.workloads]):
            assert review_workload(world, workload) == review_workload(forgetting, workload)


@hypothesis_settings(max_examples=HEAVY)
@given(cases(), st.data())
def test_what_is_remembered_of_one_client_is_not_said_of_one_that_is_taken_for_others(
    case: Case, data: st.DataObject
) -> None:
    """It has the labels, or the name, of a neighbour or of whom it dials; and names of policies are taken."""
    world, changes, taken = case.world(), list[Change](), set[tuple[str, str]]()
    for number in range(3):
        world.apply(changes[len(changes) - 1 :] if number else [])
        forgetting = forgetful(case.world())
        forgetting.apply(changes)
        for one in case.workloads:
            client, other = another(one, number), data.draw(st.sampled_from(case.workloads), "taken for")
            pod_class, labels = client.template.pod_class, other.template.pod_class.labels
            twin = structs.replace(client.template, pod_class=structs.replace(pod_class, labels=labels))
            named = structs.replace(client.ref, kind="DaemonSet", name=other.ref.name)
            strange = (
                client,
                structs.replace(client, template=twin, selector=labels),
                structs.replace(client, ref=named),
            )
            for workload in (client, strange[data.draw(st.integers(0, 2), "how")]):
                found = [review_workload(Overlay(some, [workload]), workload) for some in (world, forgetting)]
                assert found[0] == found[1]
                fixes = [manifest["metadata"] for finding in found[0] for manifest in finding.fix]
                taken |= {(meta["namespace"], meta["name"]) for meta in fixes if one.ref.name in meta["name"]}
        if not taken:
            return
        ref = PolicyRef(*data.draw(st.sampled_from(sorted(taken)), "taken"))
        changes.append(Put(isolating(ref, EVERYTHING, ingress=())))


@given(cases())
def test_policies_of_two_fixes_share_a_name_only_where_they_are_the_same(case: Case) -> None:
    """Whoever applies one after the other must not undo the first."""
    world = case.world()
    known: dict[tuple[str, str], Manifest] = {}
    for workload, part, lookup in denied(world, case):
        for manifest in fix_dependency(world, workload, part, lookup).policies:
            key = (manifest["metadata"]["namespace"], manifest["metadata"]["name"])
            assert known.setdefault(key, manifest) == manifest
