"""`judge` on a terminal: the packet's way, drawn as a person would draw it."""

from collections.abc import Iterable, Iterator

from msgspec import Struct, structs

from webhook.judge import Explanation, Judged
from webhook.model.answers import CLOSED, Finding, FlowVerdict, Severity, Side, TierResult, Verdict
from webhook.model.objects import Service
from webhook.model.policy import Direction
from webhook.model.refs import EXPECTED, PolicyRef, WorkloadRef
from webhook.report import flows, words
from webhook.report.safe import clean
from webhook.report.text import Paint, plain
from webhook.report.words import WHOLE

STYLE = {Verdict.ALLOWED: "good", Verdict.DENIED: "error", Verdict.PARTIAL: "warning", Verdict.UNKNOWN: "warning"}
_ENDS = {"denied": "denied at its end: isolated by {by}", "unmatched": "no rule of {by} is about it"}
_OUTCOMES = {"allowed": "allowed", "denied": "denied", "passed": "passed on", "unknown": "cannot be told"}


class Remedy(Struct, frozen=True):
    """What to do: policies as YAML, or why there are none. `notes`: whom else the policies' selectors reach."""

    yaml: str = ""
    reason: str | None = None
    notes: tuple[str, ...] = ()


NO_REMEDY = Remedy()


def explain(explanation: Explanation, remedy: Remedy = NO_REMEDY, paint: Paint = plain) -> str:
    """Return the verdict, the look-up's way and the connection's, and the remedy."""
    source = clean(str(explanation.source))
    lines = [f"{paint('bold', f'{source} -> {clean(explanation.dependency)}')}: {worded(explanation.verdict, paint)}"]
    missing = [*_missing(explanation)]
    if explanation.reason and not missing:
        lines.append(f"  {clean(explanation.reason)}")
    lines += [f"  {one}" for one in missing]
    lines += way(explanation, paint)
    return "\n".join([*lines, *ending(explanation.assumptions, remedy, paint)])


def way(explanation: Explanation, paint: Paint = plain) -> list[str]:
    """Return the drawing: the look-up, where there is one, and then the connection."""
    lines: list[str] = []
    if explanation.dns:
        lines += _part("DNS look-up", explanation.source, explanation.dns.flows, _asked(explanation.dns), paint)
    service = _named(explanation.service) if explanation.service else None
    return [*lines, *_part("connection", explanation.source, explanation.flows, service, paint)]


def ending(assumptions: Iterable[str], remedy: Remedy, paint: Paint = plain) -> list[str]:
    """Return what was assumed, and the remedy: everything from the first `---` on can be piped into kubectl."""
    lines = [f"note: {clean(note)}" for note in dict.fromkeys((*assumptions, *remedy.notes))]
    if remedy.yaml:
        lines += [f"{paint('bold', 'remedy')}, for `kubectl apply -f -`:", "---", remedy.yaml.rstrip("\n")]
    elif remedy.reason:
        lines.append(f"{paint('bold', 'no remedy')}: {clean(remedy.reason)}")
    return ["", *lines] if lines else []


def worded(verdict: Verdict, paint: Paint) -> str:
    """Return the verdict in its colour."""
    return paint(STYLE[verdict], verdict.value)


def because(direction: Direction, side: Side) -> str:
    """Return what decides one side: who isolates the pod, and which rule lets the packet through."""
    if side.reason:
        return clean(side.reason)
    lets = "lets it out" if direction is Direction.EGRESS else "admits it"
    if side.verdict in CLOSED and not flows.isolates((side,)):
        earlier = ", ".join(_rule(ref, direction) for ref in side.perhaps)
        return flows.deciders((side,), direction, WHOLE) + (f"; {earlier} may deny it before" if earlier else "")
    if side.isolated is False and side.admitted_by is None:
        whom = "no policy selects it" if not side.tier_results else "no rule is about it, and no policy isolates it"
        return f"not isolated: {whom} for {direction.value.lower()}"
    by = ", ".join(flows.policy(ref.at(None), WHOLE) for ref in side.policies)
    isolated = f"isolated by {by}; " if by else "isolated; " if side.isolated is not False else ""
    if side.admitted_by is not None:
        own = side.policies == (side.admitted_by.at(None),) and not side.position
        which = flows.place(side.admitted_by, direction) if own else _rule(side.admitted_by, direction, side.position)
        return f"{isolated}{'its ' if own else ''}{which} {lets}"
    return f"{isolated}no rule {lets}" if side.verdict is Verdict.DENIED else isolated.removesuffix("; ")


def tiers(direction: Direction, side: Side) -> Iterator[str]:
    """Yield what each tier made of the packet, in the order in which they are asked, where there is more to tell."""
    several = [one for one in side.tier_results if one.tier]
    told = [one for number, one in enumerate(several) if not _waits(one, several[number + 1 :])]
    if len(told) > 1 or any(one.outcome == "passed" for one in told):
        yield from (f"{number}. {_tier_result(direction, one)}" for number, one in enumerate(told, 1))


def _waits(one: TierResult, later: list[TierResult]) -> bool:
    """Say whether a tier says nothing because its policies deny at the end of a later one."""
    ends = (one for one in later if one.outcome == "denied" and one.rule is None)
    return one.outcome == "unmatched" and any(set(one.policies) <= set(end.policies) for end in ends)


