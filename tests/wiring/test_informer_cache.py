"""What the API server says becomes the world: in batches, the last word of an object counts, reviews come between."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable

import pytest
from prometheus_client import CollectorRegistry

from tests.support.informing import named
from tests.support.watching import PODS, foreign, run
from webhook.cluster.kinds import DISCOVERY, Collection, Kind, Phase, Raw, Standing
from webhook.families import project
from webhook.model.hints import CUTS
from webhook.model.labels import Labels
from webhook.model.objects import PodClass
from webhook.model.policy import Direction
from webhook.model.refs import WorkloadRef
from webhook.model.settings import CONNECTS_TO, DEFAULTS
from webhook.wire.objects import Projected
from webhook.wiring.cluster_source import Gauges
from webhook.wiring.informer_cache import BATCH_SECONDS, InformerCache
from webhook.world import Change, Put, World

HERE = Collection(PODS)
MANY = 30_000  # events: many pieces on a fast machine too


def mirror() -> InformerCache:
    return InformerCache(World(DEFAULTS, complete=True))


def names(it: InformerCache) -> list[str]:
    return sorted(pod.name for group in it.world.pods.groups("ns") for pod in group.pods)


def told(scenario: Callable[[InformerCache], Coroutine[object, object, None]]) -> InformerCache:
    it = mirror()
    run(scenario(it))
    return it


def listed(it: InformerCache, *raws: Raw, where: Collection = HERE) -> None:
    it.begin(where)
    it.take(where, list(raws), 0)
    it.end(where)


async def settled(it: InformerCache) -> None:
    while it._pending:  # noqa: SLF001, ASYNC110 - what waits is nobody else's business, and tells nobody
        await asyncio.sleep(BATCH_SECONDS)


def test_events_wait_for_each_other_and_reach_the_world_at_once() -> None:
    async def scenario(it: InformerCache) -> None:
        for name in "abc":
            it.event(HERE, "ADDED", named(name))
        assert names(it) == []
        await settled(it)
        assert names(it) == ["a", "b", "c"]

    told(scenario)


def test_the_last_word_of_an_object_counts() -> None:
    async def scenario(it: InformerCache) -> None:
        it.event(HERE, "ADDED", named("a"))
        it.event(HERE, "ADDED", named("b", app="old"))
        it.event(HERE, "DELETED", named("a"))
        it.event(HERE, "DELETED", named("c"))
        it.event(HERE, "ADDED", named("c"))
        it.event(HERE, "MODIFIED", named("b", app="new"))
        await settled(it)
        assert names(it) == ["b", "c"]
        (b,) = [pod for group in it.world.pods.groups("ns") for pod in group.pods if pod.name == "b"]
        assert b.pod_class.labels.as_dict() == {"app": "new"}
        assert it.objects() == {"Pod": 2}

    told(scenario)


def test_what_cannot_be_read_any_more_is_gone() -> None:
    async def scenario(it: InformerCache) -> None:
        listed(it, named("a"), named("b"))
        it.event(HERE, "MODIFIED", {**named("a"), "status": {"podIPs": "nonsense"}})
        await settled(it)
        assert names(it) == ["b"]

    told(scenario)


def test_what_a_new_list_does_not_have_is_gone_and_what_it_has_stays() -> None:
    async def scenario(it: InformerCache) -> None:
        listed(it, named("a"), named("b"))
        it.event(HERE, "ADDED", named("c"))
        listed(it, named("b"), named("d"))
        await settled(it)
        assert names(it) == ["b", "d"]
        assert it.objects() == {"Pod": 2}

    told(scenario)


def test_half_a_list_takes_nothing_away() -> None:
    async def scenario(it: InformerCache) -> None:
        listed(it, named("a"), named("b"))
        it.begin(HERE)
        it.take(HERE, [named("c")], 1)
        await settled(it)
        assert names(it) == ["a", "b", "c"]
        listed(it, named("c"))
        await settled(it)
        assert names(it) == ["c"]

    told(scenario)


def test_a_list_of_one_namespace_takes_nothing_from_another() -> None:
    async def scenario(it: InformerCache) -> None:
        listed(it, named("a"), where=Collection(PODS, "ns"))
        listed(it, where=Collection(PODS, "other"))
        await settled(it)
        assert names(it) == ["a"]
        listed(it, where=Collection(PODS, "ns"))
        await settled(it)
        assert names(it) == []

    told(scenario)


def test_a_kind_that_is_not_there_any_more_takes_its_objects_with_it() -> None:
    async def scenario(it: InformerCache) -> None:
        listed(it, named("a"))
        it.forget(HERE)
        await settled(it)
        assert names(it) == []

    told(scenario)


def test_reviews_come_between_the_pieces_of_a_great_batch() -> None:
    async def scenario(it: InformerCache) -> None:
        some = [WorkloadRef("Pod", "ns", f"p{number}") for number in range(0, MANY, MANY // 30)]
        seen: list[int] = []
        for number in range(MANY):
            it.event(HERE, "ADDED", named(f"p{number}"))
        while not seen or seen[-1] < len(some):
            seen.append(sum(bool(it.world.pods.of(ref)) for ref in some))
            await asyncio.sleep(0)
        assert len({count for count in seen if 0 < count < len(some)}) > 3

    told(scenario)


def test_of_many_changes_of_one_object_the_last_alone_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(it: InformerCache) -> None:
        read: list[str] = []

        def reading(raw: Raw) -> Projected | None:
            read.append(raw["metadata"]["labels"]["app"])
            return project(raw)

        monkeypatch.setattr("webhook.wiring.informer_cache.project", reading)
        for number in range(50):
            it.event(HERE, "MODIFIED", named("a", app=f"v{number}"))
        await settled(it)
        assert read == ["v49"]

    told(scenario)


def test_a_change_that_takes_long_to_read_is_followed_by_a_rest_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(it: InformerCache) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        calls: list[float] = []

        def call_at(when: float, callback: object) -> object:
            calls.append(when - now)
            return callback

        monkeypatch.setattr(loop, "time", lambda: now)
        monkeypatch.setattr(loop, "call_at", call_at)

        def reading(raw: Raw) -> Projected | None:
            nonlocal now
            now += 0.5
            return project(raw)

        monkeypatch.setattr("webhook.wiring.informer_cache.project", reading)
        for name in ("a", "b"):
            it.event(HERE, "ADDED", named(name))
        it._work()  # noqa: SLF001 - what the timer calls
        it._work()  # noqa: SLF001
        it.event(HERE, "ADDED", named("c"))
        assert [round(one, 3) for one in calls] == [BATCH_SECONDS, 0.5, 0.5]
        it.flush()

    told(scenario)


class Brittle(World):
    """A world that cannot take one pod."""

    def apply(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if isinstance(change, Put) and getattr(change.value, "name", "") == "odd":
                raise RuntimeError("it does not fit")
            super().apply((change,))


def test_our_own_mistake_with_one_object_is_told_and_the_others_are_followed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        it = InformerCache(Brittle(DEFAULTS, complete=True))
        listed(it, named("a"), named("odd"), named("b"))
        assert names(it) == ["a", "b"]
        for name in ("c", "odd", "d"):
            it.event(HERE, "ADDED", named(name))
        await settled(it)
        assert names(it) == ["a", "b", "c", "d"]
        assert it.spoiled == "internal error with Pod ns/odd"

    run(scenario())
    assert "RuntimeError: it does not fit" in caplog.text


CILIUM = Kind("cilium.io/v2", "CiliumNetworkPolicy", "ciliumnetworkpolicies")
CALICO = Kind("projectcalico.org/v3", "NetworkPolicy", "networkpolicies")
OURS = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")


def doubted(it: InformerCache) -> str:
    found = it.world.policies.unevaluated(PodClass("ns", Labels({"app": "web"})), Direction.INGRESS)
    return found.reason if found else ""


def policy(kind: Kind, name: str) -> Raw:
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": {"name": name, "namespace": "ns"}}


def test_a_policy_of_another_family_is_in_the_world_until_its_family_is_not_served_any_more() -> None:
    async def scenario(it: InformerCache) -> None:
        listed(it, policy(OURS, "same"), where=Collection(OURS))
        listed(it, policy(CALICO, "same"), where=Collection(CALICO))
        assert foreign(it.world, "ns") == ["same"]
        it.event(Collection(CALICO), "DELETED", policy(CALICO, "same"))
        await settled(it)
        assert foreign(it.world, "ns") == []
        it.event(Collection(CALICO), "ADDED", policy(CALICO, "other"))
        await settled(it)
        assert foreign(it.world, "ns") == ["other"]
        it.forget(Collection(CALICO))
        await settled(it)
        assert foreign(it.world, "ns") == []
        assert [ref.name for ref in it.world.policies.named("ns")] == ["same"]

    told(scenario)


def test_a_family_that_is_not_listed_is_a_gap_until_it_is() -> None:
    async def scenario(it: InformerCache) -> None:
        where = Collection(CILIUM)
        it.moved(Standing(where))
        assert doubted(it).startswith("CiliumNetworkPolicy.cilium.io may not be read (not yet listed)")
        it.moved(Standing(where, Phase.FORBIDDEN, "HTTP 403: no"))
        assert "(HTTP 403: no)" in doubted(it)
        it.moved(Standing(where, Phase.LIVE))
        assert doubted(it) == ""
        it.moved(Standing(where, Phase.BEHIND, "cut"))
        assert doubted(it) == ""
        it.moved(Standing(Collection(PODS), Phase.FORBIDDEN, "HTTP 403: no"))
        assert doubted(it) == ""  # no policy: the source has no world without them
        it.moved(Standing(where, Phase.FORBIDDEN, "HTTP 403: no"))
        it.forget(where)
        assert doubted(it) == ""

    told(scenario)


def test_of_two_namespaces_both_have_to_be_listed() -> None:
    async def scenario(it: InformerCache) -> None:
        for namespace, phase in (("a", Phase.LIVE), ("b", Phase.FORBIDDEN)):
            it.moved(Standing(Collection(CILIUM, namespace), phase))
        assert doubted(it)
        it.moved(Standing(Collection(CILIUM, "b"), Phase.LIVE))
        assert doubted(it) == ""

    told(scenario)


def test_where_nobody_says_which_families_are_served_any_may_be() -> None:
    async def scenario(it: InformerCache) -> None:
        where = Collection(DISCOVERY)
        it.moved(Standing(where, Phase.FORBIDDEN, "HTTP 403: no"))
        assert "(HTTP 403: no)" in doubted(it)
        it.moved(Standing(where, Phase.LIVE))
        assert doubted(it) == ""

    told(scenario)


def test_what_was_too_long_to_be_read_whole_is_counted_by_what_it_was() -> None:
    maps = Collection(Kind("v1", "ConfigMap", "configmaps"))
    long = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "ns", "name": "a"}}
    bare = named("a")
    bare["metadata"]["annotations"] = {CONNECTS_TO: "x:80," * 20_000}
    it = mirror()
    listed(it, {**long, "data": {"a.conf": "url: http://db:80\n" * 20_000}}, where=maps)
    listed(it, bare, named("b"))
    registry = CollectorRegistry()
    registry.register(Gauges(lambda: (), lambda: 0.0, it))
    found = {what: registry.get_sample_value("netpol_preflight_watch_cuts_total", {"what": what}) for what in CUTS}
    assert found == {"annotation": 1, "config-map": 1, "container": 0}
