"""`snapshot`: what the evaluator needs of a live cluster, as a file for offline use; never a Secret."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Final

from webhook.cli.terminal import progress, say
from webhook.cluster.client_configuration import Access
from webhook.cluster.errors import ClusterError
from webhook.facade import UsageError
from webhook.manifests import STDIN
from webhook.report.safe import clean
from webhook.wiring.cluster_snapshot import NETWORK_POLICY, lost, notes
from webhook.wiring.list_once import ListedCluster, list_once
from webhook.wiring.snapshot import Snapshot, pack, projection, write
from webhook.wiring.snapshot_forms import Record

_KIB: Final = 1024


def run(arguments: argparse.Namespace) -> int:
    """Write the file; 1 where a kind that decides may not be read, 2 where there is no file."""
    if arguments.output == STDIN and sys.stdout.isatty():
        raise UsageError("a snapshot is no text for a terminal: expected `-o FILE`, or a pipe")
    taken = arguments.clock().replace(microsecond=0)
    found = _listed(arguments)
    snapshot = Snapshot(
        taken=taken,
        cluster=found.cluster,
        namespaces=tuple(arguments.namespaces),
        kinds=found.kinds,
        objects=found.found,
    )
    size = _write(snapshot, arguments.output)
    for note in notes(found.kinds, found.reasons, arguments.namespaces):
        say(f"note: {note}")
    for one in found.unreadable:
        say(clean(f"note: left out: {one}"))
    place = "standard output" if arguments.output == STDIN else clean(arguments.output)
    say(f"wrote {len(snapshot.objects)} objects of {found.cluster} to {place}, {max(1, size // _KIB)} KiB")
    return int(found.kinds[NETWORK_POLICY] == "forbidden" or any(lost(found.kinds)))


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
