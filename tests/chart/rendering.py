"""The chart, rendered."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "charts/netpol-preflight"
CI = sorted((CHART / "ci").glob("*-values.yaml"))
RELEASE, NAMESPACE = "netpol-preflight", "preflight"
Object = dict[str, Any]
Helm = Callable[..., "subprocess.CompletedProcess[str]"]


class Rendered:
    """The objects of one rendering."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.objects: list[Object] = [one for one in yaml.safe_load_all(text) if one]

    def of(self, kind: str) -> list[Object]:
        """Return the objects of a kind."""
        return [one for one in self.objects if one["kind"] == kind]

    def one(self, kind: str, suffix: str = "") -> Object:
        """Return the only object of a kind, or the only one whose name ends so."""
        (found,) = [one for one in self.of(kind) if one["metadata"]["name"].endswith(suffix)]
        return found

    @property
    def pod(self) -> Object:
        """The Deployment's pod template."""
        template: Object = self.one("Deployment")["spec"]["template"]
        return template

    @property
    def webhooks(self) -> dict[str, Object]:
        """The configuration's entries, by the first word of their names."""
        entries = self.one("ValidatingWebhookConfiguration")["webhooks"]
        return {entry["name"].partition(".")[0]: entry for entry in entries}

    @property
    def rules(self) -> list[Object]:
        """Every rule of every role."""
        return [rule for role in (*self.of("ClusterRole"), *self.of("Role")) for rule in role["rules"]]


class Chart:
    """`helm template` with values."""

    def __init__(self, helm: Path, directory: Path) -> None:
        self._helm = helm
        self._directory = directory

    def run(self, values: Object | Path | None = None, *flags: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end, whatever its end."""
        if not isinstance(values, Path):
            content, values = values or {}, self._directory / "values.yaml"
            values.write_text(json.dumps(content), encoding="utf-8")
        return self.helm("template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--values", str(values), *flags)

    def helm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run helm, with nothing of the person who runs the tests."""
        environment = {"HOME": str(self._directory), "PATH": str(self._helm.parent)}
        return subprocess.run(
            [self._helm, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    def render(self, values: Object | Path | None = None, *flags: str) -> Rendered:
        """Render; raises AssertionError with what helm said."""
        done = self.run(values, *flags)
        assert done.returncode == 0, done.stderr
        return Rendered(done.stdout)

    def refused(self, values: Object, *flags: str) -> str:
        """Return what helm said of values that it does not take."""
        done = self.run(values, *flags)
        assert done.returncode != 0, f"{values} was rendered"
        return done.stderr
