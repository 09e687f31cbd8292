"""Where output goes: standard output for results, standard error for what a person should know."""

import os
import sys
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
