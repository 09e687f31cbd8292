"""`git:REV:PATH`: files as they are in a revision of the repository that the command runs in."""

import subprocess
import tarfile
from contextlib import AbstractContextManager, chdir, nullcontext
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Final, Self

from webhook.facade.usage import UsageError

PREFIX: Final = "git:"
_MOST: Final = 512 << 20  # bytes of one revision's files: what is larger holds more than manifests


class Revision:
    """A folder with the files of a revision, and the command's working directory while it is entered.

    So what is wrong with a file is said of its path in the repository.
    """

    def __init__(self, revision: str, path: str) -> None:
        self._archive = _archive(revision, path)
        self._folder = TemporaryDirectory(prefix="netpol-preflight-")
        self._inside = chdir(self._folder.name)

    def __enter__(self) -> Self:
        with tarfile.open(fileobj=BytesIO(self._archive)) as archive:
            archive.extractall(self._folder.name, filter="data")
        self._inside.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inside.__exit__(kind, error, trace)
        self._folder.cleanup()


def at_revision(paths: list[str]) -> tuple[AbstractContextManager[object], list[str]]:
    """Return where paths are to be read, and what they are called there. Raises UsageError.

    Those of one side are all of one revision, or none of them is of any.
    """
    asked = [path.removeprefix(PREFIX).partition(":") for path in paths if path.startswith(PREFIX)]
    if not asked:
        return nullcontext(), paths
    revisions = {revision for revision, _, _ in asked}
    if len(asked) != len(paths) or len(revisions) > 1 or len(asked) > 1:
        raise UsageError("a revision stands alone: expected one `git:REV:PATH` and nothing beside it")
    revision, colon, path = asked[0]
    if not revision or not colon or revision.startswith("-"):
        raise UsageError(f"`{paths[0]}`: expected git:REV:PATH, such as git:origin/main:k8s")
    return Revision(revision, path or "."), [path or "."]


def _archive(revision: str, path: str) -> bytes:
    command = ["git", "archive", "--format=tar", revision, "--", path]
    try:
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - git's own words, no shell
    except FileNotFoundError as error:
        raise UsageError("git:REV:PATH needs `git` on PATH") from error
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        raise UsageError(f"git:{revision}:{path}: {why}")
    if len(done.stdout) > _MOST:
        raise UsageError(f"git:{revision}:{path}: larger than {_MOST >> 20} MiB")
    return done.stdout


def absolute(path: str | None) -> str | None:
    """Return a path that means the same from any folder."""
    return str(Path(path).absolute()) if path else path
