"""What others need of a workload: declared ways in (NP108) and its dependants (NP109), over its template."""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date
from functools import partial

from msgspec import structs

from webhook.fix import Fixed
from webhook.fix.fix import distinct
from webhook.fix.inbound import fix_dependants, fix_way, shuts_out
from webhook.judge import Judged, enforcer_notes, judge
from webhook.judge.inbound import PORTS, Way, judge_balanced, judge_hooks, judge_inbound, remedy
from webhook.judge.workload import Dependant, Dependants, judge_dependants
from webhook.model.answers import CLOSED, Finding, FlowVerdict, Verdict
from webhook.model.budget import Exhausted
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.review.drafts import Draft, exemptions, ignored, ready, unanswered, without_exempt
from webhook.review.workload import closed_finding, unknown_finding
from webhook.world import Overlay, View

SHOWN = 2  # clients that a finding names


def review_server(
    view: View, workload: Workload, today: date, *, new: bool = False, without: Collection[WorkloadRef] = ()
) -> tuple[Finding, ...]:
    """Return NP108 and NP109 about a workload; nothing where nobody enforces policy."""
    return tuple(draft.whole() for draft in draft_server(view, workload, today, new=new, without=without))


def draft_server(
    view: View, workload: Workload, today: date, *, new: bool = False, without: Collection[WorkloadRef] = ()
) -> Iterator[Draft]:
    """Yield the same as drafts.

    `new`: it was not there before, so that nobody was told of its clients' egress. `without`: clients that are
    reviewed too, and so told themselves. Raises Exhausted after what was found in time.
    """
    if _nobody_asks(view, workload) or not view.enforcer.enforces:
        return
    off = {name for name, severity in view.settings.severities if not severity}
    anew = Overlay(view, [workload], anew=True)
    if "NP108" not in off:
        yield from _of_ways(anew, workload)
        yield from map(ready, _of_hooks(anew, workload))
        yield from map(ready, _of_balancers(anew, workload))
    if "NP109" not in off:
        yield from _of_dependants(anew, workload, judge_dependants(anew, workload, without), today, new=new)


def _nobody_asks(view: View, workload: Workload) -> bool:
    """Say whether nothing that is known may lead to a workload, as is so of most that are new."""
    ref, template = workload.ref, workload.template
    return not (
        view.services.selecting(template.pod_class)
        or template.scrape is not None
        or view.inbound.monitors()
        or not PORTS.isdisjoint([port.name for port in template.declares])
        or view.workloads.mentioning([(ref.namespace, ref.name)])
    )


# -- NP108 -------------------------------------------------------------------------------------------------------------


def _of_ways(view: View, workload: Workload) -> Iterator[Draft]:
    """Yield one finding for each port of a Service, or of the pods, that somebody is kept out of."""
    ways: dict[str, list[Way]] = {}
    ended = None
    try:
        for way in judge_inbound(view, workload, near=False):
            ways.setdefault(way.path.to.text, []).append(way)
    except Exhausted as error:
        ended = error
    for some in ways.values():
        if closed := [way for way in some if way.verdict in CLOSED]:
            yield Draft(_closed_way(view, workload, closed), partial(_whole_way, view, workload, closed))
        elif unknown := [way for way in some if way.verdict is Verdict.UNKNOWN]:
            judged = _merged(one for _, one in unknown[0].judged)
            finding = unknown_finding(workload.ref, structs.replace(judged, verdict=Verdict.UNKNOWN), _told(unknown))
            yield ready(finding)
    if ended is not None:
        raise ended


def _whole_way(view: View, workload: Workload, ways: list[Way]) -> Finding:
    again = [
        structs.replace(way, judged=tuple((sender, judge(view, sender, way.path.to)) for sender, _ in way.judged))
        for way in ways
    ]
    return _closed_way(view, workload, again, _both([fix_way(view, workload, way) for way in again]))


def _closed_way(view: View, workload: Workload, ways: list[Way], fixed: Fixed | None = None) -> Finding:
    judged = _merged(one for way in ways for _, one in way.judged)
    found = closed_finding("NP108", workload.ref, judged, fixed, enforcer_notes(view))
    return structs.replace(found, facts=(*found.facts, *_told(ways), *_admission(fixed)))


def _of_hooks(view: View, workload: Workload) -> Iterator[Finding]:
    """Yield one finding for each port of a webhook that the API server does not get to."""
    for port, by, judged in judge_hooks(view, workload):
        fixed = Fixed(reason=remedy(view, port))
        found = closed_finding("NP108", workload.ref, judged, fixed, enforcer_notes(view))
        facts = (("by", by), ("more", "0"), ("from", "the API server"))
        yield structs.replace(found, facts=(*found.facts, *facts))


