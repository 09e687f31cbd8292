"""What one object may cost who reads it: work that grows as it does and no faster, an end to what is kept of it."""

import asyncio
import functools
import tracemalloc
from collections.abc import Callable
from typing import Final

import pytest
from msgspec import structs

from tests import apps
from tests.support.counting import calls
from tests.support.heavy import EVERY, heavy
from tests.support.hostile_objects import Raw, config_map, doubling, told, urls
from tests.support.making import deployment, service
from webhook.cluster.kinds import KINDS, Collection, Kind
from webhook.dependencies import infer
from webhook.families import project
from webhook.families.calico import addresses, selector
from webhook.model import dialect, hints
from webhook.model.addresses import parse_address
from webhook.model.hints import ConfigMap, Hint, MapUse
from webhook.model.labels import Labels
from webhook.model.objects import PodClass, Workload
from webhook.model.policy import Direction
from webhook.model.settings import CONNECTS_TO, DEFAULTS, EXEMPT, Enforcer, Settings
from webhook.wire.arguments import MOST_PLACES
from webhook.wiring.informer_cache import InformerCache, Interning
from webhook.world import Put, World
from webhook.world.changes import Memo

MIB: Final = 1 << 20


def read(raw: Raw) -> Workload:
    value = project(raw)
    assert isinstance(value, Workload)
    return value


def config(data: dict[str, str]) -> ConfigMap:
    value = project(config_map(data))
    assert isinstance(value, ConfigMap)
    return value


def peak(action: Callable[[], object]) -> int:
    """Return how many bytes `action` holds at a time."""
    action()  # what is imported or remembered by the first time does not count
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# -- variables ---------------------------------------------------------------------------------------------------------


def test_variables_that_double_each_other_take_no_more_room_than_one_of_them_may() -> None:
    raw = told(doubling(40))
    assert peak(lambda: project(raw)) < MIB
    assert read(raw).cut == ("container",)


def test_a_value_is_expanded_to_32_kib_and_what_refers_to_a_longer_one_is_longer_still() -> None:
    url = "http://db:80/"
    for length, found in ((32_768, 1), (32_769, 0)):
        values = {"A": "x" * 1024, "PATH": "$(A)" * 31 + "x" * (length - 31 * 1024), "URL": url}
        raw = told(values, args=["$(PATH)", "$(MISSING)", "--url", url])
        assert (len(read(raw).cut) == 0) is bool(found)
        assert [hint.name for hint in read(raw).hints[0].given if isinstance(hint, Hint)] == list(values)
        assert [one.host for one in read(raw).hints[0].said] == ["db"]


def test_below_that_length_expansion_is_kubernetes_own() -> None:
    values = {"A": "db", "B": "$(A)", "C": "$$(A)", "D": "$(NO)", "E": "$(B", "URL": "http://$(B):80/$(C)$(D)$(E)$$"}
    (hints,) = read(told(values)).hints
    assert [one.mentions[0].host for one in hints.given if isinstance(one, Hint) and one.mentions] == ["db"]
    assert read(told(values)).cut == ()


def test_what_all_containers_are_told_is_read_to_one_length() -> None:
    word = {"name": "x", "args": ["word " * 3_000]}
    few, many = (told({}, *[{**word, "name": f"x{n}"} for n in range(count)]) for count in (50, 2_000))
    assert read(few).cut == read(many).cut == ("container",)
    assert calls(lambda: project(many)) < calls(lambda: project(few)) + 2_000 * 150  # of 3,000 words each


# -- ConfigMaps --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["", ".conf"])
def test_of_one_config_map_500_places_are_kept(ending: str) -> None:
    value = config({f"{key}{ending}": text.replace(",", "\n") for key, text in urls(40, 30).items()})
    assert sum(len(one.mentions) for one in value.entries) == MOST_PLACES
    assert value.cut == ("config-map",)


def test_ports_count_among_what_is_kept() -> None:
    numbers = {f"K{n}_PORT": "80" for n in range(300)}
    value = config({**numbers, **urls(30, 10)})
    assert sum(len(one.mentions) + (one.number is not None) for one in value.entries) == MOST_PLACES


def test_long_values_are_left_out_and_not_the_short_ones_behind_them() -> None:
    value = config({"a.json": "url: http://data:80\n" * 40_000, "z.conf": "url: http://db:80\n", "DB_HOST": "db"})
    assert [(one.name, one.mentions[0].host) for one in value.entries] == [("z.conf", "db"), ("DB_HOST", "db")]
    assert value.cut == ("config-map",)
    assert config({"z.conf": "url: http://db:80\n", "DB_HOST": "db"}).cut == ()


