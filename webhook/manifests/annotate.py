"""Annotations into files of manifests, in place: comments, order, quotes and line ends stay as they are."""

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, structs

from webhook.manifests.edit import Change, Edit, Refused, change, only, spans
from webhook.manifests.files import Broken, Content, Document, Unreadable
from webhook.manifests.parse import TEMPLATE_HINT, chunks, documents, json_documents
from webhook.manifests.text import decode
from webhook.manifests.yaml_events import yaml_documents

Wanted = Callable[[Document], Iterable[Edit]]
_BOM: Final = b"\xef\xbb\xbf"


class Piece(Struct, frozen=True):
    """The text of one document, or of several that nothing parts. `start` is its place in the file's text."""

    text: str
    start: int
    line: int
    json: bool = False


class Edited(Struct, frozen=True):
    """A file before and after. `diff` shows the changes; `refused` what is left as it is, and why."""

    file: str
    before: bytes
    after: bytes
    diff: str
    refused: tuple[Broken, ...]

    @property
    def changed(self) -> bool:
        """Whether there is something to write."""
        return self.before != self.after


def annotate(file: Content, wanted: Wanted) -> Edited:
    """Add what `wanted` says of each document that can be read; the others are left as they are."""
    same = Edited(file.name, file.data, file.data, "", ())
    try:
        text = decode(file.data)
    except Unreadable:
        return same  # told by whoever read the file for its content
    changes: list[Change] = []
    refused: list[Broken] = []
    for piece in _pieces(file.name, text):
        try:
            changes += _changes(file.name, piece, wanted)
        except Refused as error:
            refused.append(Broken(file.name, piece.line, f"left as it is: {error}"))
    if changes and not _is_utf8(file.data):
        return structs.replace(same, refused=(*refused, Broken(file.name, 1, "left as it is: expected UTF-8")))
    bom = _BOM if file.data.startswith(_BOM) else b""
    after = bom + applied(text, changes).encode("utf-8", "surrogateescape")
    return Edited(file.name, file.data, after, unified(file.name, text, changes), tuple(refused))


def write(edited: Edited) -> None:
    """Replace the file at once, with the rights that it had. Raises OSError, also where it changed in between."""
    path = Path(edited.file).resolve()
    if path.read_bytes() != edited.before:
        raise OSError(None, "it has changed while it was read")
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as new:
        try:
            new.write(edited.after)
            new.flush()
            os.fsync(new.fileno())
            Path(new.name).chmod(path.stat().st_mode)
            Path(new.name).replace(path)
        except OSError:
            Path(new.name).unlink(missing_ok=True)
            raise


def applied(text: str, changes: Iterable[Change]) -> str:
    """Return `text` with all changes in it."""
    parts: list[str] = []
    at = 0
    for one in sorted(changes, key=lambda c: c.start):
        parts += (text[at : one.start], one.new)
        at = one.end
    return "".join((*parts, text[at:]))


def _is_utf8(data: bytes) -> bool:
    return data[:2] not in (b"\xff\xfe", b"\xfe\xff")


def _pieces(file: str, text: str) -> Iterator[Piece]:
    """Cut a file as it is cut for reading."""
    first = next(documents(file, text.encode("utf-8", "surrogateescape")), None) if text.lstrip()[:1] == "{" else None
    if isinstance(first, Document) and (file.endswith(".json") or _is_json(text)):
        yield from _json_pieces(text)
    else:
        yield from (Piece(chunk, start, line) for line, start, chunk in chunks(text))


def _is_json(text: str) -> bool:
    try:
        return any(json_documents(text))
    except Unreadable:
        return False


def _json_pieces(text: str) -> Iterator[Piece]:
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        at += len(text[at:]) - len(text[at:].lstrip(" \t\r\n"))
        if at >= len(text):
            return
        try:
            _, end = decoder.raw_decode(text, at)
        except ValueError:
            return  # told by whoever read the file for its content
        yield Piece(text[at:end], at, text.count("\n", 0, at) + 1, json=True)
        at = end


def _read(piece: Piece) -> dict[str, Any] | None:
    """Return the document of a piece; None where it cannot be read, which is reported elsewhere, or is no object."""
    try:
        found = list(json_documents(piece.text) if piece.json else yaml_documents(piece.text, piece.line))
    except Unreadable:
        return None
    raws = [raw for _, raw in found if isinstance(raw, dict)]
    return raws[0] if len(raws) == len(found) == 1 else None


