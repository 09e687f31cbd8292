"""`networking.k8s.io/v1` NetworkPolicy, read: its fields as values. What they mean is in `families.networkpolicy`."""

from enum import StrEnum

from msgspec import Struct

from webhook.model.addresses import Block, PortMatch
from webhook.model.labels import EVERYTHING, Selector
from webhook.model.refs import PolicyRef
from webhook.model.truth import Truth


class Direction(StrEnum):
    """Which end of a connection a rule is attached to."""

    EGRESS = "Egress"
    INGRESS = "Ingress"


class PodPeer(Struct, frozen=True, gc=False):
    """Pods by labels. `namespaces` None: no namespaceSelector, which means the policy's own namespace."""

    namespaces: Selector | None = None
    pods: Selector = EVERYTHING


class BlockPeer(Struct, frozen=True, gc=False):
    """Addresses of a block without those of `excepts` (`networking.k8s.io/v1` IPBlock).

    `pods`, `nodes`: whether it holds the addresses of pods, and of nodes (with the pods on their host network).
    """

    block: Block
    excepts: tuple[Block, ...] = ()
    pods: Truth = Truth.YES
    nodes: Truth = Truth.YES


class UnclearPeer(Struct, frozen=True, gc=False):
    """A peer that may match anything: what it says is not known to mean one thing."""

    reason: str


NetworkPolicyPeer = PodPeer | BlockPeer | UnclearPeer


class Rule(Struct, frozen=True, gc=False):
    """One allow rule. `peers` None: from or to anywhere; `ports` None: every port of every protocol.

    Both empty: a rule that matches nothing (all its entries are ones that the API server refuses).
    """

    index: int
    peers: tuple[NetworkPolicyPeer, ...] | None = None
    ports: tuple[PortMatch, ...] | None = None
    unclear: str | None = None  # why the whole rule may match anything, or nothing


class Remark(Struct, frozen=True, gc=False):
    """A block that may not mean what its author thinks. `text` as written; `block` what it is, or stands in."""

    finding: str
    direction: Direction
    rule: int
    text: str
    block: str


class Policy(Struct, frozen=True, gc=False):
    """A NetworkPolicy. `ingress`, `egress`: its rules, those of a direction that `policyTypes` leaves out, too.

    `subject`: its `podSelector`; None: which pods it selects cannot be read, any pod of its namespace may be.
    `types`: its `policyTypes`; empty: it names none.
    `unreadable`: why nothing about its rules can be told; then both directions may be isolated, or not.
    `problems`: parts that the API server refuses, as `path: what is wrong`; they match nothing.
    """

    ref: PolicyRef
    namespace: str
    subject: Selector | None
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()
    types: frozenset[Direction] = frozenset()
    problems: tuple[str, ...] = ()
    unreadable: str | None = None
    remarks: tuple[Remark, ...] = ()
    documented: bool = False  # an annotation says how traffic gets past it
    of_lockdown: bool = False  # `lockdown` wrote it, and writes it anew

    def rules(self, direction: Direction) -> tuple[Rule, ...]:
        """Return the rules of `direction`, whether or not it isolates there."""
        return self.ingress if direction is Direction.INGRESS else self.egress
