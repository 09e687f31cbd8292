"""One resolved dependency -> verdict, flow by flow."""

from collections.abc import Iterator

from msgspec import Struct, structs

from webhook.dependencies import Flow, Missing, Resolved
from webhook.dependencies.addresses import may_be_a_pods
from webhook.evaluate import Outside, PodEnd, judge_group, judge_outside, template_end
from webhook.evaluate.coverage import Where, judge_coverage
from webhook.evaluate.ends import End
from webhook.evaluate.side import doubted, is_volatile, of_host
from webhook.evaluate.tiers import passes_everything
from webhook.explain.circumstances import adjusted, as_dialled, in_mesh
from webhook.explain.nearmiss import Packet, near_misses
from webhook.model.addresses import Block, Family
from webhook.model.dependency import Source
from webhook.model.objects import Workload
from webhook.model.policy import Direction
from webhook.model.ports import Protocol
from webhook.model.truth import Truth
from webhook.model.verdict import OPEN, FlowVerdict, Host, Side, Verdict, together
from webhook.world import Group, View

ALL_ADDRESSES = {4: Block(4, 0, 0), 6: Block(6, 0, 0)}
NAME = "policy does not let every address through: it depends on those behind the name"


class Judged(Struct, frozen=True):
    """A dependency's answer. `reason` says why it is unknown, or what a partial one depends on."""

    text: str
    source: Source
    verdict: Verdict
    flows: tuple[FlowVerdict, ...] = ()
    reason: str | None = None
    missing: tuple[Missing, ...] = ()
    assumptions: tuple[str, ...] = ()
    by_name: bool = True
    resolved: Resolved | None = None  # None: the DNS look-up, which nobody declared


def judge(view: View, workload: Workload, resolved: Resolved, purpose: str = "connection") -> Judged:
    """Judge every flow of a dependency."""
    found = resolved.found
    source = template_end(view, workload)
    flows = tuple(v for flow in found.flows for v in judge_flow(view, workload, source, flow, purpose))
    verdict = together(f.verdict for f in flows) if flows and not found.unsure else Verdict.UNKNOWN
    reason = found.unsure
    if reason is None and verdict in (Verdict.UNKNOWN, Verdict.PARTIAL):
        sides = [side for f in flows for side in (f.egress, f.ingress) if side.verdict is not Verdict.ALLOWED]
        reason = next((side.reason for side in sides if side.reason), None)
    if reason is None and not flows:
        reason = "there is nothing to connect to"
    return Judged(
        resolved.text,
        resolved.source,
        verdict,
        flows,
        reason,
        found.missing,
        found.assumptions,
        resolved.by_name,
        resolved,
    )


def judge_flow(
    view: View, workload: Workload, source: PodEnd, flow: Flow, purpose: str = "connection"
) -> Iterator[FlowVerdict]:
    """Yield one answer for each kind of pod, or for the addresses, that the flow goes to."""
    match flow.to:
        case Group(ref=ref) as group if ref == workload.ref:
            yield from _to_group(view, workload, source, flow, group, purpose)
        case Group() as group:
            yield from _remembered(view, workload, source, flow, group, purpose)
        case Block() as block:
            yield _to_block(view, source, flow, block, purpose)
        case Host() as host:
            egress = _to_host(view, source, flow.protocol, flow.port)
            yield FlowVerdict(
                host, 0, flow.protocol, flow.port or 0, flow.service_port, egress.verdict, egress, OPEN, purpose
            )


class _Known(Struct, frozen=True):
    flow: Flow
    families: tuple[Family, ...]
    answers: tuple[FlowVerdict, ...]


def _remembered(
    view: View, workload: Workload, source: PodEnd, flow: Flow, group: Group, purpose: str
) -> tuple[FlowVerdict, ...]:
    """Return the answers of `_to_group` about anybody but the workload itself.

    Pods come and go without emptying the memo, so the flow is compared, its pods included, and the families that
    pods have; pods that are the same objects compare at once.
    """
    families = view.families()
    injected = workload.template.injected
    key = (_remembered, group.ref, flow.protocol, flow.port, flow.service_port, source, injected, purpose)
    known = view.memo.get(key)
    if isinstance(known, _Known) and known.flow == flow and known.families == families:
        return known.answers
    answers = tuple(_to_group(view, workload, source, flow, group, purpose))
    if not _volatile(view, source, group):
        view.memo[key] = _Known(flow, families, answers)
    return answers


