"""A command, run in this process, and a copy of the story."""

from pathlib import Path

import pytest

from tests.support.running import STORY, Done, Run
from webhook.cli.main import main


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process."""

    def command(*arguments: object) -> Done:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return command


@pytest.fixture
def story(tmp_path: Path) -> Path:
    """A copy of the story that a test may change."""
    place = tmp_path / "story"
    place.mkdir()
    for file in STORY.glob("*.yaml"):
        (place / file.name).write_bytes(file.read_bytes())
    return place
