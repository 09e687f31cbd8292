"""NetworkPolicy as an enforcer takes it: what the API says, with what its dialect changes before and after.

Before, of the policy as it is written: which parts of it the enforcer takes at all. After, of the compiled policy: what
its peers hold here, its tier and its precedence there, and where the pods are denied that it isolates.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import structs

from webhook.families.networkpolicy import allowed, compiled_without_rules, isolates, policy_types
from webhook.families.networkpolicy import compile_policy as as_the_api_says
from webhook.model.addresses import FIRST_PORT, LAST_PORT, NamedPort, PortMatch, PortRange
from webhook.model.dialect import GENERIC, NETWORK_POLICY, Dialect, visible
from webhook.model.labels import AllOf, Labels, Operator, Selector
from webhook.model.peers import Peer, Place, PlacePeer, PodMatch
from webhook.model.policy import BlockPeer, Direction, Policy, Rule, UnclearPeer
from webhook.model.tier import CompiledPolicy, CompiledRule, with_rules
from webhook.model.truth import Truth

EGRESS_NAMES: Final = "names a port, which this version of the enforcer looks up among all pods of the cluster"
_OTHER_WAY: Final = "selects it for the other direction, after which the Baseline tier may not be asked here"
_IDLE: Final = "whether rules count that policyTypes leaves out depends on the CNI"
_EITHER: Final = "names all ports, or a range of which only the first is taken here"
_UNSURE: Final = "is open to its own node, and whether that comes before the Baseline tier is not known"
_BY_VERSION: Final = UnclearPeer("asks for a label that pods have or not, by version")
_LOCAL: Final = (PlacePeer(Place.OWN_NODE),)
_PLACES: Final = tuple(PlacePeer(place) for place in (Place.OWN_NODE, Place.OTHER_NODE, Place.WORLD))
# Who has no labels at all, and so none that a peer may forbid: nodes, the world, and, perhaps, all pods at once.
UNLABELLED: Final[tuple[Peer, ...]] = (
    *_PLACES,
    UnclearPeer("asks only what labels are missing, and may so match all pods at once"),
)


def compile_policy(policy: Policy, dialect: Dialect = GENERIC) -> tuple[CompiledPolicy, ...]:
    """Return `policy` compiled: for each direction that it isolates, or may isolate, one part, or two.

    A second one closes later where the dialect asks other policies before it denies.
    """
    if NETWORK_POLICY in dialect.inert:
        return ()
    policy = _as_taken(policy, dialect)
    if policy.unreadable is not None or dialect is GENERIC:
        return tuple(_placed(one, dialect) for one in as_the_api_says(policy))
    types = policy_types(policy)
    return (
        *(part for direction in Direction if direction in types for part in _changed(policy, direction, dialect)),
        *_outside_policy_types(policy, dialect),
        *_other_way(policy, dialect),
    )


def compile_direction(policy: Policy, direction: Direction, dialect: Dialect) -> CompiledPolicy | None:
    """Return the rules of one direction compiled, as if `policyTypes` named it; None: it selects no pod here."""
    return next(_changed(policy, direction, dialect), None)


def _as_taken(policy: Policy, dialect: Dialect) -> Policy:
    """Return `policy` as the enforcer takes it; one that it may or may not take is unreadable."""
    if policy.unreadable is not None:
        return policy
    if dialect.certainty.network_policies:
        return structs.replace(policy, unreadable=dialect.certainty.network_policies)
    if dialect.ports.names_refused and any(isinstance(port, NamedPort) for port in _ports(policy)):
        return structs.replace(policy, unreadable=dialect.ports.names_refused)
    if dialect.outside_types is Truth.YES:
        types = policy_types(policy)
        if ruled := [direction for direction in Direction if policy.rules(direction) and direction not in types]:
            policy = structs.replace(policy, types=types.union(ruled))
    if dialect.ports.ranges:
        return policy
    ingress, egress = (tuple(map(_first_only, rules)) for rules in (policy.ingress, policy.egress))
    return structs.replace(policy, ingress=ingress, egress=egress)


def _ports(policy: Policy) -> Iterator[PortMatch]:
    for direction in policy_types(policy):
        for rule in policy.rules(direction):
            yield from rule.ports or ()


def _first_only(rule: Rule) -> Rule:
    ports = tuple(_first(port) for port in rule.ports or ())
    if any(isinstance(port, PortRange) and (port.first, port.last) == (FIRST_PORT, LAST_PORT) for port in ports):
        return structs.replace(rule, unclear=rule.unclear or _EITHER)
    return structs.replace(rule, ports=None if rule.ports is None else ports)


def _first(port: PortMatch) -> PortMatch:
    whole = isinstance(port, PortRange) and (port.first, port.last) == (FIRST_PORT, LAST_PORT)
    return port if isinstance(port, NamedPort) or whole else PortRange(port.protocol, port.first, port.first)


def _changed(policy: Policy, direction: Direction, dialect: Dialect) -> Iterator[CompiledPolicy]:
    """Yield the rules of one direction compiled, with peers as they are matched here, at their tier."""
    subject = policy.subject and in_namespace(policy.subject, policy.namespace, dialect)
    if subject is None and policy.subject is not None:
        return
    rules = tuple(_placed_rule(rule, policy.namespace, direction, dialect) for rule in allowed(policy, direction))
    bare = _placed(compiled_without_rules(policy, direction), dialect)
    whole = with_rules(bare if subject is policy.subject else structs.replace(bare, subject=subject), rules)
    if dialect.tiers.default_deny is None:
        yield whole
        return
    yield structs.replace(whole, default_deny=False)
    yield from following(whole, dialect, default_deny=True)


def _placed_rule(rule: CompiledRule, namespace: str, direction: Direction, dialect: Dialect) -> CompiledRule:
    peers = rule.peers
    matches = None if peers is None else tuple(m for peer in peers for m in _peers_of(peer, namespace, dialect))
    named = direction is Direction.EGRESS and any(isinstance(port, NamedPort) for port in rule.ports or ())
    unsure = EGRESS_NAMES if named and not dialect.ports.names_by_target else None
    return CompiledRule(rule.ref, matches, rule.ports, rule.unclear, conditional=unsure)


def _placed(compiled: CompiledPolicy, dialect: Dialect) -> CompiledPolicy:
    precedence = dialect.tiers.precedence
    if dialect.tiers.ties:
        names = {"namespace": compiled.namespace, "name": compiled.ref.name}
        precedence = (*precedence, *(tie.format_map(names) for tie in dialect.tiers.ties))
    return structs.replace(compiled, tier=dialect.tiers.network_policies, precedence=precedence)


def _outside_policy_types(policy: Policy, dialect: Dialect) -> Iterator[CompiledPolicy]:
    """Yield what a policy may do in a direction for which it has rules that `policyTypes` leaves out."""
    for direction in Direction if dialect.outside_types is Truth.MAYBE else ():
        if policy.rules(direction) and not isolates(policy, direction):
            yield _placed(compiled_without_rules(policy, direction, _IDLE), dialect)


def _other_way(policy: Policy, dialect: Dialect) -> Iterator[CompiledPolicy]:
    """Yield what a policy may let through in the direction that it does not isolate."""
    for direction in Direction if dialect.tiers.may_skip_baseline else ():
        if not isolates(policy, direction):
            passed = _placed(compiled_without_rules(policy, direction), dialect)
            yield with_rules(
                structs.replace(passed, default_deny=False), (CompiledRule(policy.ref, conditional=_OTHER_WAY),)
            )


def following(base: CompiledPolicy, dialect: Dialect, *, default_deny: bool) -> Iterator[CompiledPolicy]:
    """Yield what comes after all rules for the pods of `base`: they are open to their own node, then closed."""
    if base.direction is Direction.INGRESS:
        for tier, precedence, sure in dialect.tiers.own_node:
            rule = CompiledRule(base.ref, _LOCAL, conditional=None if sure else _UNSURE)
            yield with_rules(structs.replace(base, tier=tier, precedence=precedence, default_deny=False), (rule,))
    if default_deny and dialect.tiers.default_deny is not None:
        yield with_rules(structs.replace(base, tier=dialect.tiers.default_deny, precedence=(), default_deny=True), ())


def block_peer(peer: BlockPeer, dialect: Dialect) -> BlockPeer:
    """Return an address block with what it holds here."""
    nodes = dialect.blocks.nodes
    if peer.block.prefix == 0:
        nodes = min(nodes, dialect.blocks.whole_nodes)
    if (peer.pods, peer.nodes) == (dialect.blocks.pods, nodes):
        return peer
    return BlockPeer(peer.block, peer.excepts, dialect.blocks.pods, nodes)


def in_namespace(pods: Selector, namespace: str, dialect: Dialect) -> Selector | None:
    """Return which pods of one namespace a selector selects here; None: none.

    A label that means the namespace takes the policy's own, whatever it is asked to be.
    """
    key = dialect.peers.namespace_key
    if not key or not any(requirement.key == key for requirement in pods.requirements):
        return visible(pods, dialect.peers.unseen)
    here, kept = Labels({key: namespace}), []
    for requirement in pods.requirements:
        if requirement.key != key:
            kept.append(requirement)
        elif requirement.operator is not Operator.IN and requirement.matches(here) is Truth.NO:
            return None
    return visible(Selector(tuple(kept)), dialect.peers.unseen)


def _peers_of(peer: Peer, namespace: str, dialect: Dialect) -> Iterator[Peer]:
    """Yield whom a peer of a policy of `namespace` matches."""
    if isinstance(peer, BlockPeer):
        yield block_peer(peer, dialect)
    elif not isinstance(peer, PodMatch):
        yield peer
    elif peer.own:
        pods = in_namespace(peer.pods, namespace, dialect)
        if pods is not None:
            yield from pods_as_seen(peer if pods is peer.pods else PodMatch(namespace, pods=pods, own=True), dialect)
    elif dialect.peers.namespace_key and any(r.key == dialect.peers.namespace_key for r in peer.pods.requirements):
        yield UnclearPeer(f"asks for pods with the label {dialect.peers.namespace_key}, beside a namespaceSelector")
    elif (pods := visible(peer.pods, dialect.peers.unseen)) is not None:
        yield from pods_as_seen(peer if pods is peer.pods else PodMatch(None, peer.namespaces, pods), dialect)
        if dialect.peers.loose_pods and _lacking(peer.namespaces, pods):
            yield from UNLABELLED


def pods_as_seen(peer: PodMatch, dialect: Dialect) -> Iterator[Peer]:
    """Yield pods that a peer selects, as far as it matches them here (`PeerReading.pods`)."""
    match dialect.peers.pods:
        case Truth.YES:
            yield peer
        case Truth.MAYBE:
            yield AllOf((peer, _BY_VERSION))
        case Truth.NO:
            return


def _lacking(namespaces: Selector, pods: Selector) -> bool:
    every = (*namespaces.requirements, *pods.requirements)
    return bool(namespaces.requirements) and all(r.negative for r in every)
