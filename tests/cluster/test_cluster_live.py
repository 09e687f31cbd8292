"""A cluster as a source: nothing is judged before it is known, what is missing is named, and age shows."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from tests.support.fakes import (
    Answer,
    ScriptedApi,
    bookmark,
    groups,
    page,
    pod,
    resources,
    scripted_api,
    status,
    stream,
)
from tests.support.informing import CILIUM
from tests.support.patience import PATIENCE
from tests.support.watching import PODS, POLICIES, reached, run
from webhook.cluster.client_configuration import Access
from webhook.cluster.kinds import KINDS, Kind
from webhook.cluster.reflector import Pace
from webhook.model.crd_policies import UnlistedKind
from webhook.model.labels import Labels
from webhook.model.objects import Declaration, PodClass, Template, Workload
from webhook.model.policy import Direction
from webhook.model.refs import WorkloadRef
from webhook.model.settings import DEFAULTS
from webhook.report.words import sentence
from webhook.review.workload import review_workload
from webhook.wiring.cluster_snapshot import of_cluster
from webhook.wiring.cluster_source import STALE_SECONDS, Cluster, list_once

NODES = next(kind for kind in KINDS if kind.name == "Node")
QUICK = Pace(first=0.01, most=0.05, slow=0.05, discover=0.05)


class Clock:
    """Shows the time that it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def cluster(
    folder: Path,
    prepare: Callable[[ScriptedApi], None] = lambda _: None,
    clock: Clock | None = None,
    namespaces: tuple[str, ...] = (),
    unasked: frozenset[str] = frozenset(),
) -> AsyncIterator[tuple[Cluster, ScriptedApi]]:
    async with scripted_api() as api:
        prepare(api)
        access = Access(api.kubeconfig(folder), namespaces=namespaces, unasked=unasked)
        source = Cluster(access, DEFAULTS, pace=QUICK, clock=clock or Clock())
        task = asyncio.create_task(source.run())
        try:
            yield source, api
        finally:
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled(), task.exception()


def missing(source: Cluster) -> dict[str, str]:
    return {check.name: check.detail for check in source.checks() if not check.ok}


def test_until_every_kind_was_listed_there_is_no_world_and_each_that_is_missing_is_named(tmp_path: Path) -> None:
    async def scenario() -> None:
        def prepare(api: ScriptedApi) -> None:
            api.always(PODS.path, status(500, "etcd is ill"))
            api.always(POLICIES.path, status(403, "no policies for you"))

        async with cluster(tmp_path, prepare) as (source, api):
            assert missing(source) == {"cluster": "not connected yet"}
            await reached(lambda: set(missing(source)) == {"pods", "networkpolicies.networking.k8s.io"})
            await reached(lambda: missing(source)["pods"] == "not yet listed: HTTP 500: etcd is ill")
            await reached(lambda: "no policies for you" in missing(source)["networkpolicies.networking.k8s.io"])
            assert source.view() is None
            api.always(PODS.path, page(pod("a")))
            api.always(POLICIES.path, page())
            await asyncio.wait_for(source.ready(), PATIENCE)
            assert source.view() is not None
            assert missing(source) == {}

    run(scenario())


def test_nodes_that_may_not_be_read_and_families_that_come_later_hold_nothing_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        def prepare(api: ScriptedApi) -> None:
            api.always(NODES.path, status(403, "no nodes for you"))

        async with cluster(tmp_path, prepare) as (source, api):
            await asyncio.wait_for(source.ready(), PATIENCE)
            api.always("/apis", groups(CILIUM.api_version))
            api.always(f"/apis/{CILIUM.api_version}", resources(CILIUM))
            api.always(CILIUM.path, status(500, "ill"))
            await reached(lambda: "ciliumnetworkpolicies.cilium.io" in {check.name for check in source.checks()})
            details = {check.name: check.detail for check in source.checks()}
            assert missing(source) == {}
            assert source.view() is not None
            assert "no nodes for you" in details["nodes"]
            assert details["ciliumnetworkpolicies.cilium.io"].startswith("not yet listed")

    run(scenario())


def details(source: Cluster) -> dict[str, str]:
    return {check.name: check.detail for check in source.checks()}


