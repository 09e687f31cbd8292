"""The webhook, registered; and scenes for it to be called in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import story
from tests.e2e.registration import CALLED_BY, USER, configuration, revoke, rights, unregister
from tests.e2e.scene import DRY_RUN, Scene
from tests.e2e.serve import Serve
from tests.e2e.story import MODE
from tests.testbed.control_plane import ControlPlane
from tests.testbed.fixtures import REMARKS, MakeNamespace

SERVICE = "netpol-preflight"
CLIENT_CONFIGS = ("url", "service")
MakeScene = Callable[..., Scene]
StartServe = Callable[..., Serve]


@pytest.fixture(scope="package")
def cluster_dns(control_plane: ControlPlane) -> Iterator[None]:
    """Give the cluster a DNS server that runs."""
    control_plane.apply({"apiVersion": "v1", "kind": "List", "items": story.dns()})
    control_plane.run_pods("kube-system", 2, "k8s-app=kube-dns")
    yield
    done = control_plane.kubectl("delete", "deployment/coredns", "service/kube-dns", namespace="kube-system")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="package")
def granted(control_plane: ControlPlane) -> Iterator[None]:
    """Let the webhook's user read what it must, and nothing else."""
    role = rights(USER, {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER})
    control_plane.apply({"apiVersion": "v1", "kind": "List", "items": role})
    yield
    revoke(control_plane, USER)


@pytest.fixture(scope="package")
def served(
    request: pytest.FixtureRequest,
    control_plane: ControlPlane,
    granted: None,
    cluster_dns: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Serve]:
    """Yield the webhook that most tests call; its log is kept, and said where, after a failure."""
    assert granted is cluster_dns is None
    home = control_plane.create_namespace(SERVICE)
    directory = tmp_path_factory.mktemp("serve")
    serve = Serve(directory, control_plane.kubeconfig(USER), "--tls-san", f"{SERVICE}.{home}.svc")
    failed_before = request.session.testsfailed
    try:
        serve.start()
        serve.wait_ready()
        control_plane.route(home, SERVICE, 443, serve.port)
        control_plane.apply(story.service(SERVICE, port=443, target_port=10250), home)
        with _registered(control_plane, serve, home):
            yield serve
    finally:
        serve.close()
        control_plane.unroute(home, SERVICE, 443)
        control_plane.delete_namespace(home)
        if request.session.testsfailed > failed_before:
            remark = f"the webhook's log is in {serve.log}"
            request.config.stash[REMARKS].append(remark.replace("{", "{{").replace("}", "}}"))


@contextmanager
def _registered(control_plane: ControlPlane, serve: Serve, home: str) -> Iterator[None]:
    targets: dict[str, dict[str, Any]] = {
        "url": {"url": f"{serve.url}/validate"},
        "service": {"service": {"namespace": home, "name": SERVICE, "path": "/validate"}},
    }
    try:
        for name, target in targets.items():
            config = configuration(f"e2e-{name}", target | {"caBundle": serve.ca_bundle}, namespace_label=name)
            control_plane.apply(config)
        for name in targets:
            _await_called(control_plane, name)
        yield
    finally:
        for name in targets:
            unregister(control_plane, f"e2e-{name}")


def _await_called(control_plane: ControlPlane, name: str) -> None:
    """Return when the configuration is in effect, a moment after it was written."""
    namespace = control_plane.create_namespace("probe", {CALLED_BY: name})
    scene = Scene(control_plane, namespace)
    probe = story.web_api(namespace, connects_to="!")
    what = f"the webhook to be called by {name}"
    control_plane.wait_for(lambda: scene.apply(probe, DRY_RUN).warnings, what=what)
    control_plane.delete_namespace(namespace)


@pytest.fixture
def make_scene(control_plane: ControlPlane, served: Serve, make_namespace: MakeNamespace) -> MakeScene:
    """Return `make_scene(mode=None, called_by="url", labels=None) -> Scene`, each in a namespace of its own."""
    assert served.url

    def make(mode: str | None = None, called_by: str = "url", labels: dict[str, str] | None = None) -> Scene:
        every = {CALLED_BY: called_by, **({MODE: mode} if mode else {}), **(labels or {})}
        # Short, so that no warning has to shorten it.
        return Scene(control_plane, make_namespace("shop", every))

    return make


@pytest.fixture
def scene(make_scene: MakeScene) -> Scene:
    """Return a scene where warnings are given, as is the default, with the story's database running."""
    return story_in(make_scene())


def story_in(scene: Scene) -> Scene:
    """Apply what is there before the new service, start the database, and wait until the webhook knows."""
    scene.set_up(story.production(scene.namespace))
    scene.control_plane.run_pods(scene.namespace, 1, "app=postgres")
    return scene


@pytest.fixture
def start_serve(control_plane: ControlPlane, tmp_path: Path) -> Iterator[StartServe]:
    """Yield `start_serve(kubeconfig=..., *arguments) -> Serve`, a webhook of the test's own, just started."""
    started: list[Serve] = []

    def start(kubeconfig: Path | None = None, *arguments: str) -> Serve:
        serve = Serve(tmp_path / f"serve-{len(started)}", kubeconfig or control_plane.kubeconfig(USER), *arguments)
        started.append(serve)
        serve.start()
        return serve

    yield start
    for serve in started:
        serve.close()
