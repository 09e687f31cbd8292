"""A release of the chart: helm, and what of it is in the cluster."""

import json
import shutil
import subprocess
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from tests.testbed.client import ApiError
from tests.testbed.control_plane import ControlPlane

CHART = Path(__file__).parents[2] / "charts/netpol-preflight"
RELEASED = Path(__file__).parents[1] / "chart/released/0.1.0-values.yaml"
NAME = "netpol-preflight"
CONFIGURATION = f"{NAME}-{NAME}"
# Shorter than the defaults, so that tests wait less; `generic`, as no CNI's pods are there to be recognised.
QUICK = ("--set", "cni=generic,preStopSleepSeconds=1,drainSeconds=1")
Object = dict[str, Any]


def previous(directory: Path) -> Path:
    """Return a copy of the chart as a version before it, with the defaults of the one that people run."""
    copy = Path(shutil.copytree(CHART, directory / "previous"))
    ours, theirs = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in (CHART / "values.yaml", RELEASED))
    (copy / "values.yaml").write_text(json.dumps(_over(ours, theirs)), encoding="utf-8")
    chart = yaml.safe_load((copy / "Chart.yaml").read_text(encoding="utf-8"))
    (copy / "Chart.yaml").write_text(json.dumps(chart | {"version": "0.0.9", "appVersion": "0.0.9"}), encoding="utf-8")
    return copy


def _over(base: Object, other: Object) -> Object:
    """Return the first map with the values of the second, map by map."""
    both = {key for key in base.keys() & other.keys() if isinstance(base[key], dict) and isinstance(other[key], dict)}
    return base | other | {key: _over(base[key], other[key]) for key in both}


class Release:
    """One release, its name its namespace's; every command that fails raises AssertionError with what it said."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self.plane = control_plane

    def helm(self, *arguments: str | Path) -> str:
        """Run helm in the release's namespace."""
        return _checked(self.plane.helm(*arguments, namespace=NAME))

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl in the release's namespace."""
        return _checked(self.plane.kubectl(*arguments, namespace=NAME))

    def install(self, chart: Path = CHART, *values: str) -> str:
        """Install, and wait as `--wait` does."""
        return self.helm("install", NAME, chart, "--wait", *QUICK, *values)

    def upgrade(self, chart: Path = CHART, *values: str, wait: bool = True) -> str:
        """Upgrade, and wait unless that is not wanted."""
        return self.helm("upgrade", NAME, chart, *(["--wait"] if wait else []), *QUICK, *values)

    def path(self, one: Object) -> str:
        """Return where the API serves an object of the release."""
        version = one["apiVersion"]
        root = f"/{'apis' if '/' in version else 'api'}/{version}"
        namespace = one["metadata"].get("namespace")
        plural = one["kind"].lower().removesuffix("y") + ("ies" if one["kind"].endswith("y") else "s")
        return f"{root}{f'/namespaces/{namespace}' if namespace else ''}/{plural}/{one['metadata']['name']}"

    def find(self, one: Object) -> Object | None:
        """Return an object as it is in the cluster, None where it is not."""
        try:
            found: Object = self.plane.client.request("GET", self.path(one))
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        return found

    @property
    def owned(self) -> list[Object]:
        """Every object of the release, as rendered."""
        return [one for one in yaml.safe_load_all(self.helm("get", "manifest", NAME)) if one]

    @property
    def version(self) -> str:
        """What the Deployment says that it is a version of."""
        path = f"/apis/apps/v1/namespaces/{NAME}/deployments/{NAME}"
        labels = self.plane.client.request("GET", path)["metadata"]["labels"]
        return str(labels["app.kubernetes.io/version"])

    @property
    def secret(self) -> Object:
        """The Secret of the certificate; empty where there is none."""
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"{NAME}-tls", "namespace": NAME}}
        return self.find(secret) or {}

    @property
    def bundles(self) -> list[str]:
        """The caBundle of each entry."""
        path = f"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{CONFIGURATION}"
        webhooks = self.plane.client.request("GET", path)["webhooks"]
        return [webhook["clientConfig"].get("caBundle", "") for webhook in webhooks]


def everything(control_plane: ControlPlane) -> set[str]:
    """Return the name of every object that is there, but for what comes and goes by itself."""
    kinds = _checked(control_plane.kubectl("api-resources", "--verbs=list", "--output=name")).split()
    passing = {"events", "events.events.k8s.io", "leases.coordination.k8s.io", "componentstatuses"}
    listed = control_plane.kubectl(
        "get", ",".join(sorted({*kinds} - passing)), "--all-namespaces", "--ignore-not-found", "--output", "json"
    )
    items: list[Any] = json.loads(_checked(listed))["items"]
    return {f"{one['kind']} {one['metadata'].get('namespace', '')}/{one['metadata']['name']}" for one in items}


def _checked(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, f"{done.args}: {done.stderr}{done.stdout}"
    return done.stdout
