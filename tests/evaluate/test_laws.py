"""Laws of the evaluator, one test each: what must hold in every world, whatever the verdicts are."""

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any, Final

from hypothesis import assume, event, example, given
from hypothesis import strategies as st
from msgspec import structs

from tests.support.arena import Arena, Raw, world_of
from tests.support.changed_worlds import dialled, on_host, renamed, reverse_lists, types_of, workload_at
from tests.support.worlds import (
    Question,
    Unsettled,
    namespace,
    pod,
    policies,
    policies_of,
    policy,
    questions,
    replaced,
    rollouts,
    rules,
    unsettled,
    worlds,
)
from webhook.families import project
from webhook.fix import Fixes, fix
from webhook.judge import explain
from webhook.model.answers import Verdict, together
from webhook.model.labels import EVERY_LABEL, AskedLabels, Labels, Operator, Requirement
from webhook.model.objects import Declaration
from webhook.model.policy import Policy
from webhook.model.settings import CONNECTS_TO
from webhook.world import Overlay, View
from webhook.world.changes import Change, Put, key_of

SAMPLES = 60  # packets asked of each world, out of some hundreds
Asked = list[Question]
Verdicts = dict[Question, tuple[Verdict, Verdict, Verdict]]


@st.composite
def asked(draw: st.DrawFn, number: int = SAMPLES) -> tuple[list[Raw], Asked]:
    """Draw a world and packets to ask it about."""
    world = draw(worlds())
    every = questions(world)
    step = max(1, len(every) // number)
    return world, every[draw(st.integers(0, step - 1)) :: step]


def verdicts(objects: list[Raw], ask: Asked) -> Verdicts:
    arena = Arena(objects)
    return {q: arena.evaluate(*q) for q in ask}


def opened(before: Verdicts, after: Verdicts) -> Asked:
    return [q for q in before if (before[q][0], after[q][0]) == (Verdict.DENIED, Verdict.ALLOWED)]


def closed(before: Verdicts, after: Verdicts) -> Asked:
    return [q for q in before if (before[q][0], after[q][0]) == (Verdict.ALLOWED, Verdict.DENIED)]


def pick(draw: st.DataObject, objects: list[Raw]) -> Raw:
    return draw.draw(st.sampled_from(policies_of(objects)), "policy")


# -- what policies do -------------------------------------------------------------------------------------------------


@given(asked(), st.data())
def test_adding_a_rule_to_a_policy_never_closes_a_flow(
    given_world: tuple[list[Raw], Asked], draw: st.DataObject
) -> None:
    objects, ask = given_world
    old = pick(draw, objects)
    side = draw.draw(st.sampled_from([t.lower() for t in types_of(old["spec"])]))
    new = deepcopy(old)
    new["spec"] |= {"policyTypes": types_of(old["spec"])}  # a first egress rule would make an egress policy of it
    new["spec"][side] = [*(new["spec"].get(side) or ()), draw.draw(rules(objects, side))]
    before, after = verdicts(objects, ask), verdicts(replaced(objects, old, new), ask)
    event(f"opened {bool(opened(before, after))}")
    assert closed(before, after) == []


@given(asked(), st.data())
def test_adding_a_policy_to_pods_that_are_isolated_already_never_closes_a_flow(
    given_world: tuple[list[Raw], Asked], draw: st.DataObject
) -> None:
    objects, ask = given_world
    old = pick(draw, objects)
    side = draw.draw(st.sampled_from(types_of(old["spec"])))
    added = policy(
        f"{old['metadata']['namespace']}/added",
        podSelector=old["spec"]["podSelector"],
        policyTypes=[side],
        **{side.lower(): draw.draw(st.lists(rules(objects, side.lower()), max_size=2))},
    )
    before, after = verdicts(objects, ask), verdicts([*objects, added], ask)
    event(f"opened {bool(opened(before, after))}")
    assert closed(before, after) == []


@given(asked(), st.data())
def test_removing_an_allow_rule_never_opens_a_flow(given_world: tuple[list[Raw], Asked], draw: st.DataObject) -> None:
    objects, ask = given_world
    old = pick(draw, objects)
    side = draw.draw(st.sampled_from([t.lower() for t in types_of(old["spec"])]))
    assume(old["spec"].get(side))
    new = deepcopy(old)
    new["spec"] |= {"policyTypes": types_of(old["spec"])}
    new["spec"][side].pop(draw.draw(st.integers(0, len(old["spec"][side]) - 1)))
    before, after = verdicts(objects, ask), verdicts(replaced(objects, old, new), ask)
    event(f"closed {bool(closed(before, after))}")
    assert opened(before, after) == []


@given(asked(), st.data())
def test_a_policy_that_selects_no_pod_changes_no_verdict(
    given_world: tuple[list[Raw], Asked], draw: st.DataObject
) -> None:
    objects, ask = given_world
    drawn = draw.draw(policies(objects, "idle"))
    drawn["spec"]["podSelector"] = {"matchLabels": {"nobody": "here"}}
    assert verdicts(objects, ask) == verdicts([*objects, drawn], ask)


@given(asked(), st.data())
def test_a_policy_changes_nothing_for_flows_that_touch_no_pod_of_its_namespace(
    given_world: tuple[list[Raw], Asked], draw: st.DataObject
) -> None:
    objects, ask = given_world
    drawn = draw.draw(policies(objects, "added"))
    space = f"{drawn['metadata']['namespace']}/"
    elsewhere = [q for q in ask if not q.source.startswith(space) and not q.target.startswith(space)]
    assert verdicts(objects, elsewhere) == verdicts([*objects, drawn], elsewhere)


@given(asked(), st.data())
def test_splitting_a_policy_by_its_rules_changes_no_verdict(
    given_world: tuple[list[Raw], Asked], draw: st.DataObject
) -> None:
    objects, ask = given_world
    old = pick(draw, objects)
    parts: list[Raw] = []
    for direction in types_of(old["spec"]):
        side = direction.lower()
        for rule in old["spec"].get(side) or [None]:
            spec = {"podSelector": old["spec"]["podSelector"], "policyTypes": [direction]}
            spec[side] = [] if rule is None else [rule]
            parts.append(policy(f"{old['metadata']['namespace']}/part{len(parts)}", **spec))
    assert verdicts(objects, ask) == verdicts(replaced(objects, old, *parts), ask)


@given(asked(), st.data())
def test_order_changes_no_verdict(given_world: tuple[list[Raw], Asked], draw: st.DataObject) -> None:
    objects, ask = given_world
    other = deepcopy(draw.draw(st.permutations(objects)))
    for raw in policies_of(other):
        reverse_lists(raw["spec"])
    assert verdicts(objects, ask) == verdicts(other, ask)


@given(asked())
def test_names_do_not_matter(given_world: tuple[list[Raw], Asked]) -> None:
    objects, ask = given_world
    end: Callable[[str], str] = lambda e: "/".join(f"new-{part}" for part in e.split("/")) if "/" in e else e  # noqa: E731
    other = [q._replace(source=end(q.source), target=end(q.target)) for q in ask]
    before, after = verdicts(objects, ask), verdicts([renamed(o) for o in objects], other)
    assert list(before.values()) == list(after.values())


# -- what is not known ------------------------------------------------------------------------------------------------


@given(unsettled(), st.data())
def test_a_sure_answer_for_a_template_holds_however_the_unknown_turns_out(
    drawn: Unsettled, draw: st.DataObject
) -> None:
    world = world_of(drawn.objects)
    outcomes = [Arena(objects) for objects in drawn.outcomes]
    fit = [q for q in questions(drawn.objects) if q.source == q.target and not on_host(outcomes[0].pods[q.target])]
    assume(fit)
    for question in draw.draw(st.lists(st.sampled_from(fit), min_size=1, max_size=10, unique=True), "asked"):
        asking = question._replace(source="x/w-h1")
        found = explain(world, workload_at(world, "Deployment", "x", "w"), dialled(outcomes[0].pods, asking)).verdict
        truth = {sure((arena.judge(*asking)[0],)) for arena in outcomes}
        event(f"{found}, outcomes {sorted(truth)}")
        assert found is Verdict.UNKNOWN or truth == {found}, (asking, found)


@given(unsettled(), st.data())
def test_a_sure_answer_about_a_template_holds_however_the_unknown_turns_out(
    drawn: Unsettled, draw: st.DataObject
) -> None:
    world = world_of(drawn.objects)
    outcomes = [Arena(objects) for objects in drawn.outcomes]
    fit = [q for q in questions(drawn.objects) if q.source == q.target and not on_host(outcomes[0].pods[q.source])]
    assume(fit)
    for question in draw.draw(st.lists(st.sampled_from(fit), min_size=1, max_size=10, unique=True), "asked"):
        asking = question._replace(target="x/w-h1")
        workload = workload_at(world, "Pod", *asking.source.split("/"))
        found = explain(world, workload, f"deploy/w.x:{asking.port}/{asking.protocol}").verdict
        has = [":" in ip["ip"] for ip in outcomes[0].pods[asking.source]["status"]["podIPs"]]
        packets = [asking._replace(family=6 if six else 4) for six in has]
        truth = {sure(arena.judge(*packet)[0] for packet in packets) for arena in outcomes}
        event(f"{found}, outcomes {sorted(truth)}")
        assert found is Verdict.UNKNOWN or truth == {found}, (asking, found)


def sure(passes: Iterable[bool]) -> Verdict:
    return together(Verdict.ALLOWED if each else Verdict.DENIED for each in passes)


# -- the world: however it came to be, it answers the same ------------------------------------------------------------


@given(asked(), asked(5), st.data())
def test_a_world_answers_by_what_is_in_it_not_by_how_it_came_there(
    given_world: tuple[list[Raw], Asked], past: tuple[list[Raw], Asked], draw: st.DataObject
) -> None:
    objects, ask = given_world
    world = world_of(past[0])
    for question in past[1]:  # fill whatever it remembers
        answer_in(world, past[0], question)
    now = {key_of(value): value for value in map(value_of, objects)}
    gone: list[Change] = [key for key in map(key_of, map(value_of, past[0])) if key not in now]
    changes = draw.draw(st.permutations([*gone, *map(Put, now.values())]), "changes")
    for change in changes:
        world.apply([change])
        answer_in(world, objects, ask[0])
    for question in ask:
        assert answer_in(world, objects, question) == answer_in(world_of(objects), objects, question), question


@given(asked(), st.data())
def test_a_policy_in_an_overlay_counts_as_one_in_the_world(
    given_world: tuple[list[Raw], Asked], draw: st.DataObject
) -> None:
    objects, ask = given_world
    base = world_of(objects)
    name = draw.draw(st.sampled_from(["added", *(p["metadata"]["name"] for p in policies_of(objects))]))
    added = draw.draw(policies(objects, name))
    key = (added["metadata"]["namespace"], name)
    kept = [
        o for o in objects if o["kind"] != "NetworkPolicy" or (o["metadata"]["namespace"], o["metadata"]["name"]) != key
    ]
    value = value_of(added)
    assert isinstance(value, Policy)
    over = Overlay(base, [value])
    for question in ask:
        assert answer_in(over, objects, question) == answer_in(world_of([*kept, added]), objects, question), question


def value_of(raw: Raw) -> Any:  # noqa: ANN401 - a union that the callers narrow
    value = project(raw)
    assert value is not None
    return value


def answer_in(view: View, objects: Iterable[Raw], question: Question) -> object:
    """Ask through the front door, so that look-ups and memories take part."""
    pods = {"{namespace}/{name}".format(**o["metadata"]): o for o in objects if o["kind"] == "Pod"}
    here = pods.get(question.source)
    if here is None:
        return None
    workload = value_of(here).bare
    answer = explain(view, workload, dialled(pods, question))
    return answer.verdict, answer.flows


@given(asked())
def test_explain_and_the_evaluator_agree_on_every_packet(given_world: tuple[list[Raw], Asked]) -> None:
    objects, ask = given_world
    arena = Arena(objects)
    for question in ask:
        source, target = (arena.pods.get(end) for end in question[:2])
        if source is None or source is target or (target and target["spec"].get("hostNetwork")):
            continue  # nobody asks from outside; a host's address is its node's, not a pod's
        expected = arena.evaluate(*question)[0]
        found = explain(arena.world, value_of(source).bare, dialled(arena.pods, question))
        assert found.verdict is expected, (question, found)


# -- the fix ----------------------------------------------------------------------------------------------------------


@given(asked(300), st.data())
def test_a_fix_opens_what_was_asked_and_nothing_else_and_closes_nothing(
    given_world: tuple[list[Raw], Asked], draw: st.DataObject
) -> None:
    objects, ask = given_world
    arena = Arena(objects)
    before = verdicts(objects, ask)
    denied = [q for q in ask if before[q][0] is Verdict.DENIED and q.source in arena.pods]
    assume(denied)
    wanted = draw.draw(st.sampled_from(denied), "wanted")
    fixes = fix_of(arena, wanted)
    event(f"fixable {bool(fixes.policies)}")
    if not fixes.policies:
        assert all(u.reason for u in fixes.unfixable)
        assert fixes.unfixable
        return
    after = verdicts([*objects, *fixes.policies], ask)
    assert after[wanted][0] is Verdict.ALLOWED
    assert closed(before, after) == []
    assert all(v is not Verdict.UNKNOWN for answers in after.values() for v in answers)
    if not fixes.notes:  # otherwise it says whom else its selectors reach
        asked_for = (wanted.source, wanted.target, wanted.protocol, wanted.port)
        assert [q for q in opened(before, after) if (q.source, q.target, q.protocol, q.port) != asked_for] == []


@given(rollouts(), st.data())
def test_a_fix_for_a_workload_whose_pods_differ_closes_nothing_and_opens_only_that_workload(
    objects: list[Raw], draw: st.DataObject
) -> None:
    world = world_of(objects)
    ends = [w for w in world.workloads.every() if not w.template.pod_class.host_network]
    assume(ends)
    source, target = draw.draw(st.sampled_from(ends), "source"), draw.draw(st.sampled_from(ends), "target")
    number, protocol = draw.draw(st.sampled_from((80, 81, 8080))), draw.draw(st.sampled_from(("TCP", "UDP", "SCTP")))
    text = f"{target.ref.kind.lower()}/{target.ref.name}.{target.ref.namespace}:{number}/{protocol}"
    found = explain(world, source, text)
    event(f"{found.verdict} to {target.ref.kind}")
    assume(found.verdict in (Verdict.DENIED, Verdict.PARTIAL))
    fixes = fix(world, [structs.replace(source, connects_to=(Declaration(text, "metadata"),))])
    event(f"fixable {bool(fixes.policies)} to {target.ref.kind}")
    if not fixes.policies:
        assert fixes.unfixable
        return
    after = world_of([*objects, *fixes.policies])
    assert explain(after, source, text).verdict not in (Verdict.DENIED, Verdict.PARTIAL)
    ask = [q for q in questions(objects) if q.source != q.target]
    before, then = verdicts(objects, ask), verdicts([*objects, *fixes.policies], ask)
    assert closed(before, then) == []
    if not fixes.notes:
        sources, targets = ({f"{p.namespace}/{p.name}" for p in world.pods.of(end.ref)} for end in (source, target))
        fits = [q for q in before if q.source in sources and q.target in targets]
        assert [q for q in opened(before, then) if q not in fits or (q.protocol, q.port) != (protocol, number)] == []


def test_a_fix_never_closes_the_pods_of_a_rollout_that_no_policy_isolates() -> None:
    """What the law above found, as small as it gets: the policy selects the new pod only, the fix by `own` both."""
    objects = [namespace("x"), pod("x/client", 1, {"app": "client"}, []), pod("x/other", 2, {"app": "other"}, [])]
    for number, extra in ((3, {}), (4, {"app": "new"})):
        raw = pod(f"x/w-h{number}-p", number, {"own": "w", "pod-template-hash": f"h{number}", **extra}, [])
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"w-h{number}", "uid": "u", "controller": True}
        raw["metadata"]["ownerReferences"] = [owner]
        objects.append(raw)
    objects.append(policy("x/new", podSelector={"matchLabels": {"app": "new"}}, policyTypes=["Ingress"]))
    world = world_of(objects)
    client = workload_at(world, "Pod", "x", "client")
    fixes = fix(world, [structs.replace(client, connects_to=(Declaration("deploy/w:80", "metadata"),))])
    ask = [q for q in questions(objects) if q.source == "x/other"]
    assert closed(verdicts(objects, ask), verdicts([*objects, *fixes.policies], ask)) == []


