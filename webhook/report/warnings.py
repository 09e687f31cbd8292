"""Warning lines for `response.warnings`: few, short, in a stable order.

Limits: Kubernetes asks for 120 characters and may cut at 256 (`k8s.io/api/admission/v1` AdmissionResponse.warnings);
all webhooks of one request share 4,096 (`k8s.io/apiserver/pkg/endpoints/filters/warning.go`), of which half is taken.
"""

from collections.abc import Iterable
from typing import Final

from webhook.model.finding import Finding, Severity
from webhook.model.settings import PRODUCT
from webhook.report.safe import clean, clip
from webhook.report.words import UNADMITTED, mark, near_misses, remedy, sentence
from webhook.review.draft import MOST_WARNINGS, rank

MOST_LINES: Final = MOST_WARNINGS
MOST_CHARACTERS: Final = 2_048
LONGEST: Final = 256
WANTED: Final = 120
_REST: Final = 120  # room kept for the line that sums up what is left out
_OF_CHANGES: Final = frozenset({"NP501", "NP502", "NP503"})
_NAME_LIMITS: Final = (None, 40, 24, 16)  # characters left of one name, tried in turn


def order(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings worst first, then by id, workload and dependency."""
    return sorted(findings, key=rank)


def line(finding: Finding) -> str:
    """Return one finding as one warning: what, near miss where there is room, id and remedy always."""
    end = f"{mark(finding)} ({finding.id}); {clip(remedy(finding), LONGEST // 3)}"
    room = LONGEST - len(PRODUCT) - len(": ") - len(end)
    body = ""
    for limit in _NAME_LIMITS:
        body = sentence(finding, limit)
        if len(body) > room - (LONGEST - WANTED):
            body = body.removesuffix(UNADMITTED)
        if len(body) <= room:
            break
    body = clip(body, room)
    for miss in near_misses(finding)[:1]:
        if len(body) + len("; ") + len(miss) <= room:
            body = f"{body}; {miss}"
    return f"{PRODUCT}: {body}{end}"


def warnings(findings: Iterable[Finding], notes: Iterable[str] = (), *, partly: bool = False) -> list[str]:
    """Return the lines of one response; information is never one, notes come last. `partly`: there may be more."""
    every: dict[str, Finding | None] = {line(f): f for f in order(findings) if f.severity > Severity.INFO}
    every |= {clip(f"{PRODUCT}: {clean(note)}", LONGEST): None for note in notes}
    return _within_budget(every, "at least " if partly else "")


def _within_budget(every: dict[str, Finding | None], least: str) -> list[str]:
    if len(every) <= MOST_LINES and sum(map(len, every)) <= MOST_CHARACTERS:
        return list(every)
    kept: list[str] = []
    for text in list(every)[: MOST_LINES - 1]:
        if sum(map(len, kept)) + len(text) > MOST_CHARACTERS - _REST:
            break
        kept.append(text)
    return [
        *kept,
        f"{PRODUCT}: and {least}{_left_out([every[text] for text in kept], list(every.values())[len(kept) :])}",
    ]


def _left_out(shown: Iterable[Finding | None], rest: list[Finding | None]) -> str:
    """Sum up what has no room: of a change that others lose by, how many more of them there are, and where."""
    who = {one.workload for one in rest if one is not None and one.id in _OF_CHANGES and one.workload is not None}
    more = who - {one.workload for one in shown if one is not None}
    if not more:
        return f"{len(rest)} more: run `{PRODUCT} check`"
    spaces = len({ref.namespace for ref in more})
    workloads = f"{len(more)} more {'workload' if len(more) == 1 else 'workloads'}"
    where = f"{spaces} {'namespace' if spaces == 1 else 'namespaces'}"
    return f"{workloads} in {where}; run `{PRODUCT} check -f FILE --against cluster`"
