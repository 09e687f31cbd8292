"""One law: matrix, explain and judge agree on every flow. And what does not depend on names, order or how rules lie."""

from copy import deepcopy
from itertools import product
from typing import Final

from hypothesis import assume, event, given
from hypothesis import strategies as st

from tests.support.arena import Raw, world_of
from tests.support.changed_worlds import renamed, reverse_lists, types_of
from tests.support.matrix_judge import Table, boundaries, disagreements, everybody
from tests.support.worlds import enumerated, policies_of, policy, replaced, worlds
from tests.support.worlds_populated import populated
from webhook.judge import explain
from webhook.matrix import Alike, End, focused, fold, matrix
from webhook.matrix.sets import PortSet, listed
from webhook.model.answers import Verdict
from webhook.model.refs import WorkloadRef
from webhook.model.settings import Enforcer, Settings
from webhook.model.truth import Truth


def test_matrix_and_judge_agree_on_every_flow_of_every_small_world() -> None:
    count = 0
    for objects in enumerated():
        assert list(disagreements(world_of(objects)))[:5] == []
        count += 1
    assert count > 250


ENFORCERS: Final = ("generic", "generic", "calico", "cilium", "aws", "kube-router")


@given(populated(), st.sampled_from(ENFORCERS))
def test_matrix_and_judge_agree_on_every_flow_of_any_world(objects: list[Raw], enforcer: str) -> None:
    view = world_of(objects, complete=False, settings=Settings(enforcer=Enforcer(enforcer)))
    layer = matrix(view, unknown=True).unknown
    assert layer is not None
    event(f"unknown {any(layer.pods)}")
    assert list(disagreements(view))[:5] == []


@given(populated(), st.data())
def test_matrix_and_explain_agree_on_every_flow(objects: list[Raw], data: st.DataObject) -> None:
    view = world_of(objects, complete=False)
    table = Table(matrix(view, unknown=True))
    bare = [
        workload for workload in view.workloads.every() if workload.ref.kind == "Pod" and view.pods.of(workload.ref)
    ]
    for source, target in product(bare, everybody(view)):
        if source.ref == target.ref:
            continue  # a pod always reaches itself, and that is no connection
        protocol, number = data.draw(st.sampled_from(boundaries(view)))
        word = f"{target.ref.kind.lower()}/{target.ref.name}.{target.ref.namespace}:{number}/{protocol}"
        explained = explain(view, source, word)
        found = table.between(source.ref, target.ref, (protocol, number))
        event(f"{explained.verdict}")
        assert (found is Truth.YES) == (explained.verdict is Verdict.ALLOWED), (word, explained)
        assert (found is not Truth.MAYBE) or (explained.verdict is Verdict.UNKNOWN), (word, explained)


# -- what changes nothing ----------------------------------------------------------------------------------------------


def rows(objects: list[Raw]) -> dict[tuple[End, End, bool], PortSet]:
    whole = matrix(world_of(objects, complete=False), unknown=True)
    assert whole.unknown is not None
    return {
        (c.source, c.target, sure): c.ports
        for layer, sure in ((whole.sure, True), (whole.unknown, False))
        for c in whole.connections(layer)
    }


@given(populated(), st.data())
def test_order_changes_no_row(objects: list[Raw], data: st.DataObject) -> None:
    other = deepcopy(data.draw(st.permutations(objects)))
    for raw in policies_of(other):
        reverse_lists(raw["spec"])
    assert rows(objects) == rows(other)


@given(worlds())
def test_names_change_no_row(objects: list[Raw]) -> None:
    def other(end: End) -> End:
        return WorkloadRef(end.kind, f"new-{end.namespace}", f"new-{end.name}") if isinstance(end, WorkloadRef) else end

    before = {(other(source), other(target), sure): ports for (source, target, sure), ports in rows(objects).items()}
    assert before == rows([renamed(raw) for raw in objects])


@given(populated(), st.data())
def test_splitting_a_policy_by_its_rules_changes_no_row(objects: list[Raw], data: st.DataObject) -> None:
    clear = [raw for raw in policies_of(objects) if _is_clear(raw["spec"])]
    assume(clear)
    old = data.draw(st.sampled_from(clear))
    parts: list[Raw] = []
    for direction in types_of(old["spec"]):
        side = direction.lower()
        for rule in old["spec"].get(side) or [None]:
            spec = {"podSelector": old["spec"]["podSelector"], "policyTypes": [direction]}
            spec[side] = [] if rule is None else [rule]
            parts.append(policy(f"{old['metadata']['namespace']}/part{len(parts)}", **spec))
    assert rows(objects) == rows(replaced(objects, old, *parts))


def _is_clear(spec: Raw) -> bool:
    """Say whether it is known whom a policy selects: the halves of a doubtful one may each select, or not."""
    selector = str(spec["podSelector"])
    return spec.get("policyTypes") != ["Sideways"] and "'Is'" not in selector and "pod-template-hash" not in selector


@given(populated())
def test_groups_say_what_their_members_rows_say(objects: list[Raw]) -> None:
    whole = matrix(world_of(objects, complete=False), unknown=True)
    folded = fold(whole)
    event(f"folded {len(folded.workloads) < len(whole.workloads)}")
    for layer, other in ((whole.sure, folded.sure), (whole.unknown, folded.unknown)):
        assert layer is not None
        assert other is not None
        expected = {(c.source, c.target): c.ports for c in whole.connections(layer)}
        own = {whole.workloads[number] for number in listed(whole.own)}
        found = {
            (source, target): c.ports
            for c in folded.connections(other)
            for source, target in product(_each(c.source), _each(c.target))
            if source != target or source in own
        }
        assert found == expected


def _each(end: End) -> tuple[End, ...]:
    return end.members if isinstance(end, Alike) else (end,)


@given(populated(), st.data())
def test_a_focus_shows_exactly_the_rows_that_touch_it(objects: list[Raw], data: st.DataObject) -> None:
    whole = matrix(world_of(objects, complete=False), unknown=True)
    number = data.draw(st.integers(0, len(whole.workloads) - 1))
    focus, seen = whole.workloads[number], focused(whole, number)
    for layer, other in ((whole.sure, seen.sure), (whole.unknown, seen.unknown)):
        assert layer is not None
        assert other is not None
        expected = [c for c in whole.connections(layer) if focus in (c.source, c.target)]
        assert sorted(seen.connections(other), key=repr) == sorted(expected, key=repr)
