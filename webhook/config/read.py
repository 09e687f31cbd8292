"""Decoded YAML or JSON -> `File`, with every complaint at its path."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from webhook.config.file import DependencyFile, ExpectedPortFile, File
from webhook.dependencies import parse
from webhook.model.answers import DEFAULT_SEVERITY, Dependency, Malformed, WorkloadTarget
from webhook.model.refs import WorkloadRef


class Invalid(ValueError):  # noqa: N818 - what it says of the setting
    """A setting that cannot be used; the message says which and what was expected."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `, did you mean ...?` for the nearest known word, or nothing."""
    close = get_close_matches(word, tuple(known), n=1)
    return f", did you mean `{close[0]}`?" if close else ""


def shown(value: object) -> str:
    """Return a value of the file as a message shows it: printable, and short."""
    return "".join(c if c.isprintable() else "?" for c in str(value)[:60])


NO_FILE: Final = File()


def read_file(raw: object) -> File:
    """Check the decoded content of a configuration file (None: it is empty). Raises Invalid."""
    if raw is None:
        return NO_FILE
    raw = _said_off(raw)
    for complaint in wrong(raw, File):
        raise Invalid(complaint)
    try:
        file = msgspec.convert(raw, File)
    except msgspec.ValidationError as error:
        raise Invalid(str(error)) from error
    for complaint in _complaints(file):
        raise Invalid(complaint)
    return file


def _said_off(raw: object) -> object:
    """Read `off` as it was meant: YAML 1.1 takes it for `false`."""
    if not isinstance(raw, Mapping):
        return raw
    said = dict(raw)
    if said.get("mode") is False:
        said["mode"] = "off"
    for key in ("modes", "severities"):
        if isinstance(said.get(key), Mapping):
            said[key] = {name: "off" if word is False else word for name, word in said[key].items()}
    return said


# -- what the types of `config.file` say -------------------------------------------------------------------------------

_Hint = Any  # a type as it is written, its `Meta` included
_SAID: Final[tuple[tuple[type, str], ...]] = (
    (bool, "true or false"),
    (int, "a number"),
    (float, "a number"),
    (str, "text"),
    (Mapping, "a mapping"),
    (list, "a list"),
    (date, "a day"),
    (NoneType, "null"),
)
_EXPECTED: Final[dict[object, str]] = {
    bool: "true or false",
    int: "a whole number",
    str: "text",
    Mapping: "a mapping",
    list: "a list",
    date: "a day as YYYY-MM-DD",
}
_KINDS: Final[dict[object, type]] = {Literal: str, tuple: list, dict: Mapping}
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_*?-]+")


def wrong(value: object, hint: _Hint, path: str = "") -> Iterator[str]:
    """Yield what of a value is not as its type asks, each with the path of its field first.

    Whatever `msgspec.convert` refuses is here, and nothing else.
    """
    hint, limits = _bare(hint)
    choices = [_bare(one) for one in (get_args(hint) if _origin(hint) in (Union, UnionType) else (hint,))]
    fitting = [(one, (*limits, *more)) for one, more in choices if _fits(value, one)]
    said = [word for one in sorted((one for one, _ in choices), key=_is_open) for word in _words(one)]
    if not fitting:
        got = next((word for kind, word in _SAID if isinstance(value, kind)), "something else")
        yield f"{_at(path)}expected {_listed(said)}, got {got}"
        return
    one, every = fitting[0]
    if _origin(one) is Literal and value not in get_args(one):
        known = nearest(str(value), get_args(one))
        yield f"{_at(path)}`{shown(value)}` is unknown{known}: expected {', '.join(said)}"
    elif one is date and isinstance(value, str) and not _is_day(value):
        yield f"{_at(path)}expected {_EXPECTED[date]}"
    yield from _inside(value, one, path)
    yield from (f"{_at(path)}expected {limit}" for limit in _limits(value, every))


