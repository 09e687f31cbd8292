"""Whoever is not judged again after changes is judged as before: all that is watched comes, changes and goes."""

import random
from collections.abc import Iterable
from datetime import date
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.arena import Raw
from tests.support.watched import OBJECTS, Kind, kind_of, made, noted, owned, pod, service, workload
from webhook.families import project
from webhook.judge.workload import finished
from webhook.model.refs import WorkloadRef
from webhook.model.settings import CONNECTS_TO, Enforcer, Settings
from webhook.review.audit import Audited, audit_in_steps
from webhook.review.since import judged_again
from webhook.world import Put, World
from webhook.world.changes import Journal, Value, key_of

TODAY: Final = date(2026, 11, 20)
UNDER: Final = {
    "found out": Settings(detect="cluster"),
    **{name: Settings(enforcer=Enforcer(name)) for name in ("generic", "calico", "cilium", "ovn-kubernetes", "antrea")},
}
SAYS: Final = CONNECTS_TO.replace("-", "_").replace("/", "__")
CLIENTS: Final = (
    ("x/shop", {"app": "client"}, "s.y:80, db.y:80, new.y:80, one.x:80, 10.0.1.3:80"),
    ("y/back", {"app": "a", "tier": "web"}, "listed.x:80, sts/db:80, back.x:80, https://outside.x"),
    ("y/web", {"app": "b"}, "deploy/web.x:80, 10.0.0.0/16:80, s:80"),
)
WALLS: Final = tuple(
    made(
        "networking.k8s.io/v1", "NetworkPolicy", f"{space}/wall-{side}", spec={"podSelector": {}, "policyTypes": [side]}
    )
    for space in ("x", "y")
    for side in ("Ingress", "Egress")
)
MORE: Final[tuple[Raw, ...]] = (
    *(noted(workload("Deployment", name, labels), **{SAYS: text}) for name, labels, text in CLIENTS),
    *(
        owned(pod(f"{name}-0", f"10.0.3.{number}", labels), "ReplicaSet", f"{name[2:]}-5d9f8c7b6")
        for number, (name, labels, _) in enumerate(CLIENTS)
    ),
    service("y/db", {"app": "b"}),
    service("x/back", None, externalName="s.y.svc.cluster.local", type="ExternalName"),
    *WALLS,
)
VALUES: Final[tuple[tuple[Kind, Value], ...]] = tuple(
    (kind_of(raw), value) for raw in (*OBJECTS, *MORE, *MORE) if (value := project(raw)) is not None
)
EVENTS: Final = 200
Picture = dict[WorkloadRef, Audited]


def picture(world: World) -> Picture:
    """Judge everybody."""
    every = [one for one in world.workloads.every() if one.owner is None]
    reviewed = {one.ref for one in every}
    return {one.ref: finished(audit_in_steps(world, one, TODAY, reviewed)) for one in every}


def heard(world: World, value: Value, *, gone: bool) -> frozenset[WorkloadRef] | None:
    """Let the world hear of one object; return who has to be judged again."""
    context = world.compile_context
    world.apply([key_of(value) if gone else Put(value)])
    assert world.journal is not None
    return judged_again(world, world.journal.take(), context)


def filled(under: str, values: Iterable[Value]) -> World:
    world = World(UNDER[under], complete=True)
    world.apply(map(Put, values))
    world.journal = Journal()
    return world


def differing(old: Picture, new: Picture) -> set[WorkloadRef]:
    return {ref for ref in old.keys() | new.keys() if old.get(ref) != new.get(ref)}


@pytest.mark.parametrize("under", sorted(UNDER))
def test_nobody_is_judged_otherwise_who_is_not_judged_again(under: str) -> None:
    rng = random.Random(under)
    world = filled(under, (value for _, value in rng.sample(VALUES, len(VALUES))))
    before, different, spared = picture(world), 0, 0
    for _ in range(EVENTS):
        kind, value = rng.choice(VALUES)
        gone = rng.random() < 0.4
        again = heard(world, value, gone=gone)
        after = picture(world)
        if again is not None:
            other = differing(before, after)
            assert other <= again, (kind, value, gone)
            different, spared = different + bool(other), spared + bool(after.keys() - again)
        before = after
    assert different, "the events change answers, or nothing was asked"
    assert spared >= EVENTS // 5, "not everybody is judged again"


@given(
    st.sampled_from(sorted(UNDER)),
    st.lists(st.sampled_from(VALUES), min_size=30, max_size=120),
    st.lists(st.tuples(st.sampled_from(VALUES), st.integers(0, 2)), min_size=2, max_size=6),
)
@settings(max_examples=max(20, settings().max_examples // 2))
def test_several_changes_at_once_are_as_one_after_the_other(
    under: str, first: list[tuple[Kind, Value]], then: list[tuple[tuple[Kind, Value], int]]
) -> None:
    world = filled(under, (value for _, value in first))
    before, context = picture(world), world.compile_context
    for (_, value), gone in then:
        world.apply([key_of(value) if gone == 0 else Put(value)])
    assert world.journal is not None
    again = judged_again(world, world.journal.take(), context)
    if again is not None:
        assert differing(before, picture(world)) <= again