def test_a_config_map_that_is_used_often_is_asked_about_once() -> None:
    maps = config_map(urls(40, 12))
    found = []
    for uses in (1, 16):
        raw = told(envFrom=[{"configMapRef": {"name": "settings"}, "prefix": f"P{n}_"} for n in range(uses)])
        world = apps.world_of([raw, maps, service("other/h0-0", {"app": "x"}, [{"port": 80}])])
        (asked,) = world.workloads.every()
        found.append((calls(lambda: infer(world, asked)), [one.text for one in infer(world, asked)]))  # noqa: B023
    (once, one), (often, same) = found
    assert one == same == ["h0-0.other:80/TCP"]
    assert often < 2 * once


def test_a_volume_of_many_config_maps_that_is_mounted_often_is_used_so_often_and_no_more() -> None:
    sources = [{"configMap": {"name": f"m{n}"}} for n in range(2_000)]
    mounts = [{"name": "v", "mountPath": f"/{n}", "subPath": f"k{n}"} for n in range(2_000)]
    raw = deployment(
        "shop/web",
        containers=[{"name": "c", "volumeMounts": mounts}],
        volumes=[{"name": "v", "projected": {"sources": sources}}],
    )
    (hints,) = read(raw).hints
    assert len([one for one in hints.given if isinstance(one, MapUse)]) == 200
    assert read(raw).cut == ("container",)


# -- annotations -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "text", "kept"),
    [
        (CONNECTS_TO, "a:80,b:80", "a:80,b:80"),
        (CONNECTS_TO, "a:80\n" * 20_000, "a:80\n" * 13_107),
        (CONNECTS_TO, "a:80,bb:80," * 8_000, "a:80,bb:80," * 5_957 + "a:80,"),
        (CONNECTS_TO, "a:80\npg://u:pass,word" + "x" * 70_000 + "@b", "a:80\n"),
        (CONNECTS_TO, "a:80\nJDBC:x,word" + "x" * 70_000 + "@b", "a:80\n"),
        (CONNECTS_TO, "x" * 70_000, ""),
        (EXEMPT, "NP101 a: b\nNP101 c: d, " + "x" * 70_000, "NP101 a: b\n"),
    ],
)
def test_an_annotation_is_read_to_64_kib_and_never_to_the_middle_of_an_item(key: str, text: str, kept: str) -> None:
    value = read(deployment("shop/web", annotations={key: text}))
    (declared,) = (*value.connects_to, *value.exempt)
    assert declared.text == kept
    assert value.cut == (() if kept == text else ("annotation",))


# -- growth ------------------------------------------------------------------------------------------------------------

N: Final = 60
GROWING: Final[dict[str, Callable[[int], Raw]]] = {
    "variables": lambda n: told({f"A{i}_HOST": f"h{i}" for i in range(n)}),
    "references": lambda n: told({"A": "x" * 100, "B": "$(A)" * n}),
    "references to references": lambda n: told(doubling(n, 1)),
    "arguments": lambda n: told({}, args=[f"--a{i}=h{i}:80" for i in range(n)]),
    "a script's words": lambda n: told({}, command=["sh", "-c", "x h:80; " * n]),
    "containers": lambda n: told({}, *[{"name": f"c{i}", "args": [f"h{i}:80"]} for i in range(n)]),
    "mounts": lambda n: told({}, volumeMounts=[{"name": f"v{i}", "mountPath": "/"} for i in range(n)]),
    "keys": lambda n: config_map({f"K{i}_HOST": f"h{i}" for i in range(n)}),
    "hosts of a value": lambda n: config_map({"URL": ",".join(f"http://h{i}:80" for i in range(n))}),
    "lines": lambda n: config_map({"a.conf": "url: http://h:80\n" * n}),
    "hosts and ports apart": lambda n: config_map({"a.conf": "db_host: h\ndb_port: 80\n" * n}),
    "items": lambda n: deployment("shop/web", annotations={CONNECTS_TO: ",".join(f"h{i}:80" for i in range(n))}),
}


@pytest.mark.parametrize("what", GROWING)
def test_twice_as_much_is_read_in_twice_the_steps(what: str) -> None:
    small, great = (GROWING[what](n) for n in (N, 2 * N))
    project(small)  # names are remembered
    project(great)
    assert calls(lambda: project(great)) <= 2.2 * calls(lambda: project(small)) + 50


def test_a_name_that_no_key_may_have_says_nothing_and_is_not_remembered() -> None:
    values = {"A" * 300_000 + "_HOST": "db", "B_HOST": "db"}
    (hints,) = read(told(values)).hints
    assert [len(one.mentions) for one in hints.given if isinstance(one, Hint)] == [0, 1]
    assert peak(lambda: project(told(values))) < MIB


