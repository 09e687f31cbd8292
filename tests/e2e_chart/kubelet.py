"""A kubelet and a kube-proxy for one namespace: its pods are processes, its Services lead to those that are ready."""

import itertools
import threading
import time
from pathlib import Path
from typing import Any

from tests.e2e_chart.container import Container
from tests.e2e_chart.volumes import NotYetError, Object
from tests.testbed.client import UNREACHABLE, ApiError
from tests.testbed.control_plane import ControlPlane
from tests.testbed.pods import MERGE_PATCH, NODES

TICK = 0.25  # seconds
FINALIZER = "netpol-preflight.io/kubelet-of-the-test-bed"  # a pod stays in Terminating until its process has ended
GONE = 404

# What the cluster's DNS and kube-proxy do for a pod, in the interpreter of the pod, which imports this first.
RESOLVER = """
import pathlib, socket
_real = socket.getaddrinfo
def getaddrinfo(host, port, *rest, **more):
    services = dict(line.split() for line in (pathlib.Path(__file__).parent / "services").read_text().splitlines())
    if isinstance(host, str) and host.endswith(".svc"):
        found = services.get(f"{host}:{port}")
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        host, port = "127.0.0.1", int(found)
    return _real(host, port, *rest, **more)
socket.getaddrinfo = getaddrinfo
"""


