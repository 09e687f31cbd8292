"""Rules that would let the packet through but for one thing: what a person most often got wrong."""

from collections.abc import Iterator
from typing import Final, cast

from msgspec import Struct

from webhook.evaluate.ends import End, Outside, PodEnd
from webhook.evaluate.match import peers_match, ports_match
from webhook.explain.nearmiss_labels import FAR, Miss, of_expression, of_labels
from webhook.families.networkpolicy import compile_section
from webhook.model.addresses import Family
from webhook.model.objects import Shape
from webhook.model.policy import BlockPeer, Direction, Policy, Section
from webhook.model.ports import NamedPort, PortMatch, PortRange, Protocol
from webhook.model.refs import PolicyRef
from webhook.model.tier import Action, EndpointPeer, Entry, Every, Isolation, Match, PodMatch, Tier
from webhook.model.truth import Truth
from webhook.model.verdict import NearMiss, Side
from webhook.world import View

MOST: Final = 3
_EVERYWHERE: Final = ""


class Packet(Struct, frozen=True):
    """One side's question: may `subject` talk to `other` on this port? `service_port`: what the client dialled."""

    direction: Direction
    subject: PodEnd
    other: End
    protocol: Protocol
    port: int
    service_port: int | None = None
    family: Family | None = None


def near_misses(view: View, packet: Packet, side: Side | None = None) -> tuple[NearMiss, ...]:
    """Return at most three near misses among the policies that come before what denied, nearest first.

    `side`: the denial, where it was made by a rule or at a tier's end; None: no rule let it through.
    """
    denied = (side.denied_by, side.policies) if side is not None and side.stages else None
    key = (near_misses, packet, view.families(), denied)
    known = view.memo.get(key)
    if known is None:
        known = _near_misses(view, packet, side if denied else None)
        if not any(isolation.volatile for isolation in _others(view, packet)):
            view.memo[key] = known
    return cast("tuple[NearMiss, ...]", known)


def _near_misses(view: View, packet: Packet, side: Side | None) -> tuple[NearMiss, ...]:
    end = None if side is None else _end(view, packet, side)
    found = {(miss.rank, NearMiss(ref, miss.field, miss.want, miss.have)) for ref, miss in _misses(view, packet, end)}
    return tuple(near for _, near in sorted(found)[:MOST])


Place = tuple[Tier, tuple[float | str, ...] | None]  # None: the end of the tier


def _end(view: View, packet: Packet, side: Side) -> Place | None:
    """Return where the packet was denied: a rule beyond that place could not have let it through."""
    for isolation, _ in view.selecting(packet.subject.shape, packet.direction):
        if side.denied_by is None and isolation.isolates and isolation.ref in side.policies:
            return isolation.tier, None
        if side.denied_by is not None and any(entry.ref == side.denied_by for entry in isolation.entries):
            return isolation.tier, isolation.rank
    return None


def _in_time(isolation: Isolation, end: Place | None) -> bool:
    if end is None:
        return True
    tier, rank = end
    return isolation.tier < tier or (isolation.tier == tier and (rank is None or isolation.rank < rank))


def _misses(view: View, packet: Packet, end: Place | None) -> Iterator[tuple[PolicyRef, Miss]]:
    own = view.policies(packet.subject.shape.namespace)
    for policy in own.values():
        view.budget.spend()
        yield from _of_policy(view, policy, packet, end)
    for isolation in _others(view, packet):
        view.budget.spend()
        if isolation.ref not in own and isolation.unclear is None and _in_time(isolation, end):
            yield from _of_piece(view, isolation, packet)


def _others(view: View, packet: Packet) -> Iterator[Isolation]:
    """Yield the pieces of other families that may be about the subject: of its namespace, and cluster-wide ones."""
    for namespace in (packet.subject.shape.namespace, _EVERYWHERE):
        if view.foreign(namespace):
            yield from view.isolations(namespace, packet.direction)


