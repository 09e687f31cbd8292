"""One workload against a view: every finding about what it declares."""

from msgspec import structs

from webhook.checklist.declarations import check_declarations
from webhook.checklist.labels import check_workload
from webhook.explain import Judged, JudgedWorkload, enforcer_notes, judge_workload
from webhook.explain.symptoms import symptoms
from webhook.fix import Fixed, fix_dependency
from webhook.model.finding import Finding
from webhook.model.objects import Workload
from webhook.model.verdict import Verdict
from webhook.review.packets import not_enforced, packet_findings
from webhook.world import View


def review_workload(view: View, workload: Workload) -> tuple[Finding, ...]:
    """Return the findings of one workload, in a stable order: worst first, then by id and dependency."""
    return review_judged(view, judge_workload(view, workload))


def review_judged(view: View, judged: JudgedWorkload) -> tuple[Finding, ...]:
    """Return the findings of a workload that was judged in `view`."""
    workload = judged.workload
    found = [*check_declarations(judged, complete=view.complete), *check_workload(view, judged)]
    for part in (*judged.dependencies, *([judged.dns] if judged.dns else [])):
        if view.enforcer.enforces:
            told = packet_findings(workload.ref, part, _fixed(view, judged, part), enforcer_notes(view))
            notes = symptoms(view, workload, part)
            found += [structs.replace(one, assumptions=(*one.assumptions, *notes)) for one in told]
        else:
            found += not_enforced(workload.ref, part)
    return tuple(sorted(found, key=order))


def order(finding: Finding) -> tuple[int, str, str, str]:
    """Sort key of findings."""
    return (-finding.severity, str(finding.workload or ""), finding.id, finding.dependency or "")


def _fixed(view: View, judged: JudgedWorkload, part: Judged) -> Fixed | None:
    if part.verdict not in (Verdict.DENIED, Verdict.PARTIAL):
        return None
    dns = judged.dns if judged.dns is not None and judged.dns.verdict in (Verdict.DENIED, Verdict.PARTIAL) else None
    return fix_dependency(view, judged.workload, part, dns)