def _of_balancers(view: View, workload: Workload) -> Iterator[Finding]:
    """Yield one finding for each port of a LoadBalancer Service that nobody outside gets to."""
    for one in judge_balanced(view, workload) if view.settings.inbound.ingress else ():
        found = closed_finding("NP108", workload.ref, one.judged, Fixed(reason=one.remedy), enforcer_notes(view))
        by = f"LoadBalancer Service {one.service.namespace}/{one.service.name}"
        who = "clients of private networks" if one.service.internal else "clients outside"
        facts = (("by", by), ("more", "0"), ("from", who))
        yield structs.replace(found, facts=(*found.facts, *facts))


def _told(ways: list[Way]) -> tuple[tuple[str, str], ...]:
    by = list(dict.fromkeys(way.path.by for way in ways))
    senders = list(dict.fromkeys(ref.short for way in ways for ref in way.senders))
    return (("by", by[0]), ("more", str(len(by) - 1)), ("from", ", ".join(senders)))


def _both(fixes: list[Fixed]) -> Fixed:
    """Join fixes: all of them, or the reason why one cannot be."""
    if reason := next((one.reason for one in fixes if not one.policies and not one.held), None):
        return Fixed(reason=reason)
    policies = [policy for one in fixes for policy in one.policies]
    every = distinct(policies)
    reason = None if every else next((one.reason for one in fixes), None)
    notes = tuple(dict.fromkeys(note for one in fixes for note in one.notes))
    return Fixed(every, reason, notes, tuple(dict.fromkeys(ref for one in fixes for ref in one.held)))


def _admission(fixed: Fixed | None) -> tuple[tuple[str, str], ...]:
    """Return the namespace whose admission lets more in."""
    return (("admit", fixed.held[0].namespace),) if fixed is not None and fixed.held else ()


# -- NP109 -------------------------------------------------------------------------------------------------------------


def _of_dependants(view: View, workload: Workload, every: Dependants, today: date, *, new: bool) -> Iterator[Draft]:
    """Yield one finding for each dependency, however many clients have it."""
    by_text: dict[str, list[Dependant]] = {}
    for one in every.found:
        if any(_concerns(flow, new=new) for flow in one.judged.flows) and not _answered_for(view, one, today):
            by_text.setdefault(one.judged.text, []).append(one)
    for some in by_text.values():
        bare = partial(_kept_out, view, workload, left=every.left, new=new)
        yield Draft(bare(some), partial(_whole_kept_out, view, workload, some, bare))
    if every.exhausted:
        raise Exhausted


def _whole_kept_out(
    view: View, workload: Workload, some: list[Dependant], bare: Callable[[list[Dependant], Fixed], Finding]
) -> Finding:
    again = [
        structs.replace(one, judged=judge(view, one.client, one.judged.resolved)) if one.judged.resolved else one
        for one in some
    ]
    return bare(again, fix_dependants(view, workload, again))


def _kept_out(
    view: View, workload: Workload, some: list[Dependant], fixed: Fixed | None = None, *, left: int, new: bool
) -> Finding:
    judged = _merged(one.judged for one in some)
    told = structs.replace(judged, flows=tuple(flow for flow in judged.flows if _concerns(flow, new=new)))
    found = closed_finding("NP109", workload.ref, told, fixed, enforcer_notes(view))
    clients = sorted((one.client.ref for one in some), key=lambda ref: fixed is not None and ref in fixed.held)
    named = ", ".join(ref.short for ref in clients[:SHOWN])
    facts = (("clients", named), ("more", str(len(some[SHOWN:]))), ("left", str(left)), *_admission(fixed))
    return structs.replace(found, facts=(*found.facts, *facts))


def _concerns(flow: FlowVerdict, *, new: bool) -> bool:
    """Say whether the server's owner has a part in it: its own side, or a way that it has only just made one of."""
    return shuts_out(flow) or (new and flow.verdict in CLOSED)


def _answered_for(view: View, one: Dependant, today: date) -> bool:
    """Say whether the client is exempt, or nothing is to be said about its namespace: whoever owns it knows."""
    if ignored(view.settings, one.client.ref.namespace):
        return True
    about = [closed_finding(name, one.client.ref, one.judged, None) for name in ("NP101", "NP102")]
    granted, _ = exemptions(one.client, today)
    kept, _ = without_exempt(about, granted)
    return len(unanswered(view.settings, kept, today)) < len(about)


def _merged(judged: Iterable[Judged]) -> Judged:
    """Return one answer of several about the same thing: every flow once."""
    first, *others = judged
    notes = tuple(dict.fromkeys(note for one in (first, *others) for note in one.assumptions))
    flows = tuple(dict.fromkeys(flow for one in (first, *others) for flow in one.flows))
    verdict = Verdict.PARTIAL if any(flow.verdict is not Verdict.DENIED for flow in flows) else Verdict.DENIED
    return structs.replace(first, flows=flows, verdict=verdict, assumptions=notes)
