"""The pages of docs: the files and the command of an example, and what it prints."""

import contextlib
import io
import re
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from webhook.cli.main import main

THEN: Final = datetime(2026, 11, 20, 13, tzinfo=UTC)  # the day of the examples: a snapshot of theirs is an hour old
FOLDER: Final = Path(__file__).parents[2] / "docs/findings"
_FILE: Final = re.compile(
    r"^`([a-z]+\.(?:yaml|json))`[^\n]*:\n\n```(?:yaml|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
_RUN: Final = re.compile(r"^```console\n\$ netpol-preflight ([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    """Files by name, a command line, and what it is said to print."""

    files: dict[str, str]
    command: str
    output: str


def example(text: str) -> Example | None:
    """Return the example of a page; None where it has none."""
    run = _RUN.search(text)
    return Example(dict(_FILE.findall(text)), run[1], run[2]) if run else None


def printed(one: Example, folder: Path) -> str:
    """Run the command in `folder`, with the example's files in it, and return what it prints."""
    for name, content in one.files.items():
        (folder / name).write_text(content)
    out = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out):
        main(shlex.split(one.command), clock=lambda: THEN)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def laid_out(files: Mapping[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a page's files below `folder`, stand there as its reader does, and print without colour."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NO_COLOR", "1")
    return folder
