"""Findings: what is worth telling a person, as evidence. The sentences are made in `report`."""

from enum import IntEnum
from typing import Any, Final

from msgspec import Struct

from webhook.model.dependency import Source
from webhook.model.refs import EXPECTED, PolicyRef, WorkloadRef
from webhook.model.verdict import FlowVerdict, NearMiss, Verdict

Manifest = dict[str, Any]  # one Kubernetes object, ready to be written as YAML or JSON


class Severity(IntEnum):
    """Ordered: the worst is the highest."""

    INFO = 1
    WARNING = 2
    ERROR = 3

    @property
    def word(self) -> str:
        """The name in output: `error`, `warning`, `info`."""
        return self.name.lower()


DEFAULT_SEVERITY: Final = {
    "NP101": Severity.ERROR,
    "NP102": Severity.ERROR,
    "NP103": Severity.ERROR,
    "NP104": Severity.ERROR,
    "NP105": Severity.WARNING,
    "NP106": Severity.INFO,
    "NP107": Severity.INFO,
    "NP108": Severity.WARNING,
    "NP109": Severity.WARNING,
    "NP201": Severity.WARNING,
    "NP202": Severity.WARNING,
    "NP203": Severity.INFO,
    "NP204": Severity.WARNING,
    "NP301": Severity.WARNING,
    "NP302": Severity.INFO,
    "NP303": Severity.WARNING,
    "NP304": Severity.INFO,
    "NP305": Severity.INFO,
    "NP306": Severity.INFO,
    "NP401": Severity.WARNING,
    "NP402": Severity.WARNING,
    "NP403": Severity.WARNING,
    "NP404": Severity.WARNING,
    "NP405": Severity.INFO,
    "NP406": Severity.WARNING,
    "NP408": Severity.WARNING,
    "NP409": Severity.WARNING,
    "NP501": Severity.WARNING,
    "NP502": Severity.WARNING,
    "NP503": Severity.WARNING,
    "NP504": Severity.INFO,
}
UNDISCLOSED: Final = "NP102 or NP201"  # said of a dependency where which of all it is may not be told
MAY_REJECT: Final = frozenset({"NP101", "NP102", "NP103", "NP104"})
RAISED: Final = frozenset({"NP301", "NP302", "NP303"})  # reject where the configuration makes them errors


class Location(Struct, frozen=True):
    """Where a document begins: its file (`-` for standard input) and first line, counted from 1."""

    file: str
    line: int


class Finding(Struct, frozen=True):
    """One finding. There is one per (workload, dependency, id).

    `facts` are the words that its message is made of, by name; `flows` the flows it is about. `hits`: the workloads,
    two at least, that one slip of another hits: `workload` is whose it is then, or None where it is a policy's.
    """

    id: str
    severity: Severity
    workload: WorkloadRef | None
    dependency: str | None = None
    source: Source = "annotation"
    verdict: Verdict | None = None
    policies: tuple[PolicyRef, ...] = ()
    near_misses: tuple[NearMiss, ...] = ()
    flows: tuple[FlowVerdict, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    fix: tuple[Manifest, ...] = ()
    no_fix: str | None = None
    assumptions: tuple[str, ...] = ()
    location: Location | None = None
    hits: tuple[WorkloadRef, ...] = ()

    @property
    def supposed(self) -> bool:
        """Whether it is about what is only inferred, or pods that are only expected: a warning at most."""
        return self.source == "inferred" or any(
            isinstance(flow.to, WorkloadRef) and flow.to.kind == EXPECTED for flow in self.flows
        )

    @property
    def identity(self) -> tuple[str, str, str]:
        """What stays the same when the same thing is found again."""
        return (self.id, str(self.workload), self.dependency or "")
