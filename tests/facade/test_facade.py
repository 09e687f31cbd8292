"""`from webhook import World`: what the commands print, as values."""

import contextlib
import doctest
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import webhook
from tests.support.pages import THEN
from webhook import World
from webhook.cli.main import main

TOP = Path(__file__).parents[2]
STORY = TOP / "webhook/story"
NEWCOMER = STORY / "web-api.yaml"


def printed(command: str, *arguments: str) -> Any:  # noqa: ANN401 - any JSON value
    out = io.StringIO()
    files = ["-f", str(NEWCOMER), "--against", str(STORY)]
    with contextlib.redirect_stdout(out):
        main([command, *files, *arguments, "--format", "json"], clock=lambda: THEN)
    return json.loads(out.getvalue())


@pytest.fixture(name="world", scope="module")
def story() -> World:
    return World.from_paths(NEWCOMER, against=[str(STORY)], now=THEN)


def test_check_is_what_the_command_prints(world: World) -> None:
    assert world.check() == printed("check")


def test_explain_is_what_the_command_prints(world: World) -> None:
    asked = ("web-api", "postgres.production:5432")
    assert world.explain(*asked) == printed("explain", "--from", asked[0], "--to", asked[1])


def test_matrix_is_what_the_command_prints(world: World) -> None:
    assert world.matrix() == printed("matrix")
    assert world.matrix("web-api", unknown=True, group=True) == printed(
        "matrix", "--focus", "web-api", "--unknown", "--group"
    )


def test_fix_is_what_the_command_prints(world: World) -> None:
    assert world.fix() == printed("fix")


def test_what_cannot_be_read_is_an_error_of_every_answer_and_the_rest_counts(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("a: [")
    world = World.from_paths(NEWCOMER, tmp_path, against=[str(STORY)])
    assert [error["file"] for error in world.check()["errors"]] == [str(tmp_path / "broken.yaml")]
    assert [finding["id"] for finding in world.check()["findings"]] == ["NP101", "NP102"]


def test_an_object_that_cannot_be_read_is_named_by_its_place() -> None:
    wrong = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": 7}}
    (error,) = World.from_objects([wrong]).check()["errors"]
    assert error["file"] == "objects[0]"
    assert "metadata.name" in error["message"]


@pytest.mark.parametrize(
    ("source", "to", "said"),
    [
        ("nobody", "postgres:5432", "no workload `nobody`"),
        ("web-api", "postgres:no port", "expected"),
    ],
)
def test_what_makes_no_sense_is_a_value_error(world: World, source: str, to: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        world.explain(source, to)


def test_a_path_that_is_not_there_and_an_unknown_setting_are_value_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot read"):
        World.from_paths(tmp_path / "nothing.yaml")
    with pytest.raises(ValueError, match="cni"):
        World.from_paths(NEWCOMER, cni="carrier-pigeons")


def test_the_package_alone_loads_nothing() -> None:
    listing = "import sys, webhook; print(sorted(name for name in sys.modules if name.startswith('webhook')))"
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True)
    assert done.stdout == "['webhook']\n"
    with pytest.raises(AttributeError, match="Universe"):
        _ = webhook.Universe


def test_the_examples_of_the_page_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(TOP)
    page = (TOP / "docs/python.md").read_text(encoding="utf-8")
    assert page.count("```pycon") >= 3
    test = doctest.DocTestParser().get_doctest(page, {}, "python.md", "docs/python.md", 0)
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0
