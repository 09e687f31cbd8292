"""Plain values to YAML, in the style of `kubectl get -o yaml`; what a plain scalar means to kubectl.

The rules are those of `sigs.k8s.io/yaml` (goyaml.v2/resolve.go), which is YAML 1.1 but for: no base-60 numbers, `0o17`
is octal too, and dates stay text. A fraction of zero is dropped, as it is when the value passes through JSON.
"""

import base64
import binascii
import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import yaml

_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_NOT_FINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_INTEGER: Final = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_BASES: Final = (16, 2, 8, 10)
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_LONGEST: Final = 400  # characters of a number: past any double, and far below Python's own limit for integers
_BIGGEST_INTEGRAL: Final = 1e21  # Go writes integral floats below this without an exponent


class NotFinite(ValueError):  # noqa: N818 - it is the number that is wrong
    """`.inf` or `.nan`: YAML has them, JSON and so Kubernetes has not."""


def plain(text: str) -> str | bool | float | None:
    """Return the value of an unquoted, untagged scalar. Raises NotFinite."""
    if text[:1] in "+-.0123456789":
        return _number(text) if text else None
    return _WORDS.get(text, text)


def _number(text: str) -> str | float:
    if _NOT_FINITE.fullmatch(text):
        raise NotFinite(f"`{text}` is not a number that JSON can carry")
    digits = text.replace("_", "") if text[0] != "." else text
    if len(digits) > _LONGEST:
        return text
    if found := _INTEGER.fullmatch(digits):
        sign, *by_base = found.groups()
        value = next(int(part, base) for part, base in zip(by_base, _BASES, strict=True) if part)
        return -value if sign == "-" else value
    if _FLOAT.fullmatch(digits):
        number = float(digits)
        if math.isfinite(number):
            return shortened(number)
    return text


def shortened(number: float) -> float:
    """Return an integral number as the integer that Go's JSON encoder makes of it."""
    return int(number) if number.is_integer() and abs(number) < _BIGGEST_INTEGRAL else number


class _Meant(dict[str, str | bool | float | None]):
    """What plain scalars mean. A few make up most of all manifests, and are the same objects wherever they stand."""

    def __missing__(self, text: str) -> str | bool | float | None:
        value = plain(text)
        if len(text) <= _SHORT:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[text] = value
        return value


_SHORT: Final = 128  # characters of a scalar that is remembered
_REMEMBERED: Final = 4_096
MEANT: Final = _Meant()


# -- YAML's own tags ---------------------------------------------------------------------------------------------------


CORE: Final = "tag:yaml.org,2002:"
_TYPES: Final[dict[str, tuple[type, ...]]] = {  # of scalars that are no text
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "null": (type(None),),
}
_TEXTS: Final = frozenset({"str", "timestamp", "binary"})


def is_known_tag(tag: str) -> bool:
    """Say whether a scalar's tag is one of YAML's own."""
    name = tag.removeprefix(CORE)
    return tag == "!" or (name != tag and (name in _TEXTS or name in _TYPES))


def tagged(tag: str, text: str) -> object:
    """Return the value of a scalar with one of YAML's own tags. Raises ValueError."""
    name = tag.removeprefix(CORE)
    if name == "binary":
        return _binary(text)
    if name not in _TYPES:
        return text
    value = plain(text)
    if type(value) not in _TYPES[name]:
        raise ValueError(f"`{text[:40]}` is not what its tag `{short_tag(tag)}` says")
    return value


def _binary(text: str) -> str:
    try:
        return base64.b64decode(text.translate({10: None, 13: None, 32: None, 9: None}), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError("`!!binary` is not text in base64") from error


def short_tag(tag: str) -> str:
    """Return a tag as it is written."""
    return "!!" + tag.removeprefix(CORE) if tag.startswith(CORE) else tag


# -- values to YAML ----------------------------------------------------------------------------------------------------


_BASE: Final[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # PyYAML may be built without libyaml
_TEXT: Final = CORE + "str"
_WIDE: Final = 1 << 20  # never fold a line: a folded selector is hard to read and harder to grep
_PLAIN: Final = (True, False)  # to be read as a plain scalar without a tag
_SCALARS: Final = yaml.representer.SafeRepresenter()
_RESOLVER: Final[Any] = yaml.resolver.Resolver()


def emit(objects: Iterable[Mapping[str, object]]) -> str:
    """Write each object as one document, `---` between them. Characters beyond ASCII are escaped: none can hide.

    What is plain throughout, as policies are, needs no emitter: a denial has many of them.
    """
    every = list(objects)
    try:
        return "---\n".join([_plainly(one) for one in every])
    except NotPlainError:
        return emit_any(every)


class NotPlainError(Exception):
    """Something is to be quoted, or in flow style."""


_PLAIN_TEXT: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/:-]{0,98}[A-Za-z0-9])?")


