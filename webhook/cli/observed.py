"""`--observed FILE`: a flow log of any length, read line by line while a person at a terminal sees how far it is."""

import argparse
import gzip
import io
import sys
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from webhook.cli.terminal import progress
from webhook.facade import UsageError
from webhook.facade.sources import Gathered
from webhook.manifests import STDIN
from webhook.report.safe import clean
from webhook.review.evidence import Evidence, evidence
from webhook.review.observed import Tally
from webhook.wire.flowlogs import LONGEST_LINE, FlowLog

_GZIP: Final = b"\x1f\x8b"
_TELL: Final = 5_000  # lines between two looks at how far it is
_MIB: Final = 20  # bits


def observed(arguments: argparse.Namespace, gathered: Gathered) -> Evidence | None:
    """Compare the logs that `--observed` names with the world; None: it names none. Raises UsageError."""
    if not arguments.observed:
        return None
    if STDIN in arguments.observed and STDIN in (*arguments.files, *arguments.against):
        raise UsageError("standard input can be read once: expected `-` in one of `-f`, `--against` and `--observed`")
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


def _read(tally: Tally, path: str, log: FlowLog) -> None:
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
    while line := stream.readline(LONGEST_LINE + 1):
        yield line
        while len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            line = stream.readline(LONGEST_LINE + 1)
