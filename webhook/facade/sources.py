"""From files, objects, snapshots and clusters to a world, and what is to be judged in it."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from webhook import config
from webhook.config import nearest
from webhook.facade import UsageError
from webhook.families import REFERENCES
from webhook.manifests import STDIN, Broken, Content, Document, NoSuchPath, Skipped, read
from webhook.model.answers import Location
from webhook.model.crd_policies import CrdPolicy
from webhook.model.objects import Workload
from webhook.model.policy import Policy
from webhook.model.refs import KIND_OF_WORD, SHORT_KINDS, PolicyRef, WorkloadRef
from webhook.model.settings import Dns, Settings
from webhook.report.safe import clean
from webhook.report.text import Failure, Origin
from webhook.wiring import snapshot
from webhook.wiring.cluster_snapshot import ClusterSnapshot, of_snapshot
from webhook.wiring.inputs import Inputs, Subject, misread, read_inputs, subjects
from webhook.world import Put, World
from webhook.world.changes import key_of

if TYPE_CHECKING:  # what only some commands ask about
    from webhook.matrix import Matrix
    from webhook.review.touched import Written


def find(text: str, workloads: Iterable[Workload], namespace: str) -> Workload:
    """Return the workload that `text` names, of those that no controller made. Raises UsageError."""
    every = {w.ref: w for w in workloads if w.owner is None}
    return every[find_ref(text, every, namespace)]


def find_ref(text: str, refs: Iterable[WorkloadRef], namespace: str) -> WorkloadRef:
    """Return the one that `text` names: `kind/name`, `name`, either with `.namespace` behind it.

    Without a namespace, one in `namespace` comes first, then one that is unique. Raises UsageError.
    """
    kind, _, rest = text.rpartition("/")
    there = list(refs)
    known = {ref.kind.lower(): ref.kind for ref in there} | KIND_OF_WORD
    if kind and kind.lower() not in known:
        raise UsageError(f"unknown kind `{clean(kind)}`{nearest(kind.lower(), known)}: expected {', '.join(_SHORT)}")
    every = [ref for ref in there if not kind or ref.kind == known[kind.lower()]]
    found = [ref for ref in every if rest in {ref.name, f"{ref.name}.{ref.namespace}"}]
    local = [ref for ref in found if ref.namespace == namespace]
    match local or found:
        case [one]:
            return one
        case []:
            raise UsageError(f"no workload `{clean(text)}`{nearest(rest, sorted({ref.name for ref in every}))}")
        case several:
            names = ", ".join(sorted(f"{SHORT_KINDS.get(r.kind, r.kind)}/{r.name}.{r.namespace}" for r in several))
            raise UsageError(f"`{clean(text)}` names several workloads: expected one of {clean(names)}")


_SHORT = tuple(SHORT_KINDS.values())


CLUSTER: Final = "cluster"
Told = Callable[[int, int], object]  # how many objects are read, and of how many, 0 for not known
MOST_NOTED: Final = 5  # of one kind of note
UNBUILT: Final = {  # whose folders are not read as they are
    "kustomize": "Kustomize folders are not read as they are: {folders}; build each: `-k {first}`",
    "helm": "Helm charts are not read as they are: {folders}; render each: `--helm {first}`, or "
    "`helm template {first} | netpol-preflight check -f -`",
}


class Sources(Struct, frozen=True, kw_only=True):
    """Where a world comes from. `files`, `made` and `objects` are judged in it; `against` is there already.

    `made`: what other programs printed. `namespace`: of objects without one. `exclude`: globs of files to leave out.
    `config` to `admit` say how it is judged, `kubeconfig` and `context` which cluster `against` means by its name.
    """

    files: Sequence[str] = ()
    made: Iterable[Content] = ()
    objects: Sequence[Mapping[str, Any]] = ()
    against: Sequence[str] = ()
    namespace: str = "default"
    exclude: Sequence[str] = ()
    config: str | None = None
    cni: str | None = None
    dns: tuple[str, str, int | None] | None = None
    admit: Sequence[str] = ()
    kubeconfig: str | None = None
    context: str | None = None
    deleted: bool = False  # what is judged is taken away from what is there


class Gathered(Struct, frozen=True):
    """A world and what to judge in it: workloads and policies, with where they are.

    `crd_policies`: those of other families than NetworkPolicy. `read`: whatever is in files, of any family: what is
    wrong with it is among the failures. `before`: what is there without the files, where there is anything; `written`:
    what of the files others may depend on. `notes`: what a person is to know of what was read.
    """

    world: World
    subjects: tuple[Subject, ...]
    policies: tuple[tuple[Policy, Location], ...]
    failures: tuple[Failure, ...]
    skipped: int
    origin: Origin
    crd_policies: tuple[tuple[CrdPolicy, Location], ...] = ()
    read: frozenset[PolicyRef] = frozenset()
    before: World | None = None
    written: "tuple[tuple[Written, Location], ...]" = ()
    notes: tuple[str, ...] = ()
    deleted: bool = False


def read_sources(sources: Sources, now: datetime, told: Told = lambda _, __: None, *, judging: bool = True) -> Gathered:
    """Read everything. `told`: how much of a cluster is read. `judging`: somebody asks what the files change.

    What cannot be read is among the failures, and the rest is there. Raises UsageError.
    """
    if STDIN in sources.files and STDIN in sources.against:
        raise UsageError("standard input can be read once: expected `-` in one of `-f` and `--against`")
    snapshots = [path for path in sources.against if is_snapshot(path)]
    live = bool(snapshots) or CLUSTER in sources.against
    settings = read_settings(sources.config, sources.cni, dns=sources.dns, admit=sources.admit, live=live)
    clusters = [_cluster(sources, now, told)] if CLUSTER in sources.against else []
    known = [*map(_snapshot, snapshots), *clusters]
    there = _inputs([path for path in sources.against if path not in (CLUSTER, *snapshots)], sources)
    judged = _inputs(sources.files, sources, sources.made, sources.objects)
    complete = bool(known) and all(one.complete for one in known)
    below = [*(value for one in known for value in one.values), *(value for value, _ in there.values)]
    world = World(settings, complete=complete)
    world.apply(map(Put, below))
    world.apply(key_of(value) if sources.deleted else Put(value) for value, _ in judged.values)
    here = () if sources.deleted else judged.values
    written = _written(judged) if below else ()
    before = World(settings, complete=complete) if judging and written else None
    if before is not None:
        before.apply(map(Put, below))
    broken = [failure for one in known for failure in one.failures]
    problems = (*there.problems, *judged.problems, *misread(world, (*there.values, *here)))
    policies = {v.ref: (v, place) for v, place in here if isinstance(v, Policy)}
    every = ((v, place) for v, place in here if isinstance(v, CrdPolicy))
    crd_policies = {v.ref: (v, place) for v, place in every if (v.group, v.ref.kind) not in REFERENCES}
    return Gathered(
        world,
        subjects(world, here),
        tuple(policies.values()),
        tuple(sorted({*broken, *there.failures, *judged.failures, *problems})),
        judged.skipped,
        _origin(known, now),
        tuple(crd_policies.values()),
        frozenset(v.ref for v, _ in (*there.values, *judged.values) if isinstance(v, CrdPolicy)),
        before,
        written,
        (*(note for one in known for note in one.notes), *_notes((there, judged))),
        sources.deleted,
    )


def _written(judged: Inputs) -> "tuple[tuple[Written, Location], ...]":
    from webhook.review.touched import Written

    return tuple((value, place) for value, place in judged.values if isinstance(value, Written))


def asked(whole: "Matrix", focus: str | None, namespace: str, *, group: bool) -> "Matrix":
    """Return the rows of one workload, or all, with who behaves alike folded into one. Raises UsageError."""
    from webhook.matrix import focused, fold

    if focus is not None:
        refs = [one for one in whole.workloads if isinstance(one, WorkloadRef)]
        whole = focused(whole, refs.index(find_ref(focus, refs, namespace)))
    return fold(whole) if group else whole


def _origin(known: Sequence[ClusterSnapshot], now: datetime) -> Origin:
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


def _snapshot(path: str) -> ClusterSnapshot:
    try:
        return of_snapshot(path, snapshot.read(Path(path)))
    except snapshot.NotASnapshot as error:
        raise UsageError(f"{path}: not a snapshot that can be read: {error}") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error


def _cluster(sources: Sources, now: datetime, told: Told) -> ClusterSnapshot:
    """Read the cluster of a kubeconfig; its client is imported by whoever asks for one."""
    import asyncio

    from webhook.cluster.client_configuration import Access
    from webhook.cluster.errors import ClusterError
    from webhook.wiring.cluster_snapshot import of_cluster
    from webhook.wiring.cluster_source import list_once

    access = Access(sources.kubeconfig, sources.context)
    try:
        return of_cluster(now.replace(microsecond=0), asyncio.run(list_once(access, lambda _, value: value, told)))
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


def _inputs(
    paths: Sequence[str], sources: Sources, made: Iterable[Content] = (), objects: Sequence[Mapping[str, Any]] = ()
) -> Inputs:
    try:
        return read_inputs(paths, sys.stdin.buffer, sources.namespace, sources.exclude, made, objects)
    except NoSuchPath as error:
        raise UsageError(str(error)) from error


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
