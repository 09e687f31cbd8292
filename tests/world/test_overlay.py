"""A change on top of a world answers as the world with that change in it, and leaves the world alone."""

import gc
import sys
from weakref import ref

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from msgspec import structs

from tests.support.making import isolating
from tests.support.values import (
    NAMESPACES,
    answers,
    bare,
    filled,
    judged,
    pod_classes,
    pods,
    policies,
    services,
    values,
    verdicts,
    workloads,
)
from webhook.model.labels import Labels
from webhook.model.objects import Pod, PodClass, Service, Template, Workload
from webhook.model.policy import Direction, Policy
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.world import Overlay, Put, View, World
from webhook.world.changes import Value

bases = st.lists(values, max_size=25)
tops = st.lists(st.one_of(workloads(), policies()), min_size=1, max_size=4)
CLOSED = isolating(PolicyRef("a", "closed"), None, ingress=(), egress=())


@given(bases, tops)
def test_it_answers_as_the_world_with_the_same_objects(below: list[Value], on_top: list[Workload | Policy]) -> None:
    merged = filled([*below, *on_top])
    overlay = Overlay(filled(below), on_top)
    assert answers(overlay) == answers(merged)


@given(bases, tops, tops)
def test_one_on_another_answers_as_both_applied(
    below: list[Value], first: list[Workload | Policy], second: list[Workload | Policy]
) -> None:
    overlay = Overlay(Overlay(filled(below), first), second)
    assert answers(overlay) == answers(filled([*below, *first, *second]))


@given(st.lists(judged, max_size=6), st.lists(policies(), min_size=1, max_size=3))
def test_verdicts_under_it_leave_none_behind_in_the_world(below: list[Value], on_top: list[Policy]) -> None:
    world = filled(below)
    before = verdicts(world)
    assert verdicts(Overlay(world, on_top)) == verdicts(filled([*below, *on_top]))
    assert verdicts(world) == before


@given(st.lists(workloads(("Deployment",)), min_size=4, max_size=8), st.lists(services, max_size=4))
def test_a_template_on_top_replaces_the_one_below_wherever_that_stood(
    every: list[Workload], some: list[Service]
) -> None:
    overlay = Overlay(filled([*some, *every[2:]]), every[:2])
    assert answers(overlay) == answers(filled([*some, *every[2:], *every[:2]]))


@given(
    st.lists(pods(), min_size=3, max_size=6), st.lists(workloads(("ReplicaSet", "Deployment")), min_size=4, max_size=8)
)
def test_a_change_of_controllers_on_top_moves_their_pods(below: list[Pod], every: list[Workload]) -> None:
    overlay = Overlay(filled([*below, *every[2:]]), every[:2])
    assert answers(overlay) == answers(filled([*below, *every[2:], *every[:2]]))


@given(bases, pod_classes("a"))
def test_a_bare_pod_on_top_is_a_template_until_it_runs(below: list[Value], pod_class: PodClass) -> None:
    proposed = bare(pod_class, "new")
    world = filled(below)
    overlay = Overlay(world, [proposed])
    assert overlay.workloads.get(proposed.ref) == proposed
    assert [g.template for g in overlay.pods.groups("a") if g.ref == proposed.ref] == [proposed]
    service = Service("a", "s", selector=Labels({"app": "a"}))
    assert (proposed.ref in {g.ref for g in overlay.pods.behind(service)}) == (pod_class.labels.get("app") == "a")
    running = Pod("a", "new", pod_class, declares=pod_class.ports, bare=proposed)
    world.apply([Put(running)])
    overlay = Overlay(world, [proposed])
    assert [g.pods for g in overlay.pods.groups("a") if g.ref == proposed.ref] == [(running,)]


@given(bases, st.lists(workloads(), min_size=1, max_size=3, unique_by=lambda one: one.ref), st.booleans())
def test_what_is_beneath_has_everybody_but_who_is_only_proposed(
    below: list[Value], on_top: list[Workload], anew: bool
) -> None:
    overlay = Overlay(filled(below), on_top, anew=anew)
    beneath = overlay.beneath()
    event(f"the world itself: {beneath.view is overlay.base}")
    for space in NAMESPACES:
        mine = {pod_class for pod_class in beneath.proposed if pod_class.namespace == space}
        assert everybody(overlay, space) == everybody(beneath.view, space) | mine
        old = {was for _, was in beneath.put} & {*beneath.view.workloads.every(space)}
        new = {one for one, _ in beneath.put if one.ref.namespace == space}
        assert {*overlay.workloads.every(space)} == ({*beneath.view.workloads.every(space)} - old) | new


