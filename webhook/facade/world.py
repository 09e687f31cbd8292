"""The door for other programs: `from webhook import World`. Its answers are the JSON that the commands print."""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self, TypedDict, Unpack

import msgspec

from webhook.explain import explain
from webhook.facade.answers import asked, every_fix, fix_declared, review
from webhook.facade.names import find
from webhook.facade.sources import Sources, read_sources
from webhook.facade.usage import UsageError
from webhook.fix import Fixes
from webhook.matrix import matrix
from webhook.model.verdict import CLOSED
from webhook.report import json_, matrix_json
from webhook.report.json_ import Record
from webhook.report.run import Summary


class Options(TypedDict, total=False):
    """What the flags of the same names say. `against`: manifests, a snapshot, `cluster`: what is there already."""

    against: Sequence[str]
    namespace: str
    exclude: Sequence[str]
    config: str | None
    cni: str | None
    dns: tuple[str, str, int | None] | None
    admit: Sequence[str]
    kubeconfig: str | None
    context: str | None


class World:
    """A cluster, or some files of one, as it was when this was made. Provisional; the answers' JSON is stable.

    What cannot be read stands among the `errors` of every answer, and the rest is answered. What nothing can be made
    of (a path that is not there, an unknown name or setting) raises `ValueError`.
    """

    def __init__(self, sources: Sources, now: datetime | None = None) -> None:
        """Read everything. `now`: when exemptions are looked at; without it the time of day."""
        moment = now or datetime.now(UTC)
        self._gathered = read_sources(sources, moment)
        self._today = moment.date()
        self._namespace = sources.namespace

    @classmethod
    def from_paths(
        cls, *paths: str | os.PathLike[str], now: datetime | None = None, **options: Unpack[Options]
    ) -> Self:
        """Judge the manifests in files and folders; without any there is a world to ask, and nothing to judge."""
        return cls(Sources(files=[os.fspath(path) for path in paths], **options), now)

    @classmethod
    def from_objects(
        cls, objects: Iterable[Mapping[str, Any]], now: datetime | None = None, **options: Unpack[Options]
    ) -> Self:
        """Judge objects, decoded, in the API's spelling."""
        return cls(Sources(objects=list(objects), **options), now)

    def check(self) -> Record:
        """Return the findings of what is judged, with what would fix each: `check --format json`."""
        findings, gathered = review(self._gathered, self._today), self._gathered
        summary = Summary.of(findings, checked=len(gathered.subjects), skipped=gathered.skipped)
        return json_.checked(findings, gathered.failures, summary)

    def explain(self, source: str, to: str) -> Record:
        """Return one verdict step by step: `explain --from SOURCE --to TO --format json`."""
        world = self._gathered.world
        workload = find(source, world.workloads(), self._namespace)
        explanation = explain(world, workload, to)
        if explanation.malformed:
            raise UsageError(f"`to`: expected {explanation.malformed.expected}")
        bad = explanation.verdict in CLOSED
        fixes = fix_declared(world, workload, to) if bad else Fixes()
        return json_.explained(explanation, fixes.policies, self._gathered.failures)

    def matrix(self, focus: str | None = None, *, unknown: bool = False, group: bool = False) -> Record:
        """Return every connection that is open: `matrix --format json`."""
        gathered = self._gathered
        whole = asked(matrix(gathered.world, unknown=unknown), focus, self._namespace, group=group)
        decoded: Record = msgspec.json.decode(matrix_json.matrix(whole, gathered.failures, gathered.skipped))
        return decoded

    def fix(self) -> Record:
        """Return only the policies to apply: `fix --format json`."""
        return json_.fixed(every_fix(self._gathered, self._today), self._gathered.failures)
