"""`audit`: every declared dependency of a world, whoever applied it and when."""

import argparse
from collections.abc import Iterable, Iterator
from datetime import date

from msgspec import structs

from webhook.cli.check import exit_code
from webhook.cli.gather import gather, observed, uncollected
from webhook.cli.outputs import deliver, fails_from, machine, parts, sifted
from webhook.cli.terminal import progress, tabulate
from webhook.facade.judging import Answered, judged
from webhook.facade.sources import CLUSTER, Gathered
from webhook.facade.world import policy_findings
from webhook.manifests import dump
from webhook.model.answers import Finding, Severity
from webhook.model.objects import Workload
from webhook.report import audit as report
from webhook.report import json_
from webhook.report.observed import text as seen_text
from webhook.report.text import Paint, Run, Summary, accepted
from webhook.review.audit import review_namespaces
from webhook.review.evidence import Evidence


def run(arguments: argparse.Namespace) -> int:
    """Print verdicts and findings; 1 where one is at or above `--fail-on`, 2 where something could not be read."""
    if not (arguments.files or arguments.kustomize or arguments.helm or arguments.against):
        arguments.against = [CLUSTER]
    gathered = gather(arguments, judging=False)
    whole = audit(gathered, arguments.clock().date(), observed(arguments, gathered), arguments.jobs)
    run = sifted(arguments, as_run("audit", whole, gathered, fails_from(arguments.fail_on)))
    found = structs.replace(whole, findings=run.findings, summary=run.summary)
    with uncollected():
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


def audit(gathered: Gathered, today: date, evidence: Evidence | None = None, jobs: int | None = 1) -> report.Audit:
    """Judge everything that is there. `evidence`: what a flow log tells of it; `jobs`: by how many processes."""
    world = gathered.world
    # what no controller made: it made the others, and they are reviewed by it
    workloads = sorted((w for w in world.workloads.every() if w.owner is None), key=_order)
    with judged(gathered, workloads, today, {workload.ref for workload in workloads}, jobs) as answers:
        of_policies = _of_policies(gathered, today)  # while other processes judge workloads
        every = list(_counted(answers, len(workloads)))
    namespaces = dict.fromkeys(workload.ref.namespace for workload in workloads)
    findings = (
        *(finding for one in every for finding in one.findings),
        *of_policies,
        *review_namespaces(world, namespaces, today),
    )
    return report.Audit(
        gathered.origin,
        world.enforcer.name,
        tuple(row for one in every for row in one.rows),
        findings,
        gathered.failures,
        Summary.of(findings, checked=len(every), skipped=gathered.skipped),
        sum(one.exempt for one in every),
        evidence,
    )


def _of_policies(gathered: Gathered, today: date) -> list[Finding]:
    world = gathered.world
    policies = [policy for name in world.namespaces.names() for _, policy in sorted(world.policies.named(name).items())]
    spaces = ("", *world.namespaces.names())
    crd_policies = [policy for name in spaces for _, policy in sorted(world.policies.crd_policies(name).items())]
    return policy_findings(gathered, policies, crd_policies, today)


def _counted(answers: Iterable[Answered], number: int) -> Iterator[Answered]:
    with progress("judging workloads") as told:
        for done, one in enumerate(answers, 1):
            yield one
            told(done, number)


def _order(workload: Workload) -> tuple[str, str, str]:
    ref = workload.ref
    return ref.namespace, ref.kind, ref.name
