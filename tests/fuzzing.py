"""A fuzzer for everything that comes from outside: changed by chance, it ends in a value or one clear error.

python -m tests.fuzzing [--seconds N | --rounds N] [--seed N] [--mib N] [TARGET ...]: rounds are what the suite runs,
seconds are for longer runs by hand. Each input has a time limit, and all of them together a limit on memory: a crash,
a hang, or memory that grows ends the run, and names the target, the seed and the round, which play it again.
"""

import argparse
import asyncio
import gzip
import io
import json
import random
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, cast

from tests.benchmarks.server import Fixed
from tests.support.bad_input import BASE, FULL, REVIEW, review_of, world_with
from tests.support.fuzzing_http import converse
from tests.support.patience import PATIENCE
from tests.support.snapshots import story, taken
from webhook import config
from webhook.cluster.client import Connection
from webhook.cluster.decoders import Decoders
from webhook.cluster.errors import UNREADABLE, ClusterError
from webhook.cluster.kinds import KINDS, Collection
from webhook.cluster.list_watch import Reading, events
from webhook.manifests import Document, read
from webhook.model.settings import CONNECTS_TO, EXEMPT, Mode, Settings
from webhook.wiring import cluster_snapshot, snapshot
from webhook.wiring.informer_cache import InformerCache
from webhook.wiring.reviewer import Reviewer
from webhook.world import World

Raw = dict[str, Any]
ENFORCE: Final = Settings(mode=Mode.ENFORCE)
TODAY: Final = date(2026, 11, 21)
POD_KIND: Final = next(kind for kind in KINDS if kind.name == "Pod")
POLICY_KIND: Final = next(kind for kind in KINDS if kind.name == "NetworkPolicy")
JUNK: Final = (
    None,
    True,
    False,
    0,
    -1,
    65536,
    10**300,
    0.5,
    "",
    "a",
    "None",
    "::/0",
    "10.0.0.0/99",
    "\x00\x1b[31m",
    "💥",
)
TEXTS: Final = (
    *(
        "db.data:5432",
        "postgres://u:p@db.data/x?y=z",
        "deploy/api:http",
        "[fd00::1]:53/UDP",
        "10.0.0.0/8:1",
        "*.x",
        "a.",
    ),
    *(
        "NP101: why",
        "NP102@db.data until=2027-01-01: soon",
        ",",
        "\n",
        "/",
        ":",
        "@",
        "[",
        "]",
        "%",
        "💥",
        "\x00",
        "  ",
    ),
)


# -- chance ------------------------------------------------------------------------------------------------------------


def junk(dice: random.Random, depth: int = 3) -> object:
    """Return any JSON value."""
    match dice.randrange(8 if depth else 5):
        case 5:
            return [junk(dice, depth - 1) for _ in range(dice.randrange(4))]
        case 6:
            return {dice.choice(("name", "key", "port", "", "\x00")): junk(dice, depth - 1)}
        case 7:
            return deep(dice.choice((10, 1_000, 100_000)))
        case _:
            return dice.choice(JUNK)


def deep(depth: int) -> object:
    """Return lists in lists."""
    value: object = 0
    for _ in range(min(depth, 900)):  # json.dumps itself goes no deeper; `bent` does
        value = [value]
    return value


def bent(dice: random.Random, value: object) -> object:
    """Return a copy of a JSON value, changed in a few places."""
    copy = json.loads(json.dumps(value))
    for _ in range(dice.randrange(1, 4)):
        place: Any = {"": copy}
        key: str | int = ""
        while isinstance(place[key], dict | list) and place[key] and dice.random() < 0.9:
            place = place[key]
            key = dice.choice(list(place) if isinstance(place, dict) else range(len(place)))
        if dice.random() < 0.2 and isinstance(place, dict) and key:
            del place[key]
        else:
            place[key] = junk(dice)
            copy = place[key] if key == "" else copy
    return copy


