"""A progress bar on standard error, where a person looks at it."""

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

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