def _inside(value: object, hint: _Hint, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from wrong(item, get_args(hint)[0], f"{path}[{index}]")
    elif isinstance(value, Mapping):
        yield from _entries(value, get_args(hint), path) if _origin(hint) is dict else _fields(value, hint, path)


def _origin(hint: _Hint) -> Any:  # noqa: ANN401 - `tuple` of `tuple[str, ...]`, None of a plain type
    return get_origin(hint)


def _bare(hint: _Hint) -> tuple[_Hint, tuple[Meta, ...]]:
    if _origin(hint) is not Annotated:
        return hint, ()
    inner, *more = get_args(hint)
    return inner, tuple(one for one in more if isinstance(one, Meta))


def _kind(hint: _Hint) -> type | tuple[type, ...]:
    """Return what a decoded file has for a type."""
    origin = _origin(hint) or hint
    if origin is date:
        return (date, str)
    kind: type = _KINDS.get(origin) or (Mapping if issubclass(origin, Struct) else origin)
    return kind


def _fits(value: object, hint: _Hint) -> bool:
    """Say whether a value is of the kind that a type asks for: no truth value is a number, and no time is a day."""
    odd = (isinstance(value, bool) and hint is not bool) or isinstance(value, datetime)
    return isinstance(value, _kind(hint)) and not odd


def _is_open(hint: _Hint) -> bool:
    """Say whether a type has more values than a few words: those come first in a message."""
    return _origin(hint) is not Literal


def _words(hint: _Hint) -> tuple[str, ...]:
    if _origin(hint) is Literal:
        return get_args(hint)
    kind = date if hint is date else _kind(hint)
    return (_EXPECTED[kind],) if kind in _EXPECTED else ()


def _listed(words: list[str]) -> str:
    return " or ".join(words) if set(words) <= set(_EXPECTED.values()) else ", ".join(words)


def _entries(value: Mapping[Any, Any], hints: tuple[_Hint, ...], path: str) -> Iterator[str]:
    keys, values = hints
    for key, inner in value.items():
        for complaint in wrong(key, keys):
            yield f"{_at(path)}key `{shown(key)}`: {complaint}"
        yield from wrong(inner, values, _under(path, key))


def _fields(value: Mapping[Any, Any], shape: type[Struct], path: str) -> Iterator[str]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    for word in value:
        if word not in fields:
            hint = nearest(str(word), fields) or f": expected {', '.join(fields)}"
            yield f"{_at(path)}unknown setting `{shown(word)}`{hint}"
    for name, field in fields.items():
        if name in value:
            yield from wrong(value[name], field.type, _under(path, name))
        elif field.required:
            yield f"{_at(path)}missing `{name}`"


def _limits(value: object, limits: Iterable[Meta]) -> Iterator[str]:
    """Yield which bounds of a type a value is outside of."""
    for limit in limits:
        if isinstance(value, str) and limit.pattern is not None and not re.search(limit.pattern, value):
            yield f"text like `{limit.pattern}`"
        if isinstance(value, str | Mapping) and len(value) < (limit.min_length or 0):
            yield "text that is not empty" if isinstance(value, str) else "at least one entry"
        if isinstance(value, int) and not (limit.ge or value) <= value <= (limit.le or value):
            yield f"a number from {limit.ge} to {limit.le}"


def _is_day(text: str) -> bool:
    try:
        return _DAY.fullmatch(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _at(path: str) -> str:
    return f"{path}: " if path else ""


def _under(path: str, name: object) -> str:
    """Return the path of what is under a name; one with dots or the like in brackets."""
    text = shown(name)
    if _PLAIN.fullmatch(text):
        return f"{path}.{text}" if path else text
    return f"{path}[{text}]"


# -- what no type says -------------------------------------------------------------------------------------------------


def _complaints(file: File) -> Iterator[str]:
    """Yield what no type says: ids, items and expressions that mean nothing."""
    for path, name in (
        *(("severities", name) for name in file.severities),
        *((f"exemptions[{i}].id", one.id) for i, one in enumerate(file.exemptions)),
    ):
        if name not in DEFAULT_SEVERITY:
            yield f"{path}: unknown finding `{name}`{nearest(name, DEFAULT_SEVERITY)}"
    for index, label in enumerate(() if isinstance(file.required_labels, str) else file.required_labels):
        try:
            re.compile(label.pattern)
        except re.error as error:
            yield f"requiredLabels[{index}].pattern: expected a regular expression: {error}"
    for index, text in enumerate(file.inbound.scrapers):
        if scraper(text) is None:
            yield f"inbound.scrapers[{index}]: expected KIND/NAME.NAMESPACE, as `sts/prometheus.monitoring`"
    for index, one in enumerate(file.dependencies):
        yield from _dependency(f"dependencies[{index}]", one)
    yield from _expected(file)


def _expected(file: File) -> Iterator[str]:
    """Yield what is expected twice, and ports of one name."""
    first: dict[object, int] = {}
    for index, one in enumerate(file.expected):
        before = first.setdefault((one.namespace, tuple(sorted(one.labels.items()))), index)
        if before != index:
            yield f"expected[{index}]: expected[{before}] has the same namespace and labels: give all ports there"
        names: dict[object, int] = {}
        for place, port in enumerate(one.ports):
            key = (port.name, port.protocol) if isinstance(port, ExpectedPortFile) and port.name else place
            if names.setdefault(key, place) != place:
                yield f"expected[{index}].ports[{place}].name: ports[{names[key]}] has the same name"


def scraper(text: str) -> WorkloadRef | None:
    """Read the name of a workload, written as in `connects-to`; None: it is none, or without its namespace."""
    items = parse(text)
    target = items[0].target if len(items) == 1 and isinstance(items[0], Dependency) else None
    if not isinstance(target, WorkloadTarget) or not target.namespace:
        return None
    return WorkloadRef(target.kind, target.namespace, target.name)


def _dependency(path: str, one: Any) -> Iterator[str]:  # noqa: ANN401 - text or DependencyFile
    text = one if isinstance(one, str) else one.to
    where = path if isinstance(one, str) else f"{path}.to"
    items = parse(text)
    if len(items) != 1:
        yield f"{where}: expected one dependency, not {len(items)}"
    for item in items:
        if isinstance(item, Malformed):
            yield f"{where}: expected {item.expected}"
    if isinstance(one, DependencyFile):
        for index, expression in enumerate(one.namespace_selector.match_expressions):
            if bool(expression.values) != (expression.operator in ("In", "NotIn")):
                wanted = "at least one value" if not expression.values else "no values"
                at = f"{path}.namespaceSelector.matchExpressions[{index}].values"
                yield f"{at}: expected {wanted} for {expression.operator}"
