"""The benchmarks measure what they say they do. How fast it is is nobody's test."""

import json
from collections import Counter
from datetime import date

import pytest

from tests.benchmarks import changes
from tests.benchmarks.commands import DOCUMENTS, folder
from tests.benchmarks.requests import CASES, DEPENDENCIES, MARK, bodies, dependencies, marked
from tests.benchmarks.server import Fixed
from tests.benchmarks.synthetic import Sizes, objects
from tests.benchmarks.world import build, encoded
from webhook.wire.admission import admission_request
from webhook.wiring.reviewer import Reviewer

SMALL = Sizes(pods=700, policies=200, services=400)


@pytest.fixture(scope="module")
def reviewer() -> Reviewer:
    return Reviewer(Fixed(build(encoded(SMALL)).world), lambda: date(2026, 11, 1), processor=60)


@pytest.mark.parametrize("sizes", [SMALL, Sizes()])
def test_the_synthetic_cluster_has_the_sizes_that_were_asked_for(sizes: Sizes) -> None:
    kinds = Counter(raw["kind"] for raw in objects(sizes))
    assert (kinds["Pod"], kinds["NetworkPolicy"], kinds["Service"]) == (sizes.pods, sizes.policies, sizes.services)


def test_the_synthetic_cluster_is_the_same_every_time() -> None:
    assert list(objects(SMALL)) == list(objects(SMALL))


def test_no_two_objects_and_no_two_pods_addresses_are_the_same() -> None:
    every = list(objects(Sizes()))
    names = Counter((raw["kind"], raw["metadata"].get("namespace"), raw["metadata"]["name"]) for raw in every)
    addresses = Counter(raw["status"]["podIP"] for raw in every if raw["kind"] == "Pod")
    cluster = Counter(raw["spec"]["clusterIP"] for raw in every if raw["kind"] == "Service")
    del cluster["None"]
    assert {*names.values(), *addresses.values(), *cluster.values()} == {1}


@pytest.mark.parametrize("case", CASES)
def test_every_body_of_a_case_is_answered_as_the_case_is_called(case: str, reviewer: Reviewer) -> None:
    some = bodies(case, SMALL, 32) + [body.replace(MARK.encode(), b"00000001") for body in marked(case, SMALL)]
    assert {reviewer.review(body, timeout=None).outcome for body in some} == {CASES[case]}
    assert len(set(some)) == len(some)


def test_two_of_ten_dependencies_are_denied_on_both_sides(reviewer: Reviewer) -> None:
    for body in bodies("two denied", SMALL, 16):
        message = json.loads(reviewer.review(body, timeout=None).body)["response"]["status"]["message"]
        sentences = Counter(line.split()[0] for line in message.splitlines() if line.startswith("NP"))
        assert sentences == {"NP101": 2, "NP102": 2}


def test_all_ten_dependencies_are_denied_on_each_side_that_has_one_and_the_fix_is_printed(reviewer: Reviewer) -> None:
    (body,) = bodies("denied", SMALL, 1)
    message = json.loads(reviewer.review(body, timeout=None).body)["response"]["status"]["message"]
    sentences = Counter(line.split()[0] for line in message.splitlines() if line.startswith("NP"))
    outside = 2  # an address and a block have no ingress side
    assert sentences == {"NP101": DEPENDENCIES, "NP102": DEPENDENCIES - outside}
    assert message.count("kind: NetworkPolicy") >= DEPENDENCIES - outside


def test_a_body_declares_ten_dependencies() -> None:
    workload = admission_request(bodies("allowed", SMALL, 1)[0]).workload
    assert workload is not None
    assert workload.connects_to[0].text.count(",") + 1 == DEPENDENCIES == len(set(dependencies(SMALL, 0)))


def test_check_is_measured_on_twenty_documents() -> None:
    assert len(folder()) == DOCUMENTS == 20


def test_a_change_of_policy_cuts_as_many_dependencies_as_it_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "SPACES", 8)
    monkeypatch.setattr(changes, "HUBS", (0, 10, 100))
    cluster = Reviewer(Fixed(changes.world()), lambda: date(2026, 11, 1), processor=60)
    for hub, count in enumerate(changes.HUBS):
        for closing in (False, True):
            answer = cluster.review(changes.body(hub, closing=closing), timeout=None)
            lines = json.loads(answer.body)["response"]["warnings"]
            more = next((int(line.split()[2]) for line in lines if line.startswith("netpol-preflight: and ")), 0)
            assert (len(lines) - bool(more) + more if lines else 0) == (count if closing else 0)
            assert answer.outcome == ("warned" if closing and count else "allowed")
