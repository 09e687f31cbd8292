"""`snapshot`: what the evaluator needs of a live cluster, as a file for offline use; never a Secret."""

import argparse
import asyncio
import sys
from pathlib import Path
from random import SystemRandom
from typing import Final

from webhook.cli.terminal import progress, say
from webhook.cluster.client_configuration import Access
from webhook.cluster.errors import ClusterError
from webhook.facade import UsageError
from webhook.manifests import STDIN
from webhook.report.safe import clean
from webhook.wiring.cluster_snapshot import NETWORK_POLICY, lost, notes
from webhook.wiring.cluster_source import ListedCluster, list_once
from webhook.wiring.redact import redact
from webhook.wiring.snapshot import NotASnapshot, Snapshot, pack, projection, read, write
from webhook.wiring.snapshot_forms import Record

_KIB: Final = 1024


def run(arguments: argparse.Namespace) -> int:
    """Write the file; 1 where a kind that decides may not be read, 2 where there is no file."""
    if arguments.output == STDIN and sys.stdout.isatty():
        raise UsageError("a snapshot is no text for a terminal: expected `-o FILE`, or a pipe")
    if arguments.known is not None and arguments.namespaces:
        raise UsageError("--from takes a snapshot whole: expected no `-n` beside it")
    snapshot, reasons = _read(arguments.known) if arguments.known is not None else _taken(arguments)
    if arguments.redact:
        snapshot = redact(snapshot, SystemRandom().shuffle)
    size = _write(snapshot, arguments.output)
    for note in notes(snapshot.kinds, reasons, snapshot.namespaces):
        say(f"note: {note}")
    place = "standard output" if arguments.output == STDIN else clean(arguments.output)
    whose = "without names" if arguments.redact else f"of {clean(snapshot.cluster)}"
    say(f"wrote {len(snapshot.objects)} objects {whose} to {place}, {max(1, size // _KIB)} KiB")
    return int(snapshot.kinds.get(NETWORK_POLICY) == "forbidden" or any(lost(snapshot.kinds)))


_Reasons = dict[str, str]  # by kind, why it may not be read


def _taken(arguments: argparse.Namespace) -> tuple[Snapshot, _Reasons]:
    """Return what the cluster has. What names its objects is said only where they are not to be hidden."""
    taken = arguments.clock().replace(microsecond=0)
    found = _listed(arguments)
    for one in found.unreadable:
        say("note: left out: an object that cannot be read" if arguments.redact else clean(f"note: left out: {one}"))
    snapshot = Snapshot(
        taken=taken,
        cluster=found.cluster,
        namespaces=tuple(arguments.namespaces),
        kinds=found.kinds,
        objects=found.found,
    )
    return snapshot, dict(found.reasons)


def _read(path: str) -> tuple[Snapshot, _Reasons]:
    try:
        return read(Path(path)), {}
    except NotASnapshot as error:
        raise UsageError(f"{clean(path)}: not a snapshot that can be read: {error}") from error
    except OSError as error:
        raise UsageError(f"{clean(path)}: {error.strerror or error}") from error


def _listed(arguments: argparse.Namespace) -> ListedCluster[Record]:
    access = Access(arguments.kubeconfig, arguments.context, tuple(arguments.namespaces))
    try:
        with progress("reading the cluster") as told:
            return asyncio.run(list_once(access, projection, told))
    except ClusterError as error:
        raise UsageError(str(error)) from error


def _write(snapshot: Snapshot, output: str) -> int:
    if output != STDIN:
        try:
            return write(snapshot, Path(output))
        except OSError as error:
            raise UsageError(f"cannot write `{clean(output)}`: {error.strerror or error}") from error
    data = pack(snapshot)
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    return len(data)
