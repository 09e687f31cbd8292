"""What is in a world already: every answer for a workload, slips in policies; and what of it somebody may be shown.

And what workloads are warned of one slip in a policy, or of one server: that is one finding.

A connection is shown in full where all its ends are in those namespaces, and what is outside them changes nothing of
the answer. Of any other nothing is told but that it is declared: not whether its other end is there.
"""

from collections.abc import Collection, Generator, Iterable, Mapping
from datetime import date
from typing import Final

from msgspec import Struct, structs

from webhook.checklist.blocks import Own
from webhook.checklist.policies import check_policy, check_selects
from webhook.checklist.workloads import check_enforced, check_namespace, check_problems, malformed
from webhook.fix.fix import distinct
from webhook.judge import Judged, JudgedWorkload, judge_workload
from webhook.judge.workload import judge_in_steps
from webhook.model.answers import Finding, Location, Verdict
from webhook.model.crd_policies import CrdPolicy
from webhook.model.objects import Workload
from webhook.model.policy import Policy
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.review.decide import heeded, mode_of
from webhook.review.disclosed import seen_from, undisclosed
from webhook.review.drafts import configured, exemptions, without_exempt
from webhook.review.inbound import draft_server, review_server
from webhook.review.workload import draft_declared, review_judged
from webhook.world import View
from webhook.world.seen import Seen

_OF_SERVERS: Final = frozenset({"NP108", "NP109"})


class Audited(Struct, frozen=True):
    """What a workload depends on, as judged, and the findings about it that no annotation exempts."""

    workload: Workload
    dependencies: tuple[Judged, ...]
    findings: tuple[Finding, ...]
    exempt: int = 0


def audit_workload(
    view: View, workload: Workload, today: date, reviewed: Collection[WorkloadRef], *, asked: bool = True
) -> Audited:
    """Judge a workload as a review of it would, whatever the mode of its namespace is.

    `reviewed`: everybody who is, so that a client's warning is not repeated for its server. `asked`: somebody asks
    about this workload, and not about all that are there: a fix may let it into other namespaces.
    """
    judged = judge_workload(view, workload)
    found = (*review_judged(view, judged), *review_server(view, workload, today, without=reviewed))
    whole = _heeded(view, workload, today, judged, found)
    if asked:
        return whole
    told = tuple(_without_entry(view, workload.ref.namespace, finding) for finding in whole.findings)
    return structs.replace(whole, findings=told)


def audit_in_steps(
    view: View, workload: Workload, today: date, reviewed: Collection[WorkloadRef]
) -> Generator[None, None, Audited]:
    """Judge a workload as `audit_workload` does, without fixes, in short steps; between two the view may change.

    Where an answer may tell of a namespace's own alone (`disclose: own`), findings are worded as such an answer is.
    """
    judged = yield from judge_in_steps(view, workload)
    drafts = [*draft_declared(view, judged)]
    yield
    drafts += draft_server(view, workload, today, without=reviewed)
    yield
    if view.settings.disclose == "own":
        seen = seen_from(view, workload.ref.namespace)
        mine = [*draft_declared(seen, judge_workload(seen, workload, near=False))]
        granted, _ = exemptions(workload, today)
        drafts = undisclosed((view, seen), workload, mine, drafts, granted)
    return _heeded(view, workload, today, judged, (draft.finding for draft in drafts))


def _heeded(view: View, workload: Workload, today: date, judged: JudgedWorkload, found: Iterable[Finding]) -> Audited:
    """Return what is reported: as the settings and the workload's own exemptions want it."""
    granted, bad = exemptions(workload, today)
    every = (*found, *(malformed(workload.ref, item, "exempt") for item in bad))
    told, exempt = configured(view.settings, every, today)
    mode, _ = mode_of(view, workload.ref.namespace)
    findings, more = without_exempt(told, granted if heeded(view, mode) else ())
    return Audited(workload, judged.dependencies, findings, exempt + more)


def _without_entry(view: View, own: str, finding: Finding) -> Finding:
    """Return a finding of a client without a fix that opens namespaces to it which have not admitted its own."""
    entered = {one["metadata"]["namespace"] for one in finding.fix if one["spec"].get("ingress")}
    if finding.id in _OF_SERVERS or all(view.settings.admits(own, space) for space in entered):
        return finding
    spaces = ", ".join(sorted(entered - {own}))
    why = f"it would open {spaces} to a client that nobody asked about: `--admit {own}`"
    return structs.replace(finding, fix=(), no_fix=why)


def review_policies(view: View, policies: Iterable[Policy], today: date) -> tuple[Finding, ...]:
    """Return the findings of each policy, and what each says, or does not say, as a part of its namespace."""
    wanted = {policy.ref: policy for policy in policies}
    own = Own(view)
    found = [one for policy in wanted.values() for one in check_policy(view, policy, own)]
    found += [one for policy in wanted.values() for one in check_enforced(view, policy)]
    for namespace in dict.fromkeys(policy.namespace for policy in wanted.values()):
        found += [
            one for one in check_namespace(view, namespace) if any(ref.at(None) in wanted for ref in one.policies)
        ]
    return configured(view.settings, found, today)[0]


