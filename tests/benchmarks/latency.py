"""Without HTTP, in this process: reviews one by one, what events cost, and the world's time and memory."""

import gc
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final, TypeVar

import msgspec

from tests.benchmarks.requests import CASES, bodies, review
from tests.benchmarks.results import Result, memory_of, timed
from tests.benchmarks.server import Fixed
from tests.benchmarks.synthetic import Sizes, objects
from tests.benchmarks.world import Built, build
from webhook.model.objects import Workload
from webhook.review import review_workload
from webhook.wire.admission import admission_request
from webhook.wire.objects import project
from webhook.wiring.reviewer import Reviewer
from webhook.world import Overlay, Put

SECONDS: Final = 2.0  # of each measure
_WARM: Final = 2  # times every body is reviewed before
_EVENTS: Final = 50
T = TypeVar("T")


def measure(sizes: Sizes) -> list[Result]:
    """Build the world, then measure reviews of each case: seen before, never seen, and after a policy changed."""
    before = memory_of("self")
    built = build(sizes)
    gc.collect()
    rows = [*_world(built, memory_of("self") - before)]
    reviewer = Reviewer(Fixed(built.world), lambda: datetime.now(UTC).date())

    def whole(body: bytes) -> object:
        return reviewer.review(body, timeout=None)

    for case in CASES:
        some = bodies(case, sizes)
        for body in some * _WARM:
            whole(body)
        rows.append(_row(f"bytes to bytes, {case}", whole, some))
        rows.append(_row(f"review_workload, {case}", _reviewed(built), [_workload(body) for body in some]))
    rows += [_row(f"bytes to bytes, {case}, never seen before", whole, _unseen(case, sizes)) for case in CASES]
    rows += _events(built, whole, sizes)
    return rows


def _reviewed(built: Built) -> Callable[[Workload], object]:
    return lambda workload: review_workload(Overlay(built.world, [workload]), workload)


def _workload(body: bytes) -> Workload:
    workload = admission_request(body).workload
    assert workload is not None
    return workload


def _unseen(case: str, sizes: Sizes) -> Iterable[bytes]:
    for number in range(1_000_000):
        yield msgspec.json.encode(review(case, sizes, number, version=f"v{number}"))


def _row(name: str, do: Callable[[T], object], pieces: Iterable[T]) -> Result:
    return timed(f"latency: {name}", "ms", _times(do, pieces), 1e3)


def _times(do: Callable[[T], object], pieces: Iterable[T]) -> list[float]:
    """Return how long each piece took; pieces come again until the time is over."""
    found: list[float] = []
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        for piece in pieces:
            started = time.perf_counter()
            do(piece)
            found.append(time.perf_counter() - started)
            if time.perf_counter() > end:
                break
    return found


def _world(built: Built, memory: float) -> Iterable[Result]:
    yield timed(f"world: reading {built.objects} objects", "s", [built.reading], 1)
    yield timed("world: applying them", "s", [built.applying], 1)
    yield timed("world: memory of both", "MiB", [memory], 1)


def _events(built: Built, whole: Callable[[bytes], object], sizes: Sizes) -> Iterable[Result]:
    """Apply a pod again, or a policy, and review: what a change makes the next answer cost."""
    raws = list(objects(sizes))
    (body,) = bodies("allowed", sizes, 1)
    for kind in ("Pod", "NetworkPolicy"):
        here = [raw for raw in raws if raw["kind"] == kind]
        changes = [Put(value) for raw in here[:: len(here) // _EVENTS] if (value := project(raw)) is not None]
        applied, reviewed = [], []
        for change in changes:
            applied += _times_once(lambda c: built.world.apply([c]), change)
            reviewed += _times_once(whole, body)
        yield timed(f"latency: one {kind} event", "ms", applied, 1e3)
        yield timed(f"latency: bytes to bytes, allowed, after a {kind} event", "ms", reviewed, 1e3)


def _times_once(do: Callable[[T], object], piece: T) -> list[float]:
    started = time.perf_counter()
    do(piece)
    return [time.perf_counter() - started]
