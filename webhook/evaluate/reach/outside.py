"""What one direction opens to addresses outside the cluster: port sets with the address ranges they hold for."""

import ipaddress
from collections.abc import Iterable
from itertools import pairwise

from webhook.evaluate.portset import EVERYTHING, NOTHING, PortSet, intersection, union, union_of
from webhook.evaluate.reach.parts import entry_ports
from webhook.model.addresses import BITS, FAMILIES, IPV4, Address, Block, Family
from webhook.model.objects import Shape
from webhook.model.policy import BlockPeer, Direction, UnclearPeer
from webhook.model.tier import Entry, Isolation
from webhook.model.truth import Truth

Ranged = dict[PortSet, tuple[Block, ...]]
Selecting = Iterable[tuple[Isolation, Truth]]


def outside(direction: Direction, selecting: Selecting, subject: Shape) -> tuple[Ranged, Ranged]:
    """Return the ranges that are surely, and possibly, open."""
    every = [] if subject.host_network else list(selecting)
    target = subject if direction is Direction.INGRESS else None
    surely: Ranged = {}
    possibly: Ranged = {}
    for family in FAMILIES:
        for first, last in _pieces(every, family):
            sure, possible = _open_at(every, Address(family, first), target)
            for found, ports in ((surely, sure), (possibly, possible)):
                if ports:
                    found[ports] = (*found.get(ports, ()), *_blocks(family, first, last))
    return _tidy(surely), _tidy(possibly)


def _tidy(found: Ranged) -> Ranged:
    """Put neighbouring blocks together."""
    merged: Ranged = {}
    for ports, blocks in found.items():
        texts = {f: [str(b) for b in blocks if b.family == f] for f in FAMILIES}
        v4 = [_block(n) for n in ipaddress.collapse_addresses(map(ipaddress.IPv4Network, texts[4]))]
        v6 = [_block(n) for n in ipaddress.collapse_addresses(map(ipaddress.IPv6Network, texts[6]))]
        merged[ports] = (*v4, *v6)
    return merged


def _block(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> Block:
    family: Family = 4 if isinstance(network, ipaddress.IPv4Network) else 6
    return Block(family, int(network.network_address), network.prefixlen)


def _blocks(family: Family, first: int, last: int) -> list[Block]:
    if family == IPV4:
        v4 = ipaddress.summarize_address_range(ipaddress.IPv4Address(first), ipaddress.IPv4Address(last))
        return [_block(n) for n in v4]
    v6 = ipaddress.summarize_address_range(ipaddress.IPv6Address(first), ipaddress.IPv6Address(last))
    return [_block(n) for n in v6]


def _pieces(selecting: Selecting, family: Family) -> list[tuple[int, int]]:
    """Cut all addresses where any rule's block begins or ends."""
    edges = {0, 1 << BITS[family]}
    for isolation, _ in selecting:
        for entry in isolation.entries:
            for match in entry.matches or ():
                if isinstance(match, BlockPeer):
                    for block in (match.block, *match.excepts):
                        if block.family == family:
                            edges |= {block.first, block.last + 1}
    ordered = sorted(edges)
    return [(low, high - 1) for low, high in pairwise(ordered)]


def _open_at(selecting: Selecting, address: Address, target: Shape | None) -> tuple[PortSet, PortSet]:
    """Join isolations as `evaluate.side` does, for one address."""
    every = list(selecting)
    if not every:
        return EVERYTHING, EVERYTHING
    granted = [(truth, *_granted(isolation, address, target)) for isolation, truth in every]
    sure = [yes for truth, yes, _ in granted if truth is Truth.YES]
    if sure:
        return union_of(sure), union_of(maybe for _, _, maybe in granted)
    common = EVERYTHING
    for _, yes, _ in granted:
        common = intersection(common, yes)
    return common, EVERYTHING


def _granted(isolation: Isolation, address: Address, target: Shape | None) -> tuple[PortSet, PortSet]:
    if isolation.unclear is not None:
        return NOTHING, EVERYTHING
    sure = possible = NOTHING
    for entry in isolation.entries:
        if entry.unclear is not None:
            possible = EVERYTHING
            continue
        matched = _matches(entry, address)
        ports = entry_ports(entry.ports, target)
        if matched is Truth.YES:
            sure = union(sure, ports[Truth.YES])
        if matched is not Truth.NO:
            possible = union_of((possible, ports[Truth.YES], ports[Truth.MAYBE]))
    return sure, possible


def _matches(entry: Entry, address: Address) -> Truth:
    if entry.matches is None:
        return Truth.YES
    if any(isinstance(m, BlockPeer) and _holds(m, address) for m in entry.matches):
        return Truth.YES
    return Truth.MAYBE if any(isinstance(m, UnclearPeer) for m in entry.matches) else Truth.NO


def _holds(peer: BlockPeer, address: Address) -> bool:
    return peer.block.holds(address) and not any(inner.holds(address) for inner in peer.excepts)
