"""The terminal: results on standard output; notes and a progress bar on standard error; colour where it is shown."""

import io
import os
import re
import sys
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from typing import Final, Literal, TextIO


def emit(text: str) -> None:
    """Write a command's whole result. A reader that has seen enough (`| head`) is no error."""
    try:
        _write(sys.stdout, text)
    except BrokenPipeError:
        # what Python still holds must not be written at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(text: str) -> None:
    """Write a line for a person to standard error."""
    _write(sys.stderr, text)


def colour() -> bool:
    """Say whether standard output shows colours: a terminal does, without https://no-color.org.

    So does whatever else FORCE_COLOR (https://force-color.org) is set for: the logs of most CI systems do.
    """
    if os.environ.get("FORCE_COLOR"):
        return not os.environ.get("NO_COLOR")
    if not sys.stdout.isatty():
        return False
    from rich.console import Console

    console = Console()
    return not console.no_color and not console.is_dumb_terminal


_STYLES: Final = {
    "error": "bold red",
    "warning": "bold yellow",
    "info": "cyan",
    "dim": "dim",
    "bold": "bold",
    "good": "green",
}


def coloured(style: str, text: str) -> str:
    """Return `text` in a style, as a terminal shows it."""
    from rich.style import Style

    return Style.parse(_STYLES[style]).render(text)


def paint() -> Callable[[str, str], str]:
    """Return what gives text its colours where standard output shows them, and else leaves it as it is."""
    from webhook.report.text import plain

    return coloured if colour() else plain


def _write(stream: TextIO, text: str) -> None:
    encoding = stream.encoding or "utf-8"
    safe = text if text.isascii() else text.encode(encoding, "backslashreplace").decode(encoding)
    stream.write(safe if not safe or safe.endswith("\n") else f"{safe}\n")
    stream.flush()


# -- tables ------------------------------------------------------------------------------------------------------------

_WIDE: Final = 1_000  # characters: in a pipe nothing is folded


def tabulate(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Collection[int] = (), least: int = 0
) -> str:
    """Return rows as a table: as wide as the terminal, or in a pipe as wide as it takes, without colour."""
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    shown = colour()
    columns = (
        Column(
            name,
            justify="right" if number in numbers else "left",
            min_width=least if number in numbers else None,
            overflow="fold",  # a name that is cut short is no name
        )
        for number, name in enumerate(head)
    )
    table = Table(*columns, box=None, pad_edge=False, header_style="bold" if shown else "")
    for row in rows:
        table.add_row(*map(Text.from_ansi, row))
    out = io.StringIO()
    width = None if sys.stdout.isatty() and shown else _WIDE
    depth: Literal["standard"] | None = "standard" if shown else None
    console = Console(file=out, force_terminal=shown, color_system=depth, width=width, highlight=False)
    console.print(table, soft_wrap=False)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


# -- text that folds ---------------------------------------------------------------------------------------------------


_COMMAND: Final = re.compile(r" {6}\S")  # a line that is copied whole
_TREE: Final = re.compile(r" {4}[xv|] ")  # a line of a drawn way, whose stem goes on below it
_COLUMNS: Final = re.compile(r".*\S {2,}(?=\S)|\s*(?:- )?")  # all of a line before its last column
_STEM: Final = "    |"
_ROOM: Final = 30  # characters that the last column has to have, or it begins anew below the first


def folded(text: str) -> str:
    """Return text as wide as the terminal, folded between words; in a pipe as it is.

    What does not fit goes on below the last column of its line. From a `---` on it is YAML, and as it is.
    """
    if not sys.stdout.isatty() or not colour():
        return text
    from rich.console import Console

    width = Console().width
    head, mark, yaml = text.partition("\n---\n")
    return "\n".join(_folded(line, width) for line in head.split("\n")) + mark + yaml


def _folded(line: str, width: int) -> str:
    from rich.console import Console
    from rich.text import Text

    whole = Text.from_ansi(line)
    if whole.cell_len <= width or _COMMAND.match(whole.plain):
        return line
    match = _COLUMNS.match(whole.plain)
    start = match.end() if match else 0
    stem = _STEM if _TREE.match(whole.plain) else ""
    beside = width - start >= _ROOM
    below = Text(stem.ljust(start if beside else len(stem or _leading(whole.plain)) + 2))
    rows = [whole[:start], *(() if beside else (below.copy(),))]
    empty = True
    for word in whole[start:].split(" "):
        if not empty and rows[-1].cell_len + 1 + word.cell_len > width:
            rows.append(below.copy())
            empty = True
        rows[-1].append_text(word if empty else Text(" ").append_text(word))
        empty = False
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="standard", highlight=False)
    console.print(*rows, sep="\n", soft_wrap=True)
    return "\n".join(row.rstrip() for row in out.getvalue().splitlines())


def _leading(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


# -- progress ----------------------------------------------------------------------------------------------------------


Told = Callable[[int, int], object]  # how many are done, and of how many, 0 for not known


@contextmanager
def progress(what: str, *, counted: bool = True) -> Generator[Told]:
    """Show how far `what` is, and nothing of it afterwards; where nobody looks, nothing at all.

    `counted`: what is told is how many are done; else there is only that it goes on, and for how long.
    """
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda _, __: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    numbers = (MofNCompleteColumn(),) if counted else ()
    columns = (TextColumn("{task.description}"), BarColumn(), *numbers, TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total or None)
