"""Markdown as GitHub and GitLab show it: text that starts no markup of its own, and tables."""

from collections.abc import Iterable, Sequence
from typing import Final

from webhook.report.safe import clean

_ESCAPED: Final = str.maketrans({character: f"\\{character}" for character in "\\`*_[]<>|"})


def escaped(text: str) -> str:
    """Return text that ends no cell and starts no markup."""
    return clean(text).translate(_ESCAPED)


def code(text: str) -> str:
    """Return text as code in a line; a bar ends no cell, a backtick ends no code."""
    return f"`{clean(text).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table, whose cells are markdown already; nothing where there are no rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *lines] if lines else []


def fenced(text: str, language: str) -> list[str]:
    """Return a block of code that no line of `text` can end."""
    fence = "```"
    while fence in text:
        fence += "`"
    return [f"{fence}{language}", *text.rstrip("\n").split("\n"), fence]
