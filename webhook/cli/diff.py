"""`diff`: what a change of manifests or of a cluster opens, closes, gains and loses."""

import argparse
from typing import Final

from webhook.cli.audit import audit
from webhook.cli.gather import gather
from webhook.cli.revisions import absolute, at_revision
from webhook.cli.terminal import colour, emit
from webhook.facade.sources import CLUSTER, is_snapshot
from webhook.matrix import Matrix, differences, matrix
from webhook.model.finding import Finding, Severity
from webhook.report import diff as report
from webhook.report import text
from webhook.report.audit import Audit
from webhook.review.compare import Answer, dependency_changes, finding_changes

OPENED: Final = "opened"
_FROM: Final = {"warning": Severity.WARNING, "info": Severity.INFO}


def run(arguments: argparse.Namespace) -> int:
    """Print differences; 1 where a declared dependency worsens or `--fail-on` asks, 2 for what cannot be read."""
    before, was = _side(arguments, arguments.before)
    after, now = _side(arguments, arguments.after)
    new, gone = finding_changes(before.findings, after.findings)
    found = report.Diff(
        differences(was, now),
        dependency_changes(_answers(before), _answers(after)),
        new,
        gone,
        tuple(dict.fromkeys((*before.errors, *after.errors))),
    )
    match arguments.format:
        case "json":
            emit(report.record(found))
        case "markdown":
            emit(report.comment(found))
        case _:
            emit(report.text(found, text.coloured if colour() else text.plain))
    return 2 if found.errors else int(_fails(found, arguments.fail_on))


def _fails(found: report.Diff, fail_on: str) -> bool:
    if fail_on == "never":
        return False
    opened = fail_on == OPENED and bool(found.connections.opened)
    return found.worse or opened or _any_from(found.new, _FROM.get(fail_on))


def _any_from(findings: tuple[Finding, ...], least: Severity | None) -> bool:
    return least is not None and any(one.severity >= least for one in findings)


def _answers(found: Audit) -> list[Answer]:
    return [(row.workload, row.dependency, row.source, row.verdict) for row in found.rows]


def _side(arguments: argparse.Namespace, paths: list[str]) -> tuple[Audit, Matrix]:
    """Return every dependency and every connection of one of the two worlds. Raises UsageError."""
    asked = argparse.Namespace(**vars(arguments))
    asked.config, asked.kubeconfig = absolute(arguments.config), absolute(arguments.kubeconfig)
    against = [path if path == CLUSTER else absolute(path) for path in arguments.against]
    place, names = at_revision(paths)
    with place:
        known = [name for name in names if name == CLUSTER or is_snapshot(name)]
        asked.against, asked.files = [*against, *known], [name for name in names if name not in known]
        gathered = gather(asked, judging=False)
        today = arguments.clock().date()
        return audit(gathered, today), matrix(gathered.world, unknown=True)
