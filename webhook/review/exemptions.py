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
SHOWN: Final = 60  # characters of a malformed line that a message repeats
_LINE = re.compile(  # a dependency has colons of its own: only one before a space ends it
    r"(?P<id>NP[0-9]{3})(?:@(?P<dependency>\S{1,300}?)(?=\s|:\s))?(?:\s+until=(?P<until>[^\s:]{1,20}))?\s*:\s*(?P<reason>\S.*)"
)


class Exemption(Struct, frozen=True):
    """One line: a finding id, on one dependency or on all, until a day that is still included."""

    id: str
    dependency: str | None
    until: date | None
    reason: str

    def covers(self, finding: Finding) -> bool:
        """Say whether this is about `finding`.

        The dependency may be canonical or as the annotation takes it: without a port it stands for all of its ports,
        without a protocol for TCP, without a namespace for the workload's own.
        """
        if finding.id != self.id:
            return False
        if self.dependency is None:
            return True
        host, _, port = (finding.dependency or "").rpartition(":")
        space = finding.workload.namespace if finding.workload else ""
        hosts = {host, host.removesuffix(f".{space}")}
        spoken = {finding.dependency, *hosts, *(f"{h}:{p}" for h in hosts for p in (port, port.removesuffix("/TCP")))}
        return self.dependency.lower() in {text.lower() for text in spoken if text}


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
            bad.append(Malformed(position, _shown(line), read))
    if len(lines) > MOST:
        bad.append(Malformed(MOST + 1, "…", f"at most {MOST} lines"))
    return tuple(good), tuple(bad)


def _shown(line: str) -> str:
    """Return as much of a malformed line as is safe to print: a URL's user info is not."""
    head, slashes, _ = line.partition("://")
    text = f"{head}{slashes}…" if slashes else head
    return "".join(c if c.isprintable() else "?" for c in text[:SHOWN])


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
