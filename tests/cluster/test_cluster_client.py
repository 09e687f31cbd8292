"""Connections: whose credentials, which proxy, what is said when there is none, and that nothing stays open."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import incluster_config

from tests.support.fakes import RecordingSink, ScriptedApi, event, page, pod, scripted_api, status, stream
from tests.support.watching import PODS, POLICIES, QUICK, names, reached, run, watched
from webhook.cluster.client import connect
from webhook.cluster.client_configuration import SERVICE_ACCOUNT_TOKEN, Access, in_cluster, route
from webhook.cluster.discovery import Watcher
from webhook.cluster.errors import BadConfigError, ClusterError, UnreachableError
from webhook.cluster.kinds import KINDS, Collection
from webhook.cluster.reflector import Sink
from webhook.wiring.cluster_snapshot import kind_name
from webhook.wiring.cluster_source import list_once


def test_cancelling_closes_every_stream(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scripted_api() as api, connect(api.kubeconfig(tmp_path)) as connection:
            task = asyncio.create_task(Watcher(connection, RecordingSink(), pace=QUICK).run())
            await reached(lambda: api.open_watches == len(KINDS))
            task.cancel()
            await asyncio.wait([task])
            await reached(lambda: api.open_watches == 0)

    run(scenario())


def test_rejected_credentials_are_loaded_anew(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scripted_api() as api, connect(api.kubeconfig(tmp_path, token="old")) as connection:
            with pytest.raises(ClusterError, match="HTTP 401: Unauthorized"):
                await names(connection, PODS)
            api.kubeconfig(tmp_path, token="secret")
            assert await names(connection, PODS) == set()
            assert [one.token for one in api.asked] == ["old", "old", "old", "secret"]

    run(scenario())


def test_new_credentials_do_not_cut_the_streams_of_the_old(tmp_path: Path) -> None:
    async def scenario() -> None:
        rotated, later = asyncio.Event(), asyncio.Event()

        def prepare(api: ScriptedApi) -> None:
            api.watches(POLICIES, stream(rotated, end="close"))

        watches = (stream(later, event("ADDED", pod("a", "2"))),)
        async with watched(tmp_path, watches=watches, kinds=(PODS, POLICIES), prepare=prepare) as it:
            await it.until(lambda: it.api.open_watches == 2)
            it.api.token = "new"
            it.api.kubeconfig(tmp_path, token="new")
            rotated.set()
            await it.until(lambda: it.api.asked[-1].token == "new" and it.api.open_watches == 2)
            later.set()
            await it.until(lambda: ("ADDED", "a") in it.sink.calls)
            assert [one.token for one in it.api.asked if one.watches and one.path == PODS.path] == ["secret"]
            assert it.sink.troubles == []

    run(scenario())


def test_a_server_that_is_gone_is_named_without_its_user(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scripted_api() as api:
            pass
        api.url = api.url.replace("//", "//user:password@")
        async with connect(api.kubeconfig(tmp_path)) as connection:
            with pytest.raises(UnreachableError) as error:
                await names(connection, PODS)
        address = api.url.partition("@")[2]
        assert str(error.value) == f"cannot reach `http://{address}`: connect call failed ('127.0.0.1', {address[10:]})"

    run(scenario())


@pytest.mark.parametrize(
    ("server", "exempt", "proxy"),
    [
        ("https://10.0.0.1:6443", "", "http://proxy:3128"),
        ("https://10.0.0.1:6443", "10.0.0.0/8,.example.com", None),
        ("https://[fd00::1]:6443", "fd00::/8", None),
        ("https://10.0.0.1:6443", "10.0.0.1", None),
        ("https://10.0.0.1:6443", "nonsense/8, 192.168.0.0/16", "http://proxy:3128"),
        ("https://api.example.com", ".example.com", None),
        ("https://api.example.com", "*", None),
        ("https://api.example.com", "10.0.0.0/8", "http://proxy:3128"),
        ("https://127.0.0.1:6443", "", None),
        ("https://localhost:6443", "", None),
        ("http://api.example.com", "", None),
    ],
)
def test_the_proxy_is_the_one_that_kubectl_would_take(
    monkeypatch: pytest.MonkeyPatch, server: str, exempt: str, proxy: str | None
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "https_proxy", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", exempt)
    settings = Configuration(host=server)
    route(settings)
    assert settings.proxy == proxy


def test_a_proxy_in_the_kubeconfig_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    settings = Configuration(host="https://10.0.0.1", proxy="http://mine:1")
    route(settings)
    assert settings.proxy == "http://mine:1"


def test_loopback_is_never_sent_to_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    async def scenario() -> None:
        async with scripted_api() as api, connect(api.kubeconfig(tmp_path)) as connection:
            assert await names(connection, PODS) == set()

    run(scenario())


def test_everything_can_be_read_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scripted_api() as api:
            access = Access(api.kubeconfig(tmp_path))
            api.lists(PODS, page(pod("a"), pod("b")))
            api.lists(POLICIES, status(403, "no policies for you"))
            seen = await list_once(access, lambda raw, _: raw["metadata"]["name"])
            assert seen.found == ["a", "b"]
            assert seen.reasons == {"NetworkPolicy.networking.k8s.io": "HTTP 403: no policies for you"}
            assert {name for name, state in seen.kinds.items() if state == "ok"} == {
                kind_name(kind.name, kind.group) for kind in KINDS if kind != POLICIES
            }
            api.lists(PODS, status(500, "ill"))
            with pytest.raises(ClusterError, match=r"^HTTP 500: ill$"):
                await list_once(access, lambda raw, _: raw)

    run(scenario())


BAD_AUTHORITY = """
current-context: x
contexts: [{name: x, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', certificate-authority-data: AAAA}}]
users: [{name: u, user: {token: t}}]
"""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no kubeconfig at `.*`, and this is no pod with a service account"),
        ("", "kubeconfig `.*`: not a kubeconfig that can be used"),
        (": [", "kubeconfig `.*`: not a kubeconfig that can be used"),
        ("{}", "kubeconfig `.*`: "),
        ("- 1", "kubeconfig `.*`: not a kubeconfig that can be used"),
        ("\0", "kubeconfig `.*`: "),
        (
            "{current-context: x, contexts: [], clusters: [], users: []}",
            "expected object with name x in .*/contexts list",
        ),
        (BAD_AUTHORITY, "the certificates cannot be loaded: "),
    ],
)
def test_a_useless_kubeconfig_is_said_to_be_so(tmp_path: Path, content: str | None, reason: str) -> None:
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)

    async def scenario() -> None:
        async with connect(str(path)):
            raise AssertionError("not reached")

    with pytest.raises(BadConfigError, match=reason) as error:
        run(scenario())
    assert str(error.value).isprintable()


def test_the_service_account_s_place_is_the_official_client_s() -> None:
    assert incluster_config.SERVICE_TOKEN_FILENAME == SERVICE_ACCOUNT_TOKEN
    assert in_cluster() is False


def test_the_official_client_is_imported_only_to_connect() -> None:
    program = "import sys, webhook.cluster.client, webhook.cluster.discovery; sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


_KUBECONFIG: Final = """
current-context: x
contexts: [{name: x, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {}}]
"""
_DEFERRED: Final = """
import asyncio, sys
from webhook.cluster.client_configuration import configuration
settings = asyncio.run(configuration(sys.argv[1], None))
from kubernetes.aio.client import ApiClient, Configuration
assert type(settings) is Configuration
assert not {"requests", "oauthlib", "websocket"} & set(sys.modules), "the synchronous client was loaded"
import kubernetes
assert kubernetes.aio.client.ApiClient is ApiClient
assert not hasattr(kubernetes, "__wrapped__") and "requests" not in sys.modules, "nothing was asked for"
assert kubernetes.client.CoreV1Api.__module__ == "kubernetes.client.api.core_v1_api"
assert kubernetes.__version__ and not hasattr(kubernetes, "nothing")
from kubernetes import dynamic, watch
assert kubernetes.aio.watch.Watch and "requests" in sys.modules
"""


def test_connecting_does_not_load_the_synchronous_client_and_whoever_asks_for_it_gets_it(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(_KUBECONFIG, encoding="utf-8")
    assert subprocess.run([sys.executable, "-c", _DEFERRED, str(config)], check=False).returncode == 0


def test_the_recording_sink_is_a_sink() -> None:
    sink: Sink = RecordingSink()
    sink.begin(Collection(PODS))
