"""The image without an engine to build it: what its Dockerfile runs is run here, and what it starts is started."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from webhook import __version__

TOP = Path(__file__).parents[2]
DOCKERFILE = (TOP / "Dockerfile").read_text(encoding="utf-8")
BUILD, RUNTIME = DOCKERFILE.replace("\\\n", " ").split("\nFROM ")[1:]
PLACES = ("wheels", "build", "app")  # directories of the build stage, at the top of its file system
MOST_MEGABYTES = 260  # more than half is the official client's models


def test_the_image_runs_as_a_number_and_needs_no_shell() -> None:
    (user,) = re.findall(r"^USER (.*)$", RUNTIME, re.MULTILINE)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert not re.search(r"^RUN ", RUNTIME, re.MULTILINE), "a base without a shell runs nothing"
    assert json.loads(re.findall(r"^ENTRYPOINT (.*)$", RUNTIME, re.MULTILINE)[0]) == ["python3", "-m", "webhook"]


def test_the_bases_can_be_pinned_by_digest_and_no_package_index_is_named() -> None:
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["${BUILD}", "${RUNTIME}"]
    assert not re.search(r"index-url|pypi|pythonhosted", DOCKERFILE)


def test_the_version_on_the_label_is_the_packages() -> None:
    assert f"ARG VERSION={__version__}\n" in RUNTIME
    labels = set(re.findall(r"org\.opencontainers\.image\.(\w+)=", RUNTIME))
    assert labels == {"title", "description", "licenses", "source", "version", "revision"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the build stage on this machine, with what .dockerignore lets in; returns what the image gets."""
    root: Path = tmp_path_factory.mktemp("image")
    source = root / "src"
    for name in re.findall(r"^!(.*)$", (TOP / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        if (TOP / name).is_dir():
            shutil.copytree(TOP / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(TOP / name, source / name)
    kept = _kept_wheels()
    # The index is asked once; after that the same files are checked against the same hashes.
    environment = os.environ | ({"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(kept)} if kept.is_dir() else {})
    for command in re.findall(r"^RUN (.*)$", BUILD, re.MULTILINE):
        here = re.sub(rf"(?<![\w/.])/({'|'.join(PLACES)})\b", rf"{root}/\1", command)
        here = re.sub(r"(^|\s)python ", rf"\1{sys.executable} ", here)
        shell = ["/bin/sh", "-c", here]  # as the engine does
        done = subprocess.run(shell, cwd=source, env=environment, capture_output=True, text=True, check=False)
        if done.returncode and "pip download" in here and not os.environ.get("CI"):
            pytest.skip(f"the locked packages cannot be downloaded: {done.stderr[-300:]}")
        assert done.returncode == 0, f"{here}\n{done.stderr}"
        if "pip download" in here and not kept.is_dir():
            shutil.copytree(root / "wheels", root / "kept")
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(root / "kept", kept)
    return root / "app"


def _kept_wheels() -> Path:
    """Where the wheels of this lock and this Python are kept between runs, beside the test bed's programs."""
    lock = hashlib.sha256((TOP / "scripts/lock/runtime.txt").read_bytes() + sys.version.encode()).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "netpol-preflight/wheels" / lock[:16]


def start(app: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the entry point with the image's environment and nothing else."""
    (line,) = re.findall(r"^ENV (.*)$", RUNTIME, re.MULTILINE)
    environment = dict(pair.split("=", 1) for pair in line.split()) | {"PYTHONPATH": str(app)}
    # -S: without this interpreter's own packages, which the image does not have.
    return subprocess.run(
        [sys.executable, "-S", "-m", "webhook", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_the_image_gets_runs(app: Path) -> None:
    assert start(app, "--version").stdout == f"netpol-preflight {__version__}\n"
    story = app / "webhook/story"
    checked = start(app, "check", "-f", str(story / "web-api.yaml"), "--against", str(story / "production.yaml"))
    assert (checked.returncode, "NP102" in checked.stdout) == (1, True), checked.stderr


def test_it_serves_from_what_the_image_gets(app: Path) -> None:
    refused = start(app, "serve", "--source=cluster", "--kubeconfig=/nowhere", "--tls-dir=/tmp/never")
    assert refused.returncode == 2
    assert "no kubeconfig at `/nowhere`" in refused.stderr


def test_what_builds_it_is_not_in_it(app: Path) -> None:
    assert not {"hatchling", "pip", "setuptools", "pluggy"} & {path.name for path in app.iterdir()}


def test_its_size_is_known(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    megabytes = sum(path.stat().st_size for path in app.rglob("*") if path.is_file()) / 1e6
    with capsys.disabled():
        sys.stdout.write(f"\nthe image's own layer: {megabytes:.0f} MB unpacked, {len(list(app.rglob('*')))} files\n")
    assert megabytes < MOST_MEGABYTES
