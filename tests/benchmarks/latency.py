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
from tests.benchmarks.synthetic import Sizes, namespace_name
from tests.benchmarks.world import Built, build, encoded
from webhook.families import project
from webhook.model.objects import Workload
from webhook.review.workload import review_workload
from webhook.wire.admission import admission_request
from webhook.wiring.reviewer import Reviewer
from webhook.world import Overlay, Put

SECONDS: Final = 2.0  # of each measure
_SEEN: Final = 64  # bodies that come again
_ROUNDS: Final = 1_000  # more than there is time for
_UNSEEN: Final = 1_000
_EVENTS: Final = 50
T = TypeVar("T")
Whole = Callable[[bytes], object]


def measure(sizes: Sizes) -> list[Result]:
    """Build the world, then measure reviews of each case: seen before, never seen, and after something changed."""
    texts = encoded(sizes)
    before = memory_of("self")
    built = build(texts)
    gc.collect()
    rows = [*_world(built, memory_of("self") - before)]
    reviewer = Reviewer(Fixed(built.world), lambda: datetime.now(UTC).date())

    def whole(body: bytes) -> object:
        return reviewer.review(body, timeout=None)

    for case in CASES:
        some = bodies(case, sizes, _SEEN)
        for body in some:
            whole(body)
        rows.append(_row(f"bytes to bytes, {case}", whole, some * _ROUNDS))
        rows.append(_row(f"review_workload, {case}", _reviewed(built), [_workload(body) for body in some] * _ROUNDS))
    rows += [_row(f"bytes to bytes, {case}, never seen before", whole, _unseen(case, sizes)) for case in CASES]
    return [*rows, *_events(built, whole, texts, sizes)]


def _reviewed(built: Built) -> Callable[[Workload], object]:
    return lambda workload: review_workload(Overlay(built.world, [workload]), workload)


def _workload(body: bytes) -> Workload:
    workload = admission_request(body).workload
    assert workload is not None
    return workload


def _unseen(case: str, sizes: Sizes) -> list[bytes]:
    return [msgspec.json.encode(review(case, sizes, number, version=f"v{number}")) for number in range(_UNSEEN)]


def _row(name: str, do: Callable[[T], object], pieces: Iterable[T]) -> Result:
    """Do one piece after the other, until there are no more or the time is over."""
    found: list[float] = []
    cpu, end = time.process_time(), time.perf_counter() + SECONDS
    for piece in pieces:
        found.append(_seconds(do, piece))
        if time.perf_counter() > end:
            break
    row = timed(f"latency: {name}", "ms", found, 1e3)
    row.cpu_ms = (time.process_time() - cpu) / len(found) * 1e3
    return row


def _seconds(do: Callable[[T], object], piece: T) -> float:
    started = time.perf_counter()
    do(piece)
    return time.perf_counter() - started


def _world(built: Built, memory: float) -> Iterable[Result]:
    yield timed(f"world: reading {built.objects} objects", "s", [built.reading], 1)
    yield timed("world: applying them", "s", [built.applying], 1)
    yield timed("world: memory of both", "MiB", [memory], 1)


def _events(built: Built, whole: Whole, texts: list[bytes], sizes: Sizes) -> Iterable[Result]:
    """Apply a pod again, or a policy, of the namespace that is reviewed: what a change makes the next answer cost."""
    (body,) = bodies("allowed", sizes, 1)
    raws = [raw for raw in map(msgspec.json.decode, texts) if raw["metadata"].get("namespace") == namespace_name(0)]
    for kind in ("Pod", "NetworkPolicy"):
        values = [project(raw) for raw in raws if raw["kind"] == kind]
        changes = [Put(value) for value in values if value is not None] * _EVENTS
        applied, reviewed = [], []
        for change in changes[:_EVENTS]:
            applied.append(_seconds(built.world.apply, [change]))
            reviewed.append(_seconds(whole, body))
        yield timed(f"latency: one {kind} event", "ms", applied, 1e3)
        yield timed(f"latency: bytes to bytes, allowed, after a {kind} event", "ms", reviewed, 1e3)
