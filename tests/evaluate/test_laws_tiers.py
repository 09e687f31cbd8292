"""Laws of cluster-wide policies, one test each: what must hold in every world, whatever the verdicts are."""

from copy import deepcopy
from typing import Any

from hypothesis import assume, event, given
from hypothesis import strategies as st

from tests.support.arena import Arena, Raw, world_of
from tests.support.changed_worlds import dialled, on_host, workload_at
from tests.support.worlds import Question, Unsettled, questions, unsettled, worlds
from tests.support.worlds_tiers import NEW, OLD, made, packets, rule, tiered_worlds, tiers_of, wide, wide_policies
from webhook.judge import explain
from webhook.model.answers import Verdict, together

SAMPLES = 60  # packets asked of each world, out of some hundreds
Asked = list[Question]
Verdicts = dict[Question, tuple[Verdict, Verdict, Verdict]]


@st.composite
def asked(draw: st.DrawFn, drawn: st.SearchStrategy[list[Raw]]) -> tuple[list[Raw], Asked]:
    """Draw a world and packets to ask it about."""
    world = draw(drawn)
    every = packets(world)
    step = max(1, len(every) // SAMPLES)
    return world, every[draw(st.integers(0, step - 1)) :: step]


def verdicts(objects: list[Raw], ask: Asked) -> Verdicts:
    arena = Arena(objects)
    return {q: arena.evaluate(*q) for q in ask}


def others(objects: list[Raw]) -> list[Raw]:
    wide_ones = tiers_of(objects)
    return [o for o in objects if o not in wide_ones]


def tier_of(policy: Raw) -> str:
    return next((tier for tier, kind in OLD.items() if kind == policy["kind"]), "") or policy["spec"]["tier"]


@given(asked(worlds()), st.data())
def test_a_cluster_wide_policy_that_selects_nobody_changes_no_verdict(
    given_world: tuple[list[Raw], Asked], draw: st.DataObject
) -> None:
    objects, ask = given_world
    drawn = draw.draw(wide_policies(objects, "idle"))
    drawn["spec"]["subject"] = {"namespaces": {"matchLabels": {"nobody": "here"}}}
    assert verdicts(objects, ask) == verdicts([*objects, drawn], ask)


@given(asked(tiered_worlds()), st.data())
def test_a_cluster_wide_policy_without_rules_isolates_nobody(
    given_world: tuple[list[Raw], Asked], draw: st.DataObject
) -> None:
    objects, ask = given_world
    drawn = draw.draw(wide_policies(objects, "idle"))
    assume((drawn["kind"], drawn["metadata"]["name"]) not in [(o["kind"], o["metadata"]["name"]) for o in objects])
    drawn["spec"] = {key: value for key, value in drawn["spec"].items() if key not in ("ingress", "egress")}
    assert verdicts(objects, ask) == verdicts([*objects, drawn], ask)


@given(asked(tiered_worlds()), st.sampled_from(("ingress", "egress")), st.booleans())
def test_an_admin_that_passes_on_everything_last_is_no_admin(
    given_world: tuple[list[Raw], Asked], side: str, old: bool
) -> None:
    objects, ask = given_world
    assume(all((o["kind"] in OLD.values()) is old for o in tiers_of(objects) if tier_of(o) == "Admin"))
    passing = made("last", "Admin", 1000, old=old, **rule(side, "Pass", old=old))
    assert verdicts(objects, ask) == verdicts([*objects, passing], ask)


@given(asked(tiered_worlds()))
def test_an_admin_tier_that_only_passes_is_as_none(given_world: tuple[list[Raw], Asked]) -> None:
    objects, ask = given_world
    passing = deepcopy(objects)
    for policy in tiers_of(passing):
        for one in [*policy["spec"].get("ingress", ()), *policy["spec"].get("egress", ())]:
            if tier_of(policy) == "Admin":
                one["action"] = "Pass"
                one["from" if "from" in one else "to"] = [p for p in one.get("from", one.get("to")) if p] or [NOBODY]
    without = [o for o in passing if o not in tiers_of(passing) or tier_of(o) != "Admin"]
    event(f"admins {len(objects) > len(without)}")
    assert verdicts(without, ask) == verdicts(passing, ask)


NOBODY: Raw = {"namespaces": {"matchLabels": {"nobody": "here"}}}


@given(asked(tiered_worlds()), st.data())
def test_the_order_of_objects_of_peers_and_of_ports_changes_no_verdict(
    given_world: tuple[list[Raw], Asked], draw: st.DataObject
) -> None:
    objects, ask = given_world
    other = deepcopy(draw.draw(st.permutations(objects)))
    for policy in tiers_of(other):
        for one in [*policy["spec"].get("ingress", ()), *policy["spec"].get("egress", ())]:
            for key in ("from", "to", "ports", "protocols"):
                one.get(key, []).reverse()
    assert verdicts(objects, ask) == verdicts(other, ask)


@given(asked(tiered_worlds()), st.data())
def test_a_policy_and_its_rules_at_priorities_in_turn_are_one(
    given_world: tuple[list[Raw], Asked], draw: st.DataObject
) -> None:
    objects, ask = given_world
    fit = [o for o in tiers_of(objects) if "priority" in o["spec"]]
    assume(fit)
    old = draw.draw(st.sampled_from(fit), "policy")
    tier, kind = tier_of(old), old["kind"]
    same = [o for o in fit if (o["kind"], tier_of(o)) == (kind, tier) and o is not old]
    assume(all(o["spec"]["priority"] != old["spec"]["priority"] for o in same))
    parts = []
    for side in ("ingress", "egress"):
        for index, one in enumerate(old["spec"].get(side, ())):
            spec = {key: value for key, value in old["spec"].items() if key not in ("ingress", "egress", "priority")}
            parts.append(
                wide(kind, f"{side}{index}", **spec, priority=old["spec"]["priority"] + index, **{side: [one]})
            )
    event(f"parts {len(parts)}")
    assert verdicts(objects, ask) == verdicts([*(o for o in objects if o is not old), *parts], ask)


@given(asked(tiered_worlds()))
def test_both_apis_say_the_same(given_world: tuple[list[Raw], Asked]) -> None:
    objects, ask = given_world
    old = [o for o in tiers_of(objects) if o["kind"] in OLD.values()]
    assume(old)
    before, after = [*others(objects), *old], [*others(objects), *map(translated, old)]
    assert verdicts(before, ask) == verdicts(after, ask)


def translated(policy: Raw) -> Raw:
    """Return a policy of v1alpha1 as one of v1alpha2."""
    spec: Raw = {"tier": tier_of(policy), "priority": 0, **deepcopy(policy["spec"])}
    for one in [*spec.get("ingress", ()), *spec.get("egress", ())]:
        one["action"] = one["action"].replace("Allow", "Accept")
        if "ports" in one:
            one["protocols"] = [protocol(entry) for entry in one.pop("ports")]
    return wide(NEW, f"{policy['kind']}-{policy['metadata']['name']}".lower(), **spec)


def protocol(entry: Raw) -> dict[str, Any]:
    if "namedPort" in entry:
        return {"destinationNamedPort": entry["namedPort"]}
    (inner,) = entry.values()
    port = {"number": inner["port"]} if "port" in inner else {"range": {"start": inner["start"], "end": inner["end"]}}
    return {inner.get("protocol", "TCP").lower(): {"destinationPort": port}}


# -- what is not known ------------------------------------------------------------------------------------------------


@st.composite
def unsettled_tiers(draw: st.DrawFn) -> Unsettled:
    """Draw a world with things still open, and cluster-wide policies in it however it turns out."""
    drawn = draw(unsettled())
    cast = [o for o in drawn.outcomes[0] if o["kind"] in ("Namespace", "Pod")]
    added = [draw(wide_policies(cast, f"w{n}")) for n in range(draw(st.integers(1, 3)))]
    unique = list({(o["kind"], o["metadata"]["name"]): o for o in added}.values())
    return Unsettled([*drawn.objects, *unique], [[*objects, *unique] for objects in drawn.outcomes])


@given(unsettled_tiers(), st.booleans(), st.data())
def test_a_sure_answer_holds_however_the_unknown_turns_out_among_tiers(
    drawn: Unsettled, dials: bool, draw: st.DataObject
) -> None:
    world = world_of(drawn.objects)
    outcomes = [Arena(objects) for objects in drawn.outcomes]
    fit = [q for q in questions(drawn.objects) if q.source == q.target and not on_host(outcomes[0].pods[q.target])]
    assume(fit)
    for question in draw.draw(st.lists(st.sampled_from(fit), min_size=1, max_size=10, unique=True), "asked"):
        asking = question._replace(source="x/w-h1") if dials else question._replace(target="x/w-h1")
        if dials:
            source = workload_at(world, "Deployment", "x", "w")
            found = explain(world, source, dialled(outcomes[0].pods, asking)).verdict
            packets_asked = [asking]
        else:
            source = workload_at(world, "Pod", *asking.source.split("/"))
            found = explain(world, source, f"deploy/w.x:{asking.port}/{asking.protocol}").verdict
            families = [6 if ":" in ip["ip"] else 4 for ip in outcomes[0].pods[asking.source]["status"]["podIPs"]]
            packets_asked = [asking._replace(family=family) for family in families]
        truth = {together(map(told, [a.judge_tiers(*p)[0] for p in packets_asked])) for a in outcomes}
        event(f"{found}, outcomes {sorted(truth)}")
        assert found is Verdict.UNKNOWN or truth == {found}, (asking, found, truth)


def told(passes: bool | None) -> Verdict:
    return Verdict.UNKNOWN if passes is None else Verdict.ALLOWED if passes else Verdict.DENIED
