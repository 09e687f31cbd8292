"""Where the control plane's programs come from; run as a program by `scripts/testbed`.

Order: $KUBEBUILDER_ASSETS (envtest's convention, completed from PATH), PATH where it has the whole set in the versions
that the tools modules pin, the cache, and last a build into the cache.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.patience import PATIENCE
from tests.testbed import build

Version = tuple[int, int, int]
ASSETS = "KUBEBUILDER_ASSETS"
HOW_TO_GET_IT = (
    "run `scripts/testbed` (builds it once, about 6 minutes), or set $KUBEBUILDER_ASSETS to a directory with "
)
HOW_TO_GET_IT += ", ".join(tool.name for tool in build.TOOLS)

# What asks a program for its version, and the oldest that $KUBEBUILDER_ASSETS may bring: the first etcd and helm that
# serve such a Kubernetes, and the first Kubernetes with the v1 ValidatingAdmissionPolicy.
VERSION_ARGUMENTS = {
    "etcd": ("--version",),
    "kube-apiserver": ("--version",),
    "kube-controller-manager": ("--version",),
    "kubectl": ("version", "--client"),
    "helm": ("version", "--short"),
}
OLDEST: dict[str, Version] = {
    "etcd": (3, 5, 0),
    "kube-apiserver": (1, 30, 0),
    "kube-controller-manager": (1, 30, 0),
    "kubectl": (1, 30, 0),
    "helm": (3, 14, 0),
}


class MisconfiguredError(Exception):
    """$KUBEBUILDER_ASSETS is set to something that cannot be a test bed: the person who set it has to know."""


@dataclass(frozen=True)
class Binaries:
    """The whole set: the path of each program by its name, and where the set was found."""

    origin: str
    paths: Mapping[str, Path]

    @property
    def search_path(self) -> str:
        """Return the directories that hold the set, in the form of PATH."""
        return os.pathsep.join(dict.fromkeys(str(path.parent) for path in self.paths.values()))

    def version(self, name: str) -> Version:
        """Return what a program of the set says of itself."""
        return version_of(name, self.paths[name])


def version_of(name: str, path: Path) -> Version:
    """Return what the program says of itself; raises OSError or ValueError where it says nothing of the kind."""
    completed = subprocess.run(
        [path, *VERSION_ARGUMENTS[name]], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    found = re.search(r"\bv?(\d+)\.(\d+)\.(\d+)", completed.stdout)
    if not found:
        raise ValueError(f"`{path}` does not say its version: {(completed.stderr or completed.stdout).strip()[:200]}")
    major, minor, patch = (int(part) for part in found.groups())
    return major, minor, patch


def ensure(say: Callable[[str], None]) -> Binaries:
    """Return the set, built if need be; raises MisconfiguredError, or build.UnavailableError with what is missing."""
    return at_hand() or _cached(build.build(say))


def at_hand() -> Binaries | None:
    """Return the set where it needs no build, else None; raises MisconfiguredError."""
    assets = os.environ.get(ASSETS)
    if assets:
        return _from_assets(Path(assets))
    on_path = _find(os.environ.get("PATH", ""))
    if len(on_path) == len(build.TOOLS) and not _unfit(on_path, pinned=True):
        return Binaries("PATH", on_path)
    directory = build.cache_directory()
    return _cached(directory) if directory.is_dir() else None


def _cached(directory: Path) -> Binaries:
    return Binaries("cache", {tool.name: directory / tool.name for tool in build.TOOLS})


def _from_assets(assets: Path) -> Binaries:
    paths = _find(os.pathsep.join([str(assets.absolute()), os.environ.get("PATH", "")]))
    missing = [tool.name for tool in build.TOOLS if tool.name not in paths]
    problems = [f"neither it nor PATH has {', '.join(missing)}"] if missing else []
    problems += _unfit(paths, pinned=False)
    if problems:
        raise MisconfiguredError(
            f"${ASSETS} is `{assets}`, but {'; '.join(problems)}: complete it, or unset it to have the set built"
        )
    return Binaries(f"${ASSETS}", paths)


def _find(search_path: str) -> dict[str, Path]:
    found = {tool.name: shutil.which(tool.name, path=search_path) for tool in build.TOOLS}
    return {name: Path(path) for name, path in found.items() if path}


def _unfit(paths: Mapping[str, Path], *, pinned: bool) -> list[str]:
    """Return why these programs are no set: too old, of other minor versions, or (`pinned`) not those of go.mod."""
    problems = []
    minors: dict[str, Version] = {}
    for tool in build.TOOLS:
        if tool.name not in paths:
            continue
        try:
            version = version_of(tool.name, paths[tool.name])
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            problems.append(f"{tool.name} does not run ({error})")
            continue
        wanted = build.pinned_version(tool)
        if version < OLDEST[tool.name] or (pinned and version[:2] != wanted[:2]):
            at_least = wanted if pinned else OLDEST[tool.name]
            problems.append(f"`{paths[tool.name]}` is {_text(version)}, wanted is {_text(at_least)}")
        if tool.module == "kubernetes":
            minors[tool.name] = (*version[:2], 0)
    if len(set(minors.values())) > 1:
        problems.append("these differ: " + ", ".join(f"{name} {_text(minor)}" for name, minor in minors.items()))
    return problems


def _text(version: Version) -> str:
    return "v" + ".".join(str(part) for part in version)


def main() -> int:
    """Get the set and say where it is; progress goes to stderr."""
    parser = argparse.ArgumentParser(prog="scripts/testbed", description="Get the control plane that the tests run on.")
    parser.add_argument(
        "--print", action="store_true", help="only print its directory, in the form of PATH; never build"
    )
    arguments = parser.parse_args()
    try:
        found = at_hand() if arguments.print else ensure(lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201 a program
    except (MisconfiguredError, build.UnavailableError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    if found is None:
        sys.stderr.write(f"error: no test bed here: {HOW_TO_GET_IT}\n")
        return 1
    if arguments.print:
        sys.stdout.write(f"{found.search_path}\n")
        return 0
    sys.stdout.write(f"test bed from {found.origin}:\n")
    for name, path in found.paths.items():
        sys.stdout.write(f"  {name:24}{_text(found.version(name)):10}{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
