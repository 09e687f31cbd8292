"""One resolved dependency -> verdict, flow by flow."""

from collections.abc import Hashable, Iterable, Iterator
from typing import Final

from msgspec import Struct, structs

from webhook.dependencies import Missing, Resolved
from webhook.dependencies.services import Found
from webhook.evaluate import Answer, Client, Flow, PodEnd, judge_connection, template_end
from webhook.evaluate.coverage import holder_of
from webhook.evaluate.ends import SUPPOSED, End, Outside, alike, ends_on_nodes, supposes
from webhook.evaluate.rules import rules_of
from webhook.judge.near_miss_peers import Packet
from webhook.judge.near_misses import near_misses
from webhook.model.addresses import Block, Family, Protocol
from webhook.model.answers import CLOSED, FlowVerdict, Host, NearMiss, Side, Source, Verdict, together
from webhook.model.objects import PodClass, Workload
from webhook.model.policy import Direction
from webhook.model.refs import EXPECTED, WorkloadRef
from webhook.world import Group, View
from webhook.world.changes import Memo


class Judged(Struct, frozen=True):
    """A dependency's answer. `reason` says why it is unknown, or what a partial one depends on.

    `unsure`: it is inferred of what is not only the workload's own.
    """

    text: str
    source: Source
    verdict: Verdict
    flows: tuple[FlowVerdict, ...] = ()
    reason: str | None = None
    missing: tuple[Missing, ...] = ()
    assumptions: tuple[str, ...] = ()
    by_name: bool = True
    resolved: Resolved | None = None  # None: the DNS look-up, which nobody declared
    unsure: bool = False


def judge(
    view: View, workload: Workload, resolved: Resolved, purpose: str = "connection", *, near: bool = True
) -> Judged:
    """Judge every flow of a dependency. `near`: with near misses, which take longer than the answer does."""
    found = resolved.found
    source = template_end(view, workload)
    flows = tuple(v for flow in found.flows for v in judge_flow(view, workload, source, flow, purpose, near=near))
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
        (*found.assumptions, *_supposed(view, source, found), *_expected(view, workload, found), *_shared(resolved)),
        resolved.by_name,
        resolved,
        unsure=resolved.shared is not None,
    )


def with_near_misses(view: View, workload: Workload, judged: Judged, resolved: Resolved) -> Judged:
    """Return an answer about `resolved` that was judged without near misses, with them."""
    source, flows = template_end(view, workload), list[FlowVerdict]()
    client = Client(workload, source)
    for flow in resolved.found.flows:
        told = _told_of(judged, flow) if isinstance(flow.to, Block) else []
        if isinstance(flow.to, Block) and len(told) == 1:
            egress = _with_near_misses(view, Direction.EGRESS, told[0].egress, client, Outside(flow.to), flow)
            flows.append(structs.replace(told[0], egress=egress))
        else:
            flows += judge_flow(view, workload, source, flow)
    return structs.replace(judged, flows=tuple(flows))


def _told_of(judged: Judged, flow: Flow) -> list[FlowVerdict]:
    asked = flow.to, flow.protocol, flow.port or 0, flow.service_port
    return [one for one in judged.flows if (one.to, one.protocol, one.port, one.service_port) == asked]


def _shared(resolved: Resolved) -> tuple[str, ...]:
    return (resolved.shared,) if resolved.shared else ()


def _supposed(view: View, source: PodEnd, found: Found) -> tuple[str, ...]:
    """Say what is supposed of pods that have no address yet, where an answer may rest on it."""
    if view.complete:
        return ()
    groups = [flow.to for flow in found.flows if isinstance(flow.to, Group)]
    ends = [(source.pod_class, Direction.EGRESS)] if any(group.template for group in groups) else []
    if not source.addresses:
        ends += [(pod_class, Direction.INGRESS) for group in groups for pod_class in _pod_classes(group)]
    return (SUPPOSED,) if supposes(view, ends) else ()


def _expected(view: View, workload: Workload, found: Found) -> Iterator[str]:
    """Say of which end nobody has seen a pod."""
    ends = (workload.ref, *(flow.to.ref for flow in found.flows if isinstance(flow.to, Group)))
    for ref in dict.fromkeys(ref for ref in ends if ref.kind == EXPECTED and view.workloads.get(ref) is not None):
        yield f"{ref.short} is expected by the configuration, not seen"


def _pod_classes(group: Group) -> set[PodClass]:
    return {pod.pod_class for pod in group.pods} or ({group.template.template.pod_class} if group.template else set())


def judge_flow(
    view: View, workload: Workload, source: PodEnd, flow: Flow, purpose: str = "connection", *, near: bool = True
) -> Iterator[FlowVerdict]:
    """Yield one answer for each kind of pod, or for the addresses, that the flow goes to."""
    others = (flow.to.ref.namespace,) if isinstance(flow.to, Group) else ()
    client = Client(workload, alike(view, source, *others))
    if isinstance(flow.to, Group) and flow.to.ref != workload.ref:
        known = _remembered(view, client, flow, flow.to, purpose)
    else:
        known = _judged(view, client, flow, purpose)
    if near and any(side.verdict in CLOSED for one in known.told for side in (one.egress, one.ingress)):
        yield from _near(view, flow, known, purpose, Client(workload, source))
    else:
        yield from known.told


class _Known(Struct, frozen=True):
    """What was `found` of a flow, and how it is `told`. `around`: the version of the pods around, where it rests on it.

    `families`: those that pods have.
    """

    flow: Flow
    found: tuple[Answer, ...]
    told: tuple[FlowVerdict, ...]
    families: tuple[Family, ...] = ()
    around: Hashable = None


