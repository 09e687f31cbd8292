"""Policy families come and go with their CRDs: found, watched, let go, and named where they cannot be read."""

from pathlib import Path

import pytest

from tests.support.fakes import Answer, RecordingSink, ScriptedApi, event, groups, page, pod, resources, status, stream
from tests.support.informing import CILIUM
from tests.support.watching import PODS, run, watched
from webhook.cluster.kinds import DISCOVERY, Kind, Listing, Live, Phase

CALICO = Kind("projectcalico.org/v3", "GlobalNetworkPolicy", "globalnetworkpolicies", namespaced=False)
STORED = Kind("crd.projectcalico.org/v1", "GlobalNetworkPolicy", "globalnetworkpolicies", namespaced=False)
ADMIN = Kind("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", "adminnetworkpolicies", namespaced=False)
CLUSTER = Kind("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", "clusternetworkpolicies", namespaced=False)
FAMILIES = tuple((kind.group, kind.name) for kind in (CILIUM, CALICO, STORED, ADMIN, CLUSTER))


def serve(api: ScriptedApi, *kinds: Kind) -> None:
    """Let the API server serve these kinds of policies and no others."""
    versions = dict.fromkeys(kind.api_version for kind in kinds)
    api.always("/apis", groups("apps/v1", *versions))
    for version in versions:
        api.always(f"/apis/{version}", resources(*(kind for kind in kinds if kind.api_version == version)))


def found(sink: RecordingSink) -> set[str]:
    return set(sink.world) - {"Pod"}


def test_a_family_that_is_served_is_watched_in_the_version_that_has_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        def prepare(api: ScriptedApi) -> None:
            serve(api, CILIUM, CLUSTER, ADMIN)
            api.lists(ADMIN, page(pod("deny")))

        async with watched(tmp_path, families=FAMILIES, prepare=prepare) as it:
            await it.synced()
            await it.until(lambda: found(it.sink) == {CILIUM.name, ADMIN.name, CLUSTER.name})
            assert set(it.sink.world[ADMIN.name]) == {"deny"}
            assert it.sink.world[ADMIN.name]["deny"]["apiVersion"] == ADMIN.api_version
            assert {one.kind for one in it.watcher.standings} == {PODS, DISCOVERY, CILIUM, ADMIN, CLUSTER}

    run(scenario())


def test_a_family_that_is_installed_later_is_picked_up_and_one_that_is_removed_let_go(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with watched(tmp_path, families=FAMILIES) as it:
            await it.synced()
            assert found(it.sink) == set()
            it.api.lists(CILIUM, page(pod("a")))
            it.api.watches(CILIUM, stream(event("ADDED", pod("b", "2"))))
            serve(it.api, CILIUM)
            await it.until(lambda: set(it.sink.world.get(CILIUM.name, ())) == {"a", "b"})
            serve(it.api)
            await it.until(lambda: ("forget", CILIUM.name) in it.sink.calls)
            assert found(it.sink) == set()
            await it.until(lambda: it.api.open_watches == 1)
            assert isinstance(it.watcher.state, Live)
            serve(it.api, CILIUM)
            await it.until(lambda: CILIUM.name in it.sink.world)

    run(scenario())


def test_a_family_in_a_new_version_is_read_anew(tmp_path: Path) -> None:
    async def scenario() -> None:
        newer = Kind("cilium.io/v3", CILIUM.name, CILIUM.plural)

        def prepare(api: ScriptedApi) -> None:
            serve(api, CILIUM)
            api.lists(CILIUM, page(pod("old")))
            api.lists(newer, page(pod("new")))

        async with watched(tmp_path, families=FAMILIES, prepare=prepare) as it:
            await it.until(lambda: set(it.sink.world.get(CILIUM.name, ())) == {"old"})
            serve(it.api, newer)
            await it.until(lambda: set(it.sink.world.get(CILIUM.name, ())) == {"new"})

    run(scenario())


def test_a_kind_that_is_served_twice_under_two_groups_is_read_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with watched(tmp_path, families=FAMILIES, prepare=lambda api: serve(api, STORED, CALICO)) as it:
            await it.until(lambda: found(it.sink) == {CALICO.name})
            assert {one.kind for one in it.watcher.standings} == {PODS, DISCOVERY, CALICO}

    run(scenario())


def test_a_family_that_may_not_be_read_is_named_and_holds_nothing_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        def prepare(api: ScriptedApi) -> None:
            serve(api, CILIUM)
            api.always(CILIUM.path, status(403, "not for you"))

        async with watched(tmp_path, families=FAMILIES, prepare=prepare) as it:
            await it.synced()
            await it.until(lambda: (CILIUM.name, Phase.FORBIDDEN) in it.sink.phases)
            assert it.sink.phases.index((CILIUM.name, Phase.WAITING)) < it.sink.phases.index(
                (CILIUM.name, Phase.FORBIDDEN)
            )
            state = it.watcher.state
            assert isinstance(state, Live)
            assert [(one.kind, one.reason) for one in state.unknown] == [(CILIUM, "HTTP 403: not for you")]

    run(scenario())


@pytest.mark.parametrize("answer", [status(503, "no endpoints"), status(403, "no")])
def test_a_group_whose_api_does_not_answer_is_unknown_and_what_was_known_of_it_stays(
    tmp_path: Path, answer: Answer
) -> None:
    async def scenario() -> None:
        path = f"/apis/{CALICO.api_version}"

        def prepare(api: ScriptedApi) -> None:
            serve(api, CALICO)
            api.always(path, answer)
            api.lists(CALICO, page(pod("deny")))

        async with watched(tmp_path, families=FAMILIES, prepare=prepare) as it:
            await it.until(lambda: (CALICO.name, Phase.FORBIDDEN) in it.sink.phases)
            assert found(it.sink) == set()
            serve(it.api, CALICO)
            await it.until(lambda: set(it.sink.world.get(CALICO.name, ())) == {"deny"})
            assert ("forget", CALICO.name) in it.sink.calls  # what stood for what was not known
            it.api.always(path, answer)
            asked = len(it.api.asked)
            await it.until(lambda: [one.path for one in it.api.asked[asked:]].count(path) > 2)
            assert set(it.sink.world[CALICO.name]) == {"deny"}

    run(scenario())


def test_until_it_is_known_what_is_served_nothing_is_live(tmp_path: Path) -> None:
    async def scenario() -> None:
        def prepare(api: ScriptedApi) -> None:
            api.always("/apis", status(500, "ill"))

        async with watched(tmp_path, families=FAMILIES, prepare=prepare) as it:
            await it.until(lambda: ("Pod", Phase.LIVE) in it.sink.phases and bool(it.sink.troubles))
            state = it.watcher.state
            assert isinstance(state, Listing)
            assert [(one.kind, one.reason) for one in state.waiting_for] == [(DISCOVERY, "HTTP 500: ill")]
            serve(it.api)
            await it.synced()

    run(scenario())
