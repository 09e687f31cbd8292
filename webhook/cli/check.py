"""`check`: review manifests as the webhook would."""

import argparse
from typing import Final

import msgspec

from webhook.cli.gather import Gathered, gather
from webhook.cli.terminal import colour, emit
from webhook.model.finding import Finding, Severity
from webhook.report import github, json_, text
from webhook.report.run import Summary
from webhook.review import review_workload

_THRESHOLD: Final = {"error": Severity.ERROR, "warning": Severity.WARNING, "info": Severity.INFO}


def run(arguments: argparse.Namespace) -> int:
    """Print findings; 1 where one is at or above `--fail-on`, 2 where something could not be read."""
    gathered = gather(arguments)
    findings = review(gathered)
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


def review(gathered: Gathered) -> list[Finding]:
    """Return the findings of every subject, where it stands."""
    return [
        msgspec.structs.replace(finding, location=subject.location)
        for subject in gathered.subjects
        for finding in review_workload(gathered.world, subject.workload)
    ]
