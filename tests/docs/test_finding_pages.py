"""Every finding has a page, and what its example prints is what the program prints."""

import re
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path

import pytest
import yaml

from tests.support.pages import FOLDER, Example, example, printed
from webhook.cli.main import main
from webhook.model.answers import DEFAULT_SEVERITY, Severity

PAGES = {page.stem: page.read_text(encoding="utf-8") for page in sorted(FOLDER.glob("*.md"))}
DEPENDS = {"NP201", "NP203", "NP204"}  # info in files alone; a warning where a port's name leads nowhere
SECTIONS = ["What", "Why it hurts", "How to fix", "How to silence", "Example"]


def test_every_finding_that_can_be_told_has_a_page() -> None:
    assert set(PAGES) == set(DEFAULT_SEVERITY)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_every_section_and_the_default_severity(name: str) -> None:
    page = PAGES[name]
    assert page.startswith(f"# {name}: ")
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == SECTIONS
    assert f"\nDefault severity: {DEFAULT_SEVERITY[name].word}" in page


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_example_of_a_page_prints_what_the_page_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    one = example(PAGES[name])
    assert one is not None
    found = printed(one, tmp_path)
    assert name in found
    assert found == one.output


def told(one: Example, folder: Path, **settings: object) -> list[str]:
    """Return the lines of the example's findings under further settings, without what is indented below them."""
    raw = yaml.safe_load(one.files.get("config.yaml", "{}")) | settings
    command = one.command.replace(" --config config.yaml", "") + " --config config.yaml"
    files = {**one.files, "config.yaml": yaml.safe_dump(raw)}
    lines = printed(Example(files, command, ""), folder).splitlines()
    return [text for text in lines if re.search(r"\b(error|warning|info) NP[0-9]{3}\b", text)]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_finding_is_graded_silenced_and_answered_for_by_configuration(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    one = example(PAGES[name])
    assert one is not None
    every = told(one, tmp_path)
    own = [text for text in every if f" {name} " in text]
    others = [text for text in every if text not in own]
    if name not in DEPENDS:
        assert all(f"{DEFAULT_SEVERITY[name].word} {name} " in text for text in own)
    other = "info" if DEFAULT_SEVERITY[name] is Severity.WARNING else "warning"
    graded = told(one, tmp_path, severities={name: other})
    assert own
    assert sorted(text for text in graded if f" {name} " in text) == sorted(
        re.sub(f"(error|warning|info) {name} ", f"{other} {name} ", text) for text in own
    )
    assert told(one, tmp_path, severities={name: "off"}) == others
    assert told(one, tmp_path, exemptions=[{"id": name, "reason": "why"}]) == others
    over = [{"id": name, "reason": "why", "until": date(2020, 1, 1)}]
    assert told(one, tmp_path, exemptions=over) == every


@pytest.mark.parametrize("name", ["NP102", "np102"])
def test_explain_prints_the_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", name]) == 0
    assert capsys.readouterr().out.rstrip() == PAGES["NP102"].rstrip()


def test_explain_of_an_id_that_is_none_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "NP999"]) == 2
    assert "no finding `NP999`" in capsys.readouterr().err


def test_a_wheel_carries_the_pages(tmp_path: Path) -> None:
    top = FOLDER.parent.parent
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=top, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = {n.removeprefix("webhook/pages/").removesuffix(".md") for n in archive.namelist() if "/pages/" in n}
    assert inside == set(PAGES)
