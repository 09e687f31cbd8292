"""One workload of a world that is there already: every answer, not only those that are bad."""

from collections.abc import Collection
from datetime import date
from typing import Final

from msgspec import Struct, structs

from webhook.checklist.declarations import malformed
from webhook.explain import Judged, judge_workload
from webhook.model.finding import Finding
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.review.configured import configured
from webhook.review.decide import heeded, mode_of
from webhook.review.exemptions import exemptions, without_exempt
from webhook.review.inbound import review_server
from webhook.review.workload import review_judged
from webhook.world import View

_OF_SERVERS: Final = frozenset({"NP108", "NP109"})


class Audited(Struct, frozen=True):
    """What a workload depends on, as judged, and the findings about it that no annotation exempts."""

    workload: Workload
    dependencies: tuple[Judged, ...]
    findings: tuple[Finding, ...]
    exempt: int = 0


def audit_workload(
    view: View, workload: Workload, today: date, reviewed: Collection[WorkloadRef], *, asked: bool = True
) -> Audited:
    """Judge a workload as a review of it would, whatever the mode of its namespace is.

    `reviewed`: everybody who is, so that what a client is told is not told to its server once more. `asked`: somebody
    asks about this workload, and not about all that are there: a fix may let it into other namespaces.
    """
    judged = judge_workload(view, workload)
    granted, bad = exemptions(workload, today)
    found = (
        *review_judged(view, judged),
        *review_server(view, workload, today, without=reviewed),
        *(malformed(workload.ref, item, "exempt") for item in bad),
    )
    told, exempt = configured(view.settings, found, today)
    mode, _ = mode_of(view, workload.ref.namespace)
    findings, more = without_exempt(told, granted if heeded(view, mode) else ())
    if not asked:
        findings = tuple(_without_entry(view, workload.ref.namespace, finding) for finding in findings)
    return Audited(workload, judged.dependencies, findings, exempt + more)


def _without_entry(view: View, own: str, finding: Finding) -> Finding:
    """Return a finding of a client without a fix that opens namespaces to it which have not admitted its own."""
    entered = {one["metadata"]["namespace"] for one in finding.fix if one["spec"].get("ingress")}
    if finding.id in _OF_SERVERS or all(view.settings.admits(own, space) for space in entered):
        return finding
    spaces = ", ".join(sorted(entered - {own}))
    why = f"it would open {spaces} to a client that nobody asked about: `--admit {own}`"
    return structs.replace(finding, fix=(), no_fix=why)