_Ends = tuple[PodEnd, tuple[PodEnd, ...]]
_Asked = tuple[WorkloadRef, Protocol, int | None, int | None, _Ends, bool | None, str]
_FLOWS: Final = Memo[_Asked, _Known](50_000)


def _remembered(view: View, client: Client, flow: Flow, group: Group, purpose: str) -> _Known:
    """Return what `_judged` does about pods of anybody but the workload itself.

    The memo outlives pods, so the flow is compared, its pods included, and the families that pods have; pods that are
    the same objects compare at once.
    """
    families = view.families()
    source, injected = client.end, client.workload.template.injected
    ends = source, ends_on_nodes(view, client.workload, source)
    key = (group.ref, flow.protocol, flow.port, flow.service_port, ends, injected, purpose)
    around = view.version_of(client.workload.ref.namespace, group.ref.namespace) if _is_bare(group) else None
    known = view.memo(_FLOWS).get(key)
    if known is not None and known.flow == flow and known.families == families and known.around == around:
        return known
    found = _judged(view, client, flow, purpose)
    if not _volatile(view, source, group):
        view.memo(_FLOWS)[key] = structs.replace(found, families=families, around=around)
    return found


def _is_bare(group: Group) -> bool:
    return group.template is not None and group.ref.kind == "Pod"


def is_lasting(view: View, source: PodEnd, flow: Flow) -> bool:
    """Say whether what becomes of a flow to anybody else follows from the flow, as long as policies stay.

    Of one to addresses it follows from the API server's, too.
    """
    if isinstance(flow.to, Group):
        return not _is_bare(flow.to) and not _volatile(view, source, flow.to)
    plain = isinstance(flow.to, Block) and flow.through is None and flow.unsure is None and not flow.instead
    return plain and not rules_of(view, source.pod_class, Direction.EGRESS).volatile


def _volatile(view: View, source: PodEnd, group: Group) -> bool:
    """Say whether a policy of either end asks for the endpoints of a Service: then nothing may be remembered."""
    ingress = (rules_of(view, pod_class, Direction.INGRESS) for pod_class in _pod_classes(group))
    return rules_of(view, source.pod_class, Direction.EGRESS).volatile or not all(rules.lasting for rules in ingress)


def _judged(view: View, client: Client, flow: Flow, purpose: str) -> _Known:
    found = tuple(judge_connection(view, client, flow))
    return _Known(flow, found, tuple(_told(view, flow, found, purpose)))


def _told(
    view: View, flow: Flow, answers: Iterable[Answer], purpose: str, near: Client | None = None
) -> Iterator[FlowVerdict]:
    """Yield answers as they are told, equal ones once. `near`: with near misses, which are about labels of this one."""
    seen: dict[FlowVerdict, int] = {}
    for answer in answers:
        verdict, *sides = answer.pair
        egress, ingress = (
            side if near is None else _with_near_misses(view, direction, side, near, answer.end, flow)
            for direction, side in zip(Direction, sides, strict=True)
        )
        to = flow.to.ref if isinstance(flow.to, Group) else flow.to
        port, dialled = flow.port or 0, flow.service_port
        found = FlowVerdict(to, 0, flow.protocol, port, dialled, verdict, egress, ingress, purpose)
        holder = holder_of(view, to, port) if isinstance(to, Block) else ""
        fronted = view.dialect.services.egress_before and flow.through is not None
        key = structs.replace(found, tunnel=answer.tunnel, fronted=fronted, holder=holder)
        seen[key] = seen.get(key, 0) + answer.pods
    for key, count in seen.items():
        yield structs.replace(key, pods=count)


def _near(view: View, flow: Flow, known: _Known, purpose: str, client: Client) -> Iterator[FlowVerdict]:
    """Yield answers as they are told, with near misses, which may differ where the rest is the same."""
    if len(known.told) != len(known.found):
        yield from _told(view, flow, known.found, purpose, client)
        return
    for told, answer in zip(known.told, known.found, strict=True):
        egress = _with_near_misses(view, Direction.EGRESS, told.egress, client, answer.end, flow)
        ingress = _with_near_misses(view, Direction.INGRESS, told.ingress, client, answer.end, flow)
        yield structs.replace(told, egress=egress, ingress=ingress)


def _with_near_misses(
    view: View, direction: Direction, side: Side, client: Client, target: End | Host, flow: Flow
) -> Side:
    source = client.end
    shut = CLOSED if source.pod_class.host_network else (Verdict.DENIED,)
    if side.verdict not in shut or isinstance(target, Host):
        return side
    if direction is Direction.EGRESS and view.dialect.services.egress_before and flow.through is not None:
        return side
    if direction is Direction.EGRESS:
        subject, other = source, target
    elif isinstance(target, PodEnd):
        subject, other = target, source
    else:
        return side
    packet = Packet(direction, subject, other, flow.protocol, flow.port or 0, flow.service_port)
    found = tuple(_on_top(view, miss, client.workload, flow) for miss in near_misses(view, packet, side))
    return structs.replace(side, near_misses=found)


def _on_top(view: View, miss: NearMiss, client: Workload, flow: Flow) -> NearMiss:
    """Say of a label that the pods lack whether the object that makes them has it: policy sees the template's."""
    key = miss.have.removeprefix("no ")
    if miss.field != "podLabels" or key == miss.have:
        return miss
    server = view.workloads.get(flow.to.ref) if isinstance(flow.to, Group) else None
    for workload in (client, *([server] if server else [])):
        if workload.ref.kind != "Pod" and f"{key}={workload.labels.get(key)}" == miss.want:
            have = f"no {key}: it is on the {workload.ref.kind} itself, and policy sees spec.template.metadata.labels"
            return structs.replace(miss, have=have)
    return miss
