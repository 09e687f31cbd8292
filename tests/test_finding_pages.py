"""Every finding has a page, and what its example prints is what the program prints."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.pages import FOLDER, example, printed
from webhook.cli.main import main
from webhook.model.finding import DEFAULT_SEVERITY

PAGES = {page.stem: page.read_text(encoding="utf-8") for page in sorted(FOLDER.glob("*.md"))}
SECTIONS = ["What", "Why it hurts", "How to fix", "How to silence", "Example"]


def test_every_finding_that_can_be_told_has_a_page() -> None:
    assert set(PAGES) == {name for name in DEFAULT_SEVERITY if name < "NP500"}


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
