"""What is said of a setting that cannot be used."""

from collections.abc import Iterable
from difflib import get_close_matches


class Invalid(ValueError):  # noqa: N818 - what it says of the setting
    """A setting that cannot be used; the message says which and what was expected."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `, did you mean ...?` for the nearest known word, or nothing."""
    close = get_close_matches(word, tuple(known), n=1)
    return f", did you mean `{close[0]}`?" if close else ""


def shown(value: object) -> str:
    """Return a value of the file as a message shows it: printable, and short."""
    return "".join(c if c.isprintable() else "?" for c in str(value)[:60])
