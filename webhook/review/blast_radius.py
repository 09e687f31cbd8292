"""What a change of policies (NP501), of labels or Services (NP502, NP503) takes from workloads that are there already.

The same dependency is judged in the world before the change and in the world after it. Who loses is told, whoever
wrote the policy; what passes neither before nor after is no news, and what is not sure on either side is not told.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import date

from msgspec import Struct, structs

from webhook.explain import Judged, enforcer_notes, judge_workload
from webhook.explain.inbound import judge_inbound
from webhook.fix import Fixed, fix_dependency
from webhook.fix.inbound import fix_way
from webhook.model.finding import Finding
from webhook.model.foreign import Foreign
from webhook.model.objects import Namespace, Service, Workload
from webhook.model.policy import Policy
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.model.verdict import CLOSED, FlowVerdict, Verdict
from webhook.review.configured import configured
from webhook.review.exemptions import exemptions, without_exempt
from webhook.review.packets import closed_finding
from webhook.world import Overlay, View
from webhook.world.lookup import maker_of

Written = Policy | Foreign | Namespace | Service | Workload


class Change(Struct, frozen=True):
    """What is written, as far as it is not the same before: policies by name, and what else by its words."""

    policies: frozenset[PolicyRef] = frozenset()
    namespaces: frozenset[str] = frozenset()
    services: frozenset[tuple[str, str]] = frozenset()
    workloads: frozenset[WorkloadRef] = frozenset()

    def __bool__(self) -> bool:
        """Say whether anything that others may depend on changes."""
        return bool(self.policies or self.namespaces or self.services or self.workloads)


def changed(before: View, written: Iterable[Written]) -> Change:
    """Return what of `written` is new to a world, or not the same in it."""
    new = [value for value in written if _differs(before, value)]
    return Change(
        frozenset(value.ref.at(None) for value in new if isinstance(value, Policy | Foreign)),
        frozenset(value.name for value in new if isinstance(value, Namespace)),
        frozenset((value.namespace, value.name) for value in new if isinstance(value, Service)),
        frozenset(value.ref for value in new if isinstance(value, Workload)),
    )


def _differs(before: View, value: Written) -> bool:
    """Say whether others may lose something by a value: a Service or a workload that is new takes nothing away."""
    match value:
        case Policy(ref=ref, namespace=namespace):
            return before.policies(namespace).get(ref) != value
        case Foreign(ref=ref, namespace=home):
            return before.foreign(home or "").get(ref) != value
        case Namespace(name=name, labels=labels):
            return before.namespace(name).labels != labels
        case Service(namespace=namespace, name=name):
            return before.service(namespace, name) not in (None, value)
        case Workload(ref=ref, template=template):
            old = before.workload(ref)
            return old is not None and old.template.shape != template.shape


def blast_radius(
    before: View, after: View, change: Change, today: date, told: Collection[WorkloadRef] = ()
) -> tuple[Finding, ...]:
    """Return what running workloads lose by a change, sorted by who loses it.

    `told`: workloads that are reviewed themselves in the world after the change.
    """
    if not change or not after.enforcer.enforces:
        return ()
    running = sorted(
        (w for w in before.workloads() if maker_of(before, w) is None and w.ref not in told), key=lambda w: w.ref
    )
    found: list[Finding] = []
    for workload in running:
        granted, _ = exemptions(workload, today)
        lost = (*_dependencies(before, after, change, workload), *_ways_in(before, after, change, workload))
        found += without_exempt(lost, granted)[0]
    return configured(after.settings, found, today)[0]


def _dependencies(before: View, after: View, change: Change, workload: Workload) -> Iterator[Finding]:
    was, now = judge_workload(before, workload), judge_workload(after, workload)
    passed = {one.text for one in was.parts if one.verdict is Verdict.ALLOWED}
    dns = now.dns if now.dns is not None and now.dns.verdict in CLOSED else None
    for part in now.parts:
        if part.text in passed and part.verdict in CLOSED:
            yield _lost(after, change, workload.ref, part, fix_dependency(after, workload, part, dns))


def _ways_in(before: View, after: View, change: Change, server: Workload) -> Iterator[Finding]:
    """Yield what those lose who send by an Ingress, a route or a scrape annotation."""
    was, now = (Overlay(view, [server], anew=True) for view in (before, after))
    passed = {(way.path.by, way.path.to.text) for way in judge_inbound(was, server) if way.verdict is Verdict.ALLOWED}
    for way in judge_inbound(now, server):
        if way.verdict in CLOSED and (way.path.by, way.path.to.text) in passed:
            fixed = fix_way(now, server, way)
            for sender, part in way.judged:
                found = _lost(now, change, sender.ref, part, fixed)
                yield structs.replace(found, facts=(*found.facts, ("declared", way.path.by)))


def _lost(view: View, change: Change, loser: WorkloadRef, part: Judged, fixed: Fixed) -> Finding:
    name, by, policies = _cause(change, loser, part)
    found = closed_finding(name, loser, part, fixed, enforcer_notes(view))
    return structs.replace(found, policies=policies or found.policies, facts=(*found.facts, ("by", by)))


def _cause(change: Change, loser: WorkloadRef, part: Judged) -> tuple[str, str, tuple[PolicyRef, ...]]:
    """Return the finding, what is written in words, and the policies that were written.

    A policy that closes the flow is the cause; else labels or a Service that take an end out of a rule that was there.
    """
    closing = {ref.at(None) for flow in part.flows for side in (flow.egress, flow.ingress) for ref in side.policies}
    if mine := sorted(change.policies & closing):
        return "NP501", ", ".join(ref.titled for ref in mine), tuple(mine)
    ends = {loser.namespace, *(flow.to.namespace for flow in part.flows if isinstance(flow.to, WorkloadRef))}
    if spaces := sorted(change.namespaces & ends):
        return "NP503", f"the label change of namespace {', '.join(spaces)}", ()
    if servers := sorted(ref for ref in change.workloads if _reached(ref, part.flows)):
        return "NP502", f"the label change of {', '.join(str(ref) for ref in servers)}", ()
    if change.services:
        return "NP502", ", ".join(f"Service {namespace}/{name}" for namespace, name in sorted(change.services)), ()
    every = tuple(sorted(change.policies))
    return "NP501", ", ".join(ref.titled for ref in every) or "the change", every


def _reached(ref: WorkloadRef, flows: Iterable[FlowVerdict]) -> bool:
    return any(flow.to == ref for flow in flows)
