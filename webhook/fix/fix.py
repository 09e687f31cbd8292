"""Write, evaluate again, and only then show."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from msgspec import Struct, json, structs

from webhook.evaluate import Client, judge_connection, template_end
from webhook.fix.needs import clusterips_of, may_open, needs, openable
from webhook.fix.remembered import RememberedFixes
from webhook.fix.selectors import Neighbours, Unwritable
from webhook.fix.write import plan, written
from webhook.judge import Judged, judge, judge_dns, judge_workload
from webhook.judge.dns import NODES_OWN
from webhook.model.answers import CLOSED, FlowVerdict, Host, Manifest, Verdict
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.wire.networkpolicies import network_policy
from webhook.world import Overlay, View

UNPROVED = "the obvious rules do not open it: another policy, or something that cannot be told, is in the way"


class Fixed(Struct, frozen=True):
    """Policies that open a dependency, or why there are none. `notes`: whom else the selectors reach.

    `held`: who is not let in, because the server's owner has not said so.
    """

    policies: tuple[Manifest, ...] = ()
    reason: str | None = None
    notes: tuple[str, ...] = ()
    held: tuple[WorkloadRef, ...] = ()


class Unfixable(Struct, frozen=True):
    """A dependency that no new policy opens."""

    workload: WorkloadRef
    dependency: str
    reason: str


class Fixes(Struct, frozen=True):
    """What to apply for several workloads, sorted by namespace and name."""

    policies: tuple[Manifest, ...] = ()
    unfixable: tuple[Unfixable, ...] = ()
    notes: tuple[str, ...] = ()


class Fixer:
    """Writes fixes for one workload of a view that stays as it is."""

    def __init__(self, view: View, workload: Workload) -> None:
        """Nothing is looked up before something is to be fixed."""
        self._view, self._workload = view, workload
        self._near = Neighbours(view)
        self._known = RememberedFixes(self._near, workload)

    def dependency(self, judged: Judged, dns: Judged | None = None) -> Fixed:
        """Open one dependency completely: both sides, and the look-up before it where that is denied too."""
        parts = [judged, *([dns] if dns is not None and judged.by_name and judged is not dns else [])]
        together = self.together(parts)
        return together if together.policies or len(parts) == 1 else self.together([judged])

    def together(self, whole: Sequence[Judged]) -> Fixed:
        """Open several dependencies by as few policies as there are subjects and directions."""
        view, parts = self._view, [without_final(part) for part in whole]
        asked = self._known.ask(parts)
        known = self._known.find(asked)
        if known is not None:
            return Fixed(tuple(known))
        if (why := in_the_way(whole, only_final=True)) is not None and in_the_way(parts, only_final=True) is not None:
            return Fixed(reason=why)
        if (other := otherwise(view, parts)) is not None:
            return Fixed(reason=other)
        wanted = list(needs(self._workload, parts, by_service=view.dialect.services.egress_before))
        if not wanted:
            return Fixed(reason=next((p.reason for p in parts if p.reason), "no policy is in the way"))
        try:
            pieces, notes = plan(self._near, self._workload, wanted)
        except Unwritable as error:
            return Fixed(reason=str(error))
        fixed = Fixed(tuple(written(self._near, self._workload, pieces)), notes=tuple(notes))
        if self._known.is_proved(asked, pieces, noted=bool(notes)):
            return fixed
        after = Overlay(view, [network_policy(m, m["metadata"]["namespace"]) for m in fixed.policies])
        if all(_is_allowed(after, self._workload, part) for part in parts):
            self._known.keep(asked, pieces, noted=bool(notes))
            return fixed
        return self._unless_shut(fixed, after, whole, parts)

    def _unless_shut(self, fixed: Fixed, after: View, whole: Sequence[Judged], parts: Sequence[Judged]) -> Fixed:
        """Return a fix after which something is not known, or is left to others; else why it is none."""
        client = self._workload
        proofs = [
            judge_dns(after, client) if part.resolved is None else judge(after, client, part.resolved, near=False)
            for part in parts
        ]
        both = zip(whole, parts, strict=True)
        left = {_asked(flow) for part, some in both for flow in part.flows if flow not in some.flows}
        if not all(proof is not None and is_open(proof, left) for proof in proofs):
            return Fixed(reason=in_the_way([proof for proof in proofs if proof is not None]) or UNPROVED)
        return structs.replace(fixed, notes=(*fixed.notes, *_unsure(parts, proofs)))


def fix_dependency(view: View, workload: Workload, judged: Judged, dns: Judged | None = None) -> Fixed:
    """Open one dependency completely: both sides, and the look-up before it where that is denied too."""
    return Fixer(view, workload).dependency(judged, dns)


def _is_allowed(after: View, workload: Workload, part: Judged) -> bool:
    """Say whether all of a dependency is sure to pass now, as `judge` has it, without putting that into words."""
    if part.resolved is None or part.resolved.found.unsure:
        return False
    client = Client(workload, template_end(after, workload))
    flows = part.resolved.found.flows
    return {answer.pair[0] for flow in flows for answer in judge_connection(after, client, flow)} == {Verdict.ALLOWED}


# -- what a fix is no answer to ----------------------------------------------------------------------------------------


def _unsure(parts: Iterable[Judged], proofs: Iterable[Judged | None]) -> Iterator[str]:
    """Say of which answers it cannot be told that the fix opens them: of a sure denial that is news."""
    for before, after in zip(parts, proofs, strict=True):
        if after is not None and after.verdict is Verdict.UNKNOWN:
            still = "stays unknown" if before.verdict is Verdict.UNKNOWN else "is unknown even with the fix"
            yield f"{after.text} {still}: {after.reason}"


def without_final(part: Judged) -> Judged:
    """Return an answer without what no NetworkPolicy can open, where there is more: one protocol of a look-up."""
    left = tuple([flow for flow in part.flows if not (flow.egress.final or flow.ingress.final)])
    return structs.replace(part, flows=left) if len(left) < len(part.flows) and any(map(openable, left)) else part


def otherwise(view: View, parts: Sequence[Judged]) -> str | None:
    """Say what is to be done where it is no policy that is missing, or none that can be written."""
    for part in parts:
        for lost in part.missing:
            if (hint := dict(lost.facts).get("headless")) is not None:
                return hint
        if (why := _unknown_front(view, part)) is not None:
            return why
    return by_name(view, parts)


def _unknown_front(view: View, part: Judged) -> str | None:
    """Say what to fill in where policy sees a Service's own address, and it is not known."""
    if not view.dialect.services.egress_before:
        return None
    services = {to: service for to, service in clusterips_of(part) if not service.cluster_ips}
    for flow in part.flows:
        service = services.get(flow.to)
        if service is not None and flow.egress.verdict in CLOSED:
            rule = f"`to: [{{ipBlock: {{cidr: ADDRESS/32}}}}]`, port {flow.service_port}/{flow.protocol}"
            return f"fill in the cluster address of Service {service.namespace}/{service.name}: {rule}"
    return None


