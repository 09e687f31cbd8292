"""Sets of ports as sorted intervals; sets of classes as the bits of one integer; and what is open to each, joined."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, reduce
from itertools import compress, count
from operator import or_
from typing import Final

from msgspec import Struct

from webhook.model.addresses import FIRST_PORT, LAST_PORT, PROTOCOLS, PortRange, Protocol

PortSet = tuple[tuple[int, int], ...]  # of numbers `protocol * WIDTH + port`, first and last included
WIDTH: Final = LAST_PORT + 1
_REMEMBERED: Final = 100_000  # sums and products of sets: worlds repeat the same few
NOTHING: Final[PortSet] = ()
EVERYTHING: Final[PortSet] = tuple((i * WIDTH + FIRST_PORT, i * WIDTH + LAST_PORT) for i in range(len(PROTOCOLS)))


def interval(protocol: Protocol, first: int, last: int) -> PortSet:
    """Return the ports `first` to `last` of one protocol."""
    base = PROTOCOLS.index(protocol) * WIDTH
    return ((base + first, base + last),)


@lru_cache(maxsize=_REMEMBERED)
def union(one: PortSet, other: PortSet) -> PortSet:
    """Return the ports of either."""
    if not one or not other or one == other:
        return one or other
    merged: list[tuple[int, int]] = []
    for first, last in sorted((*one, *other)):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


@lru_cache(maxsize=_REMEMBERED)
def intersection(one: PortSet, other: PortSet) -> PortSet:
    """Return the ports of both."""
    if one == other:
        return one
    found = [(max(a, c), min(b, d)) for a, b in one for c, d in other if max(a, c) <= min(b, d)]
    return tuple(sorted(found))


@lru_cache(maxsize=_REMEMBERED)
def difference(one: PortSet, other: PortSet) -> PortSet:
    """Return the ports of `one` that `other` has not."""
    left = list(one)
    for low, high in other:
        left = [
            part
            for first, last in left
            for part in ((first, min(last, low - 1)), (max(first, high + 1), last))
            if part[0] <= part[1]
        ]
    return tuple(left)


def ranges(ports: PortSet) -> Iterator[PortRange]:
    """Yield a set as ranges, by protocol (TCP, UDP, SCTP) and port."""
    for first, last in ports:
        index, low = divmod(first, WIDTH)
        yield PortRange(PROTOCOLS[index], low, last - index * WIDTH)


def holds(ports: PortSet, protocol: Protocol, port: int) -> bool:
    """Say whether a port is in the set."""
    number = PROTOCOLS.index(protocol) * WIDTH + port
    return any(first <= number <= last for first, last in ports)


Bits = int  # of wide ones, `x ^ x & y` is x without y in a third of the time of `x & ~y`
_NEAR: Final = 256  # numbers: the members of most sets are neighbours, whatever numbers there are below them
_SETS_REMEMBERED: Final = 4_096  # sets: a world's neighbourhoods repeat
_DENSE: Final = 16  # with more than one member in so many numbers, all numbers are walked at once
_TRUTH: Final = bytes(int(i == ord("1")) for i in range(256))  # "0" and "1" of bin() -> 0 and 1


def _lowered(bits: Bits) -> tuple[Bits, int]:
    """Return a set with numbers that count from another one, and that; from 0 where members are far apart."""
    below = bits.bit_length() - _NEAR
    if below > 0 and (here := bits >> below) << below == bits:
        return here, below
    return bits, 0


def listed(bits: Bits) -> tuple[int, ...]:
    """Return the numbers of the bits that are set, lowest first."""
    return _listed(*_lowered(bits))


def _listed(bits: Bits, below: int) -> tuple[int, ...]:
    if bits.bit_count() * _DENSE > bits.bit_length():
        return tuple(compress(count(below), bin(bits)[:1:-1].encode().translate(_TRUTH)))
    found = []
    while bits:
        low = bits & -bits
        found.append(below + low.bit_length() - 1)
        bits ^= low
    return tuple(found)


def members(bits: Bits) -> tuple[int, ...]:
    """Return the same, of a set that is asked for again and again, or has one member, as most sets of classes."""
    last = bits.bit_length() - 1
    return (last,) if last >= 0 and bits == 1 << last else _remembered(*_lowered(bits))


_remembered: Final = lru_cache(maxsize=_SETS_REMEMBERED)(_listed)


def first(bits: Bits) -> int:
    """Return the lowest number of a set that is not empty."""
    return (bits & -bits).bit_length() - 1


def size(bits: Bits) -> int:
    """Return how many members a set has."""
    return _lowered(bits)[0].bit_count()


def bits_of(numbers: Iterable[int]) -> Bits:
    """Return the set of `numbers`."""
    every = tuple(numbers)
    if len(every) <= 1:
        return 1 << every[0] if every else 0
    below = min(every)
    held = bytearray((max(every) - below >> 3) + 1)
    for at in (number - below for number in every):
        held[at >> 3] |= 1 << (at & 7)
    return int.from_bytes(held, "little") << below


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
                _add(after, have, who)
                continue
            rest ^= both
            _add(after, union(have, ports), both)
            if kept := who ^ both:
                _add(after, have, kept)
        if rest and ports:
            _add(after, ports, rest)
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
                rest ^= rest & whose
                if left := difference(ports, others):
                    found[left] = found.get(left, 0) | common
        if rest:
            found[ports] = found.get(ports, 0) | rest
    return found


def within(parts: Parts, some: Bits) -> Parts:
    """Return what is granted to `some`."""
    return {ports: kept for ports, who in parts.items() if (kept := who & some)}


def added(one: Parts, other: Parts) -> Parts:
    """Return what either grants, of two that grant to different peers."""
    if not one or not other:
        return one or other
    return {ports: one.get(ports, 0) | other.get(ports, 0) for ports in one | other}


def granted(parts: Parts, number: int) -> PortSet:
    """Return what is granted to one peer."""
    return next((ports for ports, who in parts.items() if who >> number & 1), NOTHING)


FEW: Final = 64  # a set of peers of at most this size is walked; a larger one is met from the other side
_SHARE: Final = 8  # a set that holds more than one in so many ends is not written down at each of its members


class Behaviour(Struct, frozen=True, gc=False):
    """Classes that let through the same in one direction, each of `peers` on its ports."""

    classes: Bits
    peers: Parts


def by_source(egress: Sequence[Behaviour], ingress: Sequence[Behaviour], count: int, *, few: int = FEW) -> list[Parts]:
    """Return for each of `count` classes what it reaches: whom its own side lets out to, and who lets it in.

    No pair is looked at that both sides close: up to `few` peers are asked one by one whom they let in, and of more
    those are taken that let the source in.
    """
    found: list[Parts] = [{} for _ in range(count)]
    owner = {t: behaviour for behaviour in ingress for t in members(behaviour.classes)}
    everybody = bits_of(owner)
    many: list[tuple[Behaviour, Parts]] = []
    for behaviour in egress:
        wide: Parts = {}
        for ports, peers in behaviour.peers.items():
            targets = peers & everybody
            if size(targets) > few:
                wide[ports] = targets
                continue
            for other in {id(owner[t]): owner[t] for t in members(targets)}.values():
                _meet(found, behaviour.classes, targets & other.classes, ports, other.peers)
        if wide:
            many.append((behaviour, wide))
    if many:
        admitting = _Admitting(ingress, reduce(or_, (behaviour.classes for behaviour, _ in many)), count // _SHARE)
        for behaviour, wide in many:
            admitting.meet(found, members(behaviour.classes), wide)
    return found


def _meet(found: list[Parts], sources: Bits, targets: Bits, ports: PortSet, admitted: Parts) -> None:
    """Add what `sources` may send to `targets`, who all let in what is `admitted`."""
    for open_ports, senders in admitted.items():
        let_in = sources & senders
        if let_in and (both := intersection(ports, open_ports)):
            for source in members(let_in):
                _add(found[source], both, targets)


def _add(parts: Parts, ports: PortSet, who: Bits) -> None:
    have = parts.get(ports)
    parts[ports] = who if have is None else have | who  # a set is as many bytes as there are classes: none is copied


class _Admitting:
    """Who lets a source in, on which ports: the other way round than ingress is written."""

    def __init__(self, ingress: Sequence[Behaviour], senders: Bits, most: int) -> None:
        """Look at what `ingress` says of `senders`. `most`: sets of more of them are met by those who are alike."""
        same: dict[Bits, Parts] = {}
        for behaviour in ingress:
            for ports, peers in behaviour.peers.items():
                if sources := peers & senders:
                    _add(same.setdefault(sources, {}), ports, behaviour.classes)
        self._everything: Parts = {EVERYTHING: reduce(or_, (behaviour.classes for behaviour in ingress), 0)}
        large = {sources: parts for sources, parts in same.items() if size(sources) > most}
        self._of: dict[int, Parts] = dict(_by_membership(tuple(large.items())))
        for sources, parts in same.items():
            for source in members(sources) if sources not in large else ():
                mine = self._of.get(source)
                if mine is None:
                    self._of[source] = dict(parts)
                    continue
                for ports, targets in parts.items():
                    _add(mine, ports, targets)

    def meet(self, found: list[Parts], sources: Iterable[int], opened: Parts) -> None:
        """Add to each of `sources` what is open of all that is `opened` to it."""
        whole = opened == self._everything
        for source in sources:
            admitted = self._of.get(source, {})
            for ports, targets in (admitted if whole else overlap(opened, admitted)).items():
                _add(found[source], ports, targets)


def _by_membership(sets: Sequence[tuple[Bits, Parts]]) -> Iterator[tuple[int, Parts]]:
    """Yield who is in any set, with what all those that hold it say: worked out once for those in the same, copied."""
    width = max((who.bit_length() for who, _ in sets), default=0)
    columns = zip(*(f"{who:0{width}b}" for who, _ in sets), strict=True)
    said: dict[tuple[str, ...], Parts] = {}
    for number, column in zip(range(width - 1, -1, -1), columns, strict=True):
        if column not in said:
            holding = (parts for (_, parts), held in zip(sets, column, strict=True) if held == "1")
            said[column] = reduce(added, holding, {})
        yield number, dict(said[column])
