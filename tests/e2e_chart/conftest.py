"""A control plane of its own, empty but for DNS, and a kubelet for the release's namespace."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import story
from tests.e2e.scene import Scene
from tests.e2e_chart.kubelet import Kubelet
from tests.e2e_chart.release import NAME, Release
from tests.testbed.binaries import Binaries
from tests.testbed.control_plane import ControlPlane
from tests.testbed.fixtures import REMARKS


@pytest.fixture(scope="package")
def cluster(request: pytest.FixtureRequest, testbed_binaries: Binaries) -> Iterator[ControlPlane]:
    """Yield a cluster in which nothing was installed; after a failure its logs are kept, and said where."""
    running = ControlPlane(testbed_binaries)
    failed_before = request.session.testsfailed
    running.start()
    running.apply({"apiVersion": "v1", "kind": "List", "items": story.dns()})
    running.run_pods("kube-system", 2, "k8s-app=kube-dns")
    yield running
    failed = request.session.testsfailed > failed_before
    running.stop(keep_logs=failed)
    if failed:
        request.config.stash[REMARKS].append(f"the control plane's logs are in {running.logs}")


@pytest.fixture(scope="package")
def kubelet(
    request: pytest.FixtureRequest, cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kubelet]:
    """Yield the kubelet; after a failure what its pods logged is kept, and said where."""
    directory: Path = tmp_path_factory.mktemp("kubelet")
    running = Kubelet(cluster, NAME, directory)
    failed_before = request.session.testsfailed
    running.start()
    yield running
    running.close()
    if request.session.testsfailed > failed_before:
        remark = f"the pods' logs are in {directory}; " + "; ".join(one[:200] for one in running.problems[-3:])
        request.config.stash[REMARKS].append(remark.replace("{", "{{").replace("}", "}}"))


@pytest.fixture(scope="module")
def release(cluster: ControlPlane, kubelet: Kubelet) -> Iterator[Release]:
    """Yield the release, not installed yet, in its namespace; in the end nothing of it is left."""
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}  # the API server's own admission refuses others
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME, "labels": restricted}})
    yield Release(cluster)
    kubelet.paused.clear()
    if cluster.helm("status", NAME, namespace=NAME).returncode == 0:
        Release(cluster).helm("uninstall", NAME)
    cluster.kubectl("delete", "namespace", NAME)


@pytest.fixture(scope="module")
def shop(cluster: ControlPlane) -> Iterator[Scene]:
    """Yield the story's namespace, its database running, its policies there."""
    namespace = cluster.create_namespace("shop")
    scene = Scene(cluster, namespace)
    scene.set_up(story.production(namespace))
    cluster.run_pods(namespace, 1, "app=postgres")
    yield scene
    cluster.delete_namespace(namespace)
