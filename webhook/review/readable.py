"""What an audit may show somebody who may read the policies of some namespaces, and of no others.

A connection is shown in full where all its ends are in those namespaces, and what is outside them changes nothing of
the answer. Of any other nothing is told but that it is declared: not whether its other end is there.
"""

from collections.abc import Collection
from datetime import date
from typing import Final

from msgspec import structs

from webhook.judge import Judged, judge_workload
from webhook.model.answers import Finding, Verdict
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.review.audit import Audited, audit_workload
from webhook.world import View
from webhook.world.seen import Seen

UNREAD: Final = "it depends on namespaces or policies that you may not read"
_OF_ITSELF: Final = frozenset({"NP301", "NP302", "NP303"})  # what is said of a workload whatever is around it


def audit_readable(
    view: View, readable: Collection[str], workload: Workload, today: date, reviewed: Collection[WorkloadRef]
) -> Audited:
    """Judge a workload of a `readable` namespace, as `audit_workload` does, and keep what may be told."""
    seen = Seen(view, readable.__contains__)
    whole, small = judge_workload(view, workload), judge_workload(seen, workload)
    known = {one.text: one for one in whole.parts}
    told = {one.text for one in small.parts if _is_all_told(one, known.get(one.text), readable)}
    kept = tuple(
        one if one.text in told else _only_declared(one)
        for one in small.dependencies
        if one.text in told or one.source != "inferred"
    )
    audited = audit_workload(seen, workload, today, reviewed, asked=False)
    findings = tuple(one for one in audited.findings if _is_about(one, told))
    return structs.replace(audited, dependencies=kept, findings=findings)


def _is_all_told(small: Judged, whole: Judged | None, readable: Collection[str]) -> bool:
    """Say whether an answer rests on nothing but what may be read."""
    ends = [flow.to for flow in small.flows]
    return (
        whole is not None
        and bool(ends)
        and all(isinstance(end, WorkloadRef) and end.namespace in readable for end in ends)
        and (small.flows, small.verdict, small.reason, small.missing, small.assumptions)
        == (whole.flows, whole.verdict, whole.reason, whole.missing, whole.assumptions)
    )


def _only_declared(one: Judged) -> Judged:
    return Judged(one.text, one.source, Verdict.UNKNOWN, reason=UNREAD)


def _is_about(finding: Finding, told: Collection[str]) -> bool:
    """Say whether a finding is about the workload alone, or about an answer that is told."""
    if finding.id in _OF_ITSELF:
        return True
    return finding.source != "inbound" and finding.dependency in told
