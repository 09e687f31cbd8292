"""A decision, and findings as far as they decide anything: the rest of each is written only where somebody reads it."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from msgspec import Struct, json, structs

from webhook.model.budget import Exhausted
from webhook.model.finding import Finding, Severity
from webhook.model.settings import Mode
from webhook.wire.admission import AdmissionRequest

MOST_WARNINGS: Final = 8  # lines of one answer
MOST_FIXES: Final = 16_384  # bytes: a denial's message has no room for more
UNWRITTEN: Final = "too much to work out in time: run `netpol-preflight fix`"
HEARD: Final = frozenset({Mode.WARN, Mode.ENFORCE})  # modes in which the person who applies is told
STALE: Final = "what is known of the cluster may be out of date"
Audit = tuple[tuple[str, str], ...]


class Decision(Struct, frozen=True):
    """The answer to one request. `rejected` are the findings that deny it; `notes` are further warnings.

    `reviewed` False: nothing was judged, and `audit` says why. `exhausted`: it would have taken more than the budget.
    `left_out`: what of the rest would have, of `budget.LEFT_OUT`. `shown`: what may be said, where that is not all.
    """

    uid: str
    allowed: bool = True
    mode: Mode = Mode.OFF
    findings: tuple[Finding, ...] = ()
    rejected: tuple[Finding, ...] = ()
    audit: Audit = ()
    notes: tuple[str, ...] = ()
    dry_run: bool = False
    reviewed: bool = False
    exhausted: bool = False
    left_out: tuple[str, ...] = ()
    shown: tuple[Finding, ...] | None = None


def skipped(request: AdmissionRequest, mode: Mode, why: str) -> Decision:
    """Return the answer to what is not judged: allowed, and the audit log says why."""
    audit = (("mode", mode.value), ("not-evaluated", why))
    return Decision(request.uid, mode=mode, audit=audit, dry_run=request.dry_run)


class Draft(Struct, frozen=True):
    """A finding without near misses and fix. `whole` returns it with both, which take most of what a review costs."""

    finding: Finding
    whole: Callable[[], Finding]


def ready(finding: Finding) -> Draft:
    """Return a finding to which nothing is to be added."""
    return Draft(finding, lambda: finding)


def rank(finding: Finding) -> tuple[object, ...]:
    """Sort key of what is shown: worst first, then by id, workload and dependency; last what others claim (NP109)."""
    return (-finding.severity, finding.id == "NP109", *finding.identity)


def of_warnings(drafts: Iterable[Draft]) -> Iterator[tuple[Draft, Finding]]:
    """Yield the drafts that become warning lines, each with the whole finding."""
    heard = (draft for draft in drafts if draft.finding.severity > Severity.INFO)
    for draft in sorted(heard, key=lambda one: rank(one.finding))[:MOST_WARNINGS]:
        yield draft, _whole(draft)


def of_denial(drafts: Iterable[Draft]) -> Iterator[tuple[Draft, Finding]]:
    """Yield the drafts that a denial has room for, each with the whole finding."""
    written, size = set[bytes](), 0
    for draft in sorted(drafts, key=lambda one: rank(one.finding)):
        if size >= MOST_FIXES:
            return
        found = _whole(draft)
        policies = {json.encode(manifest) for manifest in found.fix} - written
        written |= policies
        size += sum(map(len, policies))
        yield draft, found


def _whole(draft: Draft) -> Finding:
    """Return the whole finding; what was found stands where there is no time for the rest."""
    try:
        whole = draft.whole()
    except Exhausted:
        return structs.replace(draft.finding, no_fix=UNWRITTEN)
    return structs.replace(whole, severity=draft.finding.severity)
