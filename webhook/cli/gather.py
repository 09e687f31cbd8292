"""From flags to a world, to what is to be judged in it, and to what a flow log, of any length, saw of it."""

import argparse
import gc
import gzip
import io
import os
import sys
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from webhook.cli.terminal import progress, say
from webhook.facade import UsageError
from webhook.facade.sources import CLUSTER, Gathered, Sources, read_sources
from webhook.manifests import STDIN, Content
from webhook.report import text
from webhook.report.safe import clean, clip

if TYPE_CHECKING:  # what few commands are asked to read, and only they load
    from webhook.review.evidence import Evidence
    from webhook.review.observed import Tally
    from webhook.wire.flowlogs import FlowLog


def gather(arguments: argparse.Namespace, *, judging: bool = True) -> Gathered:
    """Read all that the flags name; what cannot be read is said on standard error. Raises UsageError.

    `judging`: there has to be something to judge, not just a world to ask.
    """
    judged = arguments.files or arguments.kustomize or arguments.helm
    if not judged and (judging or not arguments.against):
        raise UsageError("nothing to read: expected `-f FILE`, `-f DIR`, `-f -` or `-k DIR`")
    sources = Sources(
        files=arguments.files,
        made=built(arguments),
        against=arguments.against,
        namespace=arguments.namespace,
        exclude=arguments.exclude,
        config=arguments.config,
        cni=arguments.cni,
        dns=arguments.dns,
        admit=arguments.admit,
        kubeconfig=arguments.kubeconfig,
        context=arguments.context,
        deleted=getattr(arguments, "deleted", False),
    )
    with uncollected():
        if CLUSTER in sources.against:
            with progress("reading the cluster") as told:
                found = read_sources(sources, arguments.clock(), told, judging=judging)
        else:
            found = read_sources(sources, arguments.clock(), judging=judging)
    gc.freeze()  # to look through it again and again takes a fifth of the time of an audit of a large cluster
    for note in found.notes:
        say(f"note: {note}")
    for failure in found.failures:
        say(text.failure(failure))
    return found


@contextmanager
def uncollected() -> Generator[None]:
    """Keep the garbage collector from looking at what is made meanwhile, where nearly all of it stays to the end."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


# -- what Kustomize and Helm make of a folder, where their programs are on PATH ----------------------------------------


_SECONDS: Final = 120  # a base may be on another machine
_SHOWN: Final = 500  # characters of what a program complains about
_BUILDERS: Final = (("kustomize", "build"), ("kubectl", "kustomize"))


def built(arguments: argparse.Namespace) -> Iterator[Content]:
    """Yield what `-k` and `--helm` name, as made; a program is run when its turn comes. Raises UsageError."""
    yield from (_run(_kustomize(folder), folder) for folder in arguments.kustomize)
    yield from (_run(_helm(folder, arguments.namespace), folder) for folder in arguments.helm)


def _kustomize(folder: str) -> Sequence[str]:
    import shutil

    for program, word in _BUILDERS:
        if found := shutil.which(program):
            return (found, word, folder)
    raise UsageError("-k: expected `kustomize` or `kubectl` on PATH")


def _helm(folder: str, namespace: str) -> Sequence[str]:
    import shutil

    found = shutil.which("helm")
    if found is None:
        raise UsageError("--helm: expected `helm` on PATH")
    return (found, "template", "release-name", folder, "--namespace", namespace)


def _run(command: Sequence[str], folder: str) -> Content:
    """Return what a program prints; what it complains about is the reason for there being nothing."""
    import subprocess

    if not os.path.isdir(folder):  # noqa: PTH112 - a path is shown as it was typed
        raise UsageError(f"cannot read `{clean(folder)}`: it is no folder")
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and the folder is the person's own
            command, capture_output=True, check=False, timeout=_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"{_shown(command)}: {clean(str(error))}") from error
    if done.returncode != 0:
        why = clip(clean(" ".join(done.stderr.decode(errors="replace").split())), _SHOWN)
        raise UsageError(f"{_shown(command)}: {why or f'ended with {done.returncode}'}")
    return Content(folder, done.stdout)


def _shown(command: Sequence[str]) -> str:
    return clean(" ".join((os.path.basename(command[0]), *command[1:])))  # noqa: PTH119 - as PATH has it


_GZIP: Final = b"\x1f\x8b"
_TELL: Final = 5_000  # lines between two looks at how far it is
_MIB: Final = 20  # bits


def observed(arguments: argparse.Namespace, gathered: Gathered) -> "Evidence | None":
    """Compare the logs that `--observed` names with the world; None: it names none. Raises UsageError."""
    if not arguments.observed:
        return None
    if STDIN in arguments.observed and STDIN in (*arguments.files, *arguments.against):
        raise UsageError("standard input can be read once: expected `-` in one of `-f`, `--against` and `--observed`")
    from webhook.review.evidence import evidence
    from webhook.review.observed import Tally
    from webhook.wire.flowlogs import FlowLog

    tally = Tally(gathered.world, _since(arguments, gathered))
    for path in dict.fromkeys(arguments.observed):
        try:
            _read(tally, path, FlowLog(arguments.observed_format))
        except (OSError, zlib.error) as error:
            why = (isinstance(error, OSError) and error.strerror) or str(error)
            raise UsageError(f"--observed: cannot read `{clean(path)}`: {why.lower()}") from error
    return evidence(gathered.world, tally)


def _since(arguments: argparse.Namespace, gathered: Gathered) -> float | None:
    """Return from when on flows count: so long before the world was looked at. None: all do."""
    if not arguments.since:
        return None
    taken = gathered.origin.taken
    at: datetime = datetime.fromisoformat(taken) if taken else arguments.clock()
    return at.timestamp() - float(arguments.since)


def _read(tally: "Tally", path: str, log: "FlowLog") -> None:
    number = 0
    what = "standard input, lines" if path == STDIN else f"{Path(path).name}, MiB"
    with progress(f"reading {what}") as told, _opened(path) as (raw, size):
        try:
            for number, line in enumerate(_lines(_unpacked(raw)), 1):
                tally.read(log, line, path, number)
                if number % _TELL == 0:
                    told(*((raw.tell() >> _MIB, size >> _MIB) if size else (number, 0)))
        except EOFError:
            tally.unreadable(path, number + 1, "the compressed file ends here, in its middle")


@contextmanager
def _opened(path: str) -> Generator[tuple[io.BufferedReader, int]]:
    """Open a file; its size is 0 where there is no telling."""
    if path == STDIN:
        yield io.BufferedReader(sys.stdin.buffer), 0  # type: ignore[arg-type]  # whatever reads into a buffer will do
        return
    with Path(path).open("rb") as raw:
        yield raw, Path(path).stat().st_size


def _unpacked(raw: io.BufferedReader) -> gzip.GzipFile | io.BufferedReader:
    return gzip.open(raw) if raw.peek(len(_GZIP))[: len(_GZIP)] == _GZIP else raw


def _lines(stream: gzip.GzipFile | io.BufferedReader) -> Iterator[bytes]:
    """Yield lines; of one that is too long its start, so that no more than that is ever held."""
    from webhook.wire.flowlogs import LONGEST_LINE

    while line := stream.readline(LONGEST_LINE + 1):
        yield line
        while len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            line = stream.readline(LONGEST_LINE + 1)