def _changes(file: str, piece: Piece, wanted: Wanted) -> list[Change]:
    """Return the changes of one piece, at their places in the file. Raises Refused."""
    before = _read(piece)
    edits = list(wanted(Document(before, file, piece.line))) if before is not None else []
    if not edits:
        return []
    if "{{" in piece.text:
        raise Refused(TEMPLATE_HINT)
    root = spans(piece.text, json=piece.json)
    changes = [change(piece.text, root, edit, json_text=piece.json) for edit in edits]
    after = _read(structs.replace(piece, text=applied(piece.text, changes)))
    if after is None or not only(before, after, edits):
        raise Refused("its annotations cannot be changed without changing something else")
    return [
        Change(
            one.start + piece.start,
            one.end + piece.start,
            one.new,
            (one.area[0] + piece.start, one.area[1] + piece.start),
        )
        for one in changes
    ]


# -- a diff that shows of a file nothing but the metadata of what is annotated -----------------------------------------


CONTEXT: Final = 3
LONGEST: Final = 160  # characters; what is longer is data (`kubectl.kubernetes.io/last-applied-configuration`)
_BEFORE: Final = re.compile(r"[\s-]*(?:[\"']?metadata[\"']?\s*:)?\s*")
_AFTER: Final = re.compile(r"[\s,}\]]*")
_NO_END: Final = "\\ No newline at end of file\n"


def unified(file: str, text: str, changes: Iterable[Change]) -> str:
    """Return the diff, empty where nothing changes; a change that cannot be shown is one line that says so."""
    lines = text.splitlines(keepends=True) if "\n" not in text else re.findall(r"[^\n]*\n|[^\n]+", text)
    shift, hunks = 0, []
    for one in sorted(changes, key=lambda change: change.start):
        hunk, more = _hunk(lines, text, one, shift)
        hunks.append(hunk)
        shift += more
    return f"--- {file}\n+++ {file}\n{''.join(hunks)}" if hunks else ""


def _hunk(lines: list[str], text: str, one: Change, shift: int) -> tuple[str, int]:
    """Return one hunk, and how many lines are added. `shift`: how many were before it."""
    first, last = _line(text, one.start), _line(text, one.end)
    pure = one.start == one.end and one.new.endswith("\n") and text[one.start - 1 : one.start] in ("", "\n")
    old = [] if pure else lines[first : last + 1]
    new = one.new if pure else text[_start(text, one.start) : one.start] + one.new + text[one.end : _end(text, one.end)]
    added = re.findall(r"[^\n]*\n|[^\n]+", new)
    low, high = _shown(text, one)
    if not low <= first or last > high + pure or any(map(_unfit, (*old, *added))):
        return f"# line {first + 1}: changed, and not shown: it may hold more than host names\n", len(added) - len(old)
    before = list(_near(reversed(lines[max(low, first - CONTEXT) : first])))[::-1]
    behind = first + len(old)
    after = list(_near(lines[behind : min(high + 1, behind + CONTEXT)]))
    start = first - len(before)
    counts = len(before) + len(after)
    head = f"@@ -{_range(start, counts + len(old))} +{_range(start + shift, counts + len(added))} @@\n"
    body = [*(f" {x}" for x in before), *(f"-{x}" for x in old), *(f"+{x}" for x in added), *(f" {x}" for x in after)]
    return head + "".join(x if x.endswith("\n") else f"{x}\n{_NO_END}" for x in body), len(added) - len(old)


def _shown(text: str, one: Change) -> tuple[int, int]:
    """Return the first and the last line that hold nothing but the object's metadata."""
    start, end = one.area
    end -= len(text[start:end]) - len(text[start:end].rstrip())
    low, high = _line(text, start), _line(text, max(start, end - 1))
    clean_start = _BEFORE.fullmatch(text, _start(text, start), start) is not None
    clean_end = _AFTER.fullmatch(text, end, _end(text, end)) is not None
    return low if clean_start else low + 1, high if clean_end else high - 1


def _near(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines up to the first that is not to be shown."""
    return takewhile(lambda line: not _unfit(line), lines)


def _unfit(line: str) -> bool:
    return len(line) > LONGEST or "@" in line


def _range(start: int, count: int) -> str:
    return f"{start + 1 if count else start},{count}"


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at)


def _start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _end(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1
