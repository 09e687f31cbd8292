"""What was seen, beside what is declared and what policy says: who is right where they differ."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from msgspec import Struct, structs

from webhook.dependencies.addresses import at_address
from webhook.dependencies.inbound import inbound
from webhook.dependencies.services import Found
from webhook.evaluate import Flow, PodEnd, ends_of_pod, template_end
from webhook.evaluate.flow import judge_from_outside
from webhook.judge import Judged, judge_workload
from webhook.judge.dependency import judge_flow
from webhook.model.addresses import Address, Block, Protocol
from webhook.model.answers import FlowVerdict, Host, Side, Verdict, together
from webhook.model.objects import Workload
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.review.observed import ObservedFlow, Seen, Tally
from webhook.world import Group, View


class Standing(StrEnum):
    """How what the enforcer did stands to what policy says, as evaluated here."""

    AGREED = "agreed"
    """It passed and is allowed, or was dropped and is denied."""
    DROPPED = "dropped, but allowed"
    """A mistake of the enforcer's or of ours, or a policy was changed since."""
    PASSED = "passed, but denied"
    """The same; or the policy is newer than the flow, or nothing enforces it."""
    UNDECIDED = "undecided"
    """What policy says is not known, or not the same for all pods."""


class Compared(Struct, frozen=True):
    """A flow that was seen. `declared`: by what, None: by nobody. `lines`: how many lines tell of it.

    `policies`: those that isolate an end of it or deny it. `reason`: why it is not known what policy says.
    """

    flow: ObservedFlow
    lines: int
    dropped: bool
    declared: str | None
    standing: Standing
    verdict: Verdict
    policies: tuple[PolicyRef, ...] = ()
    reason: str | None = None


class Unseen(Struct, frozen=True):
    """A declared dependency of which no line tells. `reason`: why it might have been there all the same."""

    workload: WorkloadRef
    dependency: str
    reason: str | None = None


class Readiness(Struct, frozen=True):
    """How far a namespace is from being closed. Dependencies count where one end is in it.

    `declared`; of these `seen` in the log, and `admitted` by policy as it is; `would_break`: flows that pass, and that
    nobody declares, so that a default deny with all that is declared would close them.
    """

    namespace: str
    declared: int = 0
    seen: int = 0
    admitted: int = 0
    would_break: int = 0


class Evidence(Struct, frozen=True):
    """All of it, sorted. `tally`: what the log had."""

    tally: Tally
    flows: tuple[Compared, ...] = ()
    unseen: tuple[Unseen, ...] = ()
    readiness: tuple[Readiness, ...] = ()

    @property
    def undeclared(self) -> tuple[Compared, ...]:
        """The flows that nobody declared."""
        return tuple(one for one in self.flows if one.declared is None)

    def of(self, standing: Standing) -> tuple[Compared, ...]:
        """Return the flows that stand so."""
        return tuple(one for one in self.flows if one.standing is standing)


def evidence(view: View, tally: Tally) -> Evidence:
    """Compare every flow with what is declared, and with what policy says."""
    declared = _Declared(view)
    flows = tuple(sorted((_compared(view, declared, *one) for one in tally.flows.items()), key=_order))
    unseen = tuple(sorted(declared.unseen(tally.flows), key=lambda one: (one.workload, one.dependency)))
    return Evidence(tally, flows, unseen, tuple(_readiness(declared, flows, unseen)))


def _order(one: Compared) -> tuple[str, str, str, int]:
    flow = one.flow
    return str(flow.source), str(flow.target), flow.protocol, flow.port


def _compared(view: View, declared: "_Declared", flow: ObservedFlow, seen: Seen) -> Compared:
    dropped = seen.stands_dropped
    verdict, sides, unsure = _judged(view, flow)
    reason = unsure or next((s.reason for s in sides if s.verdict is not Verdict.ALLOWED and s.reason), None)
    policies = tuple(sorted({ref for side in sides for ref in side.policies}))
    standing, lines = _standing(verdict, dropped=dropped), seen.passed + seen.dropped
    return Compared(flow, lines, dropped, declared.by(flow), standing, verdict, policies, reason)


