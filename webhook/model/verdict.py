"""Answers, and the evidence they rest on."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from msgspec import Struct

from webhook.model.addresses import Block, Protocol
from webhook.model.refs import PolicyRef, WorkloadRef


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
    sides = {egress, ingress}
    for worst in (Verdict.DENIED, Verdict.UNKNOWN, Verdict.PARTIAL):
        if worst in sides:
            return worst
    return Verdict.ALLOWED


class NearMiss(Struct, frozen=True, order=True):
    """A rule, or a policy, that would have let the packet through but for one thing.

    `field` is one of podLabels, namespaceLabels, namespace, serviceAccount, cidr, port, protocol, policyTypes.
    """

    policy: PolicyRef
    field: str
    want: str
    have: str


class Stage(Struct, frozen=True):
    """What one tier made of a packet: `policies` select the pod there, `rule` decided, if one did.

    `outcome` is one of allowed, denied, passed (a rule leaves the tier), unmatched and unknown.
    """

    tier: str
    policies: tuple[PolicyRef, ...]
    outcome: str
    rule: PolicyRef | None = None
    standing: str = ""


class Side(Struct, frozen=True):
    """One direction's answer. `isolated` None: it cannot be told. `policies`: those that isolate or deny, sorted.

    `admitted_by` and `denied_by` name the policy and the rule that decided; `denied_by` None: no rule did, and the
    policies isolate. `standing`: the place of what decided in a person's words, `Admin tier, priority 10`. `final`: no
    NetworkPolicy can change the denial, for it is made before any is asked. `stages`: the tiers that were asked, in
    order; empty where there are none but NetworkPolicy's. `refused`: what is stopped is answered by a refusal.
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
    standing: str = ""
    stages: tuple[Stage, ...] = ()
    refused: bool = False
    perhaps: tuple[PolicyRef, ...] = ()


OPEN = Side(Verdict.ALLOWED)


class Host(Struct, frozen=True, order=True):
    """A name outside the cluster."""

    name: str


Destination = WorkloadRef | Block | Host


class FlowVerdict(Struct, frozen=True):
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
