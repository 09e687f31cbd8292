"""Sets of ports of all three protocols, as disjoint sorted intervals: small, hashable, and shared."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

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


def union_of(sets: Iterable[PortSet]) -> PortSet:
    """Return the ports of any."""
    found = NOTHING
    for one in sets:
        found = union(found, one)
    return found


def ranges(ports: PortSet) -> Iterator[PortRange]:
    """Yield a set as ranges, by protocol (TCP, UDP, SCTP) and port."""
    for first, last in ports:
        index, low = divmod(first, WIDTH)
        yield PortRange(PROTOCOLS[index], low, last - index * WIDTH)


def holds(ports: PortSet, protocol: Protocol, port: int) -> bool:
    """Say whether a port is in the set."""
    number = PROTOCOLS.index(protocol) * WIDTH + port
    return any(first <= number <= last for first, last in ports)
