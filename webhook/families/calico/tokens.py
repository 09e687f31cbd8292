"""The words of a Calico selector.

Source: `projectcalico/calico` libcalico-go/lib/selector/tokenizer. Which words are known depends on the one before:
behind a label there must be an operator; those need no space around them (`a in{'x'}`, `a startswith "x"`).
"""

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from webhook.wire.shapes import shown

LONGEST: Final = 1024  # characters of a selector
LONGEST_LABEL: Final = 512
_SPACE: Final = re.compile(r"[ \t]*")
_TEXT: Final = re.compile(r"\"([^\"]*)\"|'([^']*)'")
_SIGN: Final = re.compile(r"==|!=|&&|\|\||[(){},!]")
_OPERATOR: Final = re.compile(r"(contains)|(starts)[ \t]*with|(ends)[ \t]*with|(not)[ \t]*in|(in)")
_CALL: Final = re.compile(r"(has)\([ \t]*([A-Za-z0-9_./-]+)[ \t]*\)|(all)\([ \t]*\)|(global)\([ \t]*\)")
_CALLS: Final = ("has(", "all(", "global(")
_LABEL: Final = re.compile(r"[A-Za-z0-9_./-]+")
_OPERATORS: Final = {"starts": "starts with", "ends": "ends with", "not": "not in"}


class SelectorError(ValueError):
    """A text that is no selector; says what was expected, and where."""

    def __init__(self, expected: str, text: str, place: int) -> None:
        """Say what was `expected` at character `place`, counted from 0."""
        met = shown(text[place : place + 12]) if place < len(text) else "the end"
        super().__init__(f"expected {expected}, not {met}, at character {place + 1}")


class Token(Struct, frozen=True):
    """A word: its `kind` is itself for signs and operators. `value`: of a label, of a text, of `has`."""

    kind: str
    place: int
    value: str = ""


def tokens(text: str) -> Iterator[Token]:
    """Yield the words of `text`, `end` last. Raises SelectorError."""
    if len(text) > LONGEST:
        raise SelectorError(f"at most {LONGEST} characters", text, LONGEST)
    place, after_label = _skip(text, 0), False
    while place < len(text):
        token, end = _next(text, place, after_label=after_label)
        yield token
        place, after_label = _skip(text, end), token.kind == "label"
    yield Token("end", len(text))


def _skip(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _next(text: str, place: int, *, after_label: bool) -> tuple[Token, int]:
    if text[place] in "'\"":
        if (found := _TEXT.match(text, place)) is None:
            raise SelectorError("a closing quote", text, len(text))
        return Token("text", place, found[1] if found[1] is not None else found[2]), found.end()
    if (found := _SIGN.match(text, place)) is not None:
        return Token(found[0], place), found.end()
    if after_label:
        if (found := _OPERATOR.match(text, place)) is None:
            raise SelectorError("an operator behind a label", text, place)
        word = found[found.lastindex or 0]
        return Token(_OPERATORS.get(word, word), place), found.end()
    if text.startswith(_CALLS, place):
        return _call(text, place)
    if (found := _LABEL.match(text, place)) is None:
        raise SelectorError("a label, has(label), all() or global()", text, place)
    if len(found[0]) > LONGEST_LABEL:
        raise SelectorError(f"a label of at most {LONGEST_LABEL} characters", text, place)
    return Token("label", place, found[0]), found.end()


def _call(text: str, place: int) -> tuple[Token, int]:
    found = _CALL.match(text, place)
    if found is None:
        what = "has(label)" if text.startswith("has(", place) else "a closing `)`"
        raise SelectorError(what, text, place)
    if found[1]:
        return Token("has", place, found[2]), found.end()
    return Token(found[3] or found[4], place), found.end()
