"""The synthetic cluster as a world, put there as the webhook does it: raw objects, read, applied."""

import time
from typing import Final

from msgspec import Struct

from tests.benchmarks.synthetic import Raw, Sizes, objects
from webhook.model.settings import Mode, Settings
from webhook.wire.objects import project
from webhook.world import Put, World

SETTINGS: Final = Settings(mode=Mode.ENFORCE)


class Built(Struct, frozen=True):
    """A world, and how long its parts took, in seconds."""

    world: World
    objects: int
    reading: float
    applying: float


def build(sizes: Sizes) -> Built:
    """Return the world of these sizes, a complete one, where a denial rejects."""
    raws: list[Raw] = list(objects(sizes))
    started = time.perf_counter()
    values = [value for value in map(project, raws) if value is not None]
    read = time.perf_counter()
    world = World(SETTINGS, complete=True)
    world.apply(map(Put, values))
    return Built(world, len(values), read - started, time.perf_counter() - read)
