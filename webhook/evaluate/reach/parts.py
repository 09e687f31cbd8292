"""What one direction of a class lets through: disjoint sets of peers, each with the ports that are open to it."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from webhook.evaluate.match import ports_match
from webhook.evaluate.portset import (
    EVERYTHING,
    NOTHING,
    PortSet,
    intersection,
    interval,
    union,
)
from webhook.evaluate.reach.classes import Bits, Classes
from webhook.model.addresses import Family
from webhook.model.objects import Shape
from webhook.model.policy import Direction
from webhook.model.ports import NamedPort, PortMatch, PortRange
from webhook.model.tier import Entry, Isolation
from webhook.model.truth import Truth

Parts = dict[PortSet, Bits]
Grant = tuple[Bits, PortSet]


class Opening(Struct, frozen=True):
    """Whom a class lets through: surely, and possibly."""

    sure: Parts
    possible: Parts


def partition(grants: Iterable[Grant], universe: Bits) -> Parts:
    """Add grants up: each peer gets the union of what is granted to it."""
    parts: Parts = {NOTHING: universe}
    for bits, ports in grants:
        after: Parts = {}
        for have, who in parts.items():
            more = union(have, ports)
            for part, whose in ((more, who & bits), (have, who & ~bits)):
                if whose:
                    after[part] = after.get(part, 0) | whose
        parts = after
    return parts


def overlap(one: Parts, other: Parts) -> Parts:
    """Return what both grant."""
    found: Parts = {}
    for ports, who in one.items():
        for others, whose in other.items():
            if common := who & whose:
                both = intersection(ports, others)
                found[both] = found.get(both, 0) | common
    return found


def opening(
    classes: Classes,
    direction: Direction,
    selecting: Iterable[tuple[Isolation, Truth]],
    subject: Shape,
    family: Family,
) -> Opening:
    """Join isolations as `evaluate.side` does, for every peer and port at once."""
    everybody = classes.everybody
    every = list(selecting)
    sure = [i for i, truth in every if truth is Truth.YES]
    if not every or subject.host_network:
        return Opening({EVERYTHING: everybody}, {EVERYTHING: everybody})
    granted = {i: list(_grants(classes, direction, i, subject, family)) for i, _ in every}
    if not sure:
        surely: Parts = {EVERYTHING: everybody}
        for grants in granted.values():
            surely = overlap(surely, partition(((b, p) for b, p, truth in grants if truth is Truth.YES), everybody))
        return Opening(surely, {EVERYTHING: everybody})
    surely = partition(((b, p) for i in sure for b, p, truth in granted[i] if truth is Truth.YES), everybody)
    possible = partition(((b, p) for grants in granted.values() for b, p, _ in grants), everybody)
    return Opening(surely, possible)


def _grants(
    classes: Classes, direction: Direction, isolation: Isolation, subject: Shape, family: Family
) -> Iterator[tuple[Bits, PortSet, Truth]]:
    if isolation.unclear is not None:
        yield classes.everybody, EVERYTHING, Truth.MAYBE
        return
    for entry in isolation.entries:
        if entry.unclear is not None:
            yield classes.everybody, EVERYTHING, Truth.MAYBE
            continue
        sure, possible = _peers(classes, entry, family)
        if direction is Direction.INGRESS:
            for truth, ports in entry_ports(entry.ports, subject).items():
                yield from _both(sure, possible, ports, truth)
        else:
            yield from _egress(classes, entry, sure, possible)


def _both(sure: Bits, possible: Bits, ports: PortSet, truth: Truth) -> Iterator[tuple[Bits, PortSet, Truth]]:
    """Yield a grant; a peer or a port that is not sure makes it possible only."""
    if not ports:
        return
    if truth is Truth.YES and sure:
        yield sure, ports, Truth.YES
    if possible:
        yield possible, ports, Truth.MAYBE


def _egress(classes: Classes, entry: Entry, sure: Bits, possible: Bits) -> Iterator[tuple[Bits, PortSet, Truth]]:
    """Names resolve on the pod that the packet goes to, which here is the peer."""
    if not any(isinstance(p, NamedPort) for p in entry.ports or ()):
        yield from _both(sure, possible, entry_ports(entry.ports, None)[Truth.YES], Truth.YES)
        return
    seen: dict[tuple[PortSet, PortSet], Bits] = {}
    for number, one in enumerate(classes.all):
        if possible >> number & 1:
            found = entry_ports(entry.ports, one.shape)
            key = (found[Truth.YES], found[Truth.MAYBE])
            seen[key] = seen.get(key, 0) | 1 << number
    for (surely, maybe), bits in seen.items():
        yield from _both(sure & bits, possible & bits, surely, Truth.YES)
        yield from _both(sure & bits, possible & bits, maybe, Truth.MAYBE)


def _peers(classes: Classes, entry: Entry, family: Family) -> tuple[Bits, Bits]:
    if entry.matches is None:
        return classes.everybody, classes.everybody
    sure = possible = 0
    for match in entry.matches:
        yes, maybe = classes.matched(match, family)
        sure |= yes
        possible |= maybe
    return sure, possible


def entry_ports(ports: tuple[PortMatch, ...] | None, target: Shape | None) -> dict[Truth, PortSet]:
    """Return the ports that a rule's `ports` mean on `target`: surely, and those that depend on the CNI."""
    if ports is None:
        return {Truth.YES: EVERYTHING, Truth.MAYBE: NOTHING}
    sure = maybe = NOTHING
    for port in ports:
        if isinstance(port, PortRange):
            sure = union(sure, interval(port.protocol, port.first, port.last))
            continue
        for number in {p.number for p in target.ports if p.name == port.name} if target else ():
            one = interval(port.protocol, number, number)
            match ports_match((port,), port.protocol, number, target):
                case Truth.YES:
                    sure = union(sure, one)
                case Truth.MAYBE:
                    maybe = union(maybe, one)
                case Truth.NO:
                    pass
    return {Truth.YES: sure, Truth.MAYBE: maybe}
