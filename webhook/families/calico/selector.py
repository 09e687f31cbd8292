"""Calico's selector language -> Predicate.

    expression := conjunction ("||" conjunction)*
    conjunction := operand ("&&" operand)*
    operand := "!"* ( "(" expression ")" | "has(" label ")" | "all()" | "global()" | label comparison )
    comparison := ("==" | "!=" | "contains" | "starts with" | "ends with") text | ("in" | "not in" | "notin") set
    set := "{" [ text ("," text)* [","] ] "}"

Source: `projectcalico/calico` libcalico-go/lib/selector (tokenizer, parser). Which words are known depends on the one
before: behind a label there must be an operator; those need no space around them (`a in{'x'}`, `a startswith "x"`).
Parentheses are kept on a list of our own, so that no text, however deep, exhausts the stack.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NoReturn

from msgspec import Struct

from webhook.model.labels import ALWAYS, NEVER, AllOf, AnyOf, NoneOf, Operator, Predicate, Requirement
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
_REMEMBERED: Final = 8192  # texts: policies are compiled again and again, and say the same
_SHORT: Final = 512  # characters of a text that is remembered
_WITH_TEXT: Final = {
    "==": Operator.IN,
    "!=": Operator.NOT_IN,
    "contains": Operator.CONTAINS,
    "starts with": Operator.STARTS_WITH,
    "ends with": Operator.ENDS_WITH,
}
_WITH_SET: Final = {"in": Operator.IN, "not in": Operator.NOT_IN}


def conjunction(parts: Iterable[Predicate]) -> Predicate:
    """Return what holds where all parts do."""
    found: list[Predicate] = []
    for part in parts:
        if part == NEVER:
            return NEVER
        found += part.parts if isinstance(part, AllOf) else (part,)
    return found[0] if len(found) == 1 else AllOf(tuple(dict.fromkeys(found)))


def disjunction(parts: Iterable[Predicate]) -> Predicate:
    """Return what holds where any part does."""
    found: list[Predicate] = []
    for part in parts:
        if part == ALWAYS:
            return ALWAYS
        found += part.parts if isinstance(part, AnyOf) else (part,)
    return found[0] if len(found) == 1 else AnyOf(tuple(dict.fromkeys(found)))


def negation(part: Predicate) -> Predicate:
    """Return what holds where `part` does not."""
    if isinstance(part, NoneOf) and len(part.parts) == 1:
        return part.parts[0]
    if part == ALWAYS:
        return NEVER
    return ALWAYS if part == NEVER else NoneOf((part,))


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


class Reading(Struct, frozen=True):
    """Whose labels a selector names. `prefix`: before each; `everything`, `globally`: what all() and global() mean."""

    prefix: str = ""
    everything: Predicate = ALWAYS
    globally: Predicate = ALWAYS


PLAIN: Final = Reading()


class _Open(Struct):
    """An expression whose end has not come."""

    negated: bool  # what is to be done with it when it has
    done: list[Predicate]
    operands: list[Predicate]

    def closed(self) -> Predicate:
        """Return the whole of it."""
        return disjunction([*self.done, conjunction(self.operands)])


def parse(text: str, reading: Reading = PLAIN) -> Predicate:
    """Return what `text` selects, as terms on labels (Space.POD) as they are written. Raises SelectorError."""
    return _remembered(text, reading) if len(text) <= _SHORT else _parse(text, reading)


def _parse(text: str, reading: Reading) -> Predicate:
    parser = _Parser(text, reading)
    return reading.everything if parser.empty else parser.parsed()


_remembered = lru_cache(maxsize=_REMEMBERED)(_parse)


class _Parser:
    def __init__(self, text: str, reading: Reading) -> None:
        self._text = text
        self._words = tokens(text)
        self._word = next(self._words)  # the one to be understood
        self._reading = reading
        self._stack = [_Open(negated=False, done=[], operands=[])]

    @property
    def empty(self) -> bool:
        return self._word.kind == "end"

    def parsed(self) -> Predicate:
        while True:
            self._operand()
            if not self._joined():
                return self._stack[0].closed()

    def _operand(self) -> None:
        """Read the next operand, past all the parentheses that open before it."""
        while True:
            negated = False
            while self._met("!"):
                negated = not negated
            if not self._met("("):
                break
            self._stack.append(_Open(negated=negated, done=[], operands=[]))
        self._add(self._simple(), negated=negated)

    def _add(self, found: Predicate, *, negated: bool) -> None:
        self._stack[-1].operands.append(negation(found) if negated else found)

    def _joined(self) -> bool:
        """Read what may follow an operand; say whether another one does."""
        while len(self._stack) > 1 and self._met(")"):
            inner = self._stack.pop()
            self._add(inner.closed(), negated=inner.negated)
        here = self._stack[-1]
        if self._met("&&"):
            return True
        if self._met("||"):
            here.done.append(conjunction(here.operands))
            here.operands = []
            return True
        if len(self._stack) > 1 or not self.empty:
            self._fail("&&, || or )" if len(self._stack) > 1 else "&&, || or the end")
        return False

    def _simple(self) -> Predicate:
        word = self._word
        if self._met("has"):
            return self._term(word, Operator.EXISTS, frozenset())
        if self._met("all"):
            return self._reading.everything
        if self._met("global"):
            return self._reading.globally
        return self._comparison(word) if self._met("label") else self._fail("a label, has(label), all(), global() or (")

    def _term(self, label: Token, test: Operator, values: frozenset[str]) -> Predicate:
        return Requirement(self._reading.prefix + label.value, test, values)

    def _comparison(self, label: Token) -> Predicate:
        operator = self._word.kind
        if operator in _WITH_TEXT:
            self._advance()
            return self._term(label, _WITH_TEXT[operator], frozenset((self._literal(),)))
        if operator not in _WITH_SET:
            return self._fail("an operator behind a label")
        self._advance()
        values = self._set()
        if not values:
            return NEVER if operator == "in" else ALWAYS
        return self._term(label, _WITH_SET[operator], values)

    def _literal(self) -> str:
        word = self._word
        if not self._met("text"):
            self._fail("a text in quotes")
        return word.value

    def _set(self) -> frozenset[str]:
        if not self._met("{"):
            self._fail("a set in braces")
        values = []
        wanted = "a text in quotes, or }"
        while self._word.kind == "text":
            values.append(self._literal())
            if not self._met(","):
                wanted = ", or }"
                break
        if not self._met("}"):
            self._fail(wanted)
        return frozenset(values)

    def _met(self, kind: str) -> bool:
        """Say whether the next word is of `kind`, and go past it if so."""
        if self._word.kind != kind:
            return False
        self._advance()
        return True

    def _advance(self) -> None:
        self._word = next(self._words)

    def _fail(self, expected: str) -> NoReturn:
        raise SelectorError(expected, self._text, self._word.place)
