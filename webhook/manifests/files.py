"""What reading gives; and paths to bytes."""

import os
import stat
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import IO, Any, Final, Literal

from msgspec import Struct

MOST_DEEP: Final = 200  # levels of one document: the deepest CRD schemas stay below 100, and later readers may recurse
TOO_DEEP: Final = f"nested more than {MOST_DEEP} levels deep"


class Document(Struct, frozen=True):
    """One mapping. Treat `raw` as read-only: where the file uses aliases, parts of it are shared.

    `file` is the path as given or found, `-` for standard input; `line` the document's first line, from 1. `source`:
    the template that `helm template` says to have rendered, `CHART/templates/FILE`; empty where no comment says so.
    """

    raw: dict[str, Any]
    file: str
    line: int
    source: str = ""


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
