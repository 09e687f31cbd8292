"""docs/tutorial.md: what it shows of the program is what the program prints for the files that it shows."""

import re
import shlex
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.support.pages import laid_out
from tests.support.running import served
from webhook.cli.demo import review_of
from webhook.cli.main import main

PAGE: Final = (Path(__file__).parents[2] / "docs/tutorial.md").read_text(encoding="utf-8")
FILES: Final = dict(re.findall(r"`(tutorial/\w+\.yaml)`[^\n]*\n\n```yaml\n(.*?)```", PAGE, re.DOTALL))
SHOWN: Final = re.findall(r"```console\n\$ netpol-preflight ([^\n]*)\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's files in it, where its reader stands."""
    return laid_out(FILES, tmp_path, monkeypatch)


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize(("command", "printed"), SHOWN, ids=[command.split()[0] for command, _ in SHOWN])
def test_what_the_page_shows_is_printed(command: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(shlex.split(command))
    assert capsys.readouterr().out.rstrip("\n") == printed.rstrip("\n")


def test_the_warning_that_the_page_shows_is_the_webhooks(checkout: Path) -> None:
    (shown,) = re.findall(r"^Warning: (.*)$", PAGE, re.MULTILINE)
    with served(checkout / "tutorial", checkout / "tls") as webhook:
        assert list(review_of(webhook.address, checkout / "tutorial/web.yaml", webhook.ca).warnings) == [shown]
    with served(checkout / "tutorial", checkout / "tls", "--mode", "enforce") as webhook:
        reply = review_of(webhook.address, checkout / "tutorial/web.yaml", webhook.ca)
        assert not reply.allowed
        assert "kind: NetworkPolicy" in reply.message


def test_the_fix_that_the_page_applies_opens_it(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sorted(FILES) == ["tutorial/database.yaml", "tutorial/web.yaml"]
    assert main(["fix", "-f", "tutorial/"]) == 0
    fixed = capsys.readouterr().out
    assert [one["kind"] for one in yaml.safe_load_all(fixed)] == ["NetworkPolicy"]
    (checkout / "tutorial/fix.yaml").write_text(fixed)
    assert main(["check", "-f", "tutorial/"]) == 0