# -- every kind that is watched ----------------------------------------------------------------------------------------


def at_once(kind: str, n: int) -> Callable[[], None]:
    """Return what takes an object of a kind into a world, and its policies' pieces."""
    raw = heavy(*EVERY[kind], n)
    world = World(enforced_for(kind), complete=True)

    def take() -> None:
        value = project(raw)
        if value is not None:
            world.apply([Put(value)])
            world.policies.problems()

    return take


# A few thousand names, addresses and texts, none of them long, whosever they are.
REMEMBERED: Final = (hints._remembered, parse_address, dialect.seen, selector._remembered, addresses._read)  # noqa: SLF001


def enforced_for(kind: str) -> Settings:
    """Return settings by which policies of a kind count."""
    group = kind.partition(".")[2]
    word = next((word for word in ("cilium", "calico") if word in group), "kube-network-policies")
    return structs.replace(DEFAULTS, detect="", enforcer=Enforcer(word))


@pytest.mark.parametrize("kind", EVERY)
def test_an_object_twice_as_large_costs_twice_the_steps(kind: str) -> None:
    at_once(kind, 2 * N)()  # names and addresses are remembered
    small, great = (calls(at_once(kind, n)) for n in (N, 2 * N))
    assert great <= 2.2 * small + 50


def kept_after(kind: str, updates: int) -> int:
    """Return how many bytes are held once an object of a kind was changed so often, and deleted."""
    where = next((Collection(one) for one in KINDS if str(one) == kind), None)
    if where is None:
        version, word = EVERY[kind]
        where = Collection(Kind(version, word, word.lower()))

    async def scenario() -> int:
        mirror = InformerCache(World(enforced_for(kind), complete=True))
        mirror.event(where, "ADDED", heavy(*EVERY[kind], 1))
        mirror.flush()
        tracemalloc.start()
        try:
            for number in range(updates):
                mirror.event(where, "MODIFIED", heavy(*EVERY[kind], 40, f"u{number}x"))
                mirror.flush()
                mirror.world.policies.problems()
            mirror.event(where, "DELETED", heavy(*EVERY[kind], 1))
            mirror.flush()
            mirror.world.policies.problems()
            assert not any(mirror.objects().values())
            for remembered in REMEMBERED:
                remembered.cache_clear()
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    return asyncio.run(scenario())


@pytest.mark.parametrize("kind", EVERY)
def test_what_is_replaced_or_deleted_is_let_go(kind: str) -> None:
    few, many = kept_after(kind, 10), kept_after(kind, 40)
    assert many < few + 300_000  # of which one update takes some 20,000 to 100,000


def test_parts_that_nobody_has_are_let_go_while_others_come() -> None:
    sharing = Interning()
    project_of = functools.partial(heavy, "v1", "Namespace", 100)
    for number in range(60):
        value = project(project_of(f"u{number}x"))
        assert value is not None
        sharing.interned(value)
    assert sum(map(len, sharing._kept.values())) < 2_000  # noqa: SLF001 - what it is about: 18,000 were there


def test_templates_that_never_come_again_are_forgotten() -> None:
    world, kept = World(DEFAULTS, complete=True), Memo[PodClass, int](1_000)
    for number in range(400):
        pod_class = PodClass("ns", Labels({f"l{number}-{i}": "v" for i in range(1_000)}), template=True)
        world.policies.selecting(pod_class, Direction.EGRESS)
        world.memo(kept)[pod_class] = number
    assert len(world.memo(kept)) < 301


def test_a_config_map_of_the_greatest_size_leaves_nothing_behind_when_it_is_deleted() -> None:
    where = next(Collection(one) for one in KINDS if one.name == "ConfigMap")

    async def scenario() -> list[int]:
        mirror = InformerCache(World(DEFAULTS, complete=True))
        held = []
        for number in range(60):
            data = {f"K{number}-{key}": f"http://h{number}-{key}.x:80/" + "x" * 1_500 for key in range(500)}
            mirror.event(where, "MODIFIED", config_map(data))
            mirror.flush()
            if number in (0, 59):
                held.append(tracemalloc.get_traced_memory()[0])
            del data
        mirror.event(where, "DELETED", config_map({}))
        mirror.flush()
        return [*held, tracemalloc.get_traced_memory()[0]]

    hints._remembered.cache_clear()  # noqa: SLF001 - 4,096 short names, whosever they are
    tracemalloc.start()
    try:
        first, last, after = asyncio.run(scenario())
    finally:
        tracemalloc.stop()
    assert last < first + 2 * MIB
    assert after < 2 * MIB
