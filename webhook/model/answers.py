"""Dependencies, verdicts with the evidence they rest on, and findings. The sentences are made in `report`."""

from collections.abc import Iterable
from enum import IntEnum, StrEnum
from typing import Any, Final, Literal

from msgspec import Struct

from webhook.model.addresses import Address, Block, Protocol
from webhook.model.refs import EXPECTED, PolicyRef, WorkloadRef

Source = Literal["annotation", "inferred", "config", "inbound", "policy"]


class NameTarget(Struct, frozen=True):
    """A DNS name: its parts without `svc` and the cluster domain. `namespace` None: the workload's own.

    `absolute`: written with `.svc`, so that it can be nothing but a name in the cluster.
    `scheme`: it stood in a URL. `host`: the whole name as written, for when it is external after all.
    """

    host: str
    scheme: bool = False


class WorkloadTarget(Struct, frozen=True):
    """A workload itself: `deploy/api.shop`. `namespace` None: the workload's own."""

    kind: str
    name: str
    namespace: str | None = None


Target = NameTarget | WorkloadTarget | Address | Block


class Dependency(Struct, frozen=True):
    """One declared item. `port` None: every port of the Service; a str: a port by name."""

    target: Target
    port: int | str | None = None
    protocol: Protocol = "TCP"
    source: Source = "annotation"


class Malformed(Struct, frozen=True):
    """An item that cannot be read. `position` counts items from 1; `item` is already safe to print.

    `place`: which annotation it is in, the workload's own (`metadata`) or its `template`'s.
    """

    position: int
    item: str
    expected: str
    source: Source = "annotation"
    place: str = "metadata"


Declared = Dependency | Malformed


class Verdict(StrEnum):
    """What happens to the first packet of a connection."""

    ALLOWED = "allowed"
    DENIED = "denied"
    PARTIAL = "partial"
    UNKNOWN = "unknown"


CLOSED: Final = (Verdict.DENIED, Verdict.PARTIAL)  # something surely does not pass


def together(parts: Iterable[Verdict]) -> Verdict:
    """Sum up the verdicts of backends, ports or addresses that one client meets in turn.

    Some sure to pass and some sure not to: partial, whatever else is not known. None at all: unknown.
    """
    seen = set(parts)
    if Verdict.PARTIAL in seen or {Verdict.ALLOWED, Verdict.DENIED} <= seen:
        return Verdict.PARTIAL
    return seen.pop() if len(seen) == 1 else Verdict.UNKNOWN


def both(egress: Verdict, ingress: Verdict) -> Verdict:
    """Join the two sides of one connection: it passes only where both let it pass."""
    if egress is ingress:
        return egress
    for worst in (Verdict.DENIED, Verdict.UNKNOWN, Verdict.PARTIAL):
        if worst is egress or worst is ingress:
            return worst
    return Verdict.ALLOWED


class NearMiss(Struct, frozen=True, order=True, gc=False):
    """A rule, or a policy, that would have let the packet through but for one thing.

    `field` is one of podLabels, namespaceLabels, namespace, serviceAccount, cidr, port, protocol, policyTypes.
    """

    policy: PolicyRef
    field: str
    want: str
    have: str


class TierResult(Struct, frozen=True, gc=False):
    """What one tier made of a packet: `policies` select the pod there, `rule` decided, if one did.

    `outcome` is one of allowed, denied, passed (a rule leaves the tier), unmatched and unknown.
    """

    tier: str
    policies: tuple[PolicyRef, ...]
    outcome: str
    rule: PolicyRef | None = None
    position: str = ""


class Side(Struct, frozen=True, gc=False):
    """One direction's answer. `isolated` None: it cannot be told. `policies`: those that isolate or deny, sorted.

    `admitted_by` and `denied_by` name the policy and the rule that decided; `denied_by` None: no rule did, and the
    policies isolate. `position`: the place of what decided in a person's words, `Admin tier, priority 10`. `final`: no
    NetworkPolicy can change the denial, for it is made before any is asked. `tier_results`: of each tier asked,
    in order; empty where there are none but NetworkPolicy's. `refused`: what is stopped is answered by a refusal.
    `perhaps`: rules that may deny it before.
    """

    verdict: Verdict
    isolated: bool | None = False
    policies: tuple[PolicyRef, ...] = ()
    admitted_by: PolicyRef | None = None
    reason: str | None = None
    near_misses: tuple[NearMiss, ...] = ()
    denied_by: PolicyRef | None = None
    final: bool = False
    position: str = ""
    tier_results: tuple[TierResult, ...] = ()
    refused: bool = False
    perhaps: tuple[PolicyRef, ...] = ()


OPEN = Side(Verdict.ALLOWED)


class Host(Struct, frozen=True, order=True, gc=False):
    """A name outside the cluster."""

    name: str


Destination = WorkloadRef | Block | Host


class FlowVerdict(Struct, frozen=True, gc=False):
    """The answer for one flow: `pods` pods (0: judged by a template, or no pods at all) on one port."""

    to: Destination
    pods: int
    protocol: Protocol
    port: int
    service_port: int | None
    verdict: Verdict
    egress: Side
    ingress: Side
    purpose: str = "connection"  # or "dns": the look-up that the connection needs first
    notes: tuple[str, ...] = ()
    tunnel: int | None = None  # the port that a mesh may carry packets to instead
    fronted: bool = False  # egress was judged by the Service's own address and port, before translation
    holder: str = ""  # who of the cluster has the address, where it is one: `node n1`; empty: somebody outside


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
    """Where a document begins: its file (`-` for standard input) and first line, counted from 1.

    `template`: the file of a repository that a program rendered it from, where that is known.
    """

    file: str
    line: int
    template: str = ""


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