def broken(dice: random.Random, data: bytes) -> bytes:
    """Return bytes, changed in a few places."""
    for _ in range(dice.randrange(4)):
        at, size = dice.randrange(len(data) + 1), dice.choice((0, 1, 7, 300))
        match dice.randrange(4):
            case 0:
                data = data[:at] + dice.randbytes(size) + data[at + size :]
            case 1:
                data = data[:at]
            case 2:
                data = data[:at] + data[at : at + size] * dice.choice((2, 50)) + data[at:]
            case _:
                data = (
                    data[:at]
                    + dice.choice((b"[", b"{", b'"', b"\\", b"\n", b"\xff")) * dice.choice((1, 9_000))
                    + data[at:]
                )
    return data


# -- what is fuzzed ----------------------------------------------------------------------------------------------------

READY: Final = Reviewer(Fixed(world_with(*BASE)), lambda: TODAY)


def _reviewed(reviewer: Reviewer, body: bytes) -> None:
    answer = reviewer.review(body, timeout=None)
    if answer.status == 200:
        said = json.loads(answer.body)["response"]
        assert isinstance(said["allowed"], bool)
        assert said.get("auditAnnotations", {}).get("not-evaluated") != "internal error", body[:2_000]
    else:
        assert answer.status == 400, answer.status
        assert answer.body.decode().rstrip("\n").isprintable()


def bodies(dice: random.Random) -> None:
    """Review bodies: any bytes, any JSON in any place of a review."""
    kind = dice.choice(("Deployment", "CronJob", "Pod", "StatefulSet"))
    whole = REVIEW if dice.random() < 0.3 else json.dumps(bent(dice, review_of(FULL[kind], kind))).encode()
    _reviewed(READY, broken(dice, whole) if dice.random() < 0.5 else whole)


def annotations(dice: random.Random) -> None:
    """Any text in the annotations that are read."""
    written = ["".join(dice.choices(TEXTS, k=dice.choice((1, 3, 9, 2_000)))) for _ in range(2)]
    raw = json.loads(json.dumps(FULL["Deployment"]))
    raw["metadata"]["annotations"] = dict(zip((CONNECTS_TO, EXEMPT), written, strict=True))
    _reviewed(READY, json.dumps(review_of(raw)).encode())


def _policies() -> Iterator[Raw]:
    """Yield policies of every family: the suite's own manifests have some, and a few have a field of every sort."""
    yield from (raw for raw in FULL.values() if "olicy" in raw["kind"])
    for document in read([str(Path(__file__).parent / "scenarios")], io.BytesIO()):
        if isinstance(document, Document) and "olicy" in str(document.raw.get("kind")):
            yield dict(document.raw)


POLICIES: Final = tuple(_policies())
ENFORCERS: Final = ("generic", "calico", "cilium", "ovn-kubernetes", "aws")


def policies(dice: random.Random) -> None:
    """Policies of every family, bent, in a world that is judged."""
    mirror = InformerCache(World(config.settings("enforce", dice.choice(ENFORCERS)), complete=True))
    objects = [*BASE, *(cast("Raw", bent(dice, dice.choice(POLICIES))) for _ in range(3))]
    _put(mirror, objects)
    assert not mirror.spoiled, mirror.spoiled
    _reviewed(Reviewer(Fixed(mirror.world), lambda: TODAY), REVIEW)


def _put(mirror: InformerCache, objects: list[Raw]) -> None:
    where = Collection(POLICY_KIND)
    mirror.begin(where)
    mirror.take(where, list(filter(_shaped, objects)), 0)
    mirror.end(where)


def _shaped(raw: object) -> bool:
    """Say whether it is what the decoders of a list let through."""
    return isinstance(raw, dict) and isinstance(raw.get("metadata"), dict)


def streams(dice: random.Random) -> None:
    """A watch's answer, bent and broken, in chunks of any size; what can be read of it goes into a world."""
    lines = [
        {"type": dice.choice(("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR")), "object": FULL["Pod"]}
        for _ in range(3)
    ]
    written = [json.dumps(bent(dice, one) if dice.random() < 0.5 else one) for one in lines]
    data = broken(dice, "".join(f"{line}\n" for line in written).encode())
    asyncio.run(_followed(_chunks(dice, data)))


