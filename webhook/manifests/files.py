"""Paths to bytes."""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from msgspec import Struct

from webhook.manifests.document import Broken, NoSuchPath

STDIN: Final = "-"
SUFFIXES: Final = (".yaml", ".yml", ".json")
MOST_MIB: Final = 64  # a dump of 10,000 pods is about 50 MiB; more at once is nobody's manifest
_MOST_BYTES: Final = MOST_MIB << 20


class Content(Struct, frozen=True):
    """The bytes of one file."""

    name: str
    data: bytes


def contents(paths: Sequence[str], stdin: IO[bytes]) -> Iterator[Content | Broken]:
    """Read the files one after the other. Raises NoSuchPath at once."""
    names: dict[str, str] = {}
    for path in paths:
        for name in _files(path):
            names.setdefault(name if name == STDIN else os.path.realpath(name), name)
    return (_read(name, stdin) for name in names.values())


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


def _files(path: str) -> list[str]:
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
    found = sorted(_walk(path), key=lambda name: Path(name).parts)
    if not found:
        raise NoSuchPath(f"no file in `{path}` ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    return found


def _walk(folder: str) -> Iterator[str]:
    """Find manifests below a folder, following links into each real folder once."""
    seen: set[str] = set()
    for at, folders, names in os.walk(folder, followlinks=True, onerror=_stop):
        real = os.path.realpath(at)
        folders[:] = () if real in seen else sorted(f for f in folders if not f.startswith("."))
        if real not in seen:
            yield from (os.path.join(at, name) for name in names if _is_manifest(at, name))  # noqa: PTH118 - see _files
        seen.add(real)


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
