"""Tables and colours are for a person at a terminal; whatever reads a pipe gets lines that never change."""

import re
from pathlib import Path

import pytest

from tests.support.running import STORY, drawn, spawn
from webhook.cli.terminal import coloured, tabulate

_CODE = re.compile(r"\x1b\[[0-9;]*m")
ADDRESSES = Path(__file__).parents[1] / "matrix/shop"
COMMANDS = (
    ("check", "-f", STORY),
    ("audit", "-f", STORY),
    ("matrix", "-f", STORY),
    ("explain", "-f", STORY, "--from", "deploy/web-api", "-n", "production", "--to", "postgres:5432"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_terminal_shows_colours_and_a_pipe_has_none(command: tuple[object, ...]) -> None:
    screen, piped = drawn(*command, COLUMNS="200"), spawn(*command).out
    assert "\x1b[1m" in screen or "\x1b[1;3" in screen
    assert "\x1b" not in piped
    assert _CODE.sub("", screen).split() == piped.split()


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_who_wants_no_colours_gets_what_a_pipe_gets(command: tuple[object, ...], environment: dict[str, str]) -> None:
    assert drawn(*command, **environment) == spawn(*command).out


@pytest.mark.parametrize("command", COMMANDS[:2], ids=lambda command: command[0])
def test_whoever_asks_for_colours_gets_them_in_a_pipe_too(command: tuple[object, ...]) -> None:
    bare = spawn(*command)
    forced = spawn(*command, FORCE_COLOR="1", TERM="dumb")
    assert "\x1b[1m" in forced.out
    assert _CODE.sub("", forced.out) == bare.out
    assert spawn(*command, FORCE_COLOR="1", NO_COLOR="1") == bare
    assert spawn(*command, "--format", "json", FORCE_COLOR="1").out == spawn(*command, "--format", "json").out


def test_a_table_is_as_wide_as_the_terminal_and_in_a_pipe_as_wide_as_it_takes() -> None:
    command = ("matrix", "-f", ADDRESSES, "--unknown")
    lines = [_CODE.sub("", line) for line in drawn(*command).split("\n")]
    table = lines[: lines.index("")]
    assert max(map(len, table)) <= 60 < max(map(len, spawn(*command).out.splitlines()))
    assert "…" not in "".join(table)


EXPLAINED = ("explain", "-f", STORY, "--from", "deploy/web-api", "-n", "production")
PASTED = "dial tcp 10.244.1.45:5432: i/o timeout"


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("asked", [("--to", "postgres:5432"), ("--error", PASTED)], ids=["to", "error"])
def test_an_explanation_folds_between_words_and_keeps_them_all(asked: tuple[str, ...], width: int) -> None:
    screen = _CODE.sub("", drawn(*EXPLAINED, *asked, COLUMNS=str(width)))
    piped = spawn(*EXPLAINED, *asked).out
    head, _, yaml = screen.partition("\n---\n")
    whole, _, same = piped.partition("\n---\n")
    assert yaml == same
    lines = [line for line in head.splitlines() if not line.startswith("      kubectl ")]
    assert max(map(len, lines)) <= width < max(map(len, whole.splitlines()))
    assert [word for word in head.split() if word != "|"] == [word for word in whole.split() if word != "|"]


@pytest.mark.parametrize("command", ["check", "audit"])
def test_findings_fold_between_words_too(command: str) -> None:
    screen = _CODE.sub("", drawn(command, "-f", STORY, COLUMNS="80"))
    piped = spawn(command, "-f", STORY).out
    assert max(map(len, screen.splitlines())) <= 80 < max(map(len, piped.splitlines()))
    assert screen.split() == piped.split()


def test_in_a_log_that_is_coloured_nothing_folds() -> None:
    told = spawn(*EXPLAINED, "--to", "postgres:5432", FORCE_COLOR="1", COLUMNS="40").out
    assert _CODE.sub("", told) == spawn(*EXPLAINED, "--to", "postgres:5432").out


def test_what_does_not_fit_goes_on_below_its_column_and_a_ways_stem_with_it() -> None:
    screen = _CODE.sub("", drawn(*EXPLAINED, "--to", "postgres:5432", COLUMNS="80")).splitlines()
    at = screen.index("    x  egress   denied   isolated by production/web-api-egress; no rule lets it")
    assert screen[at + 1] == "    |                    out"


def test_numbers_stand_below_each_other_and_markup_is_text() -> None:
    rows = [("[red]a", "1", "2"), ("bb", "10", "-")]
    assert tabulate(("NAME", "ONE", "TWO"), rows, numbers=(1, 2), least=5).splitlines() == [
        "NAME      ONE    TWO",
        "[red]a      1      2",
        "bb         10      -",
    ]
    painted = [(coloured("error", "x"), "1")]
    assert tabulate(("A", "B"), painted, numbers=(1,)).splitlines() == ["A  B", "x  1"]
