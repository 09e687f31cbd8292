"""A release of the chart: helm, and what of it is in the cluster."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.testbed.control_plane import ControlPlane

CHART = Path(__file__).parents[2] / "charts/netpol-preflight"
NAME = "netpol-preflight"
CONFIGURATION = f"{NAME}-{NAME}"
# Shorter than the defaults, so that tests wait less; `generic`, as no CNI's pods are there to be recognised.
QUICK = ("--set", "cni=generic,preStopSleepSeconds=1,drainSeconds=1")
Object = dict[str, Any]


def previous(directory: Path) -> Path:
    """Return a copy of the chart as a version before it."""
    copy = Path(shutil.copytree(CHART, directory / "previous"))
    chart = yaml.safe_load((copy / "Chart.yaml").read_text(encoding="utf-8"))
    (copy / "Chart.yaml").write_text(json.dumps(chart | {"version": "0.0.9", "appVersion": "0.0.9"}), encoding="utf-8")
    return copy


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
        return self.helm("install", NAME, chart, "--create-namespace", "--wait", *QUICK, *values)

    def upgrade(self, chart: Path = CHART, *values: str) -> str:
        """Upgrade, and wait."""
        return self.helm("upgrade", NAME, chart, "--wait", *QUICK, *values)

    def get(self, kind: str, name: str) -> Object:
        """Return one object."""
        found: Object = json.loads(self.kubectl("get", kind, name, "--output", "json"))
        return found

    @property
    def owned(self) -> list[Object]:
        """Every object of the release, as rendered."""
        return [one for one in yaml.safe_load_all(self.helm("get", "manifest", NAME)) if one]

    @property
    def bundles(self) -> list[str]:
        """The caBundle of each entry."""
        webhooks = self.get("validatingwebhookconfiguration", CONFIGURATION)["webhooks"]
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
