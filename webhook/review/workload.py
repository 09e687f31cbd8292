"""One workload against a view: every finding about what it declares, NP101 to NP106 from its verdicts."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial

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
    FlowVerdict,
    NearMiss,
    Severity,
    Side,
    Source,
    Verdict,
)
from webhook.model.objects import Workload
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.review.drafts import Draft, ready
from webhook.world import View

MOST_NEAR_MISSES = 3


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
    is_dns = judged.resolved is None
    match judged.verdict:
        case Verdict.DENIED:
            stops = _stopping(judged)
            every = (side for flow in judged.flows for side in (flow.egress, flow.ingress))
            final = [side for side in every if side.verdict in stops and side.final]
            if final:
                yield structs.replace(_finding("NP104", workload, judged, fixed, notes, final), fix=())
            for name, sides in _sides(judged, dns=is_dns):
                rest = [side for side in sides if not side.final]
                if any(side.verdict in stops for side in rest):
                    yield _finding(name, workload, judged, fixed, notes, rest)
        case Verdict.PARTIAL if (closed := _closed_ports(judged)) is not None:
            yield from packet_findings(workload, closed, fixed, notes)
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


def _sides(judged: Judged, *, dns: bool) -> Iterator[tuple[str, list[Side]]]:
    """Yield the finding for what a NetworkPolicy can open, and the sides that it is about."""
    egress, ingress = [f.egress for f in judged.flows], [f.ingress for f in judged.flows]
    if dns:
        yield "NP103", [*egress, *ingress]
    else:
        yield from (("NP101", egress), ("NP102", ingress))


def closed_finding(
    name: str, workload: WorkloadRef, judged: Judged, fixed: Fixed | None, notes: tuple[str, ...] = ()
) -> Finding:
    """Return a finding about everything that stops the flows of an answer, on both sides."""
    return _finding(name, workload, judged, fixed, notes, [s for f in judged.flows for s in (f.egress, f.ingress)])


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
    sides: list[Side],
) -> Finding:
    stops = _stopping(judged)
    closed = [side for side in sides if side.verdict in stops]
    near = {miss: None for side in closed for miss in side.near_misses}
    return structs.replace(
        _base(name, workload, judged, _policies(closed), _facts(judged)),
        near_misses=tuple(sorted(near, key=_first_seen(closed))[:MOST_NEAR_MISSES]) if near else (),
        flows=_closed_flows(judged),
        fix=fixed.policies if fixed else (),
        no_fix=fixed.reason if fixed else None,
        assumptions=(*judged.assumptions, *notes, *(fixed.notes if fixed else ())),
    )


def _stopping(judged: Judged) -> tuple[Verdict, ...]:
    """Return the verdicts of the sides that stop something.

    Where IPv4 is stopped on one side and IPv6 on the other, neither is sure to: both then.
    """
    sides = (side for flow in judged.flows for side in (flow.egress, flow.ingress))
    return CLOSED if any(side.verdict in CLOSED for side in sides) else (*CLOSED, Verdict.UNKNOWN)


def _first_seen(closed: list[Side]) -> "_Rank":
    order: dict[NearMiss, int] = {}
    for side in closed:
        for place, miss in enumerate(side.near_misses):
            order[miss] = min(place, order.get(miss, place))
    return _Rank(order)


class _Rank:
    """Sort key: nearest first, then by policy, so that the order never changes."""

    def __init__(self, order: dict[NearMiss, int]) -> None:
        self._order = order

    def __call__(self, miss: NearMiss) -> tuple[int, NearMiss]:
        return self._order[miss], miss


def _base(
    name: str,
    workload: WorkloadRef,
    judged: Judged,
    policies: tuple[PolicyRef, ...],
    facts: tuple[tuple[str, str], ...],
) -> Finding:
    found = Finding(
        name,
        severity(name, judged.source, unsure=judged.unsure),
        workload,
        dependency=judged.text,
        source=judged.source,
        verdict=judged.verdict,
        policies=policies,
        flows=judged.flows,
        facts=facts,
        assumptions=judged.assumptions,
    )
    return structs.replace(found, severity=min(found.severity, Severity.WARNING)) if found.supposed else found


def severity(name: str, source: Source, *, unsure: bool = False) -> Severity:
    """Return the default severity; what is only inferred is a warning at most, or info where that is not sure."""
    most = Severity.INFO if unsure else Severity.WARNING if source == "inferred" else Severity.ERROR
    return min(DEFAULT_SEVERITY[name], most)


def _policies(sides: Iterable[Side]) -> tuple[PolicyRef, ...]:
    return tuple(sorted({ref.at(None) for side in sides for ref in side.policies}))


def _closed_flows(judged: Judged) -> tuple[FlowVerdict, ...]:
    return tuple(f for f in judged.flows if f.verdict in CLOSED)


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
    return [structs.replace(one, assumptions=(*one.assumptions, *notes)) for one in told]


def _of_packets(view: View, judged: JudgedWorkload, part: Judged, fixer: Fixer) -> Iterator[Draft]:
    @cache
    def whole() -> list[Finding]:
        return _whole(view, judged, _again(view, judged, part), _fixed(fixer, judged, part))

    for number, finding in enumerate(packet_findings(judged.workload.ref, part, None, enforcer_notes(view))):
        yield Draft(finding, partial(_nth, whole, number))


def _nth(found: Callable[[], list[Finding]], number: int) -> Finding:
    return found()[number]


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
