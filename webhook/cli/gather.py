"""From flags to a world and what is to be judged in it."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from msgspec import Struct

from webhook import config
from webhook.cli.build import built
from webhook.cli.terminal import say
from webhook.cli.usage import UsageError
from webhook.families import POLICIES
from webhook.manifests import STDIN, Broken, Content, Document, NoSuchPath, Skipped, read
from webhook.model.finding import Location
from webhook.model.foreign import Foreign
from webhook.model.policy import Policy
from webhook.model.refs import PolicyRef
from webhook.model.settings import Dns, Settings
from webhook.report import text
from webhook.report.run import Failure, Origin
from webhook.report.safe import clean
from webhook.review.blast_radius import Written
from webhook.wiring import snapshot
from webhook.wiring.inputs import Inputs, Subject, misread, read_inputs, subjects
from webhook.wiring.known import Known, of_snapshot
from webhook.world import Put, World
from webhook.world.still import Still

CLUSTER: Final = "cluster"
MOST_NOTED: Final = 5  # of one kind of note
UNBUILT: Final = {  # whose folders are not read as they are
    "kustomize": "Kustomize folders are not read as they are: {folders}; build each: `-k {first}`",
    "helm": "Helm charts are not read as they are: {folders}; render each: `--helm {first}`, or "
    "`helm template {first} | netpol-preflight check -f -`",
}


class Gathered(Struct, frozen=True):
    """A world and what to judge in it: workloads and policies, with where they stand.

    `foreign`: policies of other families than NetworkPolicy. `read`: whatever stands in files, of any family: what is
    wrong with it is among the failures. `before`: what is there without the files, where there is anything; `written`:
    what of the files others may depend on.
    """

    world: World
    subjects: tuple[Subject, ...]
    policies: tuple[tuple[Policy, Location], ...]
    failures: tuple[Failure, ...]
    skipped: int
    origin: Origin
    foreign: tuple[tuple[Foreign, Location], ...] = ()
    read: frozenset[PolicyRef] = frozenset()
    before: World | None = None
    written: tuple[tuple[Written, Location], ...] = ()


def gather(arguments: argparse.Namespace, *, judging: bool = True) -> Gathered:
    """Read all that the flags name; what cannot be read is said on standard error. Raises UsageError.

    `judging`: there has to be something to judge, not just a world to ask.
    """
    if not _judged(arguments) and (judging or not arguments.against):
        raise UsageError("nothing to read: expected `-f FILE`, `-f DIR`, `-f -` or `-k DIR`")
    if STDIN in arguments.files and STDIN in arguments.against:
        raise UsageError("standard input can be read once: expected `-` in one of `-f` and `--against`")
    snapshots = [path for path in arguments.against if is_snapshot(path)]
    live = bool(snapshots) or CLUSTER in arguments.against
    settings = read_settings(arguments.config, arguments.cni, dns=arguments.dns, admit=arguments.admit, live=live)
    known = [*map(_snapshot, snapshots), *([_cluster(arguments)] if CLUSTER in arguments.against else [])]
    manifests = [path for path in arguments.against if path not in (CLUSTER, *snapshots)]
    there = _inputs(manifests, arguments)
    judged = _inputs(arguments.files, arguments, built(arguments))
    complete = bool(known) and all(one.complete for one in known)
    below = [*(value for one in known for value in one.values), *(value for value, _ in there.values)]
    world = Still(settings, complete=complete)
    world.apply(map(Put, below))
    world.apply(Put(value) for value, _ in judged.values)
    written = tuple((value, place) for value, place in judged.values if isinstance(value, Written)) if below else ()
    before = Still(settings, complete=complete) if judging and written else None
    if before is not None:
        before.apply(map(Put, below))
    broken = [failure for one in known for failure in one.failures]
    problems = (*there.problems, *judged.problems, *misread(world, (*there.values, *judged.values)))
    failures = tuple(sorted({*broken, *there.failures, *judged.failures, *problems}))
    for note in (*(note for one in known for note in one.notes), *_notes((there, judged))):
        say(f"note: {note}")
    for failure in failures:
        say(text.failure(failure))
    policies = {v.ref: (v, place) for v, place in judged.values if isinstance(v, Policy)}
    origin = _origin(known, arguments.clock())
    foreign = {
        v.ref: (v, place) for v, place in judged.values if isinstance(v, Foreign) and (v.group, v.ref.kind) in POLICIES
    }
    return Gathered(
        world,
        subjects(world, judged.values),
        tuple(policies.values()),
        failures,
        judged.skipped,
        origin,
        tuple(foreign.values()),
        frozenset(v.ref for v, _ in (*there.values, *judged.values) if isinstance(v, Foreign)),
        before,
        written,
    )


def _origin(known: Sequence[Known], now: datetime) -> Origin:
    """Return where the world comes from; of several the oldest, which answers are no newer than."""
    oldest = min(known, key=lambda one: one.taken, default=None)
    if oldest is None:
        return Origin()
    stale = oldest.taken < now - snapshot.STALE_AFTER
    return Origin(oldest.taken.isoformat().replace("+00:00", "Z"), oldest.cluster, stale=stale)


def is_snapshot(path: str) -> bool:
    """Say whether a path of the command line is a snapshot; the cluster and standard input are none."""
    try:
        return path not in (CLUSTER, STDIN) and Path(path).is_file() and snapshot.is_snapshot(Path(path))
    except OSError:
        return False  # whoever reads it as a manifest says why it cannot be read


def _snapshot(path: str) -> Known:
    try:
        return of_snapshot(path, snapshot.read(Path(path)))
    except snapshot.NotASnapshot as error:
        raise UsageError(f"{path}: not a snapshot that can be read: {error}") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error


def _cluster(arguments: argparse.Namespace) -> Known:
    """Read the cluster that the flags name."""
    import asyncio

    from webhook.cli.progress import progress
    from webhook.cluster.client_configuration import Access
    from webhook.cluster.errors import ClusterError
    from webhook.wiring.known import of_cluster
    from webhook.wiring.survey import survey

    taken = arguments.clock().replace(microsecond=0)
    try:
        with progress("reading the cluster") as told:
            access = Access(arguments.kubeconfig, arguments.context)
            return of_cluster(taken, asyncio.run(survey(access, lambda _, value: value, told)))
    except ClusterError as error:
        raise UsageError(f"--against cluster: {error}") from error


def read_settings(
    path: str | None,
    cni: str | None,
    mode: str | None = None,
    *,
    dns: tuple[str, str, int | None] | None = None,
    admit: Iterable[str] = (),
    live: bool = False,
) -> Settings:
    """Return the settings of the flags over those of the configuration file `path`. Raises UsageError."""
    try:
        file = config.read_file(_content(path)) if path else config.NO_FILE
    except config.Invalid as error:
        raise UsageError(f"{path}: {error}") from error
    try:
        return config.settings(mode, cni, dns=Dns(*dns) if dns else None, admit=admit, live=live, file=file)
    except config.Invalid as error:
        raise UsageError(str(error)) from error


def _content(path: str) -> object:
    try:
        documents = list(read([path], sys.stdin.buffer))
    except NoSuchPath as error:
        raise UsageError(f"--config: {error}") from error
    if len(documents) > 1:
        raise UsageError(f"{path}: expected one document, not {len(documents)}")
    for document in documents:
        if isinstance(document, Document):
            return document.raw
        if isinstance(document, Broken | Skipped):
            raise UsageError(f"{document.file}:{document.line}: {document.reason}")
    return None


def _inputs(paths: Sequence[str], arguments: argparse.Namespace, made: Sequence[Content] = ()) -> Inputs:
    if not paths and not made:
        return Inputs()
    try:
        return read_inputs(paths, sys.stdin.buffer, arguments.namespace, arguments.exclude, made)
    except NoSuchPath as error:
        raise UsageError(str(error)) from error


def _judged(arguments: argparse.Namespace) -> bool:
    """Say whether the flags name anything to judge."""
    return bool(arguments.files or arguments.kustomize or arguments.helm)


def _notes(several: Iterable[Inputs]) -> Iterator[str]:
    """Yield what a person is to know of the files, each kind once."""
    unbuilt = [one for inputs in several for one in inputs.unbuilt]
    for tool, words in UNBUILT.items():
        folders = [clean(one.folder) for one in unbuilt if one.tool == tool]
        if folders:
            more = f" and {len(folders) - MOST_NOTED} more" if len(folders) > MOST_NOTED else ""
            yield words.format(folders=", ".join(folders[:MOST_NOTED]) + more, first=folders[0])
    twice = [note for inputs in several for note in inputs.twice]
    yield from twice[:MOST_NOTED]
    if len(twice) > MOST_NOTED:
        yield f"{len(twice) - MOST_NOTED} more objects are given twice"
