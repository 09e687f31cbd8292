"""A live world after any events equals a fresh one: whatever is watched, whatever was asked in between.

What a webhook remembers must follow from what is there. Here every kind that is watched comes, changes and goes, with
questions in between, so that everything that can be remembered is; then the answers are those of a world that was
just built. A kind that is watched and of which no object is in `tests/support/watched.py` fails.
"""

import json
from datetime import date
from itertools import product
from typing import Any, Final

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.support.arena import Raw
from tests.support.watched import BY_KIND, OBJECTS, WATCHED, Kind, kind_of, noted, workload
from webhook.evaluate import ends_of_pod, judge_outside, judge_pair
from webhook.families import project
from webhook.judge.workload import judge_declared
from webhook.matrix import matrix
from webhook.model.addresses import Protocol, parse_address
from webhook.model.settings import CONNECTS_TO, Enforcer, Mode, Settings
from webhook.review.decide import decide
from webhook.wire.admission import AdmissionRequest, admission_request
from webhook.world import Drop, Overlay, Put, View, World
from webhook.world.changes import Value, key_of

TODAY: Final = date(2026, 11, 20)
UNDER: Final = {
    "found out": Settings(mode=Mode.ENFORCE, detect="cluster"),
    **{name: Settings(mode=Mode.ENFORCE, enforcer=Enforcer(name)) for name in ("calico", "cilium", "ovn-kubernetes")},
    **{name: Settings(mode=Mode.ENFORCE, enforcer=Enforcer(name)) for name in ("aws", "antrea")},
}
VALUES: Final[tuple[tuple[Kind, Value], ...]] = tuple(
    (kind_of(raw), value) for raw in OBJECTS if (value := project(raw)) is not None
)
PORTS: Final[tuple[tuple[Protocol, int], ...]] = (("TCP", 80), ("UDP", 53))
OUTSIDE: Final = tuple(parse_address(text).block for text in ("203.0.113.9", "198.51.100.1"))


def asked(to: str, labels: Raw, namespace: str) -> AdmissionRequest:
    raw = noted(workload("Deployment", f"{namespace}/client", labels), **{CONNECTS_TO: to})
    request = {
        "uid": "u",
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "operation": "CREATE",
        "namespace": namespace,
        "name": "client",
        "object": raw,
    }
    body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return admission_request(json.dumps(body).encode())


REQUESTS: Final = (
    asked("s.y:80, listed.x:80, 203.0.113.9:443, kubernetes.default:443, outside.x:80", {"app": "client"}, "x"),
    asked("listed.x:80, api.y:80", {"app": "a"}, "y"),
    asked("deploy/s.y:80, db.y:80, 10.0.0.1:80, 10.96.0.10:53/UDP, s.y.svc:80, gone.x:80", {"app": "client"}, "x"),
)


def answers(view: View) -> dict[str, Any]:
    """Ask what users ask: reviews, every connection, and what passes between the pods that run."""
    pods = [pod for name in ("x", "y") for group in view.pods.groups(name) for pod in group.pods]
    ends = [ends_of_pod(pod) for pod in pods]
    return {
        "reviews": [decide(request, view, TODAY) for request in REQUESTS],
        "matrix": matrix(view, unknown=True),
        "pairs": [judge_pair(view, one, other, *port) for one, other, port in product(ends, ends, PORTS)],
        "outside": [judge_outside(view, one, block, "TCP", 443) for one, block in product(ends, OUTSIDE)],
        "problems": dict(view.policies.problems()),
        "inbound": {key_of(one): one for one in view.inbound.every()},
        "families": (view.families(), view.pod_blocks(4), view.pod_blocks(6)),
        "enforcer": view.enforcer,
    }


def remember(view: View) -> None:
    """Ask again what reviews ask, so that it is remembered."""
    for request in (*REQUESTS, *REQUESTS):
        if request.workload is not None:
            judge_declared(Overlay(view, [request.workload]), request.workload)


