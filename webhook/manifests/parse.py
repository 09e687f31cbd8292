"""One file's bytes to its documents: which are YAML, which JSON, and where each begins."""

import re
from collections.abc import Iterator
from typing import Final

from webhook.manifests.document import Broken, Document, Odd, Skipped, Unreadable
from webhook.manifests.json_stream import json_documents
from webhook.manifests.text import check_encoding, decode
from webhook.manifests.yaml_events import yaml_documents

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
    for line, _, chunk in chunks(text):
        yield from _collect(file, _yaml(chunk, line), chunk)


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
                yield Document(value, file, line)
            elif value is not None:
                reason = value.reason if isinstance(value, Odd) else f"expected an object, got {_KIND[type(value)]}"
                yield Skipped(file, line, reason)
    except Unreadable as error:
        hint = f" ({TEMPLATE_HINT})" if _TEMPLATE.search(source) else ""
        yield Broken(file, error.line, error.reason + hint)


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
            continue  # `%YAML 1.1` belongs to the document that it stands above
        if chunk:
            bare = chunk.removeprefix("\ufeff")
            yield line, end - len(bare), bare
        line += chunk.count("\n")
        begin = end
