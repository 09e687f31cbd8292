"""The watch against a real API server: the world that follows from it is the one that kubectl lists."""

import asyncio
import gc
import json
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio.config import incluster_config

from tests.support.fakes import RecordingSink
from tests.support.patience import PATIENCE
from tests.support.watching import PODS, POLICIES, names, reached
from tests.testbed.configuration import PERSON
from tests.testbed.control_plane import ControlPlane
from webhook.cluster import client_configuration
from webhook.cluster.client import connect
from webhook.cluster.client_configuration import Access
from webhook.cluster.discovery import Watcher
from webhook.cluster.errors import ClusterError
from webhook.cluster.kinds import KINDS, Live, Phase
from webhook.cluster.list_watch import PAGE
from webhook.cluster.reflector import Pace
from webhook.wiring.cluster_snapshot import kind_name
from webhook.wiring.cluster_source import list_once

QUICK = Pace(first=0.1, most=0.5, slow=0.5)


@asynccontextmanager
async def live(kubeconfig: Path) -> AsyncIterator[tuple[Watcher, RecordingSink]]:
    """Watch everything; entered when all that may be read is listed."""
    async with connect(str(kubeconfig)) as connection:
        sink = RecordingSink()
        watcher = Watcher(connection, sink, pace=QUICK)
        task = asyncio.create_task(watcher.run())
        try:
            await asyncio.wait_for(watcher.synced(), PATIENCE)
            yield watcher, sink
        finally:
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled(), task.exception()


def policy(name: str, namespace: str, **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"podSelector": {"matchLabels": {"app": name}}, "policyTypes": ["Ingress"]},
    }


def ours(sink: RecordingSink, namespace: str) -> dict[str, Any]:
    """Return the policies of a namespace as the sink has them, by name."""
    policies = sink.world["NetworkPolicy"].values()
    return {one["metadata"]["name"]: one for one in policies if one["metadata"]["namespace"] == namespace}


def test_what_is_applied_changed_and_deleted_arrives(control_plane: ControlPlane, namespace: str) -> None:
    async def act(action: Callable[[], object]) -> None:
        await asyncio.to_thread(action)

    async def scenario() -> None:
        control_plane.apply(policy("before", namespace))
        async with live(control_plane.kubeconfig()) as (watcher, sink):
            await reached(lambda: watcher.state == Live())
            assert set(sink.world) == {kind.name for kind in KINDS}
            assert namespace in sink.world["Namespace"]
            assert set(ours(sink, namespace)) == {"before"}
            await act(lambda: control_plane.apply(policy("after", namespace)))
            await reached(lambda: set(ours(sink, namespace)) == {"before", "after"})
            await act(lambda: control_plane.apply(policy("after", namespace, tier="db")))
            await reached(lambda: ours(sink, namespace)["after"]["metadata"]["labels"] == {"tier": "db"})
            after = ours(sink, namespace)["after"]
            assert (after["apiVersion"], after["kind"]) == ("networking.k8s.io/v1", "NetworkPolicy")
            assert after["spec"] == policy("after", namespace)["spec"]
            assert "managedFields" not in after["metadata"]
            await act(lambda: control_plane.kubectl("delete", "networkpolicy", "before", "-n", namespace))
            await reached(lambda: set(ours(sink, namespace)) == {"after"})

    asyncio.run(scenario())


def test_a_killed_api_server_is_waited_for_and_nothing_is_lost(control_plane: ControlPlane, namespace: str) -> None:
    async def scenario() -> None:
        async with live(control_plane.kubeconfig()) as (watcher, sink):
            await asyncio.to_thread(control_plane.stop_apiserver)
            await reached(lambda: len({kind for kind, _ in sink.troubles}) == len(KINDS))
            state = watcher.state
            assert isinstance(state, Live)
            assert len(state.behind) == len(KINDS)
            assert namespace in sink.world["Namespace"]  # what cannot be read has not vanished
            await asyncio.to_thread(control_plane.start_apiserver)
            await asyncio.to_thread(control_plane.apply, policy("later", namespace))
            await reached(lambda: set(ours(sink, namespace)) == {"later"})
            await reached(lambda: watcher.state == Live())

    asyncio.run(scenario())


def test_giving_up_at_any_moment_leaves_no_socket_behind(control_plane: ControlPlane) -> None:
    async def scenario(patience: float) -> None:
        task = asyncio.create_task(list_once(Access(str(control_plane.kubeconfig())), lambda _, value: value))
        await asyncio.sleep(patience)
        task.cancel()
        await asyncio.wait([task])

    for step in range(20):
        asyncio.run(scenario(step * 0.004))
    with warnings.catch_warnings(record=True) as left_behind:
        warnings.simplefilter("always", ResourceWarning)
        gc.collect()
    assert [str(one.message) for one in left_behind] == []


