"""Compiled policies of every family: in ordered tiers, each a list of rules for the pods that it selects."""

from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct, structs

from webhook.model.addresses import PortMatch
from webhook.model.labels import (
    EVERYTHING,
    AllOf,
    AnyOf,
    NoneOf,
    Predicate,
    Requirement,
    Selector,
    Space,
    requirements_of,
)
from webhook.model.peers import (
    EndpointPeer,
    NodePeer,
    Peer,
    PlacePeer,
    PodMatch,
    ServicePeer,
    ServicesPeer,
    by_address,
    tells_pods_apart,
    volatile,
)
from webhook.model.policy import BlockPeer, Direction, UnclearPeer
from webhook.model.refs import PolicyRef


class Action(StrEnum):
    """What a rule that matches does. PASS leaves the tier."""

    ALLOW = "Allow"
    DENY = "Deny"
    PASS = "Pass"  # noqa: S105 - an action, no password


class CompiledRule(Struct, frozen=True, gc=False):
    """One rule. `peers` None: any peer; `ports` None: any port. An empty tuple matches nothing.

    `subject_peers`: what the subject itself must be, too; None: anything. `not_ports`: ports that the rule leaves out.
    `unclear`: why the rule may match anything, or nothing. `conditional`: why a packet that matches may still go
    another way (a rule about requests, names or identities that no address shows).
    """

    ref: PolicyRef
    peers: tuple[Peer, ...] | None = None
    ports: tuple[PortMatch, ...] | None = None
    unclear: str | None = None
    action: Action = Action.ALLOW
    subject_peers: tuple[Peer, ...] | None = None
    not_ports: tuple[PortMatch, ...] = ()
    conditional: str | None = None


class Tier(Struct, frozen=True, order=True, gc=False):
    """A stage of the pipeline; lower `order` first, those of one order by name."""

    order: float
    name: str


ADMIN = Tier(100, "Admin")
NETWORK_POLICIES = Tier(200, "NetworkPolicy")
BASELINE = Tier(300, "Baseline")
Precedence = tuple[float | str, ...]


class CompiledPolicy(Struct, frozen=True, gc=False):
    """A compiled policy: one direction of it, or a part with a precedence of its own.

    It is applied to the pods of `namespace` (empty: any) whose labels `subject` selects (None: not known which) and for
    which `scope` holds. Policies of a tier are asked by `precedence`, and their rules in order; where precedence is
    equal there is no order. `api_group`: nothing says whose rules come first where a tier has policies of several;
    each is asked for itself, and where several decide, any of them may be the one. `default_deny`: pods that this
    selects are denied at the end of the tier, where no rule matched. Otherwise the next tier is asked, and after the
    last one the packet passes.
    `by_address`: a rule looks at addresses, nodes or endpoints; `pods_apart`: it tells pods of equal labels apart.
    `volatile`: it looks at the endpoints of a Service.
    `unclear`: whether it selects or isolates at all, and what its rules do, cannot be told.
    `position`: its tier and priority in a person's words, `Admin tier, priority 10`; empty for a NetworkPolicy.
    """

    ref: PolicyRef
    namespace: str
    direction: Direction
    subject: Selector | None
    rules: tuple[CompiledRule, ...] = ()
    by_address: bool = False
    unclear: str | None = None
    tier: Tier = NETWORK_POLICIES
    precedence: Precedence = ()
    default_deny: bool = True
    scope: Predicate | None = None
    volatile: bool = False
    position: str = ""
    api_group: str = ""
    pods_apart: bool = False


def sort_key(compiled: CompiledPolicy) -> tuple[Tier, str, Precedence, PolicyRef]:
    """Return the sort key of a compiled policy: the order in which they are asked."""
    return compiled.tier, compiled.api_group, compiled.precedence, compiled.ref


def compiled_policy(  # noqa: PLR0913 - it makes a value of that many parts
    ref: PolicyRef,
    direction: Direction,
    rules: tuple[CompiledRule, ...],
    tier: Tier,
    precedence: Precedence = (),
    *,
    namespace: str = "",
    subject: Selector | None = EVERYTHING,
    scope: Predicate | None = None,
    default_deny: bool = False,
    unclear: str | None = None,
    position: str = "",
    api_group: str = "",
) -> CompiledPolicy:
    """Return an Isolation whose `by_address` and `volatile` follow from its rules."""
    bare = CompiledPolicy(
        ref,
        namespace,
        direction,
        subject,
        unclear=unclear,
        tier=tier,
        precedence=precedence,
        default_deny=default_deny,
        scope=scope,
        position=position,
        api_group=api_group,
    )
    return with_rules(bare, rules)


def with_rules(compiled: CompiledPolicy, rules: tuple[CompiledRule, ...]) -> CompiledPolicy:
    """Return a compiled policy with other rules, and what follows from them."""
    ends = [peer for e in rules for peer in (*(e.peers or ()), *(e.subject_peers or ()))]
    return structs.replace(
        compiled,
        rules=rules,
        by_address=any(map(by_address, ends)),
        volatile=any(map(volatile, ends)),
        pods_apart=any(map(tells_pods_apart, ends)),
    )


def asks_of_pods(compiled: CompiledPolicy) -> Iterator[Requirement]:
    """Yield all that a compiled policy asks of the labels of pods, whichever end they are; Services' selectors not."""
    if compiled.subject is not None:
        yield from compiled.subject.requirements
    if compiled.scope is not None:
        yield from _of_pods(compiled.scope)
    for rule in compiled.rules:
        for peer in (*(rule.peers or ()), *(rule.subject_peers or ())):
            yield from _asks(peer)


def asks_of_senders(compiled: CompiledPolicy) -> Iterator[Requirement]:
    """Yield all that a compiled policy asks of the labels of pods that send; Services' selectors not.

    Of its subject, where it is about what that sends, and of the peers of its rules, where about what that is sent.
    """
    sends = compiled.direction is Direction.EGRESS
    if sends and compiled.subject is not None:
        yield from compiled.subject.requirements
    if sends and compiled.scope is not None:
        yield from _of_pods(compiled.scope)
    for rule in compiled.rules:
        for peer in (rule.subject_peers if sends else rule.peers) or ():
            yield from _asks(peer)


def _asks(peer: Peer) -> Iterator[Requirement]:
    match peer:
        case AllOf(peers) | AnyOf(peers) | NoneOf(peers):
            for part in peers:
                yield from _asks(part)
        case PodMatch(pods=pods):
            yield from pods.requirements
        case EndpointPeer(test):
            yield from _of_pods(test)
        case BlockPeer() | UnclearPeer() | PlacePeer() | NodePeer() | ServicePeer() | ServicesPeer():
            return


def _of_pods(test: Predicate) -> Iterator[Requirement]:
    return (one for one in requirements_of(test) if one.space is Space.POD)