async def _followed(chunks: AsyncIterator[bytes]) -> None:
    where = Collection(POD_KIND)
    mirror = InformerCache(World(ENFORCE, complete=True))
    unasked = cast("Connection", None)  # nothing is asked of the server while a stream is read
    with suppress(ClusterError):
        async for event in events(chunks, Reading.of(unasked, where, bare=False)):
            if event.type is not None:
                mirror.event(where, event.type, event.raw)
    mirror.flush()
    assert not mirror.spoiled, mirror.spoiled


async def _chunks(dice: random.Random, data: bytes) -> AsyncIterator[bytes]:
    while data:
        size = dice.choice((1, 7, 100, 65_536)) if len(data) < 10_000 else 65_536
        yield data[:size]
        data = data[size:]


def pages(dice: random.Random) -> None:
    """A page of a list, into a world."""
    kind = dice.choice(KINDS)
    plain = FULL.get(kind.name) or {"metadata": FULL["Pod"]["metadata"]}  # of some kinds only that is read
    items = [bent(dice, plain) if dice.random() < 0.7 else plain for _ in range(3)]
    whole = {"metadata": {"resourceVersion": "1", "continue": "x"}, "items": items}
    data = json.dumps(bent(dice, whole) if dice.random() < 0.3 else whole).encode()
    mirror = InformerCache(World(ENFORCE, complete=True))
    where = Collection(kind)
    with suppress(*UNREADABLE):
        page = Decoders(kind).page(broken(dice, data) if dice.random() < 0.3 else data)
        mirror.begin(where)
        mirror.take(where, page.items or [], 0)
    mirror.flush()
    assert not mirror.spoiled, mirror.spoiled


TAKEN: Final = gzip.decompress(snapshot.pack(taken(story(), when=datetime(2026, 11, 21, tzinfo=UTC))))


def snapshots(dice: random.Random) -> None:
    """A snapshot's file, packed or not, broken inside or outside."""
    inside = json.dumps(bent(dice, json.loads(TAKEN))).encode() if dice.random() < 0.5 else broken(dice, TAKEN)
    data = inside if dice.random() < 0.2 else gzip.compress(inside, 1)
    with suppress(snapshot.NotASnapshot):
        cluster_snapshot.contents(snapshot.unpack(io.BytesIO(broken(dice, data) if dice.random() < 0.3 else data)))


def requests(dice: random.Random) -> None:
    """Heads and bodies on a connection."""
    converse(dice, READY, broken)


TARGETS: Final[dict[str, Callable[[random.Random], None]]] = {
    "bodies": bodies,
    "annotations": annotations,
    "policies": policies,
    "streams": streams,
    "pages": pages,
    "snapshots": snapshots,
    "requests": requests,
}


# -- the run -----------------------------------------------------------------------------------------------------------


def _rounds(rounds: int, seconds: float) -> Iterator[int]:
    if seconds:
        began, number = time.monotonic(), 0
        while time.monotonic() - began < seconds:
            yield number
            number += 1
    else:
        yield from range(rounds)


def _limit(mib: int) -> None:
    """Let this process have so much more memory than it has, and no more."""
    size = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (mib << 20), resource.RLIM_INFINITY))


def _hangs(_number: int, _frame: object) -> None:
    raise TimeoutError(f"one input took more than {PATIENCE:g} s")


def main(arguments: list[str]) -> int:
    """Fuzz; 0 where nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"default: all of {', '.join(TARGETS)}")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=0.0, help="of each target, instead of rounds")
    parser.add_argument("--seed", type=int, default=20_261_121)
    parser.add_argument("--mib", type=int, default=192, help="memory beyond what the program has when it begins")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGALRM, _hangs)
    if sys.platform == "linux":
        _limit(given.mib)
    for name in given.targets or TARGETS:
        number = 0
        for number in _rounds(given.rounds, given.seconds):
            signal.setitimer(signal.ITIMER_REAL, PATIENCE)
            try:
                TARGETS[name](random.Random(f"{given.seed}-{number}"))
            except BaseException:
                print(f"{name}: seed {given.seed}, round {number}", flush=True)  # noqa: T201 - to be played again
                raise
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(f"{name}: {number + 1} inputs, nothing found, {peak} MiB at most", flush=True)  # noqa: T201 - the result
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
