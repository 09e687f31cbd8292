"""What is wrong with declarations themselves: NP201 to NP204 and NP303."""

from collections.abc import Iterator

from webhook.explain import Judged, JudgedWorkload
from webhook.model.dependency import Malformed
from webhook.model.finding import DEFAULT_SEVERITY, Finding, Severity
from webhook.model.refs import WorkloadRef
from webhook.model.verdict import Verdict


def check_declarations(judged: JudgedWorkload, *, complete: bool) -> Iterator[Finding]:
    """Yield one finding for each malformed item and each dependency that leads nowhere."""
    for item in judged.malformed:
        yield malformed(judged.workload.ref, item)
    for answer in judged.dependencies:
        yield from _missing(judged.workload.ref, answer, complete=complete)


def malformed(workload: WorkloadRef, item: Malformed, annotation: str = "connects-to") -> Finding:
    """Return NP303 for an item that cannot be read."""
    where = annotation if item.place == "metadata" else f"{item.place} {annotation}"
    facts = (
        ("position", str(item.position)),
        ("item", item.item),
        ("expected", item.expected),
        ("annotation", where),
    )
    return Finding(
        "NP303",
        DEFAULT_SEVERITY["NP303"],
        workload,
        dependency=f"{where}[{item.position}]",
        source=item.source,
        facts=facts,
    )


def _missing(workload: WorkloadRef, answer: Judged, *, complete: bool) -> Iterator[Finding]:
    """Several parts of one dependency may lack the same thing; it is told once, by the first."""
    told: set[str] = set()
    for lost in answer.missing:
        if lost.what in told:
            continue
        told.add(lost.what)
        yield Finding(
            lost.what,
            Severity.INFO if answer.unsure else severity(lost.what, dict(lost.facts), complete=complete),
            workload,
            dependency=answer.text,
            source=answer.source,
            verdict=Verdict.UNKNOWN if not answer.flows else None,
            facts=lost.facts,
            assumptions=answer.assumptions,
        )


def severity(finding: str, facts: dict[str, str], *, complete: bool) -> Severity:
    """Return the default severity: info where what is missing may be elsewhere; NP203 warns of a lost name."""
    if finding in ("NP201", "NP204") and not complete:
        return Severity.INFO
    if finding == "NP203" and "target" in facts:
        return Severity.WARNING
    return DEFAULT_SEVERITY[finding]
