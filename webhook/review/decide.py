"""An admission request against a view: allowed or not, and what to say (design.md §6)."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final

from msgspec import structs

from webhook.checklist.workloads import malformed
from webhook.judge import judge_declared
from webhook.model.answers import MAY_REJECT, RAISED, Finding, Severity
from webhook.model.budget import FIXES, INFERRED, OTHERS, TOO_MUCH, UNLIMITED, Budget, Exhausted
from webhook.model.objects import Owner, Workload
from webhook.model.refs import WorkloadRef
from webhook.model.settings import MODE_LABEL, Mode
from webhook.review.changes import decide_change, draft_relabelled
from webhook.review.disclosed import seen_from, undisclosed, without_cause
from webhook.review.drafts import (
    HEARD,
    STALE,
    UNWRITTEN,
    Audit,
    Decision,
    Draft,
    Exemption,
    configured,
    exemptions,
    ignored,
    labelled_mode,
    mode_set,
    of_denial,
    of_warnings,
    ready,
    skipped,
    without_exempt,
)
from webhook.review.inbound import draft_server
from webhook.review.workload import draft_declared, draft_inferred, order
from webhook.wire.admission import AdmissionRequest
from webhook.world import Overlay, View
from webhook.world.changes import Memo
from webhook.world.controllers import maker_of

_CONTROLLERS: Final = (
    "cronjob-controller",
    "daemon-set-controller",
    "deployment-controller",
    "generic-garbage-collector",
    "job-controller",
    "replicaset-controller",
    "replication-controller",
    "statefulset-controller",
)
# Who edits a namespace can write any ownerReference, but cannot be one of these (with and without
# kube-controller-manager's --use-service-account-credentials). What they write follows from what was admitted.
CONTROL_PLANE: Final = frozenset(
    {"system:kube-controller-manager", *(f"system:serviceaccount:kube-system:{name}" for name in _CONTROLLERS)}
)


def reviewed_with_its_maker(request: AdmissionRequest, view: View) -> bool:
    """Say whether an object is of a workload that makes such objects, and that is there: by its name and uid.

    A controller of the control plane may be ahead of our watches, so that it is believed. An update by anybody else
    cannot put an object under a workload that it was not under before.
    """
    workload = request.workload
    if workload is None or workload.owner is None:
        return False
    if request.user in CONTROL_PLANE:
        return True
    if request.operation == "UPDATE" and _before(request) != _after(request):
        return False
    maker = maker_of(view, workload)
    return maker is not None and maker.uid in ("", request.controller)  # manifests have no uids


def taken_from_its_maker(request: AdmissionRequest) -> bool:
    """Say whether an update takes an object from the workload that it was reviewed with: it was never judged itself.

    What the control plane lets go of, when a Deployment is deleted without its pods, is as it was.
    """
    owner, _ = before = _before(request)
    return owner is not None and before != _after(request) and request.user not in CONTROL_PLANE


def _before(request: AdmissionRequest) -> tuple[Owner | None, str]:
    return (request.old.owner if request.old else None), request.old_controller


def _after(request: AdmissionRequest) -> tuple[Owner | None, str]:
    return (request.workload.owner if request.workload else None), request.controller


# Shares of the budget: whoever may reject is judged first and may take it all, the rest by the end of these.
_ADDED: Final = 0.5
_WRITTEN: Final = 0.8


def decide(
    request: AdmissionRequest, view: View, today: date, stale: str | None = None, budget: Budget = UNLIMITED
) -> Decision:
    """Judge the change against the world with the change in it, within a budget: what takes more is not judged.

    `stale`: why the world may be out of date.
    """
    mode, notes = mode_of(view, request.namespace)
    try:
        with view.within(budget):
            return _decided(request, view, today, stale, mode, notes)
    except Exhausted:
        return structs.replace(skipped(request, mode, TOO_MUCH), exhausted=True)


def _decided(
    request: AdmissionRequest, view: View, today: date, stale: str | None, mode: Mode, notes: tuple[str, ...]
) -> Decision:
    workload = request.workload
    if request.problem is not None:
        return skipped(request, mode, f"unreadable: {request.problem}")
    if workload is None:
        return decide_change(request, view, today, stale, mode, notes)
    if reviewed_with_its_maker(request, view):
        return skipped(request, mode, "controlled by another object, which was reviewed")
    if mode is Mode.OFF:
        return skipped(request, mode, "mode off")
    told = _Told(view, workload, today, mode)
    own = told.may_reject()
    denied = [] if stale else _rejected(view, request, mode, own, today)
    more, left_out = told.cannot_reject()
    drafts = sorted((*own, *more), key=lambda draft: order(draft.finding))
    shown, whole = None, dict[int, Finding]()
    if drafts or view.settings.disclose == "own":
        with view.budget.up_to(_WRITTEN):
            shown = _shown(view, workload, today, mode, drafts, denied) if view.settings.disclose == "own" else None
            read = (denied or drafts) if shown is None else shown
            written = of_denial(read) if denied else of_warnings(read if mode in HEARD else ())
            whole = {id(draft): finding for draft, finding in written}
    if UNWRITTEN in [finding.no_fix for finding in whole.values()]:
        left_out = (*left_out, FIXES)
    findings = tuple([whole.get(id(draft), draft.finding) for draft in drafts])
    rejected = tuple([whole.get(id(draft), draft.finding) for draft in denied])
    if stale:
        findings = tuple(structs.replace(f, assumptions=(*f.assumptions, f"{STALE}: {stale}")) for f in findings)
    return Decision(
        uid=request.uid,
        allowed=not rejected,
        mode=mode,
        findings=findings,
        rejected=rejected,
        audit=(*_audit(mode, findings, rejected, told.exempt), *_also(stale, left_out)),
        notes=notes,
        dry_run=request.dry_run,
        reviewed=True,
        left_out=left_out,
        shown=None if shown is None else tuple(whole.get(id(draft), draft.finding) for draft in shown),
    )


def _shown(
    view: View, workload: Workload, today: date, mode: Mode, every: list[Draft], denied: list[Draft]
) -> list[Draft]:
    """Return what may be said to whoever asks. Exemptions cover nothing of what a denial has to say."""
    if mode not in HEARD:
        return []
    seen = seen_from(view, workload.ref.namespace)
    granted = exemptions(workload, today)[0] if heeded(view, mode) and not denied else ()
    try:
        mine = _Told(seen, workload, today, mode)
        found = (*mine.may_reject(), *mine.cannot_reject()[0])
        return undisclosed((Overlay(view, [workload]), Overlay(seen, [workload])), workload, found, every, granted)
    except Exhausted:
        return [ready(without_cause(workload.ref, "its dependencies"))] if denied else []


_MODES: Final = Memo[str, tuple[Mode, tuple[str, ...]]](10_000)


def mode_of(view: View, namespace: str) -> tuple[Mode, tuple[str, ...]]:
    """Return the namespace's mode: its label's, else the configuration's. An unknown word is as good as none."""
    modes = view.memo(_MODES)
    found = modes.get(namespace)
    if found is None:
        found = Mode.OFF, ()
        if not ignored(view.settings, namespace):
            found = labelled_mode(view, namespace, MODE_LABEL, mode_set(view.settings, namespace))
        modes[namespace] = found
    return found


