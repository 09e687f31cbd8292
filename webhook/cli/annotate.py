"""`annotate`: write inferred dependencies, and those that a flow log shows, into manifests, as declarations."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from typing import Final

from webhook.cli.gather import gather, observed
from webhook.cli.terminal import emit, say
from webhook.dependencies import Resolved, infer, parse, resolve, uncovered
from webhook.facade import UsageError
from webhook.families import project
from webhook.manifests import STDIN, Document
from webhook.manifests.annotate import Edited, annotate, write
from webhook.manifests.edit import Edit
from webhook.manifests.files import Content, contents
from webhook.model.answers import Dependency
from webhook.model.objects import Pod, Workload
from webhook.model.refs import WorkloadRef
from webhook.model.settings import CONNECTS_TO
from webhook.report.safe import clean
from webhook.review.suggest import Suggested, suggested
from webhook.wire.objects import flatten
from webhook.wire.shapes import Malformed
from webhook.world import View

_UNREADABLE: Final = 2
_NOTHING: Final = Suggested()


def run(arguments: argparse.Namespace) -> int:
    """Print a diff, or write; 2 where something could not be read, or was left as it is."""
    if arguments.kustomize or arguments.helm:
        raise UsageError("annotate changes files: expected `-f`, and neither `-k` nor `--helm`")
    if STDIN in arguments.files:
        raise UsageError("standard input cannot be annotated: expected `-f FILE` or `-f DIR`")
    gathered = gather(arguments)
    evidence = observed(arguments, gathered)
    seen = suggested(gathered.world, evidence) if evidence is not None else {}
    writer = _Annotator(gathered.world, arguments.namespace, seen)
    files = [
        file for file in contents(arguments.files, sys.stdin.buffer, arguments.exclude) if isinstance(file, Content)
    ]
    found = [annotate(file, writer.wanted) for file in files]
    changed = [one for one in found if one.changed]
    for refusal in (refusal for one in found for refusal in one.refused):
        say(clean(str(refusal)))
    if arguments.write:
        _write(changed)
    else:
        emit("".join(one.diff for one in changed))
    say(_summary(len(changed), writer.count, wrote=arguments.write))
    if left := sum(len(one.left) for one in seen.values()):
        say(f"note: {left} more were seen, and no item can name them, or the workload declares as many as it may")
    return _UNREADABLE if gathered.failures or any(one.refused for one in found) else 0


def _write(changed: list[Edited]) -> None:
    for one in changed:
        try:
            write(one)
        except OSError as error:
            raise UsageError(f"cannot write `{one.file}`: {(error.strerror or 'unknown').lower()}") from error


def _summary(files: int, dependencies: int, *, wrote: bool) -> str:
    if not files:
        return "nothing to annotate"
    what = f"{dependencies} {'dependency' if dependencies == 1 else 'dependencies'}"
    where = f"{files} {'file' if files == 1 else 'files'}"
    return f"wrote {what} into {where}" if wrote else f"{what} in {where}; `--write` writes them"


class _Annotator:
    """Says what each document lacks, with what was `seen`. `count`: how many dependencies that were so far."""

    def __init__(self, view: View, namespace: str, seen: Mapping[WorkloadRef, Suggested]) -> None:
        self._view = view
        self._namespace = namespace
        self._seen = seen
        self.count = 0

    def wanted(self, document: Document) -> Iterator[Edit]:
        """Yield an edit for each workload of a document, a `List` included, that needs more than it declares."""
        for path, workload in _workloads(document, self._namespace):
            inferred = (_item(one, workload) for one in _lacking(self._view, workload))
            seen = self._seen.get(workload.ref, _NOTHING).items
            items = tuple(dict.fromkeys((*inferred, *seen)))
            if items:
                self.count += len(items)
                yield Edit(path, CONNECTS_TO, items)


def _workloads(document: Document, namespace: str) -> Iterator[tuple[tuple[str | int, ...], Workload]]:
    is_list = "items" in document.raw and str(document.raw.get("kind", "")).endswith("List")
    try:
        for index, raw in enumerate(flatten(document.raw)):
            value = project(raw, namespace)
            workload = value.bare if isinstance(value, Pod) else value
            if isinstance(workload, Workload):
                yield ("items", index) if is_list else (), workload
    except Malformed:
        return  # told by `gather`, which reads the same


def _lacking(view: View, workload: Workload) -> Iterator[Resolved]:
    items = (item for note in workload.connects_to for item in parse(note.text))
    declared = [resolve(view, workload, item) for item in items if isinstance(item, Dependency)]
    yield from uncovered(infer(view, workload), declared)


def _item(one: Resolved, workload: Workload) -> str:
    """Return a dependency as a person would write it: without its own namespace, without TCP."""
    name = one.found.name.removesuffix(f".{workload.ref.namespace}")
    return f"{name}:{one.found.port.removesuffix('/TCP')}"
