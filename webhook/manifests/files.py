"""Paths to bytes to text, as kubectl's YAML reader takes them; what reading gives."""

import codecs
import os
import stat
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

if TYPE_CHECKING:
    import yaml  # PyYAML is loaded with the first document: see `webhook.manifests`

MOST_DEEP: Final = 200  # levels of one document: the deepest CRD schemas stay below 100, and later readers may recurse
TOO_DEEP: Final = f"nested more than {MOST_DEEP} levels deep"


class Document(Struct, frozen=True):
    """One mapping. Treat `raw` as read-only: where the file uses aliases, parts of it are shared.

    `file` is the path as given or found, `-` for standard input; `line` the document's first line, from 1.
    """

    raw: dict[str, Any]
    file: str
    line: int


class Broken(Struct, frozen=True):
    """One thing that cannot be read: where it is wrong (`line` from 1) and why, in a reader's words."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


class Skipped(Struct, frozen=True):
    """One document that is no object: a list, a scalar, or something whose tags another program reads."""

    file: str
    line: int
    reason: str


class Unbuilt(Struct, frozen=True):
    """A folder whose manifests another program makes, so that its files mean nothing as they are."""

    folder: str
    tool: Literal["kustomize", "helm"]


class Odd(Struct, frozen=True):
    """What a document is that is no object."""

    reason: str


class NoSuchPath(Exception):  # noqa: N818 - what it says, not that it is an error
    """A path that was asked for is not there, or is a folder without any manifest; str() is fit to print."""


class Unreadable(Exception):  # noqa: N818 - see above
    """A document cannot be read, at `line` (from 1) of its file."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


def decode(data: bytes) -> str:
    """Return the text without its byte-order mark. Bytes that are not UTF-8 stay in it as lone surrogates.

    They are refused by `check_encoding`, document by document. Raises Unreadable for another encoding.
    """
    if data.startswith(_UTF32):
        raise Unreadable(1, "encoded as UTF-32: expected UTF-8")
    if codec := _UTF16.get(data[:2]):
        try:
            return data[2:].decode(codec)
        except UnicodeDecodeError as error:
            before = data[2 : 2 + error.start].decode(codec)
            raise Unreadable(before.count("\n") + 1, "not valid UTF-16, although it starts like it") from error
    if b"\0" in data[:2]:
        raise Unreadable(1, "looks like UTF-16 without a byte-order mark: expected UTF-8")
    return data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")


def check_encoding(text: str, first_line: int) -> None:
    """Refuse text that came from bytes which are not UTF-8; raises Unreadable with the byte and its place."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        before = text[: error.start]
        column = error.start - (before.rfind("\n") + 1) + 1
        byte = ord(text[error.start]) & 0xFF
        line = first_line + before.count("\n")
        raise Unreadable(line, f"byte 0x{byte:02x} in column {column} is not UTF-8") from error


# -- text that is no YAML, in the words of who reads that text ---------------------------------------------------------


def syntax_error(error: "yaml.MarkedYAMLError", text: str, first_line: int) -> Unreadable:
    """Return the reason in the parser's words; `first_line` is the line of `text` in its file."""
    mark, opened = error.problem_mark, error.context_mark
    problem, context = error.problem or "not YAML", error.context
    content = text.rstrip()
    if mark and opened and opened.index < len(content) <= mark.index:
        mark = opened  # what is never closed is wrong where it was opened, not where the text ends
    if not mark or mark.index >= len(content):
        return Unreadable(first_line + content.count("\n"), f"{problem} at the end")
    if text[mark.index : mark.index + 1] == "\t":
        problem, context = "a tab where YAML wants spaces", None
    reason = f"{problem} in column {mark.column + 1}"
    if context and context != "while scanning for the next token":
        reason += f", {context}"
        if opened and opened.line != mark.line:
            reason += f" that starts on line {first_line + opened.line}"
    return Unreadable(first_line + mark.line, reason)


def character_error(text: str, first_line: int) -> Unreadable:
    """Return the reason where `text` holds a character that YAML forbids, such as NUL."""
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    at = found.start() if found else 0
    character = f"U+{ord(text[at]):04X}" if text else "a character"
    return Unreadable(first_line + text.count("\n", 0, at), f"{character} is not allowed in YAML")


