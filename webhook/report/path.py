"""`explain` on a terminal: the packet's way, station by station."""

from collections.abc import Iterable

from webhook.explain import Explanation
from webhook.model.policy import Direction
from webhook.model.verdict import FlowVerdict, Side, Verdict
from webhook.report import flows, near
from webhook.report.safe import clean
from webhook.report.text import Paint, plain
from webhook.report.words import WHOLE

_STYLE = {Verdict.ALLOWED: "good", Verdict.DENIED: "error", Verdict.PARTIAL: "warning", Verdict.UNKNOWN: "warning"}


def explain(explanation: Explanation, fix: str = "", paint: Paint = plain) -> str:
    """Return the verdict, each flow with both its sides, the look-up before it, and the remedy.

    `fix`: policies as YAML, empty where there are none.
    """
    source = clean(str(explanation.source))
    lines = [f"{paint('bold', f'{source} -> {clean(explanation.dependency)}')}: {_verdict(explanation.verdict, paint)}"]
    if explanation.reason:
        lines.append(f"  {clean(explanation.reason)}")
    if explanation.dns:
        lines += _section("DNS look-up", explanation.dns.flows, paint)
    lines += _section("connection", explanation.flows, paint)
    lines += [f"  note: {clean(assumption)}" for assumption in explanation.assumptions]
    if fix:
        lines += [f"  {paint('bold', 'remedy')}, for `kubectl apply -f -`:", "---", fix.rstrip("\n")]
    return "\n".join(lines)


def _section(title: str, several: Iterable[FlowVerdict], paint: Paint) -> list[str]:
    return [line for flow in several for line in _flow(title, flow, paint)]


def _flow(title: str, flow: FlowVerdict, paint: Paint) -> list[str]:
    target = flows.destination(flow.to, WHOLE)
    port = str(flow.port) if flow.port else "*"
    arrives = f"{port}/{flow.protocol}"
    if flow.service_port is not None and flow.service_port != flow.port:
        arrives = f"Service port {flow.service_port} -> {arrives}"
    pods = f", {flow.pods} pod{'s' if flow.pods != 1 else ''}" if flow.pods else ""
    return [
        f"  {title} to {target} on {arrives}{pods}: {_verdict(flow.verdict, paint)}",
        *_side(Direction.EGRESS, flow.egress, flow, paint),
        *_side(Direction.INGRESS, flow.ingress, flow, paint),
        *(f"    {clean(note)}" for note in flow.notes),
    ]


def _side(direction: Direction, side: Side, flow: FlowVerdict, paint: Paint) -> list[str]:
    head = f"    {direction.value.lower()} {_verdict(side.verdict, paint)}: {_because(direction, side)}"
    misses = (near.sentence(miss, direction, side, flow, WHOLE) for miss in side.near_misses)
    return [head, *(f"      near miss: {miss}" for miss in misses)]


def _because(direction: Direction, side: Side) -> str:
    if side.reason:
        return clean(side.reason)
    if side.isolated is False:
        return "not isolated: no policy selects the pod in this direction"
    by = ", ".join(flows.policy(ref.at(None), WHOLE) for ref in side.policies)
    isolated = f"isolated by {by}" if by else "isolated"
    if side.admitted_by is not None:
        rule = f" rule {side.admitted_by.rule}" if side.admitted_by.rule is not None else ""
        lets = "let out by" if direction is Direction.EGRESS else "admitted by"
        return f"{isolated}; {lets} {flows.policy(side.admitted_by, WHOLE)}{rule}"
    lets = "lets it out" if direction is Direction.EGRESS else "admits it"
    return f"{isolated}; no rule {lets}" if side.verdict is Verdict.DENIED else isolated


def _verdict(verdict: Verdict, paint: Paint) -> str:
    return paint(_STYLE[verdict], verdict.value)
