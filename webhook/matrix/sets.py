"""Sets of classes as the bits of one integer; disjoint parts with the ports open to each; both sides joined."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import compress, count
from typing import Final

from msgspec import Struct

from webhook.evaluate.portset import NOTHING, PortSet, difference, intersection, union

Bits = int
_REMEMBERED: Final = 4_096  # sets: a world's neighbourhoods repeat
_DENSE: Final = 16  # with more than one member in so many numbers, all numbers are walked at once
_TRUTH: Final = bytes(int(i == ord("1")) for i in range(256))  # "0" and "1" of bin() -> 0 and 1


def listed(bits: Bits) -> tuple[int, ...]:
    """Return the numbers of the bits that are set, lowest first."""
    if bits.bit_count() * _DENSE > bits.bit_length():
        return tuple(compress(count(), bin(bits)[:1:-1].encode().translate(_TRUTH)))
    found = []
    while bits:
        low = bits & -bits
        found.append(low.bit_length() - 1)
        bits ^= low
    return tuple(found)


def first(bits: Bits) -> int:
    """Return the lowest number of a set that is not empty."""
    return (bits & -bits).bit_length() - 1


@lru_cache(maxsize=_REMEMBERED)
def members(bits: Bits) -> tuple[int, ...]:
    """Return the same, of a set that is asked for again and again."""
    return listed(bits)


def bits_of(numbers: Iterable[int]) -> Bits:
    """Return the set of `numbers`."""
    every = tuple(numbers)
    held = bytearray((max(every, default=0) >> 3) + 1)
    for number in every:
        held[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(held, "little")


Parts = dict[PortSet, Bits]  # who is in no part gets nothing
Grant = tuple[Bits, PortSet]


def partition(grants: Iterable[Grant]) -> Parts:
    """Add grants up: each peer gets the union of what is granted to it."""
    parts: Parts = {}
    for bits, ports in grants:
        after: Parts = {}
        rest = bits
        for have, who in parts.items():
            both = who & bits
            if not both:
                after[have] = after.get(have, 0) | who
                continue
            rest &= ~who
            more = union(have, ports)
            after[more] = after.get(more, 0) | both
            if kept := who & ~bits:
                after[have] = after.get(have, 0) | kept
        if rest and ports:
            after[ports] = after.get(ports, 0) | rest
        parts = after
    return parts


def overlap(one: Parts, other: Parts) -> Parts:
    """Return what both grant."""
    if one == other:
        return one
    found: Parts = {}
    for ports, who in one.items():
        for others, whose in other.items():
            if (common := who & whose) and (both := intersection(ports, others)):
                found[both] = found.get(both, 0) | common
    return found


def less(whole: Parts, taken: Parts) -> Parts:
    """Return what `whole` grants and `taken` does not."""
    found: Parts = {}
    for ports, who in whole.items():
        rest = who
        for others, whose in taken.items():
            if common := who & whose:
                rest &= ~whose
                if left := difference(ports, others):
                    found[left] = found.get(left, 0) | common
        if rest:
            found[ports] = found.get(ports, 0) | rest
    return found


def within(parts: Parts, some: Bits) -> Parts:
    """Return what is granted to `some`."""
    return {ports: who & some for ports, who in parts.items() if who & some}


def added(one: Parts, other: Parts) -> Parts:
    """Return what either grants, of two that grant to different peers."""
    if not one or not other:
        return one or other
    return {ports: one.get(ports, 0) | other.get(ports, 0) for ports in one | other}


def granted(parts: Parts, number: int) -> PortSet:
    """Return what is granted to one peer."""
    return next((ports for ports, who in parts.items() if who >> number & 1), NOTHING)


FEW: Final = 64  # a set of peers of at most this size is walked; a larger one is met from the other side

Row = tuple[Bits, Bits, PortSet]  # every one of these, to every one of those, on these ports


class Behaviour(Struct, frozen=True):
    """Classes that let through the same in one direction, each of `peers` on its ports."""

    classes: Bits
    peers: Parts


def join(egress: list[Behaviour], ingress: list[Behaviour]) -> Iterator[Row]:
    """Yield every (sources, destinations, ports) that both sides open; no pair of classes comes twice."""
    owner = {t: g for g, behaviour in enumerate(ingress) for t in members(behaviour.classes)}
    everybody = sum(behaviour.classes for behaviour in ingress)
    narrow, wide = _by_source(ingress, sum(behaviour.classes for behaviour in egress))
    for behaviour in egress:
        sources = members(behaviour.classes)
        for ports, peers in behaviour.peers.items():
            targets = peers & everybody
            if targets.bit_count() <= FEW:
                groups = {owner[t] for t in members(targets)}
            else:
                groups = {g for s in sources for g in narrow.get(s, ())} | wide
            for group in groups:
                yield from _between(behaviour.classes, targets, ports, ingress[group])


def _by_source(ingress: list[Behaviour], senders: Bits) -> tuple[dict[int, set[int]], set[int]]:
    narrow: dict[int, set[int]] = {}
    wide: set[int] = set()
    for number, behaviour in enumerate(ingress):
        for peers in behaviour.peers.values():
            sources = peers & senders
            if sources.bit_count() <= FEW:
                for source in members(sources):
                    narrow.setdefault(source, set()).add(number)
            else:
                wide.add(number)
    return narrow, wide


def _between(sources: Bits, targets: Bits, ports: PortSet, behaviour: Behaviour) -> Iterator[Row]:
    reached = targets & behaviour.classes
    if not reached:
        return
    for open_ports, admitted in behaviour.peers.items():
        let_in = sources & admitted
        if let_in and (both := intersection(ports, open_ports)):
            yield let_in, reached, both


def by_source(egress: list[Behaviour], ingress: list[Behaviour], count: int) -> list[Parts]:
    """Return for each of `count` classes what it reaches."""
    found: list[Parts] = [{} for _ in range(count)]
    for sources, targets, ports in join(egress, ingress):
        for source in members(sources):
            parts = found[source]
            parts[ports] = parts.get(ports, 0) | targets
    return found
