"""`check`: review manifests as the webhook would, policies included."""

import argparse
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final

import msgspec

from webhook.cli.gather import Gathered, gather
from webhook.cli.terminal import colour, emit
from webhook.model.finding import Finding, Severity
from webhook.model.foreign import Foreign
from webhook.model.policy import Policy
from webhook.report import github, json_, text
from webhook.report.run import Failure, Summary
from webhook.review.audit import audit_workload
from webhook.review.blast_radius import blast_radius, changed
from webhook.review.policies import review_foreign, review_policies

_THRESHOLD: Final = {"error": Severity.ERROR, "warning": Severity.WARNING, "info": Severity.INFO}


def run(arguments: argparse.Namespace) -> int:
    """Print findings; 1 where one is at or above `--fail-on`, 2 where something could not be read."""
    gathered = gather(arguments)
    findings = review(gathered, arguments.clock().date())
    summary = Summary.of(findings, checked=len(gathered.subjects), skipped=gathered.skipped)
    match arguments.format:
        case "json":
            emit(json_.check(findings, gathered.failures, summary))
        case "github":
            emit(github.annotations(findings, gathered.failures))
        case _:
            emit(text.check(findings, gathered.failures, summary, text.coloured if colour() else text.plain))
    return exit_code(findings, gathered.failures, arguments.fail_on)


def exit_code(findings: Iterable[Finding], failures: Sequence[Failure], fail_on: str) -> int:
    """Return 2 where something could not be read, else 1 where a finding is at or above `--fail-on`, else 0."""
    if failures:
        return 2
    threshold = _THRESHOLD.get(fail_on)
    return int(threshold is not None and any(finding.severity >= threshold for finding in findings))


def review(gathered: Gathered, today: date) -> list[Finding]:
    """Return the findings of every subject, where it stands; without those that an annotation exempts."""
    reviewed = {subject.workload.ref for subject in gathered.subjects}
    workloads = [
        msgspec.structs.replace(finding, location=subject.location)
        for subject in gathered.subjects
        for finding in audit_workload(gathered.world, subject.workload, today, reviewed).findings
    ]
    own, foreign = [policy for policy, _ in gathered.policies], [policy for policy, _ in gathered.foreign]
    return workloads + policy_findings(gathered, own, foreign, today) + changes(gathered, today)


def changes(gathered: Gathered, today: date) -> list[Finding]:
    """Return what workloads that are there already lose by what is in the files, where that stands."""
    if gathered.before is None:
        return []
    change = changed(gathered.before, (value for value, _ in gathered.written))
    told = {subject.workload.ref for subject in gathered.subjects}
    found = blast_radius(gathered.before, gathered.world, change, today, told)
    places = {value.ref.at(None): place for value, place in gathered.written if isinstance(value, Policy | Foreign)}
    first = next((place for _, place in gathered.written), None)
    return [
        msgspec.structs.replace(one, location=next((places[ref] for ref in one.policies if ref in places), first))
        for one in found
    ]


def policy_findings(
    gathered: Gathered, policies: Iterable[Policy], foreign: Iterable[Foreign], today: date
) -> list[Finding]:
    """Return the findings of policies, where they stand in what is judged."""
    places = {policy.ref: place for policy, place in gathered.policies}
    places |= {policy.ref: place for policy, place in gathered.foreign}
    found = (
        *review_policies(gathered.world, policies, today),
        *review_foreign(gathered.world, foreign, today, gathered.read),
    )
    return [msgspec.structs.replace(one, location=places.get(one.policies[0].at(None))) for one in found]