WITHOUT = "the ways in that it declares are not judged"
INGRESSES = Kind("networking.k8s.io/v1", "Ingress", "ingresses")
ROUTES = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")


@pytest.mark.parametrize("answer", [status(403, "not for you"), status(500, "ill")], ids=["forbidden", "ill"])
def test_kinds_that_tell_of_ways_in_hold_nothing_up_and_are_named(tmp_path: Path, answer: Answer) -> None:
    async def scenario() -> None:
        def prepare(api: ScriptedApi) -> None:
            api.always("/apis", groups(INGRESSES.api_version))
            api.always(f"/apis/{INGRESSES.api_version}", resources(INGRESSES))
            api.always(INGRESSES.path, answer)

        async with cluster(tmp_path, prepare) as (source, api):
            await asyncio.wait_for(source.ready(), PATIENCE)
            view = source.view()
            assert view is not None
            assert view.complete
            assert view.policies.unevaluated(PodClass("shop"), Direction.INGRESS) is None
            await reached(lambda: "ingresses.networking.k8s.io" in {check.name for check in source.checks()})
            await reached(lambda: WITHOUT in details(source)[str(INGRESSES)])
            assert missing(source) == {}
            assert not [check for check in source.checks() if "gateway" in check.name], "absent, and nobody misses it"
            api.always(INGRESSES.path, page(pod("a")))
            await reached(lambda: view.inbound.get(("Ingress", "ns", "a")) is not None)
            await reached(lambda: details(source)[str(INGRESSES)] == "")

    run(scenario())


def test_the_gateway_api_may_be_installed_later_and_be_removed_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cluster(tmp_path) as (source, api):
            await asyncio.wait_for(source.ready(), PATIENCE)
            view = source.view()
            assert view is not None
            api.always(ROUTES.path, page(pod("a")))
            api.always(f"/apis/{ROUTES.api_version}", resources(ROUTES))
            api.always("/apis", groups(ROUTES.api_version))
            await reached(lambda: view.inbound.get(("HTTPRoute", "ns", "a")) is not None)
            api.always("/apis", groups())
            await reached(lambda: view.inbound.get(("HTTPRoute", "ns", "a")) is None)
            assert missing(source) == {}

    run(scenario())


