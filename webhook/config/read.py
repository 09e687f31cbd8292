"""Decoded YAML or JSON -> `File`, with every complaint at its path."""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final, NoReturn

import msgspec
from msgspec import Struct

from webhook.config.file import (
    DependencyFile,
    DnsFile,
    ExemptionFile,
    ExpectedFile,
    ExpectedPortFile,
    ExpressionFile,
    File,
    InboundFile,
    LabelFile,
    SelectorFile,
)
from webhook.dependencies import parse
from webhook.model.dependency import Dependency, Malformed, WorkloadTarget
from webhook.model.finding import DEFAULT_SEVERITY
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
_SHAPES: Final[dict[str, type[Struct]]] = {  # path without indexes -> what stands there
    "": File,
    "dns": DnsFile,
    "exemptions": ExemptionFile,
    "expected": ExpectedFile,
    "expected.ports": ExpectedPortFile,
    "inbound": InboundFile,
    "requiredLabels": LabelFile,
    "dependencies": DependencyFile,
    "dependencies.namespaceSelector": SelectorFile,
    "dependencies.namespaceSelector.matchExpressions": ExpressionFile,
}
_MESSAGE: Final = re.compile(r"(?P<what>.*?)(?: - at (?P<key>`key` in )?`\$\.?(?P<path>[^`]*)`)?", re.DOTALL)
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<word>.*)`", re.DOTALL)
_WORDS: Final = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "a number",
    "null": "null",
    "object": "a mapping",
    "str": "text",
}
_TYPE: Final = re.compile(r"`((?:WORD)(?: \| (?:WORD))*)`".replace("WORD", "|".join(_WORDS)))
_FORMS: Final = {
    "Invalid RFC3339 encoded date": "expected a day as YYYY-MM-DD",
    "Object missing required field": "missing",
    " or null": "",
}


def read_file(raw: object) -> File:
    """Check the decoded content of a configuration file (None: it is empty). Raises Invalid."""
    if raw is None:
        return NO_FILE
    raw = _said_off(raw)
    try:
        file = msgspec.convert(raw, File)
    except msgspec.ValidationError as error:
        _complain(str(error), raw)
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


def _complain(message: str, raw: object) -> NoReturn:
    """Raise Invalid with the path first, and in the words of the file instead of a program's."""
    match = _MESSAGE.fullmatch(message)
    what, path = (match["what"], match["path"] or "") if match else (message, "")
    where = f"{path}: " if path else ""
    unknown = _UNKNOWN.fullmatch(what)
    if unknown:
        known = _known(path)
        listed = "" if nearest(unknown["word"], known) else f": expected {', '.join(known)}"
        raise Invalid(f"{where}unknown setting `{shown(unknown['word'])}`{nearest(unknown['word'], known)}{listed}")
    if what.startswith("Invalid enum value "):
        raise Invalid(_of_a_few(path, raw))
    key = "each key: " if match and match["key"] else ""
    raise Invalid(where + key + _spoken(what))


def _known(path: str) -> tuple[str, ...]:
    shape = _SHAPES.get(re.sub(r"\[[^]]*\]", "", path), File)
    return tuple(field.encode_name for field in msgspec.structs.fields(shape))


_FEW: Final = {
    "mode": ("off", "audit", "warn", "enforce"),
    "modes": ("off", "audit", "warn", "enforce"),
    "disclose": ("all", "own"),
    "severities": ("error", "warning", "info", "off"),
    "requiredLabels": ("standard", "a list of labels"),
    "protocol": ("TCP", "UDP", "SCTP"),
    "operator": ("In", "NotIn", "Exists", "DoesNotExist"),
}


def _of_a_few(path: str, raw: object) -> str:
    """Name the word that is none of those expected; of several in a mapping, which one."""
    first = path.partition("[")[0]
    known = _FEW.get(first) or _FEW[path.rpartition(".")[2]]
    inside = raw.get(first) if isinstance(raw, Mapping) else None
    if path.endswith("[...]") and isinstance(inside, Mapping):
        name, value = next((k, v) for k, v in inside.items() if v not in known)
        path, inside = f"{first}.{shown(name)}", value
    word = shown(inside) if isinstance(inside, str) else ""
    said = f"`{word}` is unknown{nearest(word, known)}: " if word else ""
    return f"{path}: {said}expected {', '.join(known)}"


def _spoken(what: str) -> str:
    """Say a complaint without a programming language's names."""
    text = _TYPE.sub(lambda m: " or ".join(_WORDS[word] for word in m[1].split(" | ")), what)
    text = re.sub(r"text matching regex '(.*)'", r"text like `\1`", text)
    for word, meaning in _FORMS.items():
        text = text.replace(word, meaning)
    return text[:1].lower() + text[1:]


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
