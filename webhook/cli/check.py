"""`check`: review manifests as the webhook would, policies included."""

import argparse
from collections.abc import Iterable, Sequence

from webhook.cli.gather import gather
from webhook.cli.outputs import deliver, fails_from, machine, sifted
from webhook.cli.terminal import progress
from webhook.facade.world import audited, review
from webhook.model.answers import Finding
from webhook.report import json_, text
from webhook.report.text import Failure, Run, Summary


def run(arguments: argparse.Namespace) -> int:
    """Print findings; 1 where one is at or above `--fail-on`, 2 where something could not be read."""
    gathered = gather(arguments)
    today = arguments.clock().date()
    with audited(gathered, today, arguments.jobs) as answers, progress("judging", counted=False):
        every = list(answers)
        findings = review(gathered, today, every)
    whole = Run(
        command="check",
        findings=tuple(findings),
        failures=gathered.failures,
        summary=Summary.of(findings, checked=len(gathered.subjects), skipped=gathered.skipped),
        rows=tuple(row for one in every for row in one.rows),
        places={subject.workload.ref: subject.location for subject in gathered.subjects},
        fails_from=fails_from(arguments.fail_on),
    )
    found = sifted(arguments, whole)
    deliver(
        arguments,
        {
            "text": lambda shown: text.check(found, shown),
            "json": lambda _: json_.check(found),
            **machine(found),
        },
    )
    return exit_code(found.findings, found.failures, arguments.fail_on)


def exit_code(findings: Iterable[Finding], failures: Sequence[Failure], fail_on: str) -> int:
    """Return 2 where something could not be read, else 1 where a finding is at or above `--fail-on`, else 0."""
    if failures:
        return 2
    threshold = fails_from(fail_on)
    return int(threshold is not None and any(finding.severity >= threshold for finding in findings))