class Live:
    """A world that has heard events, and what is there after them."""

    def __init__(self, under: Settings, *, complete: bool = True) -> None:
        self.under, self.complete = under, complete
        self.world = World(under, complete=complete)
        self.here: dict[Drop, Value] = {}

    def hear(self, value: Value, *, gone: bool = False) -> None:
        key = key_of(value)
        self.here.pop(key, None)
        if not gone:
            self.here[key] = value
        self.world.apply([key if gone else Put(value)])

    def fresh(self) -> World:
        world = World(self.under, complete=self.complete)
        world.apply(map(Put, self.here.values()))
        return world


def test_every_kind_that_is_watched_has_objects_here() -> None:
    assert set(BY_KIND) == WATCHED


@given(
    st.sampled_from(sorted(UNDER)),
    st.booleans(),
    st.lists(st.sampled_from(VALUES), min_size=10, max_size=60),
    st.lists(st.tuples(st.sampled_from(VALUES), st.integers(0, 2)), min_size=3, max_size=8),
)
@settings(max_examples=max(10, settings().max_examples // 2))
def test_after_any_events_it_answers_as_a_fresh_one(
    under: str, complete: bool, first: list[tuple[Kind, Value]], then: list[tuple[tuple[Kind, Value], int]]
) -> None:
    live = Live(UNDER[under], complete=complete)
    for _, value in first:
        live.hear(value)
    answers(live.world)
    for (kind, value), gone in then:
        remember(live.world)
        live.hear(value, gone=gone == 0)
        event(f"{'gone' if gone == 0 else 'there'}: {kind[1]}")
        assert answers(live.world) == answers(live.fresh()), (kind, value, gone)


# By API group: whose policies these are. The rest is what every cluster has.
FAMILIES: Final = {
    "projectcalico.org": "calico",
    "crd.projectcalico.org": "calico",
    "cilium.io": "cilium",
    "policy.networking.k8s.io": "ovn-kubernetes",
    "k8s.ovn.org": "ovn-kubernetes",
    "crd.antrea.io": "antrea",
    "networking.gke.io": "gke-dataplane-v2",
    "networking.k8s.aws": "aws",
}
COMMON: Final = [(kind, value) for kind, value in VALUES if kind[0] not in FAMILIES]


AMONG_OTHERS: Final = ("", "Namespace"), ("", "Node"), ("", "ServiceAccount"), ("", "ConfigMap")


def heard_of(live: Live, some: list[tuple[Kind, Value]]) -> set[Kind]:
    """Let one object after the other go, and come back; return the kinds by which an answer has changed."""
    found: set[Kind] = set()
    before = answers(live.world)
    for kind, value in some:
        for gone in (True, False):
            remember(live.world)
            live.hear(value, gone=gone)
            after = answers(live.world)
            assert after == answers(live.fresh()), (kind, value, gone)
            if after != before:
                found.add(kind)
            before = after
    return found


@pytest.mark.parametrize("group", FAMILIES)
def test_each_object_of_a_family_comes_and_goes_and_is_heard_of(group: str) -> None:
    mine = [(kind, value) for kind, value in VALUES if kind[0] == group]
    live = Live(Settings(mode=Mode.ENFORCE, enforcer=Enforcer(FAMILIES[group])))
    for _, value in [*COMMON, *mine]:
        live.hear(value)
    others = [(kind, value) for kind, value in COMMON if kind in AMONG_OTHERS]
    assert {kind for kind, _ in mine} <= heard_of(live, [*mine, *others])


def test_each_object_that_every_cluster_has_comes_and_goes_and_is_heard_of() -> None:
    live = Live(Settings(mode=Mode.ENFORCE))
    for _, value in COMMON:
        live.hear(value)
    of_others = {("", "ServiceAccount"), ("", "ConfigMap"), ("apps", "DaemonSet")}
    assert heard_of(live, COMMON) >= {kind for kind, _ in COMMON} - of_others


def test_whoever_tells_who_enforces_comes_and_goes_and_is_heard_of() -> None:
    live = Live(UNDER["found out"])
    some = [(kind, value) for kind, value in VALUES if kind[0] == "cilium.io" or kind in AMONG_OTHERS]
    agents = [(kind, value) for kind, value in VALUES if kind == ("apps", "DaemonSet")]
    for _, value in [*COMMON, *some]:
        live.hear(value)
    assert ("apps", "DaemonSet") in heard_of(live, [*agents, *some])