def _of_piece(view: View, isolation: Isolation, packet: Packet) -> Iterator[tuple[PolicyRef, Miss]]:
    """Yield the near misses of a policy of another family: of its rules that allow."""
    entries = [entry for entry in isolation.entries if entry.action is Action.ALLOW]
    if not entries or isolation.subject is None:
        return
    shape = packet.subject.shape
    missed = [*of_labels(isolation.subject, shape.labels, "podLabels")]
    if isolation.scope is not None:
        missed += of_expression(view, isolation.scope, shape)
    yield from _of_entries(view, isolation, entries, packet, missed)


def _of_policy(
    view: View, policy: Policy, packet: Packet, end: Place | None = None
) -> Iterator[tuple[PolicyRef, Miss]]:
    if policy.unreadable is not None or policy.subject is None:
        return
    missed = list(of_labels(policy.subject, packet.subject.shape.labels, "podLabels"))
    idle = dict(policy.idle).get(packet.direction)
    section = policy.section(packet.direction) or idle
    if section is None or len(missed) > 1:
        return
    isolation = _compiled(view, policy, packet.direction, section)
    if isolation is None or not _in_time(isolation, end):
        return
    if idle is not None and policy.section(packet.direction) is None and view.dialect.honours_idle is Truth.NO:
        types = "+".join(d.value for d in Direction if policy.section(d) is not None)
        missed.append(Miss(0, "policyTypes", packet.direction.value, types or "none"))
    yield from _of_entries(view, isolation, list(isolation.entries), packet, missed)


def _of_entries(
    view: View, isolation: Isolation, entries: list[Entry], packet: Packet, missed: list[Miss]
) -> Iterator[tuple[PolicyRef, Miss]]:
    if len(missed) > 1:
        return
    for entry in entries:
        view.budget.spend(1 + len(entry.matches or ()) + len(entry.ports or ()))
        misses = [*missed, *_of_entry(view, isolation, entry, packet)]
        if len(misses) == 1 and misses[0] is not FAR:
            yield entry.ref, misses[0]


def _compiled(view: View, policy: Policy, direction: Direction, section: Section) -> Isolation | None:
    """Compile a section once a view, the memo is emptied when a policy changes; None: it selects nobody here."""
    key = (_compiled, policy.ref, direction)
    if key not in view.memo:
        view.memo[key] = next(iter(compile_section(policy, direction, section, view.dialect)), None)
    return cast("Isolation | None", view.memo[key])


def _of_entry(view: View, isolation: Isolation, entry: Entry, packet: Packet) -> Iterator[Miss]:
    """Yield one miss for each part of the entry that does not match; several make it no near miss."""
    if entry.unclear is not None or entry.conditional is not None:
        yield FAR
        return
    target: Shape | None = packet.subject.shape
    if packet.direction is Direction.EGRESS:
        target = packet.other.shape if isinstance(packet.other, PodEnd) else None
    if ports_match(entry.ports, packet.protocol, packet.port, target) is Truth.NO:
        yield min(_port_misses(entry, packet, target), default=FAR)
    if entry.not_ports and ports_match(entry.not_ports, packet.protocol, packet.port, target) is not Truth.NO:
        yield Miss(3, "port", f"not {', '.join(map(str, entry.not_ports))}", f"{packet.port}/{packet.protocol}")
    families = _families(view, packet)
    if entry.own is not None and not _matched(view, Entry(entry.ref, entry.own), packet.subject, families):
        yield FAR
    if not _matched(view, entry, packet.other, families):
        yield min(_peer_misses(view, isolation, entry, packet), default=FAR)


def _matched(view: View, entry: Entry, other: End, families: tuple[Family, ...]) -> bool:
    return any(peers_match(view, entry, other, family) is not Truth.NO for family in families)