def test_a_list_longer_than_a_page_is_complete(control_plane: ControlPlane, namespace: str) -> None:
    async def scenario() -> None:
        async with connect(str(control_plane.kubeconfig())) as connection:
            assert {f"p{n}" for n in range(PAGE + 1)} <= await names(connection, POLICIES)

    collection = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"
    for n in range(PAGE + 1):
        control_plane.client.request("POST", collection, policy(f"p{n}", namespace))
    asyncio.run(scenario())


def test_a_user_without_rights_is_told_which_kind_by_the_server_s_own_words(control_plane: ControlPlane) -> None:
    async def scenario() -> None:
        async with live(control_plane.kubeconfig("developer")) as (watcher, sink):
            state = watcher.state
            assert isinstance(state, Live)
            assert [one.phase for one in state.unknown] == [Phase.FORBIDDEN] * len(KINDS)
            assert sink.world == {}
            reasons = {one.kind: one.reason for one in state.unknown}
            assert reasons[PODS] == (
                'HTTP 403: pods is forbidden: User "developer" cannot watch resource "pods" in API group "" '
                "at the cluster scope"
            )
        seen = await list_once(Access(str(control_plane.kubeconfig("developer"))), lambda _, value: value)
        assert {seen.kinds[kind_name(kind.name, kind.group)] for kind in KINDS} == {"forbidden"}
        assert seen.found == []

    asyncio.run(scenario())


def kubeconfig_with(control_plane: ControlPlane, folder: Path, change: Callable[[dict[str, Any]], None]) -> str:
    """Write the person's kubeconfig with a change."""
    config = json.loads(control_plane.kubeconfig().read_text())
    change(config)
    (folder / "kubeconfig").write_text(json.dumps(config))
    return str(folder / "kubeconfig")


def test_a_server_that_another_authority_signed_is_not_trusted(control_plane: ControlPlane, tmp_path: Path) -> None:
    def distrust(config: dict[str, Any]) -> None:
        cluster = config["clusters"][0]["cluster"]
        cluster.pop("certificate-authority", None)
        cluster.pop("certificate-authority-data", None)

    async def scenario() -> None:
        async with connect(kubeconfig_with(control_plane, tmp_path, distrust)) as connection:
            with pytest.raises(ClusterError, match="its certificate is not trusted: unable to get local issuer"):
                await names(connection, PODS)

    asyncio.run(scenario())


def test_a_pod_speaks_with_its_token_and_takes_up_the_next(
    control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    for name, place in (("SERVICE_TOKEN_FILENAME", token), ("SERVICE_CERT_FILENAME", control_plane.ca_file)):
        monkeypatch.setattr(incluster_config, name, str(place))  # the real ones belong to the machine
    monkeypatch.setattr(client_configuration, "SERVICE_ACCOUNT_TOKEN", str(token))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(control_plane.port))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)

    async def scenario() -> None:
        token.write_text("of-yesterday")
        assert client_configuration.in_cluster()
        async with connect() as connection:
            assert connection.server == control_plane.server
            with pytest.raises(ClusterError, match="HTTP 401: Unauthorized"):
                await names(connection, POLICIES)
            token.write_text(control_plane.tokens[PERSON])
            await names(connection, POLICIES)

    asyncio.run(scenario())


async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: list[str]) -> None:
    """Do what an HTTP proxy does with CONNECT."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    asked.append(head.partition("\r\n")[0])
    host, _, port = head.split()[1].rpartition(":")
    there, away = await asyncio.open_connection(host, int(port))
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while chunk := await source.read(65_536):
            target.write(chunk)
        target.close()

    with suppress(OSError):
        await asyncio.gather(pump(reader, away), pump(there, writer))


def test_a_proxy_and_an_authority_in_files_lead_to_the_api_server(control_plane: ControlPlane, tmp_path: Path) -> None:
    async def scenario() -> None:
        asked: list[str] = []
        server = await asyncio.start_server(lambda r, w: tunnel(r, w, asked), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        def detour(config: dict[str, Any]) -> None:
            cluster = config["clusters"][0]["cluster"]
            cluster.pop("certificate-authority-data", None)
            cluster |= {"certificate-authority": str(control_plane.ca_file), "proxy-url": f"http://127.0.0.1:{port}"}

        async with server:
            async with connect(kubeconfig_with(control_plane, tmp_path, detour)) as connection:
                await names(connection, POLICIES)
            assert set(asked) == {f"CONNECT 127.0.0.1:{control_plane.port} HTTP/1.1"}

    asyncio.run(scenario())


def test_a_wrong_token_is_said_to_be_one(control_plane: ControlPlane, tmp_path: Path) -> None:
    def spoil(config: dict[str, Any]) -> None:
        config["users"][0]["user"] = {"token": "wrong"}

    async def scenario() -> None:
        async with connect(kubeconfig_with(control_plane, tmp_path, spoil)) as connection:
            with pytest.raises(ClusterError, match="HTTP 401: Unauthorized"):
                await names(connection, PODS)

    asyncio.run(scenario())
