"""`audit`: every declared dependency of a world, whoever applied it and when."""

import argparse
from collections.abc import Iterator
from datetime import date

import msgspec

from webhook.cli.check import exit_code
from webhook.cli.gather import gather
from webhook.cli.observed import observed
from webhook.cli.terminal import emit, paint, progress, tabulate
from webhook.facade.assets import parts
from webhook.facade.sources import CLUSTER, Gathered
from webhook.facade.world import policy_findings
from webhook.manifests import dump
from webhook.model.answers import Finding, Location
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.report import audit as report
from webhook.report.observed import text as seen_text
from webhook.report.run import Summary
from webhook.review.audit import Audited, audit_workload, review_namespaces
from webhook.review.evidence import Evidence


def run(arguments: argparse.Namespace) -> int:
    """Print verdicts and findings; 1 where one is at or above `--fail-on`, 2 where something could not be read."""
    if not (arguments.files or arguments.kustomize or arguments.helm or arguments.against):
        arguments.against = [CLUSTER]
    gathered = gather(arguments, judging=False)
    found = audit(gathered, arguments.clock().date(), observed(arguments, gathered))
    match arguments.format:
        case "json":
            emit(report.record(found))
        case "markdown":
            emit(report.markdown(found, dump))
        case "html":
            from webhook.report import audit_page

            emit(audit_page.render(found, parts("audit"), dump))
        case _:
            shown = paint()
            seen = seen_text(found.evidence, tabulate, shown) if found.evidence else ()
            emit(report.text(found, tabulate, shown, seen))
    return exit_code(found.findings, gathered.failures, arguments.fail_on)


def audit(gathered: Gathered, today: date, evidence: Evidence | None = None) -> report.Audit:
    """Judge everything that is there. `evidence`: what a flow log tells of it."""
    world = gathered.world
    every = list(_audited(gathered, today))
    places = {subject.workload.ref: subject.location for subject in gathered.subjects}
    namespaces = dict.fromkeys(one.workload.ref.namespace for one in every)
    policies = [policy for name in world.namespaces.names() for _, policy in sorted(world.policies.named(name).items())]
    spaces = ("", *world.namespaces.names())
    foreign = [policy for name in spaces for _, policy in sorted(world.policies.foreign(name).items())]
    findings = (
        *(_placed(finding, places) for one in every for finding in one.findings),
        *policy_findings(gathered, policies, foreign, today),
        *review_namespaces(world, namespaces, today),
    )
    return report.Audit(
        gathered.origin,
        world.enforcer.name,
        tuple(report.rows(every)),
        findings,
        gathered.failures,
        Summary.of(findings, checked=len(every), skipped=gathered.skipped),
        sum(one.exempt for one in every),
        evidence,
    )


def _audited(gathered: Gathered, today: date) -> Iterator[Audited]:
    """Yield the answers for what no controller made: it made the others, and they are reviewed by it."""
    workloads = sorted((w for w in gathered.world.workloads.every() if w.owner is None), key=_order)
    reviewed = {workload.ref for workload in workloads}
    given = {subject.workload.ref for subject in gathered.subjects}
    with progress("judging workloads") as told:
        for number, workload in enumerate(workloads, 1):
            yield audit_workload(gathered.world, workload, today, reviewed, asked=workload.ref in given)
            told(number, len(workloads))


def _order(workload: Workload) -> tuple[str, str, str]:
    ref = workload.ref
    return ref.namespace, ref.kind, ref.name


def _placed(finding: Finding, places: dict[WorkloadRef, Location]) -> Finding:
    place = places.get(finding.workload) if finding.workload else None
    return msgspec.structs.replace(finding, location=place) if place else finding