def _standing(verdict: Verdict, *, dropped: bool) -> Standing:
    match verdict:
        case Verdict.ALLOWED:
            return Standing.DROPPED if dropped else Standing.AGREED
        case Verdict.DENIED:
            return Standing.AGREED if dropped else Standing.PASSED
        case _:
            return Standing.UNDECIDED


def _judged(view: View, flow: ObservedFlow) -> tuple[Verdict, list[Side], str | None]:
    """Judge a flow as if it were declared, for the pods of who dialled that run, or for the address."""
    if isinstance(flow.source, WorkloadRef):
        client = view.workloads.get(flow.source)
        found = _found(view, client, flow) if client is not None else None
        if client is None or found is None:
            return Verdict.UNKNOWN, [], "who it was is not in the log, or not here"
        every = ((end, one) for end in _ends(view, client.ref) for one in found.flows)
        answers = [answer for end, one in every for answer in judge_flow(view, client, end, one, near=False)]
        verdict = Verdict.UNKNOWN if found.unsure or not answers else together(one.verdict for one in answers)
        return verdict, [side for one in answers for side in (one.egress, one.ingress)], found.unsure
    if not isinstance(flow.source, Block) or not isinstance(flow.target, WorkloadRef):
        return Verdict.UNKNOWN, [], "from which address it was is not in the log"
    to = _ends(view, flow.target)
    sides = [judge_from_outside(view, flow.source, end, flow.protocol, flow.port) for end in to]
    return together(side.verdict for side in sides), sides, None


def _ends(view: View, ref: WorkloadRef) -> list[PodEnd]:
    """Return the pods of a workload that run, or one of each class where they are many; the template where none do."""
    pods, workload = view.pods.of(ref), view.workloads.get(ref)
    some = pods if len(pods) <= _MOST_PODS else {pod.pod_class: pod for pod in pods}.values()
    return [*map(ends_of_pod, some)] or ([template_end(view, workload)] if workload is not None else [])


_MOST_PODS: Final = 10


def _found(view: View, client: Workload, flow: ObservedFlow) -> Found | None:
    """Return what a flow comes down to, as a declaration of it would."""
    match flow.cluster_ip, flow.target:
        case (cluster_ip, port), target:
            through = at_address(view, client, Address(cluster_ip.family, cluster_ip.first), port, flow.protocol)
            behind = (one for one in through.flows if isinstance(one.to, Group) and one.to.ref == target)
            return structs.replace(through, flows=tuple(behind))
        case None, WorkloadRef() as ref:
            pods = view.pods.of(ref)
            group = Group(ref, pods, None if pods else view.workloads.get(ref))
            return Found(ref.short, (Flow(group, flow.protocol, flow.port),))
        case None, Block() as block:
            return at_address(view, client, Address(block.family, block.first), flow.port, flow.protocol)
        case None, Host() as host:
            return Found(host.name, (Flow(host, flow.protocol, flow.port),))
        case _:
            return None


# -- what is declared --------------------------------------------------------------------------------------------------

_Key = tuple[WorkloadRef, object, Protocol, int]


