"""Text that came from somebody else, made safe to print in one line, on a terminal and in Markdown."""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

ELLIPSIS: Final = "…"
_ASTRAL: Final = 0x10000
_UNPRINTABLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Cf holds the bidirectional marks and zero-width characters (Unicode TR36), Cc what makes a `Warning` header invalid
# (k8s.io/apimachinery/pkg/util/net NewWarningHeader), Cs what has no UTF-8 form.


def _shown(character: str) -> str:
    if character in "\n\r\t":
        return " "
    if unicodedata.category(character) not in _UNPRINTABLE:
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < _ASTRAL else f"\\U{code:08x}"


def clean(text: str) -> str:
    r"""Return `text` in one line: line ends and tabs as spaces, other unprintable characters as `\uXXXX`."""
    return text if text.isascii() and text.isprintable() else "".join(map(_shown, text))


def clip(text: str, limit: int | None) -> str:
    """Shorten `text` in its middle to at most `limit` characters; None: leave it whole."""
    if limit is None or len(text) <= limit:
        return text
    head = limit // 2
    tail = limit - head - len(ELLIPSIS)
    return text[:head] + ELLIPSIS + (text[-tail:] if tail > 0 else "")


def lines(text: str) -> str:
    """Return `text` with its line ends kept and everything else in it made safe."""
    return "\n".join(clean(line) for line in text.splitlines())


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
