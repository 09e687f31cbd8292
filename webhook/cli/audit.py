"""`audit`: every declared dependency of a world, whoever applied it and when."""

import argparse
from collections.abc import Iterable, Iterator
from datetime import date

from msgspec import structs

from webhook.cli.check import exit_code
from webhook.cli.gather import gather, observed
from webhook.cli.outputs import deliver, fails_from, machine, parts, sifted
from webhook.cli.terminal import progress, tabulate
from webhook.facade.sources import CLUSTER, Gathered
from webhook.facade.world import policy_findings
from webhook.manifests import dump
from webhook.model.answers import Finding, Location, Severity
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.report import audit as report
from webhook.report import json_
from webhook.report.observed import text as seen_text
from webhook.report.text import Paint, Run, Summary, accepted
from webhook.review.audit import Audited, audit_workload, review_namespaces
from webhook.review.evidence import Evidence


def run(arguments: argparse.Namespace) -> int:
    """Print verdicts and findings; 1 where one is at or above `--fail-on`, 2 where something could not be read."""
    if not (arguments.files or arguments.kustomize or arguments.helm or arguments.against):
        arguments.against = [CLUSTER]
    gathered = gather(arguments, judging=False)
    whole = audit(gathered, arguments.clock().date(), observed(arguments, gathered))
    run = sifted(arguments, as_run("audit", whole, gathered, fails_from(arguments.fail_on)))
    found = structs.replace(whole, findings=run.findings, summary=run.summary)
    deliver(
        arguments,
        {
            **machine(run),
            "text": lambda shown: report.text(found, tabulate, shown, _seen(found, shown), accepted(run)),
            "json": lambda _: report.record(found, json_.compared(run)),
            "markdown": lambda _: report.markdown(found, dump),
            "html": lambda _: _page(found),
        },
    )
    return exit_code(found.findings, gathered.failures, arguments.fail_on)


def _page(found: report.Audit) -> str:
    from webhook.report import audit_page

    return audit_page.render(found, parts("audit"), dump)


def _seen(found: report.Audit, paint: Paint) -> Iterable[str]:
    return seen_text(found.evidence, tabulate, paint) if found.evidence else ()


def as_run(command: str, found: report.Audit, gathered: Gathered, fails: Severity | None) -> Run:
    """Return an audit as the formats of CI take it."""
    return Run(
        command=command,
        findings=found.findings,
        failures=found.errors,
        summary=found.summary,
        rows=found.rows,
        places={subject.workload.ref: subject.location for subject in gathered.subjects},
        fails_from=fails,
    )


def audit(gathered: Gathered, today: date, evidence: Evidence | None = None) -> report.Audit:
    """Judge everything that is there. `evidence`: what a flow log tells of it."""
    world = gathered.world
    every = list(_audited(gathered, today))
    places = {subject.workload.ref: subject.location for subject in gathered.subjects}
    namespaces = dict.fromkeys(one.workload.ref.namespace for one in every)
    policies = [policy for name in world.namespaces.names() for _, policy in sorted(world.policies.named(name).items())]
    spaces = ("", *world.namespaces.names())
    crd_policies = [policy for name in spaces for _, policy in sorted(world.policies.crd_policies(name).items())]
    findings = (
        *(_placed(finding, places) for one in every for finding in one.findings),
        *policy_findings(gathered, policies, crd_policies, today),
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
    return structs.replace(finding, location=place) if place else finding
