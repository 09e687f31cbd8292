"""`check`: review manifests as the webhook would."""

import argparse
from datetime import UTC, date, datetime
from typing import Final

import msgspec

from webhook.checklist.declarations import malformed
from webhook.cli.gather import Gathered, gather
from webhook.cli.terminal import colour, emit
from webhook.model.finding import Finding, Severity
from webhook.model.objects import Workload
from webhook.report import github, json_, text
from webhook.report.run import Summary
from webhook.review import review_workload
from webhook.review.exemptions import exemptions, without_exempt
from webhook.world import View

_THRESHOLD: Final = {"error": Severity.ERROR, "warning": Severity.WARNING, "info": Severity.INFO}


def run(arguments: argparse.Namespace) -> int:
    """Print findings; 1 where one is at or above `--fail-on`, 2 where something could not be read."""
    gathered = gather(arguments)
    findings = review(gathered, datetime.now(UTC).date())
    summary = Summary.of(findings, checked=len(gathered.subjects), skipped=gathered.skipped)
    match arguments.format:
        case "json":
            emit(json_.check(findings, gathered.failures, summary))
        case "github":
            emit(github.annotations(findings, gathered.failures))
        case _:
            emit(text.check(findings, gathered.failures, summary, text.coloured if colour() else text.plain))
    if gathered.failures:
        return 2
    threshold = _THRESHOLD.get(arguments.fail_on)
    return int(threshold is not None and any(finding.severity >= threshold for finding in findings))


def review(gathered: Gathered, today: date) -> list[Finding]:
    """Return the findings of every subject, where it stands; without those that an annotation exempts."""
    return [
        msgspec.structs.replace(finding, location=subject.location)
        for subject in gathered.subjects
        for finding in _of_workload(gathered.world, subject.workload, today)
    ]


def _of_workload(view: View, workload: Workload, today: date) -> list[Finding]:
    granted, bad = exemptions(workload, today)
    kept, _ = without_exempt(review_workload(view, workload), granted)
    return [*kept, *(malformed(workload.ref, item, "exempt") for item in bad)]
