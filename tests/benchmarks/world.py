"""The synthetic cluster as a world, put there as the webhook does it: JSON, decoded, read, applied."""

import time
from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Struct

from tests.benchmarks.synthetic import Sizes, objects
from webhook.families import project
from webhook.model.settings import Mode, Settings
from webhook.world import Put, World

SETTINGS: Final = Settings(mode=Mode.ENFORCE)


class Built(Struct, frozen=True):
    """A world, and how long its parts took, in seconds. `reading`: from JSON to values."""

    world: World
    objects: int
    reading: float
    applying: float


def encoded(sizes: Sizes) -> list[bytes]:
    """Return every object of a synthetic cluster as JSON."""
    return [msgspec.json.encode(raw) for raw in objects(sizes)]


def build(texts: Iterable[bytes]) -> Built:
    """Return the world of these objects, a complete one, where a denial rejects."""
    started = time.perf_counter()
    values = [value for value in map(project, map(msgspec.json.decode, texts)) if value is not None]
    read = time.perf_counter()
    world = World(SETTINGS, complete=True)
    world.apply(map(Put, values))
    return Built(world, len(values), read - started, time.perf_counter() - read)