def fix_of(arena: Arena, question: Question) -> Fixes:
    """Fix the world in which the source declares that it needs this."""
    source = arena.pods[question.source]
    declaring = deepcopy(source)
    declaring["metadata"]["annotations"] = {CONNECTS_TO: dialled(arena.pods, question)}
    world = world_of(replaced(arena.objects, source, declaring))
    return fix(world, [value_of(declaring).bare])


KEYS: Final = st.sampled_from("ab")
ASKS: Final = st.builds(
    Requirement,
    KEYS,
    st.sampled_from([Operator.IN, Operator.NOT_IN, Operator.CONTAINS]),
    st.frozensets(st.sampled_from("12"), min_size=1),
)
LABELLED: Final = st.builds(Labels, st.dictionaries(KEYS, st.sampled_from("123"), min_size=1))


@given(
    st.lists(st.builds(AskedLabels, st.lists(ASKS, max_size=3)) | st.just(EVERY_LABEL), max_size=3), LABELLED, LABELLED
)
@example([AskedLabels([Requirement("a", Operator.IN, frozenset("1"))])], Labels({"a": "1"}), Labels({"a": "2"}))
def test_what_several_ask_for_tells_those_apart_whom_one_of_them_does(
    every: list[AskedLabels], one: Labels, other: Labels
) -> None:
    joined = AskedLabels(joined=every)
    assert (joined.of(one) == joined.of(other)) == all(asked.of(one) == asked.of(other) for asked in every)
