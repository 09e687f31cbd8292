"""Two replicas behind a Service of a real API server, what they need there, and calls that never cease."""

import contextlib
import itertools
import json
import ssl
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from tests.e2e.registration import rights
from tests.e2e.serve import Serve
from tests.testbed.client import UNREACHABLE, ApiError
from tests.testbed.control_plane import ControlPlane

ACCOUNT, SERVICE, SECRET = "npp", "npp", "npp-tls"
LABEL = "fleet.netpol-preflight.io/called"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
MERGE_PATCH, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
CALLED = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}]
RBAC = "rbac.authorization.k8s.io"


class Home:
    """The namespace of a release: its ServiceAccount with the rights that the chart gives, its Service and Secret."""

    def __init__(self, control_plane: ControlPlane, directory: Path) -> None:
        self.control_plane = control_plane
        self.namespace = control_plane.create_namespace("fleet")
        self.name = self.namespace  # of the configuration, and of the roles
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": SERVICE}}
        control_plane.apply(account, self.namespace)
        control_plane.apply(service | {"spec": {"ports": [{"port": 443, "targetPort": 10250}]}}, self.namespace)
        self.grant()
        self.kubeconfig = directory / "kubeconfig"
        token = control_plane.kubectl("create", "token", ACCOUNT, namespace=self.namespace).stdout.strip()
        settings = json.loads(control_plane.kubeconfig().read_text(encoding="utf-8"))
        settings["users"][0]["user"]["token"] = token
        self.kubeconfig.write_text(json.dumps(settings), encoding="utf-8")

    def grant(self) -> None:
        """Grant exactly what the chart grants."""
        subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": self.namespace}
        reads, binding = rights(self.name, subject)
        group = "admissionregistration.k8s.io"
        resource = "validatingwebhookconfigurations"
        reads["rules"].append(
            {"apiGroups": [group], "resources": [resource], "resourceNames": [self.name], "verbs": ["get", "patch"]}
        )
        secrets = [
            {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [SECRET], "verbs": ["get", "update"]},
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
        ]
        own = {"name": ACCOUNT, "namespace": self.namespace}
        role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": own, "rules": secrets}
        reference = {"apiGroup": RBAC, "kind": "Role", "name": ACCOUNT}
        bound = {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": own}
        items = [reads, binding, role, bound | {"roleRef": reference, "subjects": [subject]}]
        self.control_plane.apply({"apiVersion": "v1", "kind": "List", "items": items})

    def configure(self) -> None:
        """Register two webhooks, without a caBundle, as a chart does; whoever cannot be called stops the call."""
        entry = {
            "clientConfig": {"service": {"namespace": self.namespace, "name": SERVICE, "path": "/validate"}},
            "rules": CALLED,
            "namespaceSelector": {"matchLabels": {LABEL: self.name}},
            "failurePolicy": "Fail",
            "timeoutSeconds": 10,
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        entries = [entry | {"name": f"{name}.netpol-preflight.io"} for name in ("advisory", "enforcing")]
        kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
        self.control_plane.apply(kind | {"metadata": {"name": self.name}, "webhooks": entries})

    def close(self) -> None:
        """Remove what is outside of the namespace, and the namespace."""
        names = f"clusterrole/{self.name}", f"clusterrolebinding/{self.name}"
        done = self.control_plane.kubectl(
            "delete", "--ignore-not-found", f"validatingwebhookconfiguration/{self.name}", *names
        )
        assert done.returncode == 0, done.stderr
        self.control_plane.unroute(self.namespace, SERVICE, 443)
        self.control_plane.delete_namespace(self.namespace)

    # The Secret and the caBundle

    @property
    def secret_path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/secrets/{SECRET}"

    def secret(self) -> Any:  # noqa: ANN401 any JSON
        """Return the Secret, None where there is none."""
        try:
            return self.control_plane.client.request("GET", self.secret_path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def data(self) -> dict[str, bytes]:
        """Return the Secret's data, nothing where there is none."""
        secret = self.secret() or {}
        return {key: b64decode(value) for key, value in secret.get("data", {}).items()}

    def bundles(self) -> list[bytes]:
        """Return the caBundle of each webhook."""
        found = self.configuration()["webhooks"]
        return [b64decode(webhook["clientConfig"].get("caBundle", "")) for webhook in found]

    def configuration(self) -> Any:  # noqa: ANN401 any JSON
        """Return the ValidatingWebhookConfiguration."""
        return self.control_plane.client.request("GET", f"{CONFIGURATIONS}/{self.name}")

    def patch(self, path: str, value: object, content_type: str = MERGE_PATCH) -> None:
        self.control_plane.client.request("PATCH", path, value, content_type)


class Replica(Serve):
    """One replica; its certificates live for seconds."""

    def __init__(self, home: Home, directory: Path, leaf: str, ca: str) -> None:
        super().__init__(
            directory,
            home.kubeconfig,
            *(f"--certificate-secret={home.namespace}/{SECRET}", f"--webhook-configuration={home.name}"),
            *(f"--certificate-lifetime={leaf}", f"--ca-lifetime={ca}"),
            f"--tls-san={SERVICE}.{home.namespace}.svc",
        )

    def served(self) -> bytes:
        """Return the certificate that a new connection is shown, PEM."""
        return normal(ssl.get_server_certificate(("127.0.0.1", self.port)).encode())


def normal(pem: bytes) -> bytes:
    """Return what tells the first certificate from any other."""
    return x509.load_pem_x509_certificate(pem).fingerprint(SHA256())


class Load:
    """Writes by dry run, without a pause, in threads; every one is reviewed by both webhooks.

    Every half second the webhooks are called by new names, for which the API server opens new connections, and these go
    to the other replica: so every certificate meets handshakes, not only the first.
    """

    def __init__(self, home: Home, ports: list[int], callers: int = 2) -> None:
        self._home = home
        self._ports = ports
        self._stopping = threading.Event()
        self._namespace = home.control_plane.create_namespace("load")
        self.calls = 0
        self.renames = 0
        self.failures: list[tuple[float, str]] = []
        self._threads = [threading.Thread(target=self._call) for _ in range(callers)]
        self._threads.append(threading.Thread(target=self._turn))

    def __enter__(self) -> Self:
        self._home.control_plane.route(self._home.namespace, SERVICE, 443, self._ports[0])
        labels = {"metadata": {"labels": {LABEL: self._home.name}}}  # not before its own objects are there
        self._home.patch(f"/api/v1/namespaces/{self._namespace}", labels)
        self._home.control_plane.wait_for(self.works, what="the webhook to be called")
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._home.control_plane.delete_namespace(self._namespace)

    @contextlib.contextmanager
    def none_fails(self) -> Iterator[None]:
        """Raise AssertionError if a call fails, or none is made, before the end of the block."""
        before, calls = len(self.failures), self.calls
        yield
        time.sleep(0.5)  # for calls that are under way
        assert self.failures[before:] == []
        assert self.calls > calls

    def works(self) -> bool:
        """Whether a call succeeds at this moment."""
        return self._try() is None

    def _call(self) -> None:
        while not self._stopping.wait(0.02):
            if failure := self._try():
                self.failures.append((time.monotonic(), failure))
            self.calls += 1

    def _try(self) -> str | None:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "call-"}}
        try:
            self._home.control_plane.client.request(
                "POST", f"/api/v1/namespaces/{self._namespace}/configmaps?dryRun=All", body
            )
        except (ApiError, *UNREACHABLE) as error:
            return str(error)
        return None

    def _turn(self) -> None:
        for number in itertools.count():
            port = self._ports[number % len(self._ports)]
            self._home.control_plane.route(self._home.namespace, SERVICE, 443, port)
            renamed = [
                {
                    "op": "replace",
                    "path": f"/webhooks/{index}/name",
                    "value": f"turn-{number}-{index}.netpol-preflight.io",
                }
                for index in range(2)
            ]
            self._home.patch(f"{CONFIGURATIONS}/{self._home.name}", renamed, JSON_PATCH)
            self.renames += 1
            if self._stopping.wait(0.5):
                return