def by_name(view: View, parts: Iterable[Judged]) -> str | None:
    """Say what has to be filled in to open a name outside: a NetworkPolicy opens addresses, and no names."""
    closed = ((f.to.name, f) for p in parts for f in p.flows if isinstance(f.to, Host) and f.verdict in CLOSED)
    for name, flow in closed:
        if name == NODES_OWN.name:
            return "fill in the name servers of the node's resolv.conf: `to: [{ipBlock: {cidr: ADDRESS/32}}]`, port 53"
        fqdn = f", or write toFQDNs: [{{matchName: {name}}}]" if view.dialect.own.fqdn_rules else ""
        rule = f"`to: [{{ipBlock: {{cidr: ADDRESS/32}}}}]`, port {flow.port}/{flow.protocol}"
        return f"fill in the addresses of {name}: {rule}{fqdn}"
    return None


def in_the_way(parts: Iterable[Judged], *, only_final: bool = False) -> str | None:
    """Name the policy that denies where no NetworkPolicy can come before it; else, any other rule that denies."""
    sides = [s for p in parts for f in p.flows if f.verdict in CLOSED for s in (f.egress, f.ingress)]
    denying = [s for s in sides if s.verdict is Verdict.DENIED and (s.final or s.denied_by is not None)]
    for side in sorted(denying, key=lambda s: not s.final):
        if side.final or not only_final:
            names = ", ".join(ref.titled for ref in side.policies)
            by = f"denied by {names}" if names else f"denied: {side.reason}" if side.reason else "denied"
            place = f" ({side.position})" if side.position else ""  # `deny rules`, or a tier and its order
            return f"{by}{place}: an administrator must change it" if side.final else f"{by}{place} all the same"
    return None


def is_open(proof: Judged, left: Collection[object] = ()) -> bool:
    """Say whether nothing of it is closed for sure. `left`: what no NetworkPolicy can open, and stays as it is."""
    return all(flow.verdict not in CLOSED or _asked(flow) in left for flow in proof.flows)


def _asked(flow: FlowVerdict) -> object:
    return flow.to, flow.protocol, flow.port, flow.purpose


def fix(view: View, workloads: Iterable[Workload]) -> Fixes:
    """Fix everything that the given workloads declare and that is denied, wholly or in part."""
    policies: list[Manifest] = []
    unfixable: list[Unfixable] = []
    notes: list[str] = []
    for workload in workloads:
        found = _fix_workload(view, workload)
        policies += found.policies
        unfixable += found.unfixable
        notes += found.notes
    ordered = sorted(policies, key=lambda m: (m["metadata"]["namespace"], m["metadata"]["name"]))
    return Fixes(distinct(ordered), tuple(unfixable), tuple(dict.fromkeys(notes)))


def distinct(policies: Iterable[Manifest]) -> tuple[Manifest, ...]:
    """Return policies without those that are there already."""
    return tuple({json.encode(one, order="deterministic"): one for one in policies}.values())


def _fix_workload(view: View, workload: Workload) -> Fixes:
    """Fix what can be fixed together; what cannot be is named and does not keep the rest from it."""
    judged, fixer = judge_workload(view, workload, near=False), Fixer(view, workload)
    parts = [p for p in (*judged.dependencies, judged.dns) if p is not None and may_open(p)]
    together = fixer.together(parts)
    if not parts or together.policies:
        return Fixes(together.policies, notes=together.notes)
    alone = {p.text: fixer.together([p]) for p in parts}
    good = [p for p in parts if alone[p.text].policies]
    unfixable = tuple(
        Unfixable(workload.ref, text, found.reason or UNPROVED) for text, found in alone.items() if not found.policies
    )
    both = fixer.together(good) if good else Fixed()
    return Fixes(both.policies, unfixable, both.notes)
