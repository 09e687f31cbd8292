"""What a run over files has to say beside its findings, and all of it for the formats that programs of CI read."""

from collections.abc import Iterable, Mapping
from typing import Self

from msgspec import Struct

from webhook.judge import Judged
from webhook.model.answers import Finding, Location, Severity, Source, Verdict
from webhook.model.refs import WorkloadRef
from webhook.review.baseline import Entry


class Failure(Struct, frozen=True, order=True):
    """Input that could not be read: `line` counts from 1, 0 where there is none; `message` says why."""

    file: str
    line: int
    message: str


class Summary(Struct, frozen=True):
    """How many findings of each severity, workloads and policies checked, and documents skipped."""

    error: int
    warning: int
    info: int
    checked: int
    skipped: int

    @classmethod
    def of(cls, findings: Iterable[Finding], checked: int, skipped: int) -> Self:
        """Count `findings`."""
        severities = [finding.severity for finding in findings]
        return cls(
            error=severities.count(Severity.ERROR),
            warning=severities.count(Severity.WARNING),
            info=severities.count(Severity.INFO),
            checked=checked,
            skipped=skipped,
        )


class Origin(Struct, frozen=True):
    """Where a world comes from. `taken`: when (RFC 3339), None for files; `cluster`: its API server's address.

    `stale`: so long ago that the cluster may look different by now. `part`: what of it is looked at, where not all is.
    """

    taken: str | None = None
    cluster: str = ""
    stale: bool = False
    part: str = ""


class Row(Struct, frozen=True):
    """One dependency of one workload; `findings`: the ids of those about it; `judged`: its way, flow by flow."""

    workload: WorkloadRef
    dependency: str
    source: Source
    verdict: Verdict
    findings: tuple[str, ...] = ()
    judged: Judged | None = None


class Run(Struct, frozen=True, kw_only=True):
    """What a command found. `findings`: in order, without what a baseline accepts; `rows`: what was judged.

    `places`: where workloads are; `fails_from`: the least severity that fails the run, None: none does. `compared`:
    findings of something else were taken away, so that these are new; by a baseline `accepted` many, and `unmet` is
    what it accepts that is not there. `version`: the program's.
    """

    command: str
    findings: tuple[Finding, ...]
    failures: tuple[Failure, ...]
    summary: Summary
    rows: tuple[Row, ...] = ()
    places: Mapping[WorkloadRef, Location] = {}
    fails_from: Severity | None = Severity.ERROR
    compared: bool = False
    accepted: int = 0
    unmet: tuple[Entry, ...] = ()
    version: str = ""


def place(location: Location | None) -> tuple[str, int]:
    """Return the file to look at, and the line: of what was rendered its template, whose lines are not known."""
    if location is None:
        return "", 0
    return (location.template, 1) if location.template else (location.file, location.line)