def _tier_result(direction: Direction, one: TierResult) -> str:
    by = ", ".join(flows.policy(ref.at(None), WHOLE) for ref in one.policies)
    if one.rule is not None:
        return f"{clean(one.tier)}: {_OUTCOMES[one.outcome]} by {_rule(one.rule, direction, one.position)}"
    return f"{clean(one.tier)}: {_ENDS.get(one.outcome, _OUTCOMES['unknown'] + ': {by}').format(by=by)}"


def _rule(ref: PolicyRef, direction: Direction, position: str = "") -> str:
    return flows.rule(ref, direction, position, WHOLE)


def near_misses(direction: Direction, side: Side, flow: FlowVerdict) -> Iterator[str]:
    """Yield the rules that would have let the packet through but for one thing, each with its place."""
    for miss in side.near_misses:
        yield f"{flows.sentence(miss, direction, side, flow, WHOLE)} ({flows.place(miss.policy, direction)})"


def _missing(explanation: Explanation) -> Iterator[str]:
    """Yield what is not there, in the words of `check`'s findings."""
    for one in explanation.judged.missing if explanation.judged else ():
        found = Finding(one.what, Severity.WARNING, explanation.source, explanation.dependency, facts=one.facts)
        yield f"{words.sentence(found)} ({one.what})"


def _named(service: Service) -> str:
    return f"{service.name}.{service.namespace}"


def _asked(dns: Judged) -> str:
    return dns.text.rpartition(":")[0]


def _part(
    title: str, source: WorkloadRef, several: Iterable[FlowVerdict], service: str | None, paint: Paint
) -> list[str]:
    return [line for same in alike(several) for line in ("", *_draw(title, source, same, service, paint))]


def alike(several: Iterable[FlowVerdict]) -> list[list[FlowVerdict]]:
    """Put flows together that differ by port or protocol alone, and are decided by the same policies."""
    found: dict[object, list[FlowVerdict]] = {}
    for flow in several:
        key = (flow.to, flow.pods, flow.verdict, _unruled(flow.egress), _unruled(flow.ingress), flow.notes)
        found.setdefault(key, []).append(flow)
    return list(found.values())


def _unruled(side: Side) -> Side:
    """Return a side without the port that its near misses met."""
    return structs.replace(side, near_misses=tuple(structs.replace(m, have="") for m in side.near_misses))


def _draw(title: str, source: WorkloadRef, same: list[FlowVerdict], service: str | None, paint: Paint) -> Iterator[str]:
    flow = same[0]
    verdicts = paint("bold", f"{title} to {where_to(flow)} on {flows.ports(same)}")
    yield f"{verdicts}: {worded(flow.verdict, paint)}"
    yield f"  {_workload(source)}"
    yield from _side(Direction.EGRESS, flow.egress, flow, paint)
    if service and flow.service_port is not None:
        yield f"    |  {'Service':<9}{clean(service)}, {translation(same)}"
    yield from _side(Direction.INGRESS, flow.ingress, flow, paint)
    yield f"    {'x' if flow.verdict is Verdict.DENIED else 'v'}"
    yield f"  {where_to(flow, kind=True)}{pods(flow)}"
    yield from (f"  {clean(note)}" for note in flow.notes)


def _side(direction: Direction, side: Side, flow: FlowVerdict, paint: Paint) -> Iterator[str]:
    if direction is Direction.INGRESS and not isinstance(flow.to, WorkloadRef):
        return  # nobody's policies but the sender's count outside
    mark = "x" if side.verdict is Verdict.DENIED else "|"
    word = paint(STYLE[side.verdict], f"{side.verdict.value:<9}")
    yield f"    {mark}  {direction.value.lower():<9}{word}{because(direction, side)}"
    for one in tiers(direction, side):
        yield f"    |  {'':<18}{one}"
    for miss in near_misses(direction, side, flow):
        yield f"    |  {'':<18}near miss: {miss}"


def translation(same: list[FlowVerdict]) -> str:
    """Return `port 80 -> 8080/TCP`, for each port that the flows stand for."""
    moved = dict.fromkeys(
        f"{flow.service_port}/{flow.protocol}" + (f" -> {flow.port}/{flow.protocol}" if flow.port else "")
        if flow.service_port != flow.port
        else f"{flow.port}/{flow.protocol}"
        for flow in same
    )
    return f"port{'s' if len(moved) > 1 else ''} {', '.join(moved)}"


def _workload(ref: WorkloadRef) -> str:
    return f"{clean(ref.kind)} {clean(ref.short)}"


def where_to(flow: FlowVerdict, *, kind: bool = False) -> str:
    """Return the far end of a flow; `kind`: a workload with its kind."""
    if kind and isinstance(flow.to, WorkloadRef):
        return _workload(flow.to)
    return flows.destination(flow.to, WHOLE)


def pods(flow: FlowVerdict) -> str:
    """Return what is behind the far end: `, 3 pods`, `, outside`."""
    if not isinstance(flow.to, WorkloadRef):
        return f", {clean(flow.holder) or 'outside'}"
    if not flow.pods and flow.to.kind == EXPECTED:
        return ", of which no pod is seen"
    if not flow.pods:
        return ", by its template"
    return f", {flow.pods} pod{'s' if flow.pods != 1 else ''}"
