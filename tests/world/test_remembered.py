"""What a world remembers between two reviews is never stale: after any event it answers as one that was just built."""

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

import pytest

from tests.benchmarks.requests import review
from tests.benchmarks.synthetic import Sizes, objects
from tests.benchmarks.world import SETTINGS
from tests.support.reviewing import Fixed, reviewer
from webhook.families import project
from webhook.model.objects import Workload
from webhook.model.settings import Mode, Settings
from webhook.review.workload import review_workload
from webhook.wire.admission import admission_request
from webhook.world import Drop, Overlay, Put, World

Raw = dict[str, Any]
SIZES: Final = Sizes(pods=220, policies=60, services=80, apps=9)
EVENTS: Final = 30


def put(world: World, raw: Raw) -> None:
    value = project(raw)
    assert value is not None
    world.apply([Put(value)])


def built(raws: list[Raw]) -> World:
    world = World(SETTINGS, complete=True)
    for raw in raws:
        put(world, raw)
    return world


def workloads() -> Iterator[Workload]:
    for case in ("allowed", "denied"):
        for number in (0, 7):
            text = review(case, SIZES, number)
            found = admission_request(json.dumps(text).encode()).workload
            assert found is not None
            yield found


def changed(raw: Raw, rng: random.Random) -> Raw:
    """Return the object with one thing changed that a verdict may hang on."""
    new = deepcopy(raw)
    spec, labels = new.get("spec", {}), new["metadata"].setdefault("labels", {})
    match raw["kind"]:
        case "Pod":
            match rng.randrange(5):
                case 0:
                    labels["app"] = f"app-0{rng.randrange(9)}"
                case 1:
                    address = f"203.0.113.{rng.randrange(1, 250)}"
                    new["status"] |= {
                        "podIP": address,
                        "podIPs": [{"ip": address}, {"ip": f"fd00::{rng.randrange(9)}"}],
                    }
                case 2:
                    new["status"]["phase"] = "Succeeded"
                case 3:
                    spec["containers"][0]["ports"][0]["containerPort"] = rng.choice((8080, 8081))
                case _:
                    spec["hostNetwork"] = True
        case "NetworkPolicy":
            spec["podSelector"] = {"matchLabels": {"app": f"app-0{rng.randrange(9)}"}}
        case "Service":
            spec["selector"] = {"app": f"app-0{rng.randrange(9)}"}
        case "Namespace":
            labels["team"] = f"team-{rng.randrange(2)}"
        case "Node":
            spec["podCIDRs"] = [rng.choice(("198.51.100.0/25", "10.99.0.0/24", "fd00:1::/64"))]
        case _:
            new["metadata"]["ownerReferences"] = []
    return new


@pytest.mark.parametrize("seed", range(2))
def test_after_any_event_a_world_answers_as_one_just_built(seed: int) -> None:
    rng = random.Random(seed)
    raws = list(objects(SIZES))
    world, some = built(raws), list(workloads())
    answers = set()
    for _ in range(EVENTS):
        kind = rng.choice(("Pod", "Pod", "Pod", "NetworkPolicy", "Service", "Namespace", "Node", "ReplicaSet"))
        place = rng.choice([i for i, raw in enumerate(raws) if raw["kind"] == kind])
        old = raws[place]
        if rng.random() < 0.3 and kind != "Namespace":
            del raws[place]
            world.apply([Drop(kind, old["metadata"].get("namespace", ""), old["metadata"]["name"])])
        else:
            raws[place] = changed(old, rng)
            put(world, raws[place])
        fresh = built(raws)
        for workload in some:
            remembered = review_workload(Overlay(world, [workload]), workload)
            assert remembered == review_workload(Overlay(fresh, [workload]), workload)
            answers.add(repr(remembered))
    assert len(answers) > len(some)  # the events change answers, or nothing was asked


@pytest.mark.parametrize("seed", range(2))
def test_the_same_request_again_is_answered_as_if_nothing_was_remembered(seed: int) -> None:
    rng = random.Random(seed)
    raws = list(objects(SIZES))
    world = built(raws)
    remembering = reviewer(Fixed(world))
    answers = set()
    for number in range(EVENTS):
        if number % 3:  # between two events the same is asked more than once
            place = rng.choice([i for i, raw in enumerate(raws) if raw["kind"] in ("Pod", "NetworkPolicy", "Service")])
            raws[place] = changed(raws[place], rng)
            put(world, raws[place])
        for case in ("allowed", "denied"):
            raw = review(case, SIZES, rng.choice((0, 7)))
            raw["request"] |= {"uid": f"u-{number}", "dryRun": bool(number % 2)}
            body = json.dumps(raw).encode()
            answer = remembering.review(body, timeout=None)
            assert answer == reviewer(Fixed(world)).review(body, timeout=None)
            assert json.loads(answer.body)["response"]["uid"] == f"u-{number}"
            answers.add(answer.body.replace(f"u-{number}".encode(), b""))
    assert len(answers) > 4  # the events change answers, or nothing was asked


def test_settings_are_part_of_what_an_answer_rests_on() -> None:
    world = built(list(objects(SIZES)))
    body = json.dumps(review("denied", SIZES, 0)).encode()
    remembering = reviewer(Fixed(world))
    assert [remembering.review(body, timeout=None).outcome for _ in range(2)] == ["denied", "denied"]
    world.configure(Settings(mode=Mode.WARN))
    assert remembering.review(body, timeout=None).outcome == "warned"
