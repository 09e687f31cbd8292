"""`check`: review manifests as the webhook would, policies included."""

import argparse
from collections.abc import Iterable, Sequence
from typing import Final

from webhook.cli.gather import gather
from webhook.cli.terminal import emit, paint
from webhook.facade.world import review
from webhook.model.answers import Finding, Severity
from webhook.report import json_, text
from webhook.report.run import Failure, Summary

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
            emit(text.annotations(findings, gathered.failures))
        case _:
            emit(text.check(findings, gathered.failures, summary, paint()))
    return exit_code(findings, gathered.failures, arguments.fail_on)


def exit_code(findings: Iterable[Finding], failures: Sequence[Failure], fail_on: str) -> int:
    """Return 2 where something could not be read, else 1 where a finding is at or above `--fail-on`, else 0."""
    if failures:
        return 2
    threshold = _THRESHOLD.get(fail_on)
    return int(threshold is not None and any(finding.severity >= threshold for finding in findings))
