"""What the API server says becomes the world: in batches, the last word of an object counts, reviews come between."""

import asyncio
from collections.abc import Callable, Coroutine

from tests.fakes import pod
from tests.watching import PODS, run
from webhook.cluster.kinds import Collection, Raw
from webhook.model.settings import DEFAULTS
from webhook.wiring.mirror import BATCH_SECONDS, Mirror
from webhook.world import World

HERE = Collection(PODS)


def named(name: str, version: str = "1", **labels: str) -> Raw:
    return {"apiVersion": "v1", "kind": "Pod", **pod(name, version, **labels)}


def mirror() -> Mirror:
    return Mirror(World(DEFAULTS, complete=True))


def names(it: Mirror) -> list[str]:
    return sorted(pod.name for group in it.world.groups("ns") for pod in group.pods)


def told(scenario: Callable[[Mirror], Coroutine[object, object, None]]) -> Mirror:
    it = mirror()
    run(scenario(it))
    return it


def listed(it: Mirror, *raws: Raw, where: Collection = HERE) -> None:
    it.begin(where)
    it.take(where, list(raws), 0)
    it.end(where)


async def settled() -> None:
    await asyncio.sleep(3 * BATCH_SECONDS)


def test_events_wait_for_each_other_and_reach_the_world_at_once() -> None:
    async def scenario(it: Mirror) -> None:
        for name in "abc":
            it.event(HERE, "ADDED", named(name))
        assert names(it) == []
        await settled()
        assert names(it) == ["a", "b", "c"]

    told(scenario)


def test_the_last_word_of_an_object_counts() -> None:
    async def scenario(it: Mirror) -> None:
        it.event(HERE, "ADDED", named("a"))
        it.event(HERE, "ADDED", named("b", app="old"))
        it.event(HERE, "DELETED", named("a"))
        it.event(HERE, "DELETED", named("c"))
        it.event(HERE, "ADDED", named("c"))
        it.event(HERE, "MODIFIED", named("b", app="new"))
        await settled()
        assert names(it) == ["b", "c"]
        (b,) = [pod for group in it.world.groups("ns") for pod in group.pods if pod.name == "b"]
        assert b.shape.labels.as_dict() == {"app": "new"}
        assert it.objects() == {"Pod": 2}

    told(scenario)


def test_what_cannot_be_read_any_more_is_gone() -> None:
    async def scenario(it: Mirror) -> None:
        listed(it, named("a"), named("b"))
        it.event(HERE, "MODIFIED", {**named("a"), "status": {"podIPs": "nonsense"}})
        await settled()
        assert names(it) == ["b"]

    told(scenario)


def test_what_a_new_list_does_not_have_is_gone_and_what_it_has_stays() -> None:
    async def scenario(it: Mirror) -> None:
        listed(it, named("a"), named("b"))
        it.event(HERE, "ADDED", named("c"))
        listed(it, named("b"), named("d"))
        await settled()
        assert names(it) == ["b", "d"]
        assert it.objects() == {"Pod": 2}

    told(scenario)


def test_half_a_list_takes_nothing_away() -> None:
    async def scenario(it: Mirror) -> None:
        listed(it, named("a"), named("b"))
        it.begin(HERE)
        it.take(HERE, [named("c")], 1)
        await settled()
        assert names(it) == ["a", "b", "c"]
        listed(it, named("c"))
        await settled()
        assert names(it) == ["c"]

    told(scenario)


def test_a_list_of_one_namespace_takes_nothing_from_another() -> None:
    async def scenario(it: Mirror) -> None:
        listed(it, named("a"), where=Collection(PODS, "ns"))
        listed(it, where=Collection(PODS, "other"))
        await settled()
        assert names(it) == ["a"]
        listed(it, where=Collection(PODS, "ns"))
        await settled()
        assert names(it) == []

    told(scenario)


def test_a_kind_that_is_not_there_any_more_takes_its_objects_with_it() -> None:
    async def scenario(it: Mirror) -> None:
        listed(it, named("a"))
        it.forget(HERE)
        await settled()
        assert names(it) == []

    told(scenario)


def test_reviews_come_between_the_pieces_of_a_great_batch() -> None:
    async def scenario(it: Mirror) -> None:
        seen: list[int] = []

        async def look() -> None:
            while not seen or seen[-1] < 5_000:
                seen.append(it.world.has_namespace("ns") * len(list(it.world.groups("ns"))))
                await asyncio.sleep(0)

        for number in range(5_000):
            it.event(HERE, "ADDED", named(f"p{number}"))
        await look()
        assert len([count for count in set(seen) if 0 < count < 5_000]) > 3

    told(scenario)