def heeded(view: View, mode: Mode) -> bool:
    """Say whether workloads can exempt themselves in this mode."""
    return mode is not Mode.ENFORCE or view.settings.heed_annotations_in_enforce


class _Told:
    """What is found of a workload, and how much more is `exempt`."""

    def __init__(self, view: View, workload: Workload, today: date, mode: Mode) -> None:
        self.exempt = 0
        self._view, self._workload, self._today = view, workload, today
        granted, self._bad = exemptions(workload, today)
        self._granted: tuple[Exemption, ...] = granted if heeded(view, mode) else ()
        self._overlay = Overlay(view, [workload])
        self._declared = judge_declared(self._overlay, workload)

    def may_reject(self) -> list[Draft]:
        """Return what is declared, and how."""
        bad = [ready(malformed(self._workload.ref, item, "exempt")) for item in self._bad]
        return [draft for one in (*draft_declared(self._overlay, self._declared), *bad) for draft in self._kept(one)]

    def inferred(self) -> Iterator[Draft]:
        """Yield what is inferred."""
        for draft in draft_inferred(self._overlay, self._declared):
            yield from self._kept(draft)

    def cannot_reject(self) -> tuple[list[Draft], tuple[str, ...]]:
        """Return what is inferred, and what others need of the workload; and what of it there was no time for."""
        others = self._others()
        parts = {INFERRED: self.inferred(), OTHERS: (kept for draft in others for kept in self._kept(draft))}
        found: list[Draft] = []
        left_out = []
        with self._view.budget.up_to(_ADDED):
            for name, drafts in parts.items():
                try:
                    for draft in drafts:
                        found.append(draft)  # noqa: PERF402 - what came before it ran out is kept
                except Exhausted:
                    left_out.append(name)
        return found, tuple(left_out)

    def _others(self) -> Iterator[Draft]:
        """Yield what clients lose by other labels, and then what else others need, without what those were told."""
        view, workload = self._view, self._workload
        told = set[WorkloadRef]()
        for draft in draft_relabelled(view, workload, self._today):
            told |= {draft.finding.workload} if draft.finding.workload else set()
            yield draft
        new = view.workloads.get(workload.ref) is None
        yield from draft_server(view, workload, self._today, new=new, without=told)

    def _kept(self, draft: Draft) -> Iterator[Draft]:
        told, some = configured(self._view.settings, (draft.finding,), self._today)
        kept, more = without_exempt(told, self._granted)
        self.exempt += some + more
        return (structs.replace(draft, finding=finding) for finding in kept)


def _rejected(view: View, request: AdmissionRequest, mode: Mode, drafts: list[Draft], today: date) -> list[Draft]:
    """Return what rejects: nothing that is unsure or inferred, and on an update nothing that was so before."""
    grave = [draft for draft in drafts if _may_reject(draft.finding)] if mode is Mode.ENFORCE else []
    if grave and not view.enforcer.decisive:
        return []
    if not grave or request.operation != "UPDATE" or taken_from_its_maker(request):
        return grave
    if request.old is None:
        return []  # what was so before cannot be told
    old = _Told(view, request.old, today, mode)
    before = {draft.finding.identity for draft in (*old.may_reject(), *old.inferred())}
    return [draft for draft in grave if draft.finding.identity not in before]


def _may_reject(found: Finding) -> bool:
    return found.id in MAY_REJECT | RAISED and found.severity is Severity.ERROR and not found.supposed


def _audit(mode: Mode, findings: tuple[Finding, ...], rejected: tuple[Finding, ...], exempt: int) -> Audit:
    if not findings and not exempt:
        return ("mode", str(mode)), ("verdict", "clean")
    worst = max((f.severity for f in findings), default=None)
    told = ",".join(sorted({f.id for f in findings}))
    verdict = "denied" if rejected else worst.word if worst else "clean"
    base = (("mode", mode.value), ("verdict", verdict))
    return (*base, *((("findings", told),) if told else ()), *((("exempt", str(exempt)),) if exempt else ()))


def _also(stale: str | None, left_out: Iterable[str]) -> Audit:
    missing = ",".join(left_out)
    return (*((("stale", stale),) if stale else ()), *((("left-out", missing),) if missing else ()))
