"""One file's bytes to its documents: which are YAML, which JSON, and where each begins."""

import json
import math
import re
from collections.abc import Iterator
from itertools import takewhile
from typing import Any, Final, NoReturn

from webhook.manifests.emit import shortened
from webhook.manifests.files import MOST_DEEP, TOO_DEEP, Broken, Document, Odd, Skipped, Unreadable
from webhook.manifests.text import check_encoding, decode
from webhook.manifests.yaml_events import plain_documents, yaml_documents

# `---` at the start of a line ends a document wherever it stands: YAML forbids it inside any scalar (1.2.2, rule 206).
_SEPARATOR: Final = re.compile(r"^\ufeff?---(?=\s|\Z)", re.MULTILINE)
_DIRECTIVES: Final = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\r?\n|%[^\n]*\n)*")
# A template's braces where YAML wants a value, a key or a list item; inside quotes or text they are the author's own.
_TEMPLATE: Final = re.compile(r"^[ \t]*+(?:- ++)*+(?:[^\s'\"#{][^'\"#{\n]*: +)?\{\{", re.MULTILINE)
TEMPLATE_HINT: Final = "looks like a Helm template: run `helm template` and check what it prints"

Found = Document | Broken | Skipped
_KIND: Final = {list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}


def documents(file: str, data: bytes) -> Iterator[Found]:
    """Yield the documents of one file and what is broken in it, top to bottom."""
    try:
        text = decode(data)
    except Unreadable as error:
        yield Broken(file, error.line, error.reason)
        return
    if text.lstrip().startswith("{"):
        found = list(_collect(file, _json(text)))
        if file.endswith(".json") or _is_json(found, text):
            yield from found
            return
    if (whole := _at_once(text)) is not None:
        yield from _collect(file, iter(whole))
        return
    for line, _, chunk in chunks(text):
        yield from _collect(file, _yaml(chunk, line), chunk)


def _at_once(text: str) -> list[tuple[int, object]] | None:
    """Return the documents of a text of which nothing needs a look at each alone, None: something does.

    Such are errors, which must not reach another document, directives, a template's name, and what is a line's end to
    YAML and no line's end in a file.
    """
    if not text.isascii() or "\r" in text or "\n%" in text or text.startswith("%") or _SOURCE in text:
        return None
    return plain_documents(text, 1)


def _is_json(found: list[Found], text: str) -> bool:
    """Say whether text that begins with a brace is JSON, broken or not, rather than YAML in flow style."""
    if not any(isinstance(one, Broken) for one in found):
        return True
    return isinstance(found[0], Document) and not _SEPARATOR.search(text)


def _json(text: str) -> Iterator[tuple[int, object]]:
    check_encoding(text, 1)
    yield from json_documents(text)


def _yaml(chunk: str, line: int) -> Iterator[tuple[int, object]]:
    check_encoding(chunk, line)
    yield from yaml_documents(chunk, line)


def _collect(file: str, values: Iterator[tuple[int, object]], source: str = "") -> Iterator[Found]:
    try:
        for line, value in values:
            if isinstance(value, dict):
                yield Document(value, file, line, _rendered_from(source))
            elif value is not None:
                reason = value.reason if isinstance(value, Odd) else f"expected an object, got {_KIND[type(value)]}"
                yield Skipped(file, line, reason)
    except Unreadable as error:
        hint = f" ({TEMPLATE_HINT})" if _TEMPLATE.search(source) else ""
        yield Broken(file, error.line, error.reason + hint)


def _rendered_from(chunk: str) -> str:
    """Return the template that Helm names in the comments above a document."""
    head = chunk[:_HEAD].split("\n")[:_MOST_COMMENTS]
    above = takewhile(lambda line: not line.strip() or line.startswith(("#", "---")), head)
    said = next((line for line in above if line.startswith(_SOURCE)), "")
    return said.removeprefix(_SOURCE).strip()


_SOURCE: Final = "# Source: "
_HEAD: Final = 4_096  # characters, and lines, of a document in which it is looked for
_MOST_COMMENTS: Final = 20


def chunks(text: str) -> Iterator[tuple[int, int, str]]:
    """Cut YAML at its document markers, so that one document's error cannot reach another.

    Each comes with its first line and with the place of its first character.
    """
    starts = [match.start() for match in _SEPARATOR.finditer(text)]
    line = 1
    begin = 0
    for end in [*starts, len(text)]:
        chunk = text[begin:end]
        if end < len(text) and "%" in chunk and _DIRECTIVES.fullmatch(chunk):
            continue  # `%YAML 1.1` belongs to the document that it is above
        if chunk:
            bare = chunk.removeprefix("\ufeff")
            yield line, end - len(bare), bare
        line += chunk.count("\n")
        begin = end


# -- JSON documents, one after the other, as `kubectl get -o json` and `jq` write them ---------------------------------


_BLANK: Final = re.compile(r"[ \t\r\n]*")
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")


class _Refused(ValueError):  # noqa: N818 - it is the text that is refused
    """JSON that Kubernetes does not take, whatever a lenient reader would."""


def json_documents(text: str) -> Iterator[tuple[int, object]]:
    """Yield each document's first line and value; raises Unreadable at the first that is no JSON."""
    line, counted = 1, 0
    at = _skip(text, 0)
    while at < len(text):
        line += text.count("\n", counted, at)
        counted = at
        try:
            value, at = _DECODER.raw_decode(text, at)
        except json.JSONDecodeError as error:
            problem = error.msg[0].lower() + error.msg[1:]
            raise Unreadable(error.lineno, f"not JSON: {problem}, in column {error.colno}") from error
        except _Refused as error:
            raise Unreadable(line, str(error)) from error
        except RecursionError as error:
            raise Unreadable(line, TOO_DEEP) from error
        except ValueError as error:
            raise Unreadable(line, "a number is too long") from error
        _check_depth(value, line)
        yield line, _repaired(value) if _SURROGATE.search(text, counted, at) else value
        at = _skip(text, at)


def _skip(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Refused(f"duplicate key `{twice}` in one object")
    return value


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _Refused(f"number out of range: `{text[:40]}`")
    return shortened(value)


def _constant(text: str) -> NoReturn:
    raise _Refused(f"`{text}` is not JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_float=_number, parse_constant=_constant)


def _check_depth(value: object, line: int) -> None:
    level = [value]
    for _ in range(MOST_DEEP + 1):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return
    raise Unreadable(line, TOO_DEEP)


def _repaired(value: object) -> object:
    """Replace halves of surrogate pairs by U+FFFD, as Go's decoder does: no output could encode them."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [_repaired(item) for item in value]
        case dict():
            return {_repaired(key): _repaired(item) for key, item in value.items()}
        case _:
            return value
