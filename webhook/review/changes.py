"""A write of a policy, of a Namespace's labels or of a Service: who loses what by it (NP501 to NP504)."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final

from msgspec import Struct, structs

from webhook.families import project
from webhook.model.answers import DEFAULT_SEVERITY, Finding, Verdict
from webhook.model.budget import FIXES, OTHERS, Exhausted
from webhook.model.crd_policies import CrdPolicy
from webhook.model.objects import Namespace, Service, Workload
from webhook.model.policy import Direction, Policy
from webhook.model.refs import WorkloadRef
from webhook.model.settings import POLICY_MODE_LABEL, PRODUCT, Mode
from webhook.review.blast_radius import Radius
from webhook.review.disclosed import seen_from
from webhook.review.drafts import (
    HEARD,
    STALE,
    UNWRITTEN,
    Audit,
    Decision,
    Draft,
    configured,
    labelled_mode,
    of_denial,
    of_warnings,
    rank,
    skipped,
)
from webhook.review.touched import Change, Written, change_of, changed
from webhook.wire.admission import AdmissionRequest
from webhook.wire.shapes import Malformed, mapping
from webhook.world import Change as Step
from webhook.world import Drop, Overlay, Put, View
from webhook.world.changes import key_of
from webhook.world.pod_labels import is_account
from webhook.world.proposed import Proposed

_JUDGED: Final = 0.6  # of the budget, until which workloads are judged; then come near misses and fixes
_WRITTEN: Final = 0.9
_READ: Final = 9  # steps for each value in an object that is written
_SHOWN: Final = 3  # of what a deletion opens
_SYSTEM: Final = "system:serviceaccount:kube-system:"
_CONTROLLERS: Final = frozenset(
    {"system:kube-controller-manager", "system:cloud-controller-manager", "system:apiserver"}
)


class Steps(Struct, frozen=True):
    """What a request does to the world, and of what kinds of value. `why`: nothing of it can take anything away."""

    steps: tuple[Step, ...] = ()
    values: tuple[Written, ...] = ()
    why: str = ""


class Lost(Struct, frozen=True):
    """What was found: drafts in the order in which they are reported. `unseen`: workloads that there was no time for.

    `misread`: what of the policies that are written is not understood, so that nothing sure can be said of it.
    """

    drafts: tuple[Draft, ...] = ()
    deleted: Finding | None = None
    looked: int = 0
    unseen: int = 0
    misread: tuple[str, ...] = ()


def decide_change(
    request: AdmissionRequest, view: View, today: date, stale: str | None, mode: Mode, notes: tuple[str, ...]
) -> Decision:
    """Judge a write of anything but a workload. `mode`: of workloads in that namespace; `stale`: as in `decide`."""
    try:
        steps = steps_of(request, view)
    except Malformed as error:
        return skipped(request, mode, f"unreadable: {error}")
    mode, more = policy_mode(view, request.namespace, mode)
    why = steps.why or ("written by the control plane" if request.user in _CONTROLLERS else "")
    if why or mode is Mode.OFF:
        return skipped(request, mode, why or "mode off")
    every = lost_by(view, steps, today, request.namespace)
    own = view.settings.disclose == "own" and bool(request.namespace)
    told = seen_by(view, steps, today, request.namespace, every) if own else every
    denied = [] if stale else may_reject(request, view, mode, told.drafts)
    with view.budget.up_to(_WRITTEN):
        written = of_denial(denied) if denied else of_warnings(told.drafts if mode in HEARD else ())
        whole = {id(draft): finding for draft, finding in written}
    findings = tuple(whole.get(id(draft), draft.finding) for draft in told.drafts)
    if stale:
        findings = tuple(structs.replace(f, assumptions=(*f.assumptions, f"{STALE}: {stale}")) for f in findings)
    left_out = (
        *((OTHERS,) if every.unseen else ()),
        *((FIXES,) if any(finding.no_fix == UNWRITTEN for finding in findings) else ()),
    )
    return Decision(
        uid=request.uid,
        allowed=not denied,
        mode=mode,
        findings=(*findings, *((told.deleted,) if told.deleted else ())),
        rejected=tuple(whole.get(id(draft), draft.finding) for draft in denied),
        audit=_audit(mode, every, stale, left_out, denied=bool(denied)),
        notes=(
            *notes,
            *more,
            *(every.misread if mode in HEARD else ()),
            *(_unseen(every, own=own) if mode in HEARD else ()),
        ),
        dry_run=request.dry_run,
        reviewed=True,
        left_out=left_out,
    )


def _audit(mode: Mode, lost: Lost, stale: str | None, left_out: tuple[str, ...], *, denied: bool) -> Audit:
    found = [draft.finding for draft in lost.drafts] + ([lost.deleted] if lost.deleted else [])
    worst = max((one.severity for one in found), default=None)
    told = {
        "mode": mode.value,
        "verdict": "denied" if denied else worst.word if worst else "clean",
        "findings": ",".join(sorted({one.id for one in found})),
        "deleting": ", ".join(f"{name}: {text}" for name, text in (lost.deleted.facts if lost.deleted else ())),
        "stale": stale or "",
        "left-out": ",".join(left_out),
    }
    return tuple((key, value) for key, value in told.items() if value)


def _unseen(lost: Lost, *, own: bool) -> tuple[str, ...]:
    """Say that not everybody was looked at. `own`: nothing is told of how many others there are."""
    if not lost.unseen:
        return ()
    who = "not everybody who" if own else f"{lost.looked} of {lost.looked + lost.unseen} workloads that"
    return (f"{who} may lose by this were looked at in time: `{PRODUCT} check -f FILE --against cluster` looks at all",)


def steps_of(request: AdmissionRequest, view: View) -> Steps:
    """Read what is written. Raises Malformed."""
    gone = request.operation == "DELETE"
    raw = request.raw_old if gone else request.raw
    if not raw:
        return Steps(why="not a write that others may depend on")
    view.budget.spend_on([part for key, part in raw.items() if key not in ("metadata", "status")], _READ)
    space = request.namespace or "default"
    value = project(raw, space)
    if not isinstance(value, Policy | CrdPolicy | Namespace | Service) or isinstance(value, Workload):
        return Steps(why="not a write that others may depend on")
    if not gone and mapping(raw, "metadata", "").get("deletionTimestamp"):
        return Steps(why="it is being deleted")
    if isinstance(value, Namespace) and (gone or view.namespaces.get(value.name).synthetic):
        return Steps(why="a namespace that comes or goes")
    if (isinstance(value, Namespace | Service) or is_account(value)) and request.operation == "CREATE":
        return Steps(why="what is new takes nothing away")
    if is_account(value) and not gone and not changed(view, (value,)):
        return Steps(why="what policies see of it is the same")
    return Steps((key_of(value) if gone else Put(value),), (value,))


def policy_mode(view: View, namespace: str, mode: Mode) -> tuple[Mode, tuple[str, ...]]:
    """Return what a change costs: what the namespace's label says, else `mode`, which never rejects here."""
    base = Mode.WARN if mode is Mode.ENFORCE else mode
    if not namespace or mode is Mode.OFF:
        return base, ()
    return labelled_mode(view, namespace, POLICY_MODE_LABEL, base)


