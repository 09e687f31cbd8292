"""What reading gives."""

from typing import Any, Final, Literal

from msgspec import Struct

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
