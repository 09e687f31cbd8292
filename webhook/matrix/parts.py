"""Disjoint sets of peers, each with the ports that are open to it."""

from collections.abc import Iterable

from webhook.evaluate.portset import NOTHING, PortSet, difference, intersection, union
from webhook.matrix.bits import Bits

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
