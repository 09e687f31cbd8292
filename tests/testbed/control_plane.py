"""A control plane on loopback: started, talked to, and stopped."""

import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tests.support.patience import PATIENCE
from tests.testbed import configuration
from tests.testbed.binaries import Binaries
from tests.testbed.client import UNREACHABLE, ApiError, Client, ask_unix
from tests.testbed.connect_proxy import ConnectProxy
from tests.testbed.node_agent import NodeAgent
from tests.testbed.pods import Pods
from tests.testbed.processes import Leash, Process, free_port

T = TypeVar("T")
START_TIMEOUT = PATIENCE  # it takes 3 to 6 s on two idle cores
COMMAND_TIMEOUT = 3 * PATIENCE  # helm waits for others with a time limit of its own


class StartError(Exception):
    """A process of the control plane did not come up; the message has the end of its log."""


class ControlPlane:
    """etcd, kube-apiserver and kube-controller-manager, with kubectl and helm to drive them."""

    def __init__(self, binaries: Binaries) -> None:
        self.binaries = binaries
        # Short, because a unix socket's path may have no more than about a hundred characters.
        self.directory = Path(tempfile.mkdtemp(prefix="netpol-testbed-"))
        self.logs = self.directory / "logs"
        self.logs.mkdir()
        self.port = free_port()
        self.server = f"https://127.0.0.1:{self.port}"
        self.ca_file = self.directory / "ca.crt"
        self.tokens = configuration.write_files(self.directory, self.port)
        self.client = self.client_of(configuration.PERSON)
        self.pods = Pods(self.client)
        self._routes: dict[tuple[str, str, int], int] = {}
        self._leash = Leash()
        paths = binaries.paths
        etcd = configuration.etcd_arguments(paths, self.directory)
        apiserver = configuration.apiserver_arguments(paths, self.directory, self.port)
        manager = configuration.controller_manager_arguments(paths, self.directory)
        self._etcd = Process(etcd, self.logs / "etcd.log", self._leash)
        self._apiserver = Process(apiserver, self.logs / "kube-apiserver.log", self._leash)
        self._manager = Process(manager, self.logs / "kube-controller-manager.log", self._leash)
        self._proxy = ConnectProxy(self.directory / "connect.sock", self._resolve)
        self._node_agent = NodeAgent(self.client)

    # Life

    def start(self) -> None:
        """Return when it serves and its controllers work; raises StartError, having stopped what it started."""
        try:
            self._proxy.start()
            self._etcd.start()
            self.start_apiserver()
            self._manager.start()
            self.pods.create_nodes()
            self._node_agent.start()
            self._await(self._manager, lambda: self._has_service_account("default"))
        except BaseException:
            self.stop(keep_logs=True)
            raise

    def stop(self, *, keep_logs: bool = False) -> None:
        """Stop what was started and remove its files, all but `logs` where they are wanted."""
        for process in (self._manager, self._apiserver, self._etcd):
            process.stop(gently=False)
        self._node_agent.stop()
        self._proxy.stop()
        self._leash.close()
        if not keep_logs:
            shutil.rmtree(self.directory)
            return
        for path in self.directory.iterdir():
            if path.is_dir() and path != self.logs:
                shutil.rmtree(path)
            elif path != self.logs:
                path.unlink()

    def remove_logs(self) -> None:
        """Remove what `stop(keep_logs=True)` kept."""
        shutil.rmtree(self.directory)

    def start_apiserver(self) -> None:
        """Start the API server, on the same port every time; returns when it is ready."""
        self._apiserver.start()
        self._await(self._apiserver, lambda: self.client.request("GET", "/readyz") == "ok")

    def stop_apiserver(self, *, gently: bool = False) -> None:
        """Stop the API server alone, as by a crash, or `gently` (it drains for 5 s); returns when it is gone."""
        self._apiserver.stop(gently=gently)

    def restart_apiserver(self, *, gently: bool = False) -> None:
        """Stop the API server and start it again."""
        self.stop_apiserver(gently=gently)
        self.start_apiserver()

    def compact_etcd(self) -> None:
        """Make etcd forget every version of every object but the newest."""
        socket = self.directory / "etcd.sock"
        revision = ask_unix(socket, "/v3/kv/range", {"key": "AA==", "limit": 1})["header"]["revision"]
        ask_unix(socket, "/v3/kv/compaction", {"revision": revision, "physical": True})

    @property
    def pids(self) -> list[int]:
        """The ids of the processes that run for it."""
        return [process.pid for process in (self._etcd, self._apiserver, self._manager) if process.pid]

    def _await(self, process: Process, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                if ready():
                    return
                reason = "not ready"
            except (*UNREACHABLE, ApiError) as error:
                reason = str(error)
            if not process.running or not self._etcd.running or time.monotonic() > deadline:
                culprit = process if self._etcd.running else self._etcd
                raise StartError(
                    f"{culprit.name} did not start ({reason}); the end of {culprit.log}:\n{culprit.tail()}"
                )
            time.sleep(0.05)

    # Users

    def kubeconfig(self, user: str = configuration.PERSON) -> Path:
        """Return the path of the kubeconfig of one of `configuration.USERS`."""
        return configuration.kubeconfig_path(self.directory, user)

    def client_of(self, user: str) -> Client:
        """Return a JSON client that speaks as this user."""
        return Client(self.port, self.ca_file, self.tokens[user])

    def kubectl(
        self,
        *arguments: str | Path,
        input: str | None = None,  # noqa: A002 as subprocess.run calls it
        namespace: str | None = None,
        user: str = configuration.PERSON,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl to its end, whatever its end: see `returncode`, `stdout`, `stderr`."""
        scope = ["--namespace", namespace] if namespace else []
        return self._run([self.binaries.paths["kubectl"], *scope, *arguments], input, user, env)

    def helm(
        self,
        *arguments: str | Path,
        input: str | None = None,  # noqa: A002 as subprocess.run calls it
        namespace: str | None = None,
        user: str = configuration.PERSON,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run helm as `kubectl` runs kubectl."""
        scope = ["--namespace", namespace] if namespace else []
        return self._run([self.binaries.paths["helm"], *arguments, *scope], input, user, env)

    def _run(
        self, command: Sequence[str | Path], text: str | None, user: str, env: Mapping[str, str] | None
    ) -> subprocess.CompletedProcess[str]:
        home = self.directory / "home"
        home.mkdir(exist_ok=True)
        path = os.pathsep.join([self.binaries.search_path, os.environ.get("PATH", "")])
        environment = {**os.environ, "PATH": path, "HOME": str(home), "KUBECONFIG": str(self.kubeconfig(user))}
        # These name directories or contexts of the person who runs the tests.
        for name in [name for name in environment if name.startswith(("HELM_", "XDG_")) or name == "KUBECACHEDIR"]:
            del environment[name]
        return subprocess.run(
            command,
            input=text or "",
            env={**environment, **(env or {})},
            cwd=home,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT,
            check=False,
        )

    # What a test sets up

    def apply(self, manifest: str | object, namespace: str | None = None) -> str:
        """Apply YAML text (or JSON values) and return what kubectl printed; raises AssertionError with its stderr."""
        text = manifest if isinstance(manifest, str) else json.dumps(manifest)
        done = self.kubectl("apply", "--filename", "-", input=text, namespace=namespace)
        if done.returncode:
            raise AssertionError(f"kubectl apply: {done.stderr}")
        return done.stdout

    def create_namespace(self, prefix: str = "test", labels: Mapping[str, str] | None = None) -> str:
        """Create a namespace, its name new, and return it when pods can be created in it."""
        name = f"{prefix}-{secrets.token_hex(3)}"
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels or {})}}
        self.client.request("POST", "/api/v1/namespaces", body)
        self.wait_for(lambda: self._has_service_account(name), what=f"the default ServiceAccount of {name}")
        return name

    def delete_namespace(self, name: str) -> None:
        """Begin to delete a namespace with all that is in it; its end is not waited for."""
        self.client.request("DELETE", f"/api/v1/namespaces/{name}")

    def set_pod_status(
        self, namespace: str, name: str, ip: str | Sequence[str], *, ready: bool = True, phase: str = "Running"
    ) -> None:
        """Put a pod on a node and report it as a kubelet would; `ip` may be one address of each family."""
        self.pods.set_status(namespace, name, [ip] if isinstance(ip, str) else list(ip), ready=ready, phase=phase)

    def run_pods(self, namespace: str, count: int, selector: str = "", timeout: float = PATIENCE) -> list[Any]:
        """Wait for `count` pods that match, give each that has none a fresh address, and return them running."""
        found = self.wait_for(
            lambda: self.pods.matching(namespace, selector, count), timeout, f"{count} pods with `{selector}`"
        )
        return [self.pods.run(pod) for pod in found]

    def route(self, namespace: str, service: str, port: int, local_port: int) -> None:
        """Send the API server's calls of this Service's port to a loopback port; the Service may come later."""
        self._routes[namespace, service, port] = local_port

    def unroute(self, namespace: str, service: str, port: int) -> None:
        """Undo `route`: the Service refuses connections."""
        self._routes.pop((namespace, service, port), None)

    # What a test looks at

    def audit_entries(self, **fields: str) -> list[Any]:
        """Return the audit log's entries, those whose objectRef has these `fields` (resource, namespace, name)."""
        path = self.logs / "audit.log"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        # The last line may be half written.
        entries = [json.loads(line) for line in lines if line.endswith("\n")]
        return [entry for entry in entries if fields.items() <= entry.get("objectRef", {}).items()]

    def wait_for(self, predicate: Callable[[], T], timeout: float = PATIENCE, what: str = "the condition") -> T:
        """Return the first true value of `predicate`; raises AssertionError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not (value := predicate()):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {timeout:g} s in vain for {what}")
            time.sleep(0.05)
        return value

    def _has_service_account(self, namespace: str) -> bool:
        try:
            self.client.request("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/default")
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    def _resolve(self, host: str, port: int) -> tuple[str, int] | None:
        """Return where the ClusterIP is played; asked anew each time, for a Service may be created again."""
        for service in self.client.request("GET", "/api/v1/services")["items"]:
            if host in service["spec"].get("clusterIPs", []):
                key = (service["metadata"]["namespace"], service["metadata"]["name"], port)
                return ("127.0.0.1", self._routes[key]) if key in self._routes else None
        return None