def _families(view: View, packet: Packet) -> tuple[Family, ...]:
    if packet.family is not None:
        return (packet.family,)
    if isinstance(packet.other, Outside):
        return (packet.other.block.family,)
    return packet.other.families or view.families()


def _port_misses(entry: Entry, packet: Packet, target: Shape | None) -> Iterator[Miss]:
    have = f"{packet.port}/{packet.protocol}"
    for port in entry.ports or ():
        if port.protocol != packet.protocol:
            if _spoken(port, packet.port, packet.protocol, target):
                yield Miss(1, "protocol", port.protocol, packet.protocol)
        elif packet.service_port is not None and _spoken(port, packet.service_port, packet.protocol, None):
            yield Miss(0, "port", str(port), have)
        elif _is_about_pods(entry):
            yield Miss(3, "port", str(port), have)


def _spoken(port: PortMatch, number: int, protocol: Protocol, target: Shape | None) -> bool:
    """Say whether the entry would be about that number if it were written for `protocol`."""
    alike = (
        PortRange(protocol, port.first, port.last) if isinstance(port, PortRange) else NamedPort(protocol, port.name)
    )
    return ports_match((alike,), protocol, number, target) is Truth.YES


def _is_about_pods(entry: Entry) -> bool:
    """Say whether a rule names pods: one for anybody on another port (DNS) is about something else."""
    return any(map(_names_pods, entry.matches or ()))


def _names_pods(match: Match) -> bool:
    match match:
        case PodMatch(pods=pods):
            return bool(pods.requirements)
        case EndpointPeer():
            return True
        case Every(peers):
            return any(map(_names_pods, peers))
        case _:
            return False


def _peer_misses(view: View, isolation: Isolation, entry: Entry, packet: Packet) -> Iterator[Miss]:
    for match in entry.matches or ():
        misses = [*_of_match(view, isolation, match, packet)]
        if len(misses) == 1:
            yield misses[0]


def _of_match(view: View, isolation: Isolation, match: Match, packet: Packet) -> Iterator[Miss]:
    """Yield what keeps one peer from being the other end; of a place, a node or a Service there is nothing to say."""
    other = packet.other
    shape = other.shape if isinstance(other, PodEnd) and not other.shape.host_network else None
    match match:
        case PodMatch() if shape is not None:
            yield from _pod_miss(view, match, shape)
        case EndpointPeer(test) if shape is not None:
            yield from of_expression(view, test, shape)
        case BlockPeer():
            yield from _block_miss(match, other, packet.family)
        case Every(peers):
            families = _families(view, packet)
            for peer in peers:
                if not _matched(view, Entry(isolation.ref, (peer,)), other, families):
                    found = [*_of_match(view, isolation, peer, packet)]
                    yield from found or (FAR,)
        case _:
            yield FAR


def _pod_miss(view: View, match: PodMatch, shape: Shape) -> Iterator[Miss]:
    yield from of_labels(match.pods, shape.labels, "podLabels")
    if match.namespace is not None:
        if match.namespace != shape.namespace:
            yield Miss(1, "namespace", match.namespace, shape.namespace)
    else:
        namespace = view.namespace(shape.namespace)
        yield from of_labels(match.namespaces, namespace.labels, "namespaceLabels", synthetic=namespace.synthetic)


def _block_miss(peer: BlockPeer, other: End, family: Family | None) -> Iterator[Miss]:
    address = other.block if isinstance(other, Outside) else None
    if isinstance(other, PodEnd) and (own := other.address(family or peer.block.family)) is not None:
        address = own.block
    if address is None or address.family != peer.block.family:
        return
    want = f"{peer.block} except {', '.join(map(str, peer.excepts))}" if peer.excepts else str(peer.block)
    if isinstance(other, PodEnd) and peer.pods is not Truth.YES and peer.block.covers(address):
        want += " outside the cluster"
    yield Miss(2, "cidr", want, str(address).removesuffix("/32").removesuffix("/128"))