def everybody(view: View, space: str) -> set[PodClass]:
    groups = view.pods.groups(space)
    to_come = {group.template.template.pod_class for group in groups if group.template}
    return {pod.pod_class for group in groups for pod in group.pods} | to_come


def test_a_policy_on_top_replaces_the_one_of_its_name() -> None:
    world = filled([CLOSED])
    open_again = Policy(CLOSED.ref, "a", subject=None)
    overlay = Overlay(world, [open_again])
    assert overlay.policies.selecting(PodClass("a"), Direction.EGRESS) == ()
    assert dict(overlay.policies.named("a")) == {CLOSED.ref: open_again}


def test_a_policy_elsewhere_does_not_hide_one_here() -> None:
    overlay = Overlay(filled([CLOSED]), [Policy(PolicyRef("b", "closed"), "b", subject=None)])
    assert [i.ref for i, _ in overlay.policies.selecting(PodClass("a"), Direction.EGRESS)] == [CLOSED.ref]


def test_a_world_with_nothing_on_top_is_the_world() -> None:
    world = World(complete=False)
    assert answers(Overlay(world)) == answers(world)
    assert Overlay(world).memos is world.memos


def test_a_workload_put_into_a_new_namespace_makes_it_known() -> None:
    proposed = bare(PodClass("new"), "p")
    overlay = Overlay(World(complete=True), [proposed])
    assert "new" in overlay.namespaces
    assert list(overlay.namespaces.names()) == ["new"]
    assert overlay.workloads.get(WorkloadRef("Pod", "new", "p")) == proposed


@given(bases, workloads(("Deployment", "StatefulSet")).map(lambda w: structs.replace(w, owner=None)))
def test_a_workload_put_anew_has_no_pods_yet(below: list[Value], proposed: Workload) -> None:
    """As if it had been rolled out: its template stands where its pods stood, and everybody else stays."""
    base = filled(below)
    overlay = Overlay(base, [proposed])
    gone = {(pod.namespace, pod.name) for pod in overlay.pods.of(proposed.ref)}
    without = [v for v in below if not (isinstance(v, Pod) and (v.namespace, v.name) in gone)]
    overlay, merged = Overlay(base, [proposed], anew=True), filled([*without, proposed])
    assert overlay.pods.of(proposed.ref) == ()
    for namespace in NAMESPACES:
        assert overlay.pods.groups(namespace) == merged.pods.groups(namespace)
        for service in merged.services.within(namespace):
            assert overlay.pods.behind(service) == merged.pods.behind(service)


def test_what_is_beneath_is_not_asked_where_a_template_on_top_takes_the_place_of_one() -> None:
    old = Workload(WorkloadRef("Deployment", "a", "web"), Template(PodClass("a", Labels({"rev": "1"}), template=True)))
    new = structs.replace(old, template=Template(PodClass("a", Labels({"rev": "2"}), template=True)))
    other = structs.replace(new, ref=WorkloadRef("Deployment", "a", "db"))
    overlay = Overlay(filled([old]), [new])
    assert overlay.beneath().view is overlay
    assert Overlay(filled([old]), [other]).beneath().proposed == (other.template.pod_class,)


@pytest.mark.parametrize("anew", [False, True])
def test_it_goes_with_its_last_user_and_is_nothing_for_the_garbage_collector(*, anew: bool) -> None:
    proposed = bare(PodClass("a"), "p")
    overlay = Overlay(filled([]), [proposed, CLOSED], anew=anew)
    overlay.beneath()
    overlay.policies.selecting(proposed.template.pod_class, Direction.INGRESS)
    seen = ref(overlay)
    gc.disable()
    try:
        del overlay
        assert seen() is None
    finally:
        gc.enable()


def test_who_is_only_asked_about_leaves_nothing_behind() -> None:
    there = Workload(WorkloadRef("Deployment", "a", "there"), Template(PodClass("a")))
    asked = Workload(WorkloadRef("Deployment", "a", "asked"), Template(PodClass("a")))
    world = filled([there])
    before = sys.getrefcount(asked.ref)
    for one in (there.ref, asked.ref):
        found = world.pods.of(one)
        assert found == ()
    del one
    after = sys.getrefcount(asked.ref)
    assert after == before