class Kubelet:
    """Runs in a thread of its own."""

    def __init__(self, control_plane: ControlPlane, namespace: str, directory: Path) -> None:
        self.containers: dict[str, Container] = {}  # by the pod's name
        self.ended: dict[str, Container] = {}
        self.problems: list[str] = []
        self._plane = control_plane
        self._namespace = namespace
        self._directory = directory
        self._resolver = directory / "resolver"
        self._resolver.mkdir(parents=True)
        (self._resolver / "sitecustomize.py").write_text(RESOLVER, encoding="utf-8")
        (self._resolver / "services").touch()
        self._addresses = (f"10.245.0.{low}" for low in itertools.count(1))
        self._local: dict[str, Container] = {}  # by the pod's address
        self._routed: set[tuple[str, int]] = set()
        self._called: set[int] = set()  # loopback ports that Services may lead to
        self._turn = itertools.count()
        self._stopping = threading.Event()
        self.paused = threading.Event()  # the node is down: nothing is started, probed or reported
        self._thread = threading.Thread(target=self._run, name="kubelet", daemon=True)

    def start(self) -> None:
        """Start looking after the namespace."""
        self._thread.start()

    def close(self) -> None:
        """End every process, and let go of the pods."""
        self._stopping.set()
        self._thread.join(30)
        for name, container in self.containers.items():
            container.close()
            self._release(name)
        for container in self.ended.values():
            container.close()
        self._route({})

    def crash(self) -> None:
        """Lose the node: every process is gone at once, and nobody reports it. `paused.clear()` brings it back."""
        self.paused.set()
        time.sleep(3 * TICK)
        for container in self.containers.values():
            container.kill()
        self._route({})

    def tails(self) -> str:
        """Return the end of every log."""
        both = {**self.ended, **self.containers}
        return "\n".join(f"== {name}\n{container.tail()}" for name, container in both.items())

    def _run(self) -> None:
        while not self._stopping.wait(TICK):
            if self.paused.is_set():
                continue
            try:
                self._tick()
            except (*UNREACHABLE, ApiError) as error:  # the API server restarts, or an object is gone meanwhile
                self.problems.append(str(error))

    def _tick(self) -> None:
        pods = self._plane.client.request("GET", f"/api/v1/namespaces/{self._namespace}/pods")["items"]
        there = {pod["metadata"]["name"]: pod for pod in pods}
        for name in self.containers.keys() - there.keys():
            self._end(name)
        for name, pod in there.items():
            self._look(name, pod)
        self._route(self._endpoints())

    def _look(self, name: str, pod: Object) -> None:
        container = self.containers.get(name)
        leaving = "deletionTimestamp" in pod["metadata"]
        if container is None:
            if leaving:
                self._release(name)
            elif pod.get("status", {}).get("phase") in {None, "Pending"} and name not in self.ended:
                self._begin(name, pod)
        elif leaving:
            # A cluster's Services leave a pod out in less time than its preStop; on a busy machine they may not.
            if not self._called & set(container.ports.values()) and container.stop():
                self._end(name)
                self._release(name)
        elif container.code is not None:
            self._ended_by_itself(name, pod, container)
        elif container.probe():
            self._report(pod, container)

    def _begin(self, name: str, pod: Object) -> None:
        if _wants_a_node(pod) and sum(_wants_a_node(one.pod) for one in self.containers.values()) >= len(NODES):
            return  # its port is taken on every node
        try:
            container = Container(self._plane, pod, self._directory / name, self._resolver)
        except NotYetError as error:
            self.problems.append(str(error))
            return
        self.containers[name] = container
        address = next(self._addresses)
        self._local[address] = container
        self._patch(name, {"metadata": {"finalizers": [FINALIZER]}})
        self._plane.set_pod_status(self._namespace, name, address, ready=False)

    def _ended_by_itself(self, name: str, pod: Object, container: Container) -> None:
        if pod["spec"]["restartPolicy"] == "Never":
            phase = "Succeeded" if container.code == 0 else "Failed"
            self._plane.set_pod_status(self._namespace, name, [], ready=False, phase=phase)
            self._end(name)
            self._release(name)
            return
        self.problems.append(f"{name} ended with {container.code}: {container.tail()}")
        self._plane.set_pod_status(self._namespace, name, [], ready=False)
        self.containers.pop(name).close()
        again = Container(self._plane, pod, self._directory / name, self._resolver)
        self.containers[name] = self._local[pod["status"]["podIP"]] = again

    def _report(self, pod: Object, container: Container) -> None:
        self._plane.set_pod_status(self._namespace, pod["metadata"]["name"], [], ready=container.ready)

    def _end(self, name: str) -> None:
        container = self.containers.pop(name)
        container.close()
        self.ended[name] = container

    def _release(self, name: str) -> None:
        try:
            self._patch(name, {"metadata": {"finalizers": None}})
        except ApiError as error:
            if error.status != GONE:
                raise

    def _patch(self, name: str, patch: object) -> None:
        self._plane.client.request("PATCH", f"/api/v1/namespaces/{self._namespace}/pods/{name}", patch, MERGE_PATCH)

    # kube-proxy

    def _endpoints(self) -> dict[tuple[str, int], list[int]]:
        """Return, for each Service's port, the loopback ports of its endpoints that are ready."""
        base = f"/apis/discovery.k8s.io/v1/namespaces/{self._namespace}/endpointslices"
        slices: list[Any] = self._plane.client.request("GET", base)["items"]
        found: dict[tuple[str, int], list[int]] = {}
        for service in self._plane.client.request("GET", f"/api/v1/namespaces/{self._namespace}/services")["items"]:
            name = service["metadata"]["name"]
            own = [one for one in slices if one["metadata"]["labels"]["kubernetes.io/service-name"] == name]
            for port in service["spec"]["ports"]:
                found[name, port["port"]] = [
                    self._local[address].ports[there["port"]]
                    for one in own
                    for there in one.get("ports") or []
                    for endpoint in one.get("endpoints") or []
                    for address in endpoint["addresses"]
                    if there.get("name") == port.get("name")
                    and endpoint["conditions"].get("ready")
                    and address in self._local
                ]
        return found

    def _route(self, endpoints: dict[tuple[str, int], list[int]]) -> None:
        """Lead each Service's port to one of its endpoints, another one every time."""
        turn = next(self._turn)
        self._called = {port for ports in endpoints.values() for port in ports}
        chosen = {key: ports[turn % len(ports)] for key, ports in endpoints.items() if ports}
        for service, port in self._routed - chosen.keys():
            self._plane.unroute(self._namespace, service, port)
        for (service, port), local in chosen.items():
            self._plane.route(self._namespace, service, port, local)
        self._routed = set(chosen)
        lines = [f"{service}.{self._namespace}.svc:{port} {local}\n" for (service, port), local in chosen.items()]
        (self._resolver / "services").write_text("".join(lines), encoding="utf-8")


def _wants_a_node(pod: Object) -> bool:
    """Whether it takes ports of its node, so that a second one like it finds no room there."""
    return bool(pod["spec"].get("hostNetwork"))
