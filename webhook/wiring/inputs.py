"""Manifests -> model values, with whatever could not be read beside them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import IO, Any

import msgspec
from msgspec import Struct

from webhook.families import project
from webhook.manifests import STDIN, Broken, Content, Document, Skipped, Unbuilt, read, read_content
from webhook.model.answers import Location
from webhook.model.crd_policies import CrdPolicy
from webhook.model.inbound import Gateway, Ingress, Route
from webhook.model.objects import Pod, Workload
from webhook.model.policy import Policy
from webhook.model.refs import WorkloadRef
from webhook.report.safe import clean, clip
from webhook.report.text import Failure
from webhook.wire.objects import Projected, flatten
from webhook.wire.shapes import Malformed
from webhook.world import View
from webhook.world.controllers import maker_of

Key = tuple[str, str, str, str]  # API group, kind, namespace, name
_SHOWN = 63  # characters of a hostile kind or name that an error repeats


class Inputs(Struct):
    """What came out of some manifests: values in order, and how many documents were none of ours.

    `failures`: what is missing because it could not be read. `problems`: what is there, but not clear. `unbuilt`:
    folders whose manifests another program makes. `twice`: objects that are given more than once, each in a sentence.
    """

    values: list[tuple[Projected, Location]] = msgspec.field(default_factory=list)
    failures: list[Failure] = msgspec.field(default_factory=list)
    problems: list[Failure] = msgspec.field(default_factory=list)
    unbuilt: list[Unbuilt] = msgspec.field(default_factory=list)
    twice: list[str] = msgspec.field(default_factory=list)
    skipped: int = 0
    places: dict[Key, Location] = msgspec.field(default_factory=dict)


class Subject(Struct, frozen=True):
    """A workload to be judged, and where it is."""

    workload: Workload
    location: Location


def read_inputs(
    paths: Sequence[str],
    stdin: IO[bytes],
    namespace: str,
    exclude: Sequence[str] = (),
    built: Iterable[Content] = (),
    objects: Iterable[Mapping[str, Any]] = (),
) -> Inputs:
    """Read and check every object under `paths`, of what was `built`, and `objects`. Raises manifests.NoSuchPath."""
    found = Inputs()
    given = (Document(dict(raw), f"objects[{index}]", 0) for index, raw in enumerate(objects))
    made = map(_in_its_chart, chain.from_iterable(map(read_content, built)))
    for document in chain(read(paths, stdin, exclude), made, given):
        match document:
            case Broken():
                found.failures.append(Failure(document.file, document.line, document.reason))
            case Unbuilt():
                found.unbuilt.append(document)
            case Skipped():
                found.skipped += 1
            case Document():
                found.skipped += not _take(document, namespace, found)
    return found


def _in_its_chart(found: Document | Broken | Skipped) -> Document | Broken | Skipped:
    """Return what Helm rendered with its template's path in the chart's folder: it says `CHART/templates/FILE`."""
    _, slash, path = found.source.partition("/") if isinstance(found, Document) else ("", "", "")
    if not slash or not isinstance(found, Document):
        return found
    return msgspec.structs.replace(found, source=f"{found.file.rstrip('/')}/{path}")


def _take(document: Document, namespace: str, found: Inputs) -> bool:
    """Add what `document` holds; False where that is nothing of ours."""
    if not (isinstance(document.raw.get("apiVersion"), str) and isinstance(document.raw.get("kind"), str)):
        return False
    rendered = document.file == STDIN or document.source.startswith(f"{document.file.rstrip('/')}/")
    location = Location(document.file, document.line, document.source if rendered else "")
    before = len(found.values) + len(found.failures)
    try:
        for item in flatten(document.raw):
            _project(item, namespace, location, found)
    except Malformed as error:
        found.failures.append(Failure(location.file, location.line, str(error)))
    return len(found.values) + len(found.failures) > before


def _project(item: Mapping[str, object], namespace: str, location: Location, found: Inputs) -> None:
    try:
        value = project(item, namespace)
    except Malformed as error:
        found.failures.append(Failure(location.file, location.line, f"{_named(item)}: {error}"))
        return
    if value is None:
        return
    _note(item, namespace, location, found)
    found.values.append((value, location))
    if isinstance(value, Policy | Ingress | Route | Gateway):
        unreadable = value.unreadable if isinstance(value, Policy) else None
        reasons = (*value.problems, *([unreadable] if unreadable else []))
        found.problems += [Failure(location.file, location.line, f"{_named(item)}: {reason}") for reason in reasons]


def _note(item: Mapping[str, object], namespace: str, location: Location, found: Inputs) -> None:
    """Keep where an object is, and say so where it is somewhere else, too: the later one counts."""
    metadata = item.get("metadata")
    name, own = (metadata.get(key) for key in ("name", "namespace")) if isinstance(metadata, Mapping) else (None, None)
    if not isinstance(name, str):
        return  # one with `generateName` alone is another each time
    group = str(item.get("apiVersion")).rpartition("/")[0]
    key = (group, str(item.get("kind")), str(own or namespace), name)
    before = found.places.get(key)
    found.places[key] = location
    if before is not None:
        places = f"{_at(before)} and {_at(location)}"
        found.twice.append(f"{_named(item)} is given twice in {clean(key[2])}, {places}: the latter counts")


def _at(location: Location) -> str:
    return f"{clean(location.file)}:{location.line}"


def misread(view: View, values: Iterable[tuple[Projected, Location]]) -> list[Failure]:
    """Return what is wrong with the policies of other families that are evaluated in `view`."""
    found, evaluated = view.policies.problems(), view.dialect.evaluated
    return [
        Failure(location.file, location.line, f"{value.ref.kind} `{clip(value.ref.name, _SHOWN)}`: {problem}")
        for value, location in values
        if isinstance(value, CrdPolicy) and (value.group, value.ref.kind) in evaluated
        for problem in found.get(value.ref, ())
    ]


def _named(item: Mapping[str, object]) -> str:
    metadata = item.get("metadata")
    name = metadata.get("name") or metadata.get("generateName") if isinstance(metadata, Mapping) else None
    kind = clip(clean(str(item.get("kind"))), _SHOWN)
    return f"{kind} `{clip(clean(name), _SHOWN)}`" if isinstance(name, str) else kind


def subjects(view: View, values: Iterable[tuple[Projected, Location]]) -> tuple[Subject, ...]:
    """Return the workloads to judge: the last of each name, without those whose maker is in `view`, and judged."""
    chosen: dict[WorkloadRef, Subject] = {}
    for workload, location in _workloads(values):
        chosen.pop(workload.ref, None)
        if maker_of(view, workload) is None:
            chosen[workload.ref] = Subject(workload, location)
    return tuple(chosen.values())


def _workloads(values: Iterable[tuple[Projected, Location]]) -> Iterator[tuple[Workload, Location]]:
    for value, location in values:
        match value:
            case Workload():
                yield value, location
            case Pod(bare=Workload() as bare):
                yield bare, location
            case _:
                pass
