"""docs/ci-formats.md: what it shows of the program is what the program prints for the files that it shows."""

import json
import re
import shlex
from pathlib import Path
from typing import Final

import pytest

from tests.support.pages import laid_out
from webhook.cli.main import main

PAGE: Final = (Path(__file__).parents[2] / "docs/ci-formats.md").read_text(encoding="utf-8")
FILES: Final = dict(re.findall(r"`(k8s/\w+\.yaml)`[^\n]*\n\n```yaml\n(.*?)```", PAGE, re.DOTALL))
SHOWN: Final = re.findall(r"^(`{3,4})console\n\$ netpol-preflight ([^\n]*)\n(.*?)^\1$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's files in it, where its reader stands."""
    return laid_out(FILES, tmp_path, monkeypatch)


def test_what_the_page_shows_is_printed(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(SHOWN) == 7
    for _, command, printed in SHOWN:
        main(shlex.split(command))
        out, err = capsys.readouterr()
        assert err + out == printed, command
    assert f"```json\n{(checkout / 'netpol.json').read_text()}```" in PAGE


def test_the_result_that_the_page_shows_is_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    shown = json.loads(re.findall(r"```json\n(\{\n  \"ruleId\".*?)```", PAGE, re.DOTALL)[0])
    main(["check", "-f", "k8s/", "--format", "sarif"])
    (first, *_) = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    del first["properties"]
    for one in (shown, first):
        edit = one["fixes"][0]["artifactChanges"][0]["replacements"][0]["insertedContent"]
        edit["text"] = edit["text"].partition("\nmetadata")[0].partition("\n...")[0]
    assert first == shown