def test_a_family_that_may_not_be_read_is_named_where_readiness_is_asked_for_and_in_every_finding(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        def prepare(api: ScriptedApi) -> None:
            api.always("/apis", groups(CILIUM.api_version))
            api.always(f"/apis/{CILIUM.api_version}", resources(CILIUM))
            api.always(CILIUM.path, status(403, "not for you"))

        async with cluster(tmp_path, prepare) as (source, api):
            await asyncio.wait_for(source.ready(), PATIENCE)
            told = {check.name: (check.ok, check.detail) for check in source.checks()}
            assert told["ciliumnetworkpolicies.cilium.io"] == (True, "may not be read: HTTP 403: not for you")
            view = source.view()
            assert view is not None
            template = Template(PodClass("shop", Labels({"app": "web"}), template=True))
            asks = (Declaration("192.0.2.9:5432", "metadata.annotations"),)
            web = Workload(WorkloadRef("Deployment", "shop", "web"), template, connects_to=asks)
            (finding,) = review_workload(view, web)
            assert finding.id == "NP106"
            assert "CiliumNetworkPolicy.cilium.io may not be read (HTTP 403: not for you)" in sentence(finding)
            api.always(CILIUM.path, page())
            await reached(lambda: review_workload(view, web) == ())

    run(scenario())


def test_a_watch_that_is_not_heard_of_makes_the_world_stale_until_it_is_heard_of_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock, said = Clock(), asyncio.Event()

        def prepare(api: ScriptedApi) -> None:
            api.watches(PODS, stream(said, bookmark("9")))
            for kind in KINDS:
                if kind != PODS:
                    api.watches(kind, stream(said, bookmark("9")))

        async with cluster(tmp_path, prepare, clock) as (source, _):
            await asyncio.wait_for(source.ready(), PATIENCE)
            clock.now += STALE_SECONDS
            assert source.stale() is None
            clock.now += 1
            assert source.stale() is not None
            assert str(source.stale()).endswith("not heard of for 121 s")
            assert {check.detail for check in source.checks()} >= {"not heard of for 121 s"}
            assert missing(source) == {}  # old answers are better than none
            clock.now -= 500  # whatever a clock does, nothing is younger than just heard of
            assert source.stale() is None
            clock.now += 1000
            said.set()
            await reached(lambda: source.stale() is None)

    run(scenario())


def test_age_phase_and_number_of_each_kind_are_measured(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = Clock()

        def prepare(api: ScriptedApi) -> None:
            api.always(PODS.path, page(pod("a"), pod("b")))
            api.always(NODES.path, status(403, "no"))

        async with cluster(tmp_path, prepare, clock) as (source, _):
            registry = CollectorRegistry()
            for collector in source.collectors():
                registry.register(collector)
            await asyncio.wait_for(source.ready(), PATIENCE)
            clock.now += 7

            def value(name: str, kind: str) -> float | None:
                return registry.get_sample_value(f"netpol_preflight_{name}", {"kind": kind})

            assert value("watch_age_seconds", "pods") == 7
            assert value("watch_age_seconds", "nodes") is None
            assert (value("watch_listed", "pods"), value("watch_listed", "nodes")) == (1, 0)
            assert value("world_objects", "Pod") == 2
            assert value("watch_lists_total", "pods") == 1
            assert (value("watch_troubles_total", "nodes") or 0) >= 1

    run(scenario())


def test_a_world_of_some_namespaces_does_not_claim_to_be_complete(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with cluster(tmp_path, namespaces=("shop",)) as (source, api):
            await asyncio.wait_for(source.ready(), PATIENCE)
            view = source.view()
            assert view is not None
            assert not view.complete
            assert {one.path for one in api.asked if one.path.endswith("/pods")} == {"/api/v1/namespaces/shop/pods"}

    run(scenario())


@pytest.mark.parametrize("unasked", [frozenset(), frozenset({"RoleBinding", "ConfigMap"})])
def test_a_kind_that_is_not_to_be_read_is_not_even_asked_for(tmp_path: Path, unasked: frozenset[str]) -> None:
    bindings = Kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings")

    async def scenario() -> None:
        def prepare(api: ScriptedApi) -> None:
            api.always("/apis", groups(bindings.api_version))
            api.always(f"/apis/{bindings.api_version}", resources(bindings))

        async with cluster(tmp_path, prepare, unasked=unasked) as (source, api):
            await asyncio.wait_for(source.ready(), PATIENCE)
            asked = {"rolebindings", "configmaps"} if not unasked else set[str]()
            await reached(lambda: asked <= {one.path.rpartition("/")[2] for one in api.asked})
            await reached(lambda: any(one.watches and one.path.endswith("/pods") for one in api.asked))
            assert asked == {one.path.rpartition("/")[2] for one in api.asked} & {"rolebindings", "configmaps"}

    run(scenario())


def test_a_cluster_read_once_names_the_families_that_may_not_be_read(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scripted_api() as api:
            api.always("/apis", groups(CILIUM.api_version, "projectcalico.org/v3"))
            api.always(f"/apis/{CILIUM.api_version}", resources(CILIUM))
            api.always("/apis/projectcalico.org/v3", status(503, "no endpoints"))
            api.always(CILIUM.path, status(403, "not for you"))
            seen = await list_once(Access(api.kubeconfig(tmp_path)), lambda _, value: value)
            forbidden = {name.partition(".")[2] for name, state in seen.kinds.items() if state == "forbidden"}
            assert forbidden == {"cilium.io", "projectcalico.org"}
            assert seen.reasons["CiliumNetworkPolicy.cilium.io"] == "HTTP 403: not for you"
            assert seen.reasons["GlobalNetworkPolicy.projectcalico.org"] == "HTTP 503: no endpoints"
            known = of_cluster(datetime(2026, 11, 21, tzinfo=UTC), seen)
            assert known.complete
            assert {(value.kind, value.reason) for value in known.values if isinstance(value, UnlistedKind)} >= {
                ("CiliumNetworkPolicy", "HTTP 403: not for you"),
                ("GlobalNetworkPolicy", "HTTP 503: no endpoints"),
            }

    run(scenario())
