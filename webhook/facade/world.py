"""The door for other programs: `from webhook import World`. Its answers are the JSON that the commands print."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from typing import Any, Self, TypedDict, Unpack

import msgspec

from webhook.facade import UsageError
from webhook.facade.judging import Answered, judged
from webhook.facade.sources import Gathered, Sources, asked, find, read_sources
from webhook.fix import Fixes, Unfixable, fix, fix_all
from webhook.judge import explain
from webhook.matrix import matrix
from webhook.model.answers import CLOSED, Finding, Location, Manifest
from webhook.model.crd_policies import CrdPolicy
from webhook.model.objects import Declaration, Workload
from webhook.model.policy import Policy
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.report import json_
from webhook.report.json_ import Record
from webhook.report.text import Summary
from webhook.review.audit import review_crd_policies, review_policies, told_once
from webhook.review.blast_radius import blast_radius
from webhook.review.changes import deleted_by
from webhook.review.touched import changed
from webhook.world import View


def audited(gathered: Gathered, today: date, jobs: int | None = 1) -> AbstractContextManager[Iterator[Answered]]:
    """Give what each subject depends on, as judged, and what is found about it. `jobs`: as `judged` has it."""
    workloads = [subject.workload for subject in gathered.subjects]
    return judged(gathered, workloads, today, {workload.ref for workload in workloads}, jobs)


def review(gathered: Gathered, today: date, every: Iterable[Answered]) -> list[Finding]:
    """Return the findings of every subject, where it is; without those that an annotation exempts.

    What is one slip of a policy or a server is one finding, however many workloads it hits. `every`: what `audited`
    gives.
    """
    workloads = [finding for one in every for finding in one.findings]
    own, crd_policies = [policy for policy, _ in gathered.policies], [policy for policy, _ in gathered.crd_policies]
    places: dict[PolicyRef | WorkloadRef, Location] = {policy.ref: place for policy, place in gathered.policies}
    places |= {policy.ref: place for policy, place in gathered.crd_policies}
    places |= {subject.workload.ref: subject.location for subject in gathered.subjects}
    whole = told_once(workloads, places)
    return whole + policy_findings(gathered, own, crd_policies, today) + changes(gathered, today)


def changes(gathered: Gathered, today: date) -> list[Finding]:
    """Return what workloads that are there already lose by what is in the files, where that is."""
    if gathered.before is None:
        return []
    values = [value for value, _ in gathered.written]
    if gathered.deleted:
        found = deleted_by(gathered.before, values, today)
    else:
        told = {subject.workload.ref for subject in gathered.subjects}
        found = blast_radius(gathered.before, gathered.world, changed(gathered.before, values), today, told)
    places = {value.ref.at(None): place for value, place in gathered.written if isinstance(value, Policy | CrdPolicy)}
    first = next((place for _, place in gathered.written), None)
    return [
        msgspec.structs.replace(one, location=next((places[ref] for ref in one.policies if ref in places), first))
        for one in found
    ]


def policy_findings(
    gathered: Gathered, policies: Iterable[Policy], crd_policies: Iterable[CrdPolicy], today: date
) -> list[Finding]:
    """Return the findings of policies, where they are in what is judged."""
    places = {policy.ref: place for policy, place in gathered.policies}
    places |= {policy.ref: place for policy, place in gathered.crd_policies}
    found = (
        *review_policies(gathered.world, policies, today),
        *review_crd_policies(gathered.world, crd_policies, today, gathered.read),
    )
    return [msgspec.structs.replace(one, location=places.get(one.policies[0].at(None))) for one in found]


def fix_declared(view: View, workload: Workload, dependency: str) -> Fixes:
    """Return what opens one dependency, as if `workload` declared it alone."""
    return fix(view, [msgspec.structs.replace(workload, connects_to=(Declaration(dependency, "metadata"),))])


def every_fix(gathered: Gathered, today: date) -> Fixes:
    """Return what opens all that is judged, and what has to be applied before what takes something from others."""
    fixes = fix_all(gathered.world, [subject.workload for subject in gathered.subjects])
    return _with_changes(fixes, changes(gathered, today))


def _with_changes(fixes: Fixes, lost: Iterable[Finding]) -> Fixes:
    """Add what has to be applied first so that a change of policies or labels takes nothing from others."""
    policies, unfixable, notes = list(fixes.policies), list(fixes.unfixable), list(fixes.notes)
    taken = {_key(policy) for policy in policies}
    for one in lost:
        notes += one.assumptions
        more = [policy for policy in one.fix if _key(policy) not in taken]
        policies += more
        taken |= {_key(policy) for policy in more}
        if not one.fix and one.workload is not None:
            unfixable.append(Unfixable(one.workload, one.dependency or "", one.no_fix or "no policy opens it"))
    return Fixes(tuple(policies), tuple(dict.fromkeys(unfixable)), tuple(dict.fromkeys(notes)))


def _key(policy: Manifest) -> tuple[str, str]:
    metadata = policy["metadata"]
    return str(metadata.get("namespace", "default")), str(metadata["name"])


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
        gathered = self._gathered
        with audited(gathered, self._today) as answers:
            findings = review(gathered, self._today, answers)
        summary = Summary.of(findings, checked=len(gathered.subjects), skipped=gathered.skipped)
        return json_.checked(findings, gathered.failures, summary)

    def explain(self, source: str, to: str) -> Record:
        """Return one verdict step by step: `explain --from SOURCE --to TO --format json`."""
        world = self._gathered.world
        workload = find(source, world.workloads.every(), self._namespace)
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
        decoded: Record = msgspec.json.decode(json_.matrix(whole, gathered.failures, gathered.skipped))
        return decoded

    def fix(self) -> Record:
        """Return only the policies to apply: `fix --format json`."""
        return json_.fixed(every_fix(self._gathered, self._today), self._gathered.failures)
