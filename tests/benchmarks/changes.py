"""What a review of a policy costs in a cluster of 20,000 declared dependencies, by how many of them it touches.

Each hub is a namespace with one server and a policy that lets everybody in; the policy that is written lets in nobody,
or everybody as before. What is left out of a review, the writing of the answer, is the same however many are touched.
"""

import time
from collections.abc import Iterator
from datetime import date
from typing import Final

import msgspec

from tests.benchmarks.results import Result, timed
from tests.benchmarks.server import Fixed
from tests.benchmarks.synthetic import Raw
from webhook.families import project
from webhook.wiring.reviewer import Reviewer
from webhook.world import Put, World

SPACES: Final = 200
OF_EACH: Final = 20  # workloads of a namespace
ITEMS: Final = 5  # that each declares
DEPENDENCIES: Final = SPACES * OF_EACH * ITEMS
HUBS: Final = (0, 10, 100, 1_000)  # dependencies on the server of each
ROUNDS: Final = 30
FIXED_MS: Final = 5.0
EACH_US: Final = 30.0
_STEPS: Final = 100_000_000  # a measurement has the time that it takes
_TODAY: Final = date(2026, 11, 20)


def objects() -> Iterator[Raw]:
    """Yield the cluster: namespaces, workloads with a pod each, Services and policies."""
    callers = [hub for hub, count in enumerate(HUBS) for _ in range(count)]
    for hub in range(len(HUBS)):
        yield _namespace(f"hub-{hub}")
        yield from _server(f"hub-{hub}", 0, [], 10_000 + hub)
        yield _policy(f"hub-{hub}", [{"from": [{"namespaceSelector": {}}]}])
    for space in range(SPACES):
        name = f"shop-{space:03}"
        yield _namespace(name)
        yield _policy(name, [{"from": [{"namespaceSelector": {}}]}])
        for index in range(OF_EACH):
            number = space * OF_EACH + index
            others = [f"app-{(index + 1 + n) % OF_EACH:02}.shop-{(space + n) % SPACES:03}:8080" for n in range(ITEMS)]
            if number < len(callers):
                others[-1] = f"app-00.hub-{callers[number]}:8080"
            yield from _server(name, index, others, number)


def _namespace(name: str) -> Raw:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
    }


def _server(space: str, index: int, to: list[str], number: int) -> Iterator[Raw]:
    name = f"app-{index:02}"
    labels = {"app": name, "tier": "back"}
    container = {"name": "main", "image": "i", "ports": [{"name": "http", "containerPort": 8080}]}
    yield {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": space,
            "annotations": {"netpol-preflight.io/connects-to": ", ".join(to)},
        },
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
    yield {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-5d8f7c9b6d-x",
            "namespace": space,
            "labels": {**labels, "pod-template-hash": "5d8f7c9b6d"},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": f"{name}-5d8f7c9b6d",
                    "uid": "u",
                    "controller": True,
                }
            ],
        },
        "spec": {"containers": [container]},
        "status": {"phase": "Running", "podIP": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"},
    }
    spec = {"selector": {"app": name}, "ports": [{"port": 8080}]}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": space}, "spec": spec}


def _policy(space: str, ingress: list[Raw]) -> Raw:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "gate", "namespace": space},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": ingress},
    }


def body(hub: int, *, closing: bool) -> bytes:
    """Return what the API server asks where the policy of a hub is written, which cuts all of its clients or nobody."""
    old = _policy(f"hub-{hub}", [{"from": [{"namespaceSelector": {}}]}])
    more = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "nobody"}}}
    new = _policy(f"hub-{hub}", [{"from": [more]}] if closing else [{"from": [{"namespaceSelector": {}}, more]}])
    request = {
        "uid": "u-1",
        "kind": {"group": "networking.k8s.io", "version": "v1", "kind": "NetworkPolicy"},
        "operation": "UPDATE",
        "namespace": f"hub-{hub}",
        "name": "gate",
        "object": new,
        "oldObject": old,
    }
    return msgspec.json.encode({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})


def world() -> World:
    """Return the cluster as a world."""
    made = World(complete=True)
    made.apply(Put(value) for raw in objects() if (value := project(raw)) is not None)
    return made


def measure() -> list[Result]:
    """Measure reviews that touch more and more dependencies, and what each more of them costs."""
    reviewer = Reviewer(Fixed(world()), lambda: _TODAY, steps=_STEPS)
    rows: list[Result] = []
    medians: dict[int, float] = {}
    kinds = [(hub, closing, body(hub, closing=closing)) for hub in range(len(HUBS)) for closing in (False, True)]
    turns: dict[tuple[int, bool], list[float]] = {}
    for _ in range(ROUNDS):  # in turns, so that what else runs on the machine disturbs all of them
        for hub, closing, asked in kinds:
            turns.setdefault((hub, closing), []).append(_seconds(reviewer, asked))
    for hub, count in enumerate(HUBS):
        for closing in (False, True):
            found = turns[hub, closing]
            row = timed(
                f"changes: {count} of {DEPENDENCIES:,} touched, {'all' if closing else 'none'} cut", "ms", found, 1e3
            )
            rows.append(row)
            if not closing:
                medians[count] = row.p50
    most = max(HUBS)
    each = (medians[most] - medians[0]) / most * 1e3
    rows[0].target, rows[0].met = f"<= {FIXED_MS:g} ms", medians[0] <= FIXED_MS
    slope = Result(name="changes: each dependency that is touched", unit="us", p50=each, p99=each, n=most)
    slope.target, slope.met = f"<= {EACH_US:g} us", each <= EACH_US
    return [*rows, slope]


def _seconds(reviewer: Reviewer, asked: bytes) -> float:
    """Return processor time, which other programs on the machine disturb least."""
    started = time.process_time()
    reviewer.review(asked, timeout=None)
    return time.process_time() - started
