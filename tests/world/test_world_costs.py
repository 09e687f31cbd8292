"""What an event costs, counted in calls, which are the same on every machine: it touches only what it changes."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.benchmarks.requests import bodies
from tests.benchmarks.synthetic import Sizes, objects
from tests.benchmarks.world import SETTINGS
from tests.support.counting import calls
from tests.support.making import deployment
from webhook.families import project
from webhook.model.settings import CONNECTS_TO
from webhook.review.workload import review_workload
from webhook.wire.admission import admission_request
from webhook.world import Drop, Put, World

SMALL = Sizes(pods=240, policies=40, services=120)
GREAT = Sizes(pods=240, policies=1_200, services=120)
Raw = dict[str, Any]


def judged(sizes: Sizes) -> tuple[World, Raw]:
    """Return a world that has answered reviews, and one of its pods."""
    raws = list(objects(sizes))
    world = World(SETTINGS, complete=True)
    world.apply(Put(value) for raw in raws if (value := project(raw)) is not None)
    for body in bodies("denied", sizes, 2):
        workload = admission_request(body).workload
        assert workload is not None
        review_workload(world, workload)
    return world, next(raw for raw in raws if raw["kind"] == "Pod")


def status(raw: Raw) -> Raw:
    """Return what most events tell: nothing that policy can see."""
    return {**raw, "status": {**raw["status"], "conditions": [{"type": "Ready", "status": "False"}]}}


def moved(raw: Raw) -> Raw:
    new = deepcopy(raw)
    new["status"] |= {"podIP": "203.0.113.9", "podIPs": [{"ip": "203.0.113.9"}]}
    return new


def relabelled(raw: Raw) -> Raw:
    new = deepcopy(raw)
    new["metadata"]["labels"]["app"] = "another"
    return new


def cost(sizes: Sizes, change: Callable[[Raw], Raw] | None) -> int:
    world, raw = judged(sizes)
    if change is None:
        metadata = raw["metadata"]
        return calls(lambda: world.apply([Drop("Pod", metadata["namespace"], metadata["name"])]))
    value = project(change(raw))
    assert value is not None
    return calls(lambda: world.apply([Put(value)]))


@pytest.mark.parametrize("change", [status, moved, relabelled, None])
def test_an_event_of_a_pod_costs_the_same_whatever_policies_there_are(change: Callable[[Raw], Raw] | None) -> None:
    assert len([raw for raw in objects(GREAT) if raw["kind"] == "NetworkPolicy"]) == GREAT.policies
    few, many = cost(SMALL, change), cost(GREAT, change)
    assert few == many
    assert few < 200


def test_an_event_that_tells_nothing_new_changes_no_version() -> None:
    world, raw = judged(SMALL)
    before = world.version
    for change, grows in ((status, 0), (moved, 1), (moved, 0), (relabelled, 1)):
        value = project(change(raw))
        assert value is not None
        world.apply([Put(value)])
        assert world.version == before + grows
        before = world.version


def test_what_declarations_mention_is_put_and_dropped_in_steps_of_their_own() -> None:
    def put_and_drop(clients: int, items: int) -> int:
        world = World(SETTINGS, complete=True)
        notes = {CONNECTS_TO: "\n".join(f"postgres.other:{n + 1}" if n % 2 else f"n{n}.other:80" for n in range(items))}
        values = [project(deployment(f"shop/c{n}", annotations=notes)) for n in range(clients)]
        puts = [Put(value) for value in values if value is not None]
        drops = [Drop("Deployment", "shop", f"c{n}") for n in range(clients)]
        found = calls(lambda: world.apply([*puts, *puts, *drops]))
        assert not world.workloads.mentioning([("other", "postgres")])
        return found

    base, more_clients, more_items = put_and_drop(30, 75), put_and_drop(60, 75), put_and_drop(30, 150)
    assert max(more_clients, more_items) <= 2.1 * base