def review_crd_policies(
    view: View, policies: Iterable[CrdPolicy], today: date, told: Collection[PolicyRef] = ()
) -> tuple[Finding, ...]:
    """Return the findings of policies of other families. `told`: those whose problems are errors of the input."""
    found: list[Finding] = []
    for policy in policies:
        found += check_enforced(view, policy)
        found += check_selects(view, policy)
        found += () if policy.ref in told else check_problems(view, policy)
    return configured(view.settings, found, today)[0]


def review_namespaces(view: View, namespaces: Iterable[str], today: date) -> tuple[Finding, ...]:
    """Return what is missing in namespaces as a whole; in part of a cluster that cannot be told."""
    if not view.complete:
        return ()
    found = [one for name in namespaces for one in check_namespace(view, name) if not one.policies]
    return configured(view.settings, found, today)[0]


# -- one slip, told once -----------------------------------------------------------------------------------------------

Slip = tuple[object, ...]  # hashable
Places = Mapping[PolicyRef | WorkloadRef, Location]
_OF_THE_RULE: Final = frozenset({"port", "protocol", "policyTypes"})  # near misses that are no client's fault


def told_once(findings: Iterable[Finding], places: Places) -> list[Finding]:
    """Return findings in which one slip that hits several workloads is one, where the policy or the server is."""
    slips: dict[Slip, list[Finding]] = {}
    for number, finding in enumerate(findings):
        slip = _server_slip(finding) or _policy_slip(finding) or (number,)
        slips.setdefault(slip, []).append(finding)
    return [some[0] if len(some) == 1 else _together(some, places) for some in slips.values()]


def _policy_slip(finding: Finding) -> Slip | None:
    """Return what one rule's slip has in common for all whom it hits; None: it may be the workload's own."""
    if finding.workload is None or len(finding.policies) != 1 or not finding.near_misses:
        return None
    look_up = bool(finding.flows) and all(flow.purpose == "dns" for flow in finding.flows)
    fields = {miss.field for miss in finding.near_misses}
    if any(miss.policy.at(None) != finding.policies[0] for miss in finding.near_misses):
        return None
    if "podLabels" in fields if look_up else not fields <= _OF_THE_RULE:
        return None
    ends = tuple((flow.to, flow.protocol, flow.port, flow.verdict) for flow in finding.flows)
    said = (finding.id, finding.severity, finding.source == "inferred", finding.dependency, finding.verdict)
    return (*said, finding.policies, finding.near_misses, ends, finding.facts)


def _server_slip(finding: Finding) -> Slip | None:
    """Return what NP203 says of a server; None: it is the client that dials another port than it means."""
    facts = dict(finding.facts)
    if finding.id != "NP203" or "workload" not in facts or "headless" in facts:
        return None
    return finding.id, finding.severity, finding.facts


def _together(several: list[Finding], places: Places) -> Finding:
    """Return one finding for all. What is declared goes before what is inferred."""
    first = min(several, key=lambda one: (one.source == "inferred", one.identity))
    whose: PolicyRef | WorkloadRef | None = first.policies[0] if first.policies else None
    if first.id == "NP203":
        named = dict(first.facts)["workload"]
        whose = next((ref for ref in places if isinstance(ref, WorkloadRef) and str(ref) == named), None)
    return structs.replace(
        first,
        workload=whose if isinstance(whose, WorkloadRef) else None,
        hits=tuple(sorted({one.workload for one in several if one.workload is not None})),
        fix=distinct(manifest for one in several for manifest in one.fix),
        assumptions=tuple(dict.fromkeys(note for one in several for note in one.assumptions)),
        location=first.location if whose is None else places.get(whose, first.location),
    )


UNREAD: Final = "it depends on namespaces or policies that you may not read"
_OF_ITSELF: Final = frozenset({"NP301", "NP302", "NP303"})  # what is said of a workload whatever is around it


def audit_readable(
    view: View, readable: Collection[str], workload: Workload, today: date, reviewed: Collection[WorkloadRef]
) -> Audited:
    """Judge a workload of a `readable` namespace, as `audit_workload` does, and keep what may be told."""
    seen = Seen(view, readable.__contains__)
    whole, small = judge_workload(view, workload), judge_workload(seen, workload)
    known = {one.text: one for one in whole.parts}
    told = {one.text for one in small.parts if _is_all_told(one, known.get(one.text), readable)}
    kept = tuple(
        one if one.text in told else _only_declared(one)
        for one in small.dependencies
        if one.text in told or one.source != "inferred"
    )
    audited = audit_workload(seen, workload, today, reviewed, asked=False)
    findings = tuple(one for one in audited.findings if _is_about(one, told))
    return structs.replace(audited, dependencies=kept, findings=findings)


def _is_all_told(small: Judged, whole: Judged | None, readable: Collection[str]) -> bool:
    """Say whether an answer rests on nothing but what may be read."""
    ends = [flow.to for flow in small.flows]
    return (
        whole is not None
        and bool(ends)
        and all(isinstance(end, WorkloadRef) and end.namespace in readable for end in ends)
        and (small.flows, small.verdict, small.reason, small.missing, small.assumptions)
        == (whole.flows, whole.verdict, whole.reason, whole.missing, whole.assumptions)
    )


def _only_declared(one: Judged) -> Judged:
    return Judged(one.text, one.source, Verdict.UNKNOWN, reason=UNREAD)


def _is_about(finding: Finding, told: Collection[str]) -> bool:
    """Say whether a finding is about the workload alone, or about an answer that is told."""
    if finding.id in _OF_ITSELF:
        return True
    return finding.source != "inbound" and finding.dependency in told
