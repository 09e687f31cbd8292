"""Any proposed change answers as the world to which it is applied, and leaves the world alone."""

from collections.abc import Collection
from typing import Any, Final

import pytest
from hypothesis import event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.support.denied_worlds import HEAVY
from tests.support.values import answers, drops, filled, named, policies, services, values, verdicts
from tests.support.worlds_whole import whole
from webhook.families import POLICIES, REFERENCES, project
from webhook.model.crd_policies import CrdPolicy
from webhook.model.objects import Namespace, PodClass, Service
from webhook.model.policy import Direction, Policy
from webhook.model.settings import Settings
from webhook.world import Change, Drop, Put, View, World
from webhook.world.changes import Value, key_of
from webhook.world.proposed import Proposed

Raw = dict[str, Any]
HEARD: Final = ("NetworkPolicy", "Service")
bases = st.lists(values, max_size=25)
puts = st.one_of(policies(), services, named).map(Put)
some = st.lists(
    st.one_of(puts, puts, drops.filter(lambda key: key.kind in HEARD)),
    min_size=1,
    max_size=4,
    unique_by=lambda one: key_of(one.value) if isinstance(one, Put) else one,
)


@hypothesis_settings(max_examples=HEAVY)
@given(bases, some)
def test_it_answers_as_the_world_to_which_it_is_applied(below: list[Value], changes: list[Change]) -> None:
    world, changed = filled(below), filled(below)
    before = answers(world)
    changed.apply(changes)
    proposed = Proposed(world, changes)
    found, expected = answers(proposed), answers(changed)
    gone = any(isinstance(one, Drop) for one in changes)
    for part in ("families", "namespaces", *"ab") if gone else ("families",):
        found.pop(part, None), expected.pop(part, None)  # what else makes a namespace, or a family, known
    assert found == expected
    assert verdicts(proposed) == verdicts(changed)
    assert answers(world) == before


def compiled(view: View, spaces: Collection[str]) -> dict[object, object]:
    pod_classes = {pod.pod_class for space in spaces for group in view.pods.groups(space) for pod in group.pods}
    pod_classes |= {workload.template.pod_class for workload in view.workloads.every()} | {
        PodClass("x"),
        PodClass("y", template=True),
    }
    return {
        "selecting": {(s, d): view.policies.selecting(s, d) for s in pod_classes for d in Direction},
        "pieces": {(space, d): list(view.policies.compiled_policies(space, d)) for space in spaces for d in Direction},
        "problems": dict(view.policies.problems()),
        "dialect": view.dialect,
        "enforcer": view.enforcer,
        "objects": dict(view.compile_context.objects),
    }


def heard(value: object) -> bool:
    return isinstance(value, Policy | CrdPolicy | Namespace | Service)


@pytest.mark.parametrize("settings", [Settings(), Settings(detect="files"), Settings(detect="cluster")])
@hypothesis_settings(max_examples=HEAVY)
@given(st.data())
def test_policies_of_every_family_come_to_what_they_do_in_a_world(settings: Settings, data: st.DataObject) -> None:
    """Whatever is taken out of a world, put into it, or both, policies are read as they would be after it."""
    objects = [value for raw in data.draw(whole()) if (value := project(raw)) is not None]
    changing = [value for value in objects if heard(value)]
    late = data.draw(st.lists(st.sampled_from(changing), max_size=2, unique_by=key_of) if changing else st.just([]))
    gone = data.draw(st.lists(st.sampled_from(changing), max_size=2, unique_by=key_of) if changing else st.just([]))
    world, changed = World(settings, complete=True), World(settings, complete=True)
    for one in (world, changed):
        one.apply(Put(value) for value in objects if value not in late)
    changes: list[Change] = [
        *map(Put, late),
        *(key_of(v) for v in gone if v not in late and not isinstance(v, Namespace)),
    ]
    changed.apply(changes)
    proposed = Proposed(world, changes)
    for value in (*late, *gone):
        kind = (value.group, value.ref.kind) if isinstance(value, CrdPolicy) else None
        event("reference" if kind in REFERENCES else "policy" if kind in POLICIES else type(value).__name__)
    spaces = ("", *world.namespaces.names(), *changed.namespaces.names())
    assert compiled(proposed, spaces) == compiled(changed, spaces)
