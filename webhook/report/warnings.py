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
_REST: Final = 80  # room kept for the line that sums up what is left out
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


def warnings(findings: Iterable[Finding], notes: Iterable[str] = ()) -> list[str]:
    """Return the lines of one response; information is never one, notes come last."""
    every = [line(f) for f in order(findings) if f.severity > Severity.INFO]
    every += [clip(f"{PRODUCT}: {clean(note)}", LONGEST) for note in notes]
    return _within_budget(list(dict.fromkeys(every)))


def _within_budget(every: list[str]) -> list[str]:
    if len(every) <= MOST_LINES and sum(map(len, every)) <= MOST_CHARACTERS:
        return every
    kept: list[str] = []
    for text in every[: MOST_LINES - 1]:
        if sum(map(len, kept)) + len(text) > MOST_CHARACTERS - _REST:
            break
        kept.append(text)
    return [*kept, f"{PRODUCT}: and {len(every) - len(kept)} more: run `{PRODUCT} check`"]
