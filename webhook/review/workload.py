"""One workload against a view: every finding about what it declares."""

from collections.abc import Callable, Iterator
from functools import cache, partial

from msgspec import structs

from webhook.checklist.declarations import check_declarations
from webhook.checklist.labels import check_labels, check_undeclared
from webhook.explain import Judged, JudgedWorkload, enforcer_notes, judge, judge_workload, with_inferred
from webhook.explain.symptoms import symptoms
from webhook.fix import Fixed, fix_dependency
from webhook.fix.needs import may_open
from webhook.model.finding import Finding
from webhook.model.objects import Workload
from webhook.review.draft import Draft, ready
from webhook.review.packets import not_enforced, packet_findings
from webhook.world import View


def review_workload(view: View, workload: Workload) -> tuple[Finding, ...]:
    """Return the findings of one workload, in a stable order: worst first, then by id and dependency."""
    return review_judged(view, judge_workload(view, workload))


def review_judged(view: View, judged: JudgedWorkload) -> tuple[Finding, ...]:
    """Return the findings of a workload that was judged in `view`."""
    found = [*check_labels(view, judged.workload), *_without_packets(view, judged)]
    for part in judged.parts:
        found += _whole(view, judged, part) if view.enforcer.enforces else not_enforced(judged.workload.ref, part)
    return tuple(sorted(found, key=order))


def draft_declared(view: View, declared: JudgedWorkload) -> Iterator[Draft]:
    """Yield the same of what is declared, in no order, as drafts. It was judged without near misses."""
    yield from map(ready, check_labels(view, declared.workload))
    yield from _drafts(view, declared, declared)


def draft_inferred(view: View, declared: JudgedWorkload) -> Iterator[Draft]:
    """Yield what more there is to say of what is inferred."""
    every = with_inferred(view, declared, near=False)
    inferred = every.dependencies[len(declared.dependencies) :]
    look_up = None if declared.dns else every.dns
    yield from _drafts(view, every, structs.replace(every, dependencies=inferred, malformed=(), dns=look_up))


def _drafts(view: View, judged: JudgedWorkload, about: JudgedWorkload) -> Iterator[Draft]:
    """Yield the findings about some of what was judged."""
    yield from map(ready, _without_packets(view, about))
    for part in about.parts:
        if view.enforcer.enforces:
            yield from _of_packets(view, judged, part)
        else:
            yield from map(ready, not_enforced(judged.workload.ref, part))


def _without_packets(view: View, judged: JudgedWorkload) -> Iterator[Finding]:
    yield from check_declarations(judged, complete=view.complete)
    yield from check_undeclared(view, judged)


def _whole(view: View, judged: JudgedWorkload, part: Judged) -> list[Finding]:
    """Return the findings of one dependency, or of the look-up."""
    told = packet_findings(judged.workload.ref, part, _fixed(view, judged, part), enforcer_notes(view))
    notes = symptoms(view, judged.workload, part)
    return [structs.replace(one, assumptions=(*one.assumptions, *notes)) for one in told]


def _of_packets(view: View, judged: JudgedWorkload, part: Judged) -> Iterator[Draft]:
    @cache
    def whole() -> list[Finding]:
        return _whole(view, judged, _again(view, judged, part))

    for number, finding in enumerate(packet_findings(judged.workload.ref, part, None, enforcer_notes(view))):
        yield Draft(finding, partial(_nth, whole, number))


def _nth(found: Callable[[], list[Finding]], number: int) -> Finding:
    return found()[number]


def _again(view: View, judged: JudgedWorkload, part: Judged) -> Judged:
    """Judge one dependency with near misses; the look-up has them."""
    return part if part.resolved is None else judge(view, judged.workload, part.resolved)


def order(finding: Finding) -> tuple[int, str, str, str]:
    """Sort key of findings."""
    return (-finding.severity, str(finding.workload or ""), finding.id, finding.dependency or "")


def _fixed(view: View, judged: JudgedWorkload, part: Judged) -> Fixed | None:
    if not may_open(part):
        return None
    dns = judged.dns if judged.dns is not None and may_open(judged.dns) else None
    return fix_dependency(view, judged.workload, part, dns)
