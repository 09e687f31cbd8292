"""One workload against a view: every finding about what it declares, NP101 to NP106 from its verdicts."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

from msgspec import structs

from webhook.checklist.workloads import check_declarations, check_labels, check_undeclared
from webhook.fix import Fixed, Fixer
from webhook.fix.needs import may_open
from webhook.judge import Judged, JudgedWorkload, enforcer_notes, judge_workload, with_inferred
from webhook.judge.dependency import with_near_misses
from webhook.judge.symptoms import symptoms
from webhook.model.answers import (
    CLOSED,
    DEFAULT_SEVERITY,
    Finding,
    NearMiss,
    Severity,
    Side,
    Source,
    Verdict,
)
from webhook.model.objects import Workload
from webhook.model.refs import EXPECTED, PolicyRef, WorkloadRef
from webhook.review.drafts import Draft, ready
from webhook.world import View

MOST_NEAR_MISSES = 3
_NO_FIX: Final = Fixed()


def not_enforced(workload: WorkloadRef, judged: Judged) -> Iterator[Finding]:
    """Yield NP107 for what policy would drop if anybody enforced it."""
    if judged.verdict in CLOSED:
        closed = [side for flow in judged.flows for side in (flow.egress, flow.ingress) if side.verdict in CLOSED]
        base = _base("NP107", workload, judged, _policies(closed), _facts(judged))
        yield structs.replace(base, verdict=Verdict.ALLOWED)


def packet_findings(
    workload: WorkloadRef, judged: Judged, fixed: Fixed | None, notes: tuple[str, ...] = ()
) -> Iterator[Finding]:
    """Yield the findings of one dependency, or of the DNS look-up (`judged.resolved` None).

    Both sides closed: one finding each, with the same complete fix.
    """
    match judged.verdict:
        case Verdict.DENIED:
            for name, closed in _stopped(judged):
                found = _finding(name, workload, judged, fixed, notes, closed)
                yield structs.replace(found, fix=()) if name == "NP104" and found.fix else found
        case Verdict.PARTIAL if (closed_ports := _closed_ports(judged)) is not None:
            yield from packet_findings(workload, closed_ports, fixed, notes)
        case Verdict.PARTIAL:
            yield closed_finding("NP105", workload, judged, fixed, notes)
        case Verdict.UNKNOWN if judged.flows or not judged.missing:
            yield with_fix(unknown_finding(workload, judged), fixed)


def _closed_ports(judged: Judged) -> Judged | None:
    """Return the part of an answer whose ports are closed whole, where others are open whole; None: not so."""
    if judged.resolved is None:
        return None
    ports: dict[object, set[Verdict]] = {}
    for flow in judged.flows:
        ports.setdefault((flow.protocol, flow.service_port or flow.port), set()).add(flow.verdict)
    whole = len(ports) > 1 and all(seen in ({Verdict.ALLOWED}, {Verdict.DENIED}) for seen in ports.values())
    if not whole:
        return None
    flows = tuple(flow for flow in judged.flows if flow.verdict is Verdict.DENIED)
    return structs.replace(judged, verdict=Verdict.DENIED, flows=flows)


def _stopped(judged: Judged) -> Iterator[tuple[str, list[Side]]]:
    """Yield the findings of a denial, each with its sides: what no NetworkPolicy can open, and the rest."""
    egress, ingress = _stopping(judged)
    final = [side for side in (*egress, *ingress) if side.final]
    if final:
        yield "NP104", final
    both = (("NP103", [*egress, *ingress]),) if judged.resolved is None else (("NP101", egress), ("NP102", ingress))
    for name, closed in both:
        rest = [side for side in closed if not side.final] if final else closed
        if rest:
            yield name, rest


def _stopping(judged: Judged) -> tuple[list[Side], list[Side]]:
    """Return the sides that stop something, egress and ingress.

    Where IPv4 is stopped on one side and IPv6 on the other, neither is sure to: both then.
    """
    egress, ingress = [flow.egress for flow in judged.flows], [flow.ingress for flow in judged.flows]
    sure = [side for side in egress if side.verdict in CLOSED], [side for side in ingress if side.verdict in CLOSED]
    if any(sure):
        return sure
    stops = (*CLOSED, Verdict.UNKNOWN)
    return [side for side in egress if side.verdict in stops], [side for side in ingress if side.verdict in stops]


def closed_finding(
    name: str, workload: WorkloadRef, judged: Judged, fixed: Fixed | None, notes: tuple[str, ...] = ()
) -> Finding:
    """Return a finding about everything that stops the flows of an answer, on both sides."""
    egress, ingress = _stopping(judged)
    return _finding(name, workload, judged, fixed, notes, [*egress, *ingress])


def with_fix(finding: Finding, fixed: Fixed | None) -> Finding:
    """Return what cannot be told with what opens each of the ways that it may take."""
    if fixed is None or not fixed.policies:
        return finding
    return structs.replace(finding, fix=fixed.policies, assumptions=(*finding.assumptions, *fixed.notes))


def unknown_finding(workload: WorkloadRef, judged: Judged, facts: tuple[tuple[str, str], ...] = ()) -> Finding:
    """Return NP106 with the reason why it cannot be told."""
    why = (("reason", judged.reason or "it cannot be told"),)
    policies = _policies(s for f in judged.flows for s in (f.egress, f.ingress))
    return _base("NP106", workload, judged, policies, (*why, *facts))


def _finding(
    name: str,
    workload: WorkloadRef,
    judged: Judged,
    fixed: Fixed | None,
    notes: tuple[str, ...],
    closed: list[Side],
) -> Finding:
    fixed = fixed or _NO_FIX
    return Finding(
        name,
        _severity(name, judged),
        workload,
        judged.text,
        judged.source,
        judged.verdict,
        _policies(closed),
        _nearest(closed),
        tuple([flow for flow in judged.flows if flow.verdict in CLOSED]),
        _facts(judged),
        fixed.policies,
        fixed.reason,
        (*judged.assumptions, *notes, *fixed.notes),
    )


def _nearest(closed: list[Side]) -> tuple[NearMiss, ...]:
    """Return the near misses of several sides, nearest first, then by policy, so that the order never changes."""
    order: dict[NearMiss, int] = {}
    for side in closed:
        for place, miss in enumerate(side.near_misses):
            order[miss] = min(place, order.get(miss, place))
    found = sorted(order, key=lambda miss: (order[miss], miss)) if len(order) > 1 else order
    return tuple(found)[:MOST_NEAR_MISSES]


def _base(
    name: str,
    workload: WorkloadRef,
    judged: Judged,
    policies: tuple[PolicyRef, ...],
    facts: tuple[tuple[str, str], ...],
) -> Finding:
    return Finding(
        name,
        _severity(name, judged),
        workload,
        dependency=judged.text,
        source=judged.source,
        verdict=judged.verdict,
        policies=policies,
        flows=judged.flows,
        facts=facts,
        assumptions=judged.assumptions,
    )


def _severity(name: str, judged: Judged) -> Severity:
    """Return the severity of a finding about an answer: of pods that are only expected, a warning at most."""
    found = severity(name, judged.source, unsure=judged.unsure)
    expected = any(isinstance(flow.to, WorkloadRef) and flow.to.kind == EXPECTED for flow in judged.flows)
    return min(found, Severity.WARNING) if expected else found


def severity(name: str, source: Source, *, unsure: bool = False) -> Severity:
    """Return the default severity; what is only inferred is a warning at most, or info where that is not sure."""
    most = Severity.INFO if unsure else Severity.WARNING if source == "inferred" else Severity.ERROR
    return min(DEFAULT_SEVERITY[name], most)


def _policies(sides: Iterable[Side]) -> tuple[PolicyRef, ...]:
    found = {ref if ref.rule is None else ref.at(None) for side in sides for ref in side.policies}
    return tuple(sorted(found) if len(found) > 1 else found)


def _facts(judged: Judged) -> tuple[tuple[str, str], ...]:
    return (("reason", judged.reason),) if judged.reason else ()


def review_workload(view: View, workload: Workload) -> tuple[Finding, ...]:
    """Return the findings of one workload, in a stable order: worst first, then by id and dependency."""
    return review_judged(view, judge_workload(view, workload))


def review_judged(view: View, judged: JudgedWorkload) -> tuple[Finding, ...]:
    """Return the findings of a workload that was judged in `view`."""
    found = [*check_labels(view, judged.workload), *_without_packets(view, judged)]
    fixer = Fixer(view, judged.workload)
    for part in judged.parts:
        if part.verdict is Verdict.ALLOWED:
            continue
        if view.enforcer.enforces:
            found += _whole(view, judged, part, _fixed(fixer, judged, part))
        else:
            found += not_enforced(judged.workload.ref, part)
    return tuple(sorted(found, key=order))


def draft_declared(view: View, declared: JudgedWorkload) -> Iterator[Draft]:
    """Yield the same of what is declared, in no order, as drafts. It was judged without near misses."""
    yield from map(ready, check_labels(view, declared.workload))
    if not declared.clean:
        yield from _drafts(view, declared, declared)


def draft_inferred(view: View, declared: JudgedWorkload) -> Iterator[Draft]:
    """Yield what more there is to say of what is inferred."""
    every = with_inferred(view, declared, near=False)
    if every is declared:
        return
    inferred = every.dependencies[len(declared.dependencies) :]
    look_up = None if declared.dns else every.dns
    yield from _drafts(view, every, structs.replace(every, dependencies=inferred, malformed=(), dns=look_up))


def _drafts(view: View, judged: JudgedWorkload, about: JudgedWorkload) -> Iterator[Draft]:
    """Yield the findings about some of what was judged."""
    yield from map(ready, _without_packets(view, about))
    fixer = Fixer(view, judged.workload)
    for part in about.parts:
        if part.verdict is Verdict.ALLOWED:
            continue
        if view.enforcer.enforces:
            yield from _of_packets(view, judged, part, fixer)
        else:
            yield from map(ready, not_enforced(judged.workload.ref, part))


def _without_packets(view: View, judged: JudgedWorkload) -> Iterator[Finding]:
    yield from check_declarations(judged, complete=view.complete)
    yield from check_undeclared(view, judged)


def _whole(view: View, judged: JudgedWorkload, part: Judged, fixed: Fixed | None) -> list[Finding]:
    """Return the findings of one dependency, or of the look-up."""
    told = packet_findings(judged.workload.ref, part, fixed, enforcer_notes(view))
    notes = symptoms(view, judged.workload, part)
    return [structs.replace(one, assumptions=(*one.assumptions, *notes)) if notes else one for one in told]


def _of_packets(view: View, judged: JudgedWorkload, part: Judged, fixer: Fixer) -> Iterator[Draft]:
    whole: list[Finding] = []

    def nth(number: int) -> Finding:
        whole[:] = whole or _whole(view, judged, _again(view, judged, part), _fixed(fixer, judged, part))
        return whole[number]

    for number, finding in enumerate(packet_findings(judged.workload.ref, part, None, enforcer_notes(view))):
        yield Draft(finding, partial(nth, number))


def _again(view: View, judged: JudgedWorkload, part: Judged) -> Judged:
    """Return the answer about one dependency with near misses; the look-up has them."""
    return part if part.resolved is None else with_near_misses(view, judged.workload, part, part.resolved)


def order(finding: Finding) -> tuple[int, str, str, str]:
    """Sort key of findings."""
    return (-finding.severity, str(finding.workload or ""), finding.id, finding.dependency or "")


def _fixed(fixer: Fixer, judged: JudgedWorkload, part: Judged) -> Fixed | None:
    if not may_open(part):
        return None
    dns = judged.dns if judged.dns is not None and may_open(judged.dns) else None
    return fixer.dependency(part, dns)