def lost_by(view: View, steps: Steps, today: date, namespace: str) -> Lost:
    """Judge whom the change can touch, those first whose own side it touches, until there is no more time.

    `namespace`: of whoever writes it, where there is one.
    """
    after, change = Proposed(view, steps.steps), change_of(steps.values)
    if not after.enforcer.enforces:
        return Lost()
    radius = Radius(view, after, change, opening=any(isinstance(step, Drop) for step in steps.steps))
    refs = sorted(radius.candidates, key=lambda ref: ref.namespace != namespace)
    drafts: list[Draft] = []
    opened: list[str] = []
    looked = 0
    try:
        with view.budget.up_to(_JUDGED):
            for ref in refs:
                turned = radius.of(ref)
                drafts += radius.kept(turned.lost, today)
                opened += [f"{ref.short} -> {text}" for text in turned.opened]
                looked += 1
    except Exhausted:
        pass
    try:
        found = _deleted(view, after, radius, steps, opened, drafts)
        deleted = next(iter(configured(view.settings, [found] if found else [], today)[0]), None)
    except Exhausted:
        deleted = None
    shown = tuple(sorted(drafts, key=lambda one: rank(one.finding)))
    return Lost(shown, deleted, looked, len(refs) - looked, tuple(_misread(after, steps)))


