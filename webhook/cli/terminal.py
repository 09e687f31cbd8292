"""The terminal: results on standard output; notes and a progress bar on standard error; colour where it is shown."""

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TextIO


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
    """Say whether standard output shows colours: a terminal, and https://no-color.org not set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _write(stream: TextIO, text: str) -> None:
    encoding = stream.encoding or "utf-8"
    safe = text.encode(encoding, "backslashreplace").decode(encoding)
    stream.write(safe if not safe or safe.endswith("\n") else f"{safe}\n")
    stream.flush()


# -- progress ----------------------------------------------------------------------------------------------------------


Told = Callable[[int, int], object]  # how many are done, and of how many, 0 for not known


@contextmanager
def progress(what: str) -> Generator[Told]:
    """Show how far `what` is, and nothing of it afterwards; where nobody looks, nothing at all."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda _, __: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total or None)