class _Declared:
    """Every dependency of a world: declared, inferred, and by ways in."""

    def __init__(self, view: View) -> None:
        self.every: list[tuple[Workload, Judged]] = []
        self._by: dict[_Key, str] = {}
        self._others: dict[WorkloadRef, list[tuple[FlowVerdict, str]]] = {}
        for workload in (one for one in view.workloads.every() if one.owner is None):
            whole = judge_workload(view, workload)
            self.every += ((workload, one) for one in whole.dependencies)
            for one in whole.parts:
                self._add(workload.ref, one)
            self._ways_in(view, workload)

    def _add(self, client: WorkloadRef, one: Judged) -> None:
        for flow in one.flows:
            if isinstance(flow.to, WorkloadRef):
                self._by.setdefault((client, flow.to, flow.protocol, flow.port), one.text)
            else:
                self._others.setdefault(client, []).append((flow, one.text))

    def _ways_in(self, view: View, server: Workload) -> None:
        for path in inbound(view, server):
            for sender in path.sources:
                for flow in path.to.found.flows:
                    self._by.setdefault((sender.ref, server.ref, flow.protocol, flow.port or 0), path.by)

    def by(self, flow: ObservedFlow) -> str | None:
        """Return what declares a flow."""
        if not isinstance(flow.source, WorkloadRef):
            return None
        if isinstance(flow.target, WorkloadRef):
            return self._by.get((flow.source, flow.target, flow.protocol, flow.port))
        others = self._others.get(flow.source, ())
        return next((text for one, text in others if _means(one, flow)), None)

    def unseen(self, flows: Mapping[ObservedFlow, Seen]) -> Iterator[Unseen]:
        """Yield the dependencies of which no flow tells."""
        inside: set[_Key] = set()
        outside: dict[WorkloadRef, list[ObservedFlow]] = {}
        for flow in flows:
            source = flow.source
            if isinstance(source, WorkloadRef) and isinstance(flow.target, WorkloadRef):
                inside.add((source, flow.target, flow.protocol, flow.port))
            elif isinstance(source, WorkloadRef):
                outside.setdefault(source, []).append(flow)
        for workload, one in self.every:
            mine = outside.get(workload.ref, ())
            here = {(workload.ref, part.to, part.protocol, part.port) for part in one.flows}
            if not one.flows or not here.isdisjoint(inside):
                continue
            if not any(_means(part, flow) for part in one.flows for flow in mine):
                named = [part for part in one.flows if isinstance(part.to, Host)]
                maybe = any(isinstance(f.target, Block) and _port(part, f) for part in named for f in mine)
                yield Unseen(workload.ref, one.text, _ADDRESS if maybe else None)


_ADDRESS: Final = "addresses were dialled on its port, and which name they were looked up by is not in the log"


def _port(declared: FlowVerdict, flow: ObservedFlow) -> bool:
    return declared.protocol == flow.protocol and declared.port in (0, flow.port)


def _means(declared: FlowVerdict, flow: ObservedFlow) -> bool:
    """Say whether a flow that was seen is one that is declared; port 0: every one of an external name."""
    if not _port(declared, flow):
        return False
    match declared.to, flow.target:
        case Block() as block, Block() as seen:
            return block.covers(seen)
        case Host() as host, Host() as seen_host:
            return fnmatchcase(seen_host.name, host.name)
        case to, target:
            return to == target


def _readiness(declared: _Declared, flows: Iterable[Compared], unseen: Collection[Unseen]) -> Iterator[Readiness]:
    missing = {(one.workload, one.dependency) for one in unseen}
    counts: dict[str, list[int]] = {}
    for workload, one in declared.every:
        for name in {workload.ref.namespace, *(f.to.namespace for f in one.flows if isinstance(f.to, WorkloadRef))}:
            found = counts.setdefault(name, [0, 0, 0, 0])
            found[0] += 1
            found[1] += bool(one.flows) and (workload.ref, one.text) not in missing
            found[2] += one.verdict is Verdict.ALLOWED
    passing = (one.flow for one in flows if one.declared is None and not one.dropped)
    for source, target, *_ in {(one.source, one.target, one.protocol, one.port) for one in passing}:
        for name in {end.namespace for end in (source, target) if isinstance(end, WorkloadRef)}:
            counts.setdefault(name, [0, 0, 0, 0])[3] += 1
    yield from (Readiness(name, *some) for name, some in sorted(counts.items()))