def _volatile(view: View, source: PodEnd, group: Group) -> bool:
    """Say whether a policy of either end asks for the endpoints of a Service: then nothing may be remembered."""
    shapes = {pod.shape for pod in group.pods} or ({group.template.template.shape} if group.template else set())
    ingress = (view.selecting(shape, Direction.INGRESS) for shape in shapes)
    return is_volatile(view.selecting(source.shape, Direction.EGRESS)) or any(map(is_volatile, ingress))


def _to_group(
    view: View, workload: Workload, source: PodEnd, flow: Flow, group: Group, purpose: str
) -> Iterator[FlowVerdict]:
    port = flow.port or 0
    seen: dict[FlowVerdict, int] = {}
    for end, pods, pair in judge_group(view, source, group, flow.protocol, port, flow.families):
        dialled, tunnel = in_mesh(view, (workload, source), flow, (group, end), as_dialled(view, source, flow, pair))
        verdict, *sides = adjusted(view, workload, flow, group, dialled)
        egress, ingress = (
            _with_near_misses(view, direction, side, source, end, flow)
            for direction, side in zip(Direction, sides, strict=True)
        )
        key = FlowVerdict(
            group.ref, 0, flow.protocol, port, flow.service_port, verdict, egress, ingress, purpose, tunnel=tunnel
        )
        seen[key] = seen.get(key, 0) + pods
    for key, count in seen.items():
        yield structs.replace(key, pods=count)


def _with_near_misses(view: View, direction: Direction, side: Side, source: PodEnd, target: PodEnd, flow: Flow) -> Side:
    dialled = view.dialect.before_translation and flow.through is not None
    if side.verdict is not Verdict.DENIED or (dialled and direction is Direction.EGRESS):
        return side
    subject, other = (source, target) if direction is Direction.EGRESS else (target, source)
    return _missed(view, direction, side, subject, other, flow)


def _missed(view: View, direction: Direction, side: Side, subject: PodEnd, other: End, flow: Flow) -> Side:
    packet = Packet(direction, subject, other, flow.protocol, flow.port or 0, flow.service_port)
    return structs.replace(side, near_misses=near_misses(view, packet, side))


def _to_block(view: View, source: PodEnd, flow: Flow, block: Block, purpose: str) -> FlowVerdict:
    port = flow.port or 0
    verdict, egress, ingress = as_dialled(view, source, flow, judge_outside(view, source, block, flow.protocol, port))
    if view.dialect.before_translation and flow.through is not None:
        return FlowVerdict(block, 0, flow.protocol, port, flow.service_port, verdict, egress, ingress, purpose)
    if may_be_a_pods(view, block) and not source.shape.host_network:
        as_pods = judge_coverage(view, source, block, flow.protocol, port, Where.PODS)
        if as_pods.verdict is not verdict:
            verdict = Verdict.UNKNOWN
            reason = f"{block} may hold addresses of pods, which a rule treats by their labels"
            egress = structs.replace(egress, verdict=verdict, reason=reason, admitted_by=None)
    if egress.verdict is Verdict.DENIED:
        egress = _missed(view, Direction.EGRESS, egress, source, Outside(block), flow)
    return FlowVerdict(block, 0, flow.protocol, port, flow.service_port, verdict, egress, ingress, purpose)


def _to_host(view: View, source: PodEnd, protocol: Protocol, port: int | None) -> Side:
    """A name outside: sure only where every address of the world outside is let through alike."""
    if source.shape.host_network:
        return of_host(view, source.shape, Direction.EGRESS)
    if (doubt := doubted(view, source.shape, Direction.EGRESS)) is not None:
        return doubt
    selecting = view.selecting(source.shape, Direction.EGRESS)
    if not selecting:
        return OPEN
    refs = tuple(dict.fromkeys(isolation.ref for isolation, _ in selecting))
    isolated = True if any(i.isolates and truth is Truth.YES for i, truth in selecting) else None
    if port is None:
        if passes_everything(selecting):
            return Side(Verdict.ALLOWED, isolated=isolated, policies=refs)
        return Side(Verdict.UNKNOWN, isolated=isolated, policies=refs, reason=NAME)
    sides = [
        judge_coverage(view, source, ALL_ADDRESSES[family], protocol, port, Where.WORLD) for family in view.families()
    ]
    if all(side.verdict is Verdict.ALLOWED for side in sides):
        return sides[0]
    unsure = next((side.reason for side in sides if side.verdict is Verdict.UNKNOWN and side.reason), None)
    return Side(Verdict.UNKNOWN, isolated=isolated, policies=refs, reason=unsure or NAME)