STDIN: Final = "-"
SUFFIXES: Final = (".yaml", ".yml", ".json")
MOST_MIB: Final = 64  # a dump of 10,000 pods is about 50 MiB; more at once is nobody's manifest
_MOST_BYTES: Final = MOST_MIB << 20
_KUSTOMIZE: Final = frozenset({"kustomization.yaml", "kustomization.yml", "Kustomization"})
_HELM: Final = "Chart.yaml"
_MOST_NAMED: Final = 3
_HOW: Final = {  # how what a tool makes is judged
    "kustomize": "`{folder}` is a Kustomize folder: expected `-k {folder}`",
    "helm": "`{folder}` is a Helm chart: expected `--helm {folder}`, or what `helm template` prints",
}


class Content(Struct, frozen=True):
    """The bytes of one file."""

    name: str
    data: bytes


def contents(
    paths: Sequence[str], stdin: IO[bytes], exclude: Sequence[str] = ()
) -> Iterator[Content | Broken | Unbuilt]:
    """Read the files one after the other. Raises NoSuchPath at once."""
    found: dict[str, str | Unbuilt] = {}
    for path in paths:
        for one in _files(path, exclude):
            name = one.folder if isinstance(one, Unbuilt) else one
            found.setdefault(name if name == STDIN else os.path.realpath(name), one)
    unbuilt = [one for one in found.values() if isinstance(one, Unbuilt)]
    if unbuilt and len(unbuilt) == len(found):
        raise NoSuchPath("; ".join(_HOW[one.tool].format(folder=one.folder) for one in unbuilt[:_MOST_NAMED]))
    return (one if isinstance(one, Unbuilt) else _read(one, stdin) for one in found.values())


def _read(name: str, stdin: IO[bytes]) -> Content | Broken:
    try:
        if name == STDIN:
            data = stdin.read(_MOST_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        return Broken(name, 1, _reason(error))
    if len(data) > _MOST_BYTES:
        return Broken(name, 1, f"larger than {MOST_MIB} MiB")
    return Content(name, data)


def _files(path: str, exclude: Sequence[str]) -> Sequence[str | Unbuilt]:
    if path == STDIN:
        return [STDIN]
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - a path is shown as it was typed; pathlib would tidy it
    except ValueError:
        raise NoSuchPath(f"`{path!a}` is not a path") from None
    except OSError as error:
        raise NoSuchPath(f"cannot read `{path}`: {_reason(error)}") from error
    if not stat.S_ISDIR(mode):
        return [path]
    found = sorted(_walk(path, exclude), key=lambda one: Path(one.folder if isinstance(one, Unbuilt) else one).parts)
    if not found:
        but = " that `--exclude` leaves" if exclude else ""
        raise NoSuchPath(f"no file in `{path}`{but} ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    return found


def _walk(folder: str, exclude: Sequence[str]) -> Iterator[str | Unbuilt]:
    """Find manifests below a folder, following links into each real folder once."""
    seen: set[str] = set()
    for at, folders, names in os.walk(folder, followlinks=True, onerror=_stop):
        real = os.path.realpath(at)
        tool = _tool(names)
        whole = real not in seen and tool is None
        folders[:] = (
            sorted(f for f in folders if not f.startswith(".") and not _left_out(at, f, exclude)) if whole else ()
        )
        if real not in seen and tool is not None:
            yield Unbuilt(at, tool)
        for name in names if whole else ():
            if _is_manifest(at, name) and not _left_out(at, name, exclude):
                yield os.path.join(at, name)  # noqa: PTH118 - see _files
        seen.add(real)


def _tool(names: Sequence[str]) -> Literal["kustomize", "helm"] | None:
    """Return who makes manifests of a folder that holds these files."""
    if _HELM in names:
        return "helm"
    return "kustomize" if not _KUSTOMIZE.isdisjoint(names) else None


def _left_out(folder: str, name: str, exclude: Sequence[str]) -> bool:
    """Say whether a glob names an entry of a folder: by its name, or by the end of its path."""
    path = PurePath(folder, name)
    return any(path.match(glob) or fnmatchcase(str(path), glob) for glob in exclude)


def _is_manifest(folder: str, name: str) -> bool:
    """Say whether a folder's entry is read: a dangling link is, so that it is reported; a pipe or device is not."""
    if name.startswith(".") or not name.endswith(SUFFIXES):
        return False
    path = Path(folder, name)
    return path.is_file() or not path.exists()


def _stop(error: OSError) -> None:
    """Refuse a folder that cannot be listed: what is in it would go unchecked without a word."""
    raise NoSuchPath(f"cannot read `{error.filename}`: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    return (error.strerror or "cannot be read").lower()
