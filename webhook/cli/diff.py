"""`diff`: what a change of manifests or of a cluster opens, closes, gains and loses."""

import argparse
import subprocess
import tarfile
from contextlib import AbstractContextManager, chdir, nullcontext
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Final, Self

from msgspec import structs

from webhook.cli.audit import as_run, audit
from webhook.cli.gather import gather
from webhook.cli.outputs import deliver, fails_from, machine
from webhook.cli.terminal import progress
from webhook.facade import UsageError
from webhook.facade.sources import CLUSTER, Gathered, is_snapshot
from webhook.matrix import Matrix, differences, matrix
from webhook.model.answers import Finding, Severity
from webhook.report import diff as report
from webhook.report.audit import Audit
from webhook.report.text import Summary
from webhook.review.compare import Answer, dependency_changes, finding_changes

OPENED: Final = "opened"
_FROM: Final = {"warning": Severity.WARNING, "info": Severity.INFO}


def run(arguments: argparse.Namespace) -> int:
    """Print differences; 1 where a declared dependency worsens or `--fail-on` asks, 2 for what cannot be read."""
    _, before, was = _side(arguments, arguments.before)
    there, after, now = _side(arguments, arguments.after)
    new, gone = finding_changes(before.findings, after.findings)
    found = report.Diff(
        differences(was, now),
        dependency_changes(_answers(before), _answers(after)),
        new,
        gone,
        tuple(dict.fromkeys((*before.errors, *after.errors))),
    )
    told = as_run("diff", after, there, fails_from(arguments.fail_on))
    summary = Summary.of(found.new, after.summary.checked, after.summary.skipped)
    run = structs.replace(told, findings=found.new, failures=found.errors, summary=summary, compared=True)
    deliver(
        arguments,
        {
            **machine(run),
            "text": lambda shown: report.text(found, shown),
            "json": lambda _: report.record(found),
            "markdown": lambda _: report.comment(found),
        },
    )
    return 2 if found.errors else int(_fails(found, arguments.fail_on))


def _fails(found: report.Diff, fail_on: str) -> bool:
    if fail_on == "never":
        return False
    opened = fail_on == OPENED and bool(found.connections.opened)
    return found.worse or opened or _any_from(found.new, _FROM.get(fail_on))


def _any_from(findings: tuple[Finding, ...], least: Severity | None) -> bool:
    return least is not None and any(one.severity >= least for one in findings)


def _answers(found: Audit) -> list[Answer]:
    return [(row.workload, row.dependency, row.source, row.verdict) for row in found.rows]


def _side(arguments: argparse.Namespace, paths: list[str]) -> tuple[Gathered, Audit, Matrix]:
    """Return one of the two worlds with every dependency and every connection of it. Raises UsageError."""
    asked = argparse.Namespace(**vars(arguments))
    asked.config, asked.kubeconfig = absolute(arguments.config), absolute(arguments.kubeconfig)
    against = [path if path == CLUSTER else absolute(path) for path in arguments.against]
    place, names = at_revision(paths)
    with place:
        known = [name for name in names if name == CLUSTER or is_snapshot(name)]
        asked.against, asked.files = [*against, *known], [name for name in names if name not in known]
        gathered = gather(asked, judging=False)
        today = arguments.clock().date()
        audited = audit(gathered, today, jobs=arguments.jobs)
        with progress("finding connections", counted=False):
            return gathered, audited, matrix(gathered.world, unknown=True)


# -- `git:REV:PATH`: files as they are in a revision of the repository -------------------------------------------------


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
            archive.extraction_filter = getattr(tarfile, "data_filter", None)  # from Python 3.11.4 on
            archive.extractall(self._folder.name)  # noqa: S202 - git wrote it, and has no paths that lead out of it
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
