"""`netpol-preflight.io/exempt`: which findings somebody answered for, with a reason and until when (design.md §6)."""

import re
from collections.abc import Iterable
from datetime import date
from typing import Final

from msgspec import Struct

from webhook.model.dependency import Malformed
from webhook.model.finding import Finding
from webhook.model.objects import Workload

FORM: Final = "NP102@postgres.production until=2026-12-31: reason"
MOST: Final = 100  # lines of one annotation
_LINE = re.compile(
    r"(?P<id>NP\d{3})(?:@(?P<dependency>[^\s]{1,300}))?(?:\s+until=(?P<until>\S{1,20}))?\s*:\s*(?P<reason>\S.*)"
)


class Exemption(Struct, frozen=True):
    """One line: a finding id, on one dependency or on all, until a day that is still included."""

    id: str
    dependency: str | None
    until: date | None
    reason: str

    def covers(self, finding: Finding) -> bool:
        """Say whether this is about `finding`; a dependency without a port stands for all of its ports."""
        if finding.id != self.id:
            return False
        text = finding.dependency or ""
        return self.dependency is None or self.dependency in (text, text.rpartition(":")[0])


def exemptions(workload: Workload, today: date) -> tuple[tuple[Exemption, ...], tuple[Malformed, ...]]:
    """Read the annotation. A line without a reason, or whose day is past, exempts nothing and is malformed."""
    good: list[Exemption] = []
    bad: list[Malformed] = []
    lines = [line.strip() for note in workload.exempt for line in note.text.splitlines() if line.strip()]
    for position, line in enumerate(lines[:MOST], 1):
        read = _read(line, today)
        if isinstance(read, Exemption):
            good.append(read)
        else:
            printable = "".join(c if c.isprintable() else "?" for c in line[:60])
            bad.append(Malformed(position, printable, read))
    return tuple(good), tuple(bad)


def _read(line: str, today: date) -> Exemption | str:
    match = _LINE.fullmatch(line)
    if match is None:
        return f"{FORM}"
    until = None
    if match["until"]:
        try:
            until = date.fromisoformat(match["until"])
        except ValueError:
            return f"a day as YYYY-MM-DD in until=: {FORM}"
        if until < today:
            return f"a day that is not past: {until} is over"
    return Exemption(match["id"], match["dependency"], until, match["reason"])


def without_exempt(findings: Iterable[Finding], granted: Iterable[Exemption]) -> tuple[tuple[Finding, ...], int]:
    """Return the findings that no exemption covers, and how many are covered."""
    every, grants = list(findings), list(granted)
    kept = tuple(f for f in every if not any(g.covers(f) for g in grants))
    return kept, len(every) - len(kept)
