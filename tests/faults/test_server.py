"""The API server dies, forgets, changes what it serves: the world follows, and reviews are answered all the while."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.faults.asking import answer, away, create, delete, policies
from tests.faults.following import PATIENT, following, synced
from tests.faults.proxy import bad_line, through
from tests.support.patience import PATIENCE
from tests.support.watching import foreign
from tests.testbed.client import ApiError
from tests.testbed.control_plane import ControlPlane
from tests.testbed.fixtures import MakeNamespace
from webhook.cluster.discovery import clock

GROUP = "cilium.io"


def test_a_killed_api_server_leaves_answers_and_comes_back_to_what_changed(
    control_plane: ControlPlane, namespace: str
) -> None:
    async def scenario() -> None:
        await away(create, control_plane, namespace, "before", "gone")
        async with synced(control_plane.kubeconfig()) as it:
            assert policies(it, namespace) == ["before", "gone"]
            await away(control_plane.stop_apiserver)
            await it.until(lambda: it.measure("watch_troubles_total", "pods") > 0, "the API server's death")
            assert policies(it, namespace) == ["before", "gone"]  # what cannot be read has not vanished
            said = answer(it, namespace)  # nobody is asked for it
            assert said.startswith(("allowed", "warned"))
            await away(control_plane.start_apiserver)
            await away(delete, control_plane, namespace, "gone")
            await away(create, control_plane, namespace, "later")
            await it.until(lambda: policies(it, namespace) == ["before", "later"], "what changed")
            await it.converged()
            assert answer(it, namespace) == said

    asyncio.run(scenario())


def test_an_api_server_that_forgot_the_versions_that_we_know_is_listed_anew(
    control_plane: ControlPlane, namespace: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        kind = "networkpolicies.networking.k8s.io"
        many = [f"p{number}" for number in range(20)]
        await away(create, control_plane, namespace, "stays", "goes")
        async with bad_line(control_plane.port) as line:
            direct = control_plane.kubeconfig()
            async with synced(through(line, direct, tmp_path), direct, pace=PATIENT) as it:
                lists = it.measure("watch_lists_total", kind)
                line.flows.clear()
                await away(delete, control_plane, namespace, "goes")
                await away(create, control_plane, namespace, *many)
                await away(control_plane.compact_etcd)
                await away(control_plane.restart_apiserver)
                assert policies(it, namespace) == ["goes", "stays"]
                line.cut()
                line.flows.set()
                await it.until(lambda: policies(it, namespace) == sorted(["stays", *many]), "the new list")
                await it.converged()
                assert it.measure("watch_lists_total", kind) > lists
                # That the version is too old is the server's way of saying what to do, no failure.
                assert "410" not in caplog.text
                assert "too old" not in caplog.text

    asyncio.run(scenario())


class Jumping:
    """A clock that can be put forward and back."""

    ahead = 0.0

    def __call__(self) -> float:
        return clock() + self.ahead


def test_a_clock_that_jumps_makes_the_world_stale_at_most_until_it_is_heard_of_again(
    control_plane: ControlPlane, namespace: str
) -> None:
    async def scenario() -> None:
        now = Jumping()
        async with following(control_plane.kubeconfig(), now=now) as it:
            await asyncio.wait_for(it.source.ready(), PATIENCE)
            for ahead, name in ((86_400.0, "tomorrow"), (-86_400.0, "yesterday")):
                now.ahead = ahead
                assert (it.source.stale() is None) is (ahead < 0)
                await it.until(lambda: it.source.stale() is None, "every watch to be heard of")
                await away(create, control_plane, namespace, name)
                await it.until(lambda name=name: name in policies(it, namespace), "the event after the jump")  # type: ignore[misc]
            await it.converged()

    asyncio.run(scenario())


def test_a_namespace_s_new_labels_count_at_once(control_plane: ControlPlane, make_namespace: MakeNamespace) -> None:
    namespace = make_namespace(labels={"team": "old"})

    def label(value: str | None) -> None:
        change = {"metadata": {"labels": {"team": value}}}
        merge = "application/merge-patch+json"
        control_plane.client.request("PATCH", f"/api/v1/namespaces/{namespace}", change, merge)

    async def scenario() -> None:
        async with synced(control_plane.kubeconfig()) as it:
            assert it.world.namespaces.get(namespace).labels.get("team") == "old"
            await away(label, "new")
            await it.until(lambda: it.world.namespaces.get(namespace).labels.get("team") == "new", "the label")
            await away(label, None)
            await it.until(lambda: it.world.namespaces.get(namespace).labels.get("team") is None, "its end")
            await it.converged()

    asyncio.run(scenario())


def definition(*served: str, stored: str) -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [
        {"name": name, "served": name in served, "storage": name == stored, "schema": schema} for name in ("v2", "v3")
    ]
    names = {"plural": "ciliumnetworkpolicies", "singular": "ciliumnetworkpolicy", "kind": "CiliumNetworkPolicy"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"ciliumnetworkpolicies.{GROUP}"},
        "spec": {"group": GROUP, "names": names, "scope": "Namespaced", "versions": versions},
    }


def test_a_definition_that_is_installed_changed_and_deleted_is_followed(
    control_plane: ControlPlane, namespace: str
) -> None:
    def create_foreign(name: str, version: str = "v2") -> None:
        body = {
            "apiVersion": f"{GROUP}/{version}",
            "kind": "CiliumNetworkPolicy",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"endpointSelector": {"matchLabels": {"app": "web"}}},
        }
        path = f"/apis/{GROUP}/{version}/namespaces/{namespace}/ciliumnetworkpolicies"

        def created() -> bool:
            try:
                control_plane.client.request("POST", path, body)
            except ApiError as error:
                if error.status in (404, 500):  # a definition takes a moment to be served
                    return False
                raise
            return True

        control_plane.wait_for(created, what=f"{GROUP}/{version}")

    def remove() -> None:
        control_plane.kubectl("delete", "crd", f"ciliumnetworkpolicies.{GROUP}", "--ignore-not-found")

    async def install(*served: str, stored: str) -> None:
        await away(control_plane.apply, definition(*served, stored=stored))

    async def scenario() -> None:
        async with synced(control_plane.kubeconfig()) as it:
            assert foreign(it.world, namespace) == []
            watched = len(it.source.checks())
            await install("v2", stored="v2")
            await away(create_foreign, "first")
            await it.until(lambda: foreign(it.world, namespace) == ["first"], "a policy of the new family")
            await install("v2", "v3", stored="v2")
            await away(create_foreign, "second", "v3")
            await it.until(lambda: foreign(it.world, namespace) == ["first", "second"], "one of the new version")
            await install("v3", stored="v3")
            served = f"/apis/{GROUP}/v3/namespaces/{namespace}/ciliumnetworkpolicies/first"
            await away(control_plane.client.request, "DELETE", served)
            await it.until(
                lambda: foreign(it.world, namespace) == ["second"], "the end of the first, in the version that is left"
            )
            await away(remove)
            await it.until(lambda: foreign(it.world, namespace) == [], "the end of the family")
            await it.until(lambda: len(it.source.checks()) == watched, "the end of its watch")
            await it.converged()

    try:
        asyncio.run(scenario())
    finally:
        remove()