def _misread(after: View, steps: Steps) -> Iterator[str]:
    """Yield what is wrong with the policies that are written, where the enforcer would read them."""
    problems = after.policies.problems()
    for value in steps.values:
        if isinstance(value, Policy):
            broken = [value.unreadable] if value.unreadable else list(problems.get(value.ref, ()))
        elif isinstance(value, CrdPolicy) and (value.group, value.ref.kind) in after.dialect.evaluated:
            broken = list(problems.get(value.ref, ()))
        else:
            continue
        if broken:
            yield f"{value.ref.titled} cannot be read: {broken[0]}; who loses by it is not known"


def deleted_by(view: View, values: Iterable[Written], today: date) -> tuple[Finding, ...]:
    """Return what others lose where these values are taken away, and last what that opens and closes."""
    gone = tuple(value for value in values if not isinstance(value, Namespace | Workload))
    lost = lost_by(view, Steps(tuple(map(key_of, gone)), gone), today, "")
    return (*(draft.whole() for draft in lost.drafts), *((lost.deleted,) if lost.deleted else ()))


def seen_by(view: View, steps: Steps, today: date, namespace: str, every: Lost) -> Lost:
    """Return as much of what is lost as may be told in `namespace`: what is seen from there, and so in the whole."""
    known = {draft.finding.identity for draft in every.drafts}
    found = lost_by(seen_from(view, namespace), steps, today, namespace)
    return structs.replace(
        found, drafts=tuple(one for one in found.drafts if one.finding.identity in known), deleted=None, unseen=0
    )


def may_reject(request: AdmissionRequest, view: View, mode: Mode, drafts: Iterable[Draft]) -> list[Draft]:
    """Return what rejects: what was declared, was sure to pass and is sure to be dropped."""
    automatic = request.user.startswith(_SYSTEM) or request.user in _CONTROLLERS
    goes = request.operation == "DELETE" or view.namespaces.get(request.namespace).deleting
    if mode is not Mode.ENFORCE or goes or automatic or not view.enforcer.decisive:
        return []
    return [
        one
        for one in drafts
        if one.finding.verdict is Verdict.DENIED and one.finding.source in ("annotation", "config")
    ]


def draft_relabelled(view: View, workload: Workload, today: date) -> Iterable[Draft]:
    """Yield what clients lose by a change of the labels of a workload that is there already (NP502)."""
    old = view.workloads.get(workload.ref)
    if old is None or old.template.pod_class == workload.template.pod_class or not view.enforcer.enforces:
        return
    change = Change(workloads=frozenset({workload.ref}))
    radius = Radius(view, Overlay(view, [workload], anew=True), change)
    for ref in radius.candidates:
        if ref != workload.ref:
            yield from radius.kept(radius.of(ref).lost, today)


# -- NP504 -------------------------------------------------------------------------------------------------------------


def _deleted(
    view: View, after: View, radius: Radius, steps: Steps, opened: list[str], drafts: list[Draft]
) -> Finding | None:
    """Return what deleting a policy opens and closes; None where nothing is deleted, or nothing comes of it."""
    gone = [value for value in steps.values if isinstance(value, Policy | CrdPolicy) and not is_account(value)]
    if not gone or not any(isinstance(step, Drop) for step in steps.steps):
        return None
    closed = [f"{one.finding.workload.short} -> {one.finding.dependency}" for one in drafts if one.finding.workload]
    free = sorted(_freed(view, after, {*radius.reach.sources, *radius.reach.servers}))
    some = (("opens", opened), ("closes", closed), ("free", [ref.short for ref in free]))
    facts = tuple((name, _some(texts)) for name, texts in some if texts)
    refs = tuple(sorted(value.ref.at(None) for value in gone))
    return (
        Finding("NP504", DEFAULT_SEVERITY["NP504"], None, source="policy", policies=refs, facts=facts)
        if facts
        else None
    )


def _some(texts: list[str]) -> str:
    every = list(dict.fromkeys(texts))
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more


def _freed(view: View, after: View, refs: Iterable[WorkloadRef]) -> Iterable[WorkloadRef]:
    """Yield the workloads that a policy isolates in some direction, and none after the change."""
    for ref in refs:
        workload = view.workloads.get(ref)
        if workload is not None and any(_frees(view, after, workload, direction) for direction in Direction):
            yield ref


def _frees(view: View, after: View, workload: Workload, direction: Direction) -> bool:
    pod_class = workload.template.pod_class
    was, now = (
        [compiled for compiled, _ in one.policies.selecting(pod_class, direction) if compiled.default_deny]
        for one in (view, after)
    )
    return bool(was) and not now
