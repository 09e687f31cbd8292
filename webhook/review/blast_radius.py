"""What a change of policies (NP501), of labels or Services (NP502, NP503) takes from workloads that are there already.

The same dependency is judged in the world before the change and in the world after it. Who loses is reported, whoever
wrote the policy; what passes neither before nor after is no news, and what is not sure on either side is not told.
Nobody is judged whom the change cannot touch (`touched`).
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date
from functools import partial
from typing import Final

from msgspec import Struct, structs

from webhook.dependencies import Missing, parse
from webhook.fix import Fixed, fix_dependency
from webhook.fix.inbound import fix_way
from webhook.judge import Judged, enforcer_notes, judge, judge_workload
from webhook.judge.dns import judge_dns
from webhook.judge.inbound import Way, judge_inbound
from webhook.judge.workload import allowed_api_server
from webhook.model.answers import CLOSED, Dependency, Finding, FlowVerdict, Verdict
from webhook.model.objects import Workload
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.review.drafts import Draft, configured, exemptions, without_exempt
from webhook.review.leading import Leading
from webhook.review.touched import Change, Touched, touched
from webhook.review.workload import closed_finding
from webhook.world import Overlay, View
from webhook.world.controllers import maker_of
from webhook.world.workloads import Name, addressed, names_in

_GONE: Final = {  # what of a dependency was there before the change
    "NP201": "no Service or workload of that name is left",
    "NP202": "no such port is left",
    "NP204": "no backends are left",
}


class Turned(Struct, frozen=True):
    """What becomes of one workload: what it loses, and which dependencies pass that did not before."""

    lost: tuple[Draft, ...] = ()
    opened: tuple[str, ...] = ()


def blast_radius(
    before: View, after: View, change: Change, today: date, told: Collection[WorkloadRef] = ()
) -> tuple[Finding, ...]:
    """Return what running workloads lose by a change, sorted by who loses it.

    `told`: workloads that are reviewed themselves in the world after the change.
    """
    if not change or not after.enforcer.enforces:
        return ()
    rolled_out = [found for ref in sorted(change.workloads) if (found := after.workloads.get(ref)) is not None]
    after = Overlay(after, rolled_out, anew=True) if rolled_out else after
    asked = Radius(before, after, change)
    refs = sorted(set(asked.candidates).difference(told))
    return tuple(draft.whole() for ref in refs for draft in asked.kept(asked.of(ref).lost, today))


class Radius:
    """A change, and what workloads lose by it, asked one by one."""

    def __init__(
        self, before: View, after: View, change: Change, reach: Touched | None = None, *, opening: bool = False
    ) -> None:
        """Find out whom a change can touch; `reach`: what is known of that. `opening`: what it opens is asked, too."""
        self._before, self._after, self._change = before, after, change
        self._opening = opening
        self.reach = touched(before, after, change) if reach is None else reach
        self._leading = Leading(before, self.reach.names), Leading(after, self.reach.names)
        names = self.reach.names if before.settings.infer else frozenset[Name]()
        self._told = before.workloads.telling(names) | after.workloads.telling(names) if names else frozenset()
        self.candidates = candidates(before, after, self.reach)

    def kept(self, drafts: Iterable[Draft], today: date) -> Iterator[Draft]:
        """Yield the drafts that neither the workload nor the configuration answers for."""
        for draft in drafts:
            told, _ = configured(self._after.settings, (draft.finding,), today)
            client = self._before.workloads.get(draft.finding.workload) if draft.finding.workload else None
            granted, _ = exemptions(client, today) if client else ((), ())
            for finding in without_exempt(told, granted)[0]:
                yield Draft(finding, partial(_graded, draft, finding))

    def of(self, ref: WorkloadRef) -> Turned:
        """Return what becomes of a workload that runs; nothing of one that another one makes."""
        workload = self._before.workloads.get(ref)
        if workload is None or maker_of(self._before, workload) is not None:
            return Turned()
        now, ask_before = self._answers(workload)
        quiet = not (self._opening or self._change.services) and not any(map(_bad, now.values()))
        return Turned(tuple(self._ways_in(workload))) if quiet else self._turned(workload, ask_before(), now)

    def _turned(self, workload: Workload, was: dict[str, Judged], now: dict[str, Judged]) -> Turned:
        ref = workload.ref
        passed = {text for text, one in was.items() if one.verdict is Verdict.ALLOWED}
        shut = {text for text, one in was.items() if one.verdict in CLOSED and one.source != "inferred"}
        less = (part for part in now.values() if part.text in passed and _bad(part))
        gone = (one for text in passed if (one := self._nameless(was[text])) is not None)
        lost = [Draft(self._lost(ref, part), partial(self._whole, workload, part)) for part in (*gone, *less)]
        opened = tuple(text for text in shut if text in now and now[text].verdict is Verdict.ALLOWED)
        return Turned((*lost, *self._ways_in(workload)), opened)

    # -- as a client -----------------------------------------------------------------------------------------------

    def _answers(self, workload: Workload) -> tuple[dict[str, Judged], Callable[[], dict[str, Judged]]]:
        """Return the answers after the change by canonical text, and what asks for those before it."""
        before, after = self._before, self._after
        was, now = self._leading
        if self._wholly(workload):
            whole = judge_workload(after, workload, near=False)
            return _by_text(whole.parts), lambda: _by_text(_whole_before(before, workload))
        asking = self.reach.look_ups
        return _by_text(now.judged(workload, look_up=asking)), lambda: _by_text(was.judged(workload, look_up=asking))

    def _wholly(self, workload: Workload) -> bool:
        """Say whether any answer about a workload may be another: what is inferred is told by all that is declared."""
        reach, ref = self.reach, workload.ref
        if reach.everybody or ref in reach.sources or ref in self._change.workloads or ref in self._told:
            return True
        unsaid = (
            reach.look_ups and (workload.hints or workload.service_name) and not self._leading[0].looks_up(workload)
        )
        return bool(unsaid or workload.template.nameservers)

    def _nameless(self, part: Judged) -> Judged | None:
        """Return what becomes of a name whose Service is no more, whoever else is called so: nobody resolves it."""
        name, dot, space = part.resolved.found.name.rpartition(".") if part.resolved and part.by_name else ("", "", "")
        if not dot or (space, name) not in self._change.services or self._after.services.get(space, name) is not None:
            return None
        lost = (Missing("NP201", ()),)
        return structs.replace(part, verdict=Verdict.UNKNOWN, flows=(), missing=lost, resolved=None)

    def _lost(self, loser: WorkloadRef, part: Judged, fixed: Fixed | None = None) -> Finding:
        name, by, policies = _cause(self._change, loser, part)
        found = closed_finding(name, loser, part, fixed, enforcer_notes(self._after))
        facts = (*found.facts, ("by", by), *_why(part))
        return structs.replace(found, policies=policies or found.policies, facts=facts)

    def _whole(self, workload: Workload, part: Judged) -> Finding:
        """Return a loss with near misses, and what has to be let through first."""
        after = self._after
        if not part.flows:
            return structs.replace(self._lost(workload.ref, part), no_fix="keep what it uses, or change who uses it")
        again = judge_dns(after, workload) if part.resolved is None else judge(after, workload, part.resolved)
        dns = judge_dns(after, workload) if part.by_name else None
        shut = dns if dns is not None and dns.verdict in CLOSED else None
        return self._lost(workload.ref, again or part, fix_dependency(after, workload, again or part, shut))

    # -- as a server -----------------------------------------------------------------------------------------------

    def _ways_in(self, server: Workload) -> Iterator[Draft]:
        """Yield what those lose who send by an Ingress, a route or a scrape annotation."""
        if not (self.reach.everybody or self.reach.senders or server.ref in self.reach.servers):
            return
        was, now = (Overlay(view, [server], anew=True) for view in (self._before, self._after))
        ways = list(judge_inbound(now, server, near=False))
        if not any(way.verdict in CLOSED for way in ways):
            return
        passed = {
            (way.path.by, way.path.to.text)
            for way in judge_inbound(was, server, near=False)
            if way.verdict is Verdict.ALLOWED
        }
        for way in ways:
            if way.verdict in CLOSED and (way.path.by, way.path.to.text) in passed:
                for sender, part in way.judged:
                    yield Draft(self._way(sender, way, part), partial(self._whole_way, now, server, sender, way))

    def _way(self, sender: Workload, way: Way, part: Judged, fixed: Fixed | None = None) -> Finding:
        found = self._lost(sender.ref, part, fixed)
        return structs.replace(found, facts=(*found.facts, ("declared", way.path.by)))

    def _whole_way(self, now: View, server: Workload, sender: Workload, way: Way) -> Finding:
        return self._way(sender, way, judge(now, sender, way.path.to), fix_way(now, server, way))


def candidates(before: View, after: View, reach: Touched) -> list[WorkloadRef]:
    """Return who may lose something as a client, or by a way in, sorted: those first whose own side is touched."""
    if reach.everybody or reach.look_ups or reach.senders:
        every = (workload.ref for workload in before.workloads.every())
        return sorted(every, key=lambda ref: (ref not in reach.sources and ref not in reach.servers, ref))
    leading = (
        {*before.workloads.reaching(reach.names), *after.workloads.reaching(reach.names)} if reach.names else set()
    )
    leading.update(_everybodys(before, reach.names))
    mine = sorted({*reach.sources, *reach.servers})
    return [*mine, *sorted(leading.difference(mine))]


def _everybodys(view: View, names: frozenset[Name]) -> Iterator[WorkloadRef]:
    """Yield those of whom the configuration says that they connect to one of these names, or to an address."""
    for one in view.settings.everywhere:
        items = [item for item in parse(one.to) if isinstance(item, Dependency)]
        for space in view.namespaces.names():
            if names and items and (addressed(one.to) or not names.isdisjoint(names_in(one.to.lower(), space))):
                yield from (workload.ref for workload in view.workloads.every(space))


def _by_text(parts: Iterable[Judged]) -> dict[str, Judged]:
    found: dict[str, Judged] = {}
    for part in parts:
        found.setdefault(part.text, part)
    return found


def _graded(draft: Draft, told: Finding) -> Finding:
    return structs.replace(draft.whole(), severity=told.severity)


def _whole_before(view: View, workload: Workload) -> Iterator[Judged]:
    """Yield the answers before a change; of the API server an audit tells only where it is shut."""
    yield from judge_workload(view, workload, near=False).parts
    if (found := allowed_api_server(view, workload)) is not None:
        yield found


def _bad(part: Judged) -> bool:
    return part.verdict in CLOSED or _gone(part)


def _gone(part: Judged) -> bool:
    """Say whether there is nobody any more, or no such port, where there was."""
    return not part.flows and any(lost.what in _GONE for lost in part.missing)


def _why(part: Judged) -> tuple[tuple[str, str], ...]:
    """Return what is not there any more, in words."""
    lost = next((one.what for one in part.missing if one.what in _GONE), "") if not part.flows else ""
    return (("why", _GONE[lost]),) if lost else ()


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
    if change.accounts:
        return (
            "NP502",
            f"the label change of {', '.join(f'ServiceAccount {s}/{n}' for s, n in sorted(change.accounts))}",
            (),
        )
    if change.services:
        return "NP502", ", ".join(f"Service {namespace}/{name}" for namespace, name in sorted(change.services)), ()
    every = tuple(sorted(change.policies))
    return "NP501", ", ".join(ref.titled for ref in every) or "the change", every


def _reached(ref: WorkloadRef, flows: Iterable[FlowVerdict]) -> bool:
    return any(flow.to == ref for flow in flows)