def _plainly(value: Mapping[str, object]) -> str:
    lines: list[str] = []
    _block(value, "", "", lines)
    return "".join(lines)


def _block(value: Mapping[str, Any], first: str, indent: str, lines: list[str]) -> None:
    """Add a mapping, each line with its end, as the emitter writes it; `first` is before its first line.

    Raises NotPlainError.
    """
    if not value:
        raise NotPlainError
    before = first
    for key, item in value.items():
        kind = type(item)
        if kind is str:
            lines.append(f"{before}{_WRITTEN[key]}: {_WRITTEN[item]}\n")
        elif kind is dict:
            lines.append(f"{before}{_WRITTEN[key]}:\n")
            deeper = indent + "  "
            _block(item, deeper, deeper, lines)
        elif kind is list:
            lines.append(f"{before}{_WRITTEN[key]}:\n")
            _items(item, indent, lines)
        else:
            lines.append(f"{before}{_WRITTEN[key]}: {_number_of(item)}\n")
        before = indent


def _items(values: list[Any], indent: str, lines: list[str]) -> None:
    if not values:
        raise NotPlainError
    first = indent + "- "
    for one in values:
        if type(one) is dict:
            _block(one, first, indent + "  ", lines)
        else:
            lines.append(f"{first}{_WRITTEN[one] if type(one) is str else _number_of(one)}\n")


def _number_of(value: object) -> str:
    if type(value) is int:
        return str(value)
    raise NotPlainError


class _Written(dict[str, str]):
    """Texts that are written without quotes, wherever they stand. Raises NotPlainError for others, each time."""

    def __missing__(self, text: object) -> str:
        if type(text) is not str or not _PLAIN_TEXT.fullmatch(text) or not _is_bare(text):
            raise NotPlainError
        if len(self) >= _REMEMBERED:
            self.clear()
        self[text] = text
        return text


_WRITTEN: Final = _Written()


def emit_any(objects: Iterable[Mapping[str, object]]) -> str:
    """Write the same through the emitter, whatever there is to quote.

    It gets events of ours: PyYAML's nodes take twice as long.
    """
    events: list[yaml.Event] = [yaml.StreamStartEvent()]
    for one in objects:
        events.append(yaml.DocumentStartEvent(explicit=False))
        _add(events, one)
        events.append(yaml.DocumentEndEvent(explicit=False))
    events.append(yaml.StreamEndEvent())
    return str(yaml.emit(events, Dumper=_BASE, width=_WIDE))


def _add(events: list[yaml.Event], value: object) -> None:
    match value:
        case str():
            events.append(_text(value))
        case dict() | Mapping():
            events.append(yaml.MappingStartEvent(None, None, implicit=True, flow_style=not value))
            for key, item in value.items():
                events.append(_text(str(key)))
                _add(events, item)
            events.append(yaml.MappingEndEvent())
        case list() | tuple():
            events.append(yaml.SequenceStartEvent(None, None, implicit=True, flow_style=not value))
            for item in value:
                _add(events, item)
            events.append(yaml.SequenceEndEvent())
        case _:
            events.append(yaml.ScalarEvent(None, None, _PLAIN, _SCALARS.represent_data(value).value))


def _text(value: str) -> yaml.Event:
    """Quote whatever kubectl (`plain`) or PyYAML would read as something else; several lines become a block."""
    if "\n" in value:
        return yaml.ScalarEvent(None, None, (False, True), value, style="|")
    style = None if (_bare if len(value) <= _SHORT else _is_bare)(value) else '"'
    return yaml.ScalarEvent(None, None, (style is None, True), value, style=style)


def _is_bare(value: str) -> bool:
    """Say whether a text is read as itself without quotes."""
    try:
        means_text = isinstance(plain(value), str)
    except NotFinite:
        return False
    return means_text and _RESOLVER.resolve(yaml.ScalarNode, value, _PLAIN) == _TEXT


_bare: Final = lru_cache(_REMEMBERED)(_is_bare)
