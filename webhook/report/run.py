"""What a run over files has to say beside its findings."""

from collections.abc import Iterable
from typing import Self

from msgspec import Struct

from webhook.model.answers import Finding, Severity


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

    `stale`: so long ago that the cluster may look different by now.
    """

    taken: str | None = None
    cluster: str = ""
    stale: bool = False
