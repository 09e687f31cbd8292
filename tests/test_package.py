"""What is installed, locked and shipped is what pyproject.toml says."""

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import pytest

from webhook import __version__

TOP = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((TOP / "pyproject.toml").read_text())
LOCKS = sorted((TOP / "scripts/lock").glob("*.txt"))


def pins(lock: str) -> dict[str, str]:
    """Each package of a lock with its version and marker."""
    lines = (TOP / "scripts/lock" / lock).read_text().splitlines()
    return dict(line.removesuffix("\\").strip().split("==", 1) for line in lines if re.match(r"[a-z0-9]", line))


def test_the_installed_version_is_the_one_in_the_package() -> None:
    assert version("netpol-preflight") == __version__


def test_both_commands_are_one_program() -> None:
    installed = {e.name: e.value for e in entry_points(group="console_scripts") if e.value == "webhook.cli.main:main"}
    assert sorted(installed) == ["kubectl-netpol_preflight", "netpol-preflight"]


def test_the_locked_build_backend_is_the_one_that_builds() -> None:
    assert PROJECT["build-system"]["requires"] == PROJECT["dependency-groups"]["build"]


def test_the_development_lock_holds_every_pin_of_the_runtime_lock() -> None:
    runtime = pins("runtime.txt")
    assert len(runtime) > len(PROJECT["project"]["dependencies"])
    assert runtime.items() <= pins("dev.txt").items()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_pins_by_hash_and_names_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    requirements = re.findall(r"^[a-z0-9].*?(?=^\S|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert requirements
    assert [requirement for requirement in requirements if "--hash=sha256:" not in requirement] == []


def test_every_layer_up_to_report_is_held_to_touch_nothing_outside() -> None:
    layers, core = PROJECT["tool"]["importlinter"]["contracts"][:2]
    below = layers["layers"][layers["layers"].index("report") :]
    names = [name for layer in below for name in layer.split(" | ")]
    assert core["source_modules"] == sorted(f"webhook.{name}" for name in names)


def test_the_wheel_carries_the_whole_package_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=TOP, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    carried = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    package = (path for path in (TOP / "webhook").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    pages = {f"webhook/pages/{page.name}" for page in (TOP / "docs/findings").iterdir()}
    assert pages
    assert carried == {path.relative_to(TOP).as_posix() for path in package} | pages
    assert "webhook/py.typed" in carried
    assert [name for name in carried if name.startswith("webhook/story/") and name.endswith(".yaml")]


def test_no_test_module_imports_another() -> None:
    imported = re.compile(r"^\s*(?:from tests\.([\w.]+) import|import tests\.([\w.]+))", re.MULTILINE)
    wrong = [
        f"{path.relative_to(TOP)}: {module}"
        for path in (TOP / "tests").rglob("*.py")
        for module in map("".join, imported.findall(path.read_text(encoding="utf-8")))
        if module.rpartition(".")[2].startswith("test_")
    ]
    assert wrong == [], "what tests share stands in tests/support"


def test_test_modules_stand_in_the_folder_of_a_room() -> None:
    """At the top are those of no room: the package itself, fuzzing, and laws of cost and of hostile neighbours."""
    top = {path.name for path in (TOP / "tests").glob("*.py")}
    whole = {"test_package.py", "test_fuzzing.py", "test_cost_laws.py", "test_hostile_reviews.py"}
    assert top == {"__init__.py", "conftest.py", "fuzzing.py"} | whole
