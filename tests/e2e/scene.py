"""A namespace with a person in it who has kubectl and nothing else."""

import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tests.e2e.registration import NAME
from tests.e2e.story import Object
from tests.testbed.control_plane import ControlPlane

DRY_RUN = "--dry-run=server"


@dataclass(frozen=True)
class Said:
    """What one kubectl command did."""

    code: int
    stdout: str
    stderr: str

    @property
    def warnings(self) -> list[str]:
        """The warnings, in their order, without kubectl's `Warning: `."""
        lines = self.stderr.splitlines()
        return [line.removeprefix("Warning: ") for line in lines if line.startswith("Warning: ")]

    @property
    def ids(self) -> list[str]:
        """The findings' ids that the warnings name."""
        return [word for warning in self.warnings for word in _ids(warning)]

    @property
    def denied(self) -> bool:
        """Whether the webhook said no."""
        return self.code == 1 and f'admission webhook "{NAME}" denied the request' in self.stderr

    @property
    def fix(self) -> str:
        """The YAML in a denial's message: all from its first `---` on."""
        before, line, after = self.stderr.partition("\n---\n")
        assert line, before
        return after

    @property
    def silent(self) -> bool:
        """Whether it worked and had nothing to say."""
        return self.code == 0 and not self.stderr


def _ids(text: str) -> Iterator[str]:
    for part in text.split("(")[1:]:
        word = part.partition(")")[0]
        if word.startswith("NP"):
            yield word


@dataclass(frozen=True)
class Scene:
    """A namespace, and kubectl in it."""

    control_plane: ControlPlane
    namespace: str

    def kubectl(self, *arguments: str, text: str | None = None) -> Said:
        """Run kubectl in the namespace."""
        done: subprocess.CompletedProcess[str] = self.control_plane.kubectl(
            *arguments, input=text, namespace=self.namespace
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def apply(self, what: str | Object | Iterable[Object], *flags: str) -> Said:
        """Run `kubectl apply --filename -`."""
        return self.kubectl("apply", *flags, "--filename", "-", text=written(what))

    def set_up(self, what: str | Object | Iterable[Object]) -> None:
        """Apply what the test takes for granted; warnings do not matter."""
        done = self.apply(what)
        assert done.code == 0, done.stderr

    def wait_ids(self, what: Object, *ids: str) -> Said:
        """Try to apply, by dry run, until the warnings name just these findings: the webhook's world follows late."""

        def met() -> Said | None:
            said = self.apply(what, DRY_RUN)
            return said if (said.code, said.ids) == (0, list(ids)) else None

        return self._wait(met, f"the warnings {ids}", what)

    def wait_denied(self, what: Object) -> Said:
        """Try to apply, by dry run, until the webhook says no."""

        def met() -> Said | None:
            said = self.apply(what, DRY_RUN)
            return said if said.denied else None

        return self._wait(met, "a denial", what)

    def _wait(self, met: Callable[[], Said | None], wanted: str, what: Object) -> Said:
        try:
            said = self.control_plane.wait_for(met, what=wanted)
        except AssertionError as error:
            raise AssertionError(f"{error}; the last answer: {self.apply(what, DRY_RUN)}") from None
        assert said is not None
        return said

    def exists(self, kind: str, name: str) -> bool:
        """Whether the object is there."""
        return bool(self.kubectl("get", kind, name, "--ignore-not-found", "--output", "name").stdout)

    def label(self, *labels: str, namespace: str | None = None) -> None:
        """Set labels of a namespace: `key=value`, or `key-` to remove one."""
        done = self.kubectl("label", "--overwrite", "namespace", namespace or self.namespace, *labels)
        assert done.code == 0, done.stderr

    def audited(self, resource: str, name: str = "", **more: str) -> list[Mapping[str, str]]:
        """Return the webhook's audit annotations, without their prefix, of each write, oldest first."""
        fields = {"resource": resource, "namespace": self.namespace, **({"name": name} if name else {}), **more}
        entries: list[Any] = self.control_plane.audit_entries(**fields)
        return [
            {key.removeprefix(f"{NAME}/"): value for key, value in entry.get("annotations", {}).items()}
            for entry in entries
            if entry["responseStatus"]["code"] < 300
        ]


def written(what: str | Object | Iterable[Object]) -> str:
    """Return objects as one YAML file; text is left as it is."""
    if isinstance(what, str):
        return what
    return yaml.safe_dump_all([what] if isinstance(what, dict) else list(what), sort_keys=False)
