"""One rule of one kind of pod as rows: which ends it is about, on which ports."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from webhook.evaluate.match import ports_match
from webhook.evaluate.portset import EVERYTHING, NOTHING, WIDTH, PortSet, difference, intersection, interval, union
from webhook.matrix.bits import Bits, bits_of, members
from webhook.matrix.class_keys import is_near, leaves, services_of
from webhook.matrix.classes import Classes
from webhook.matrix.node_and_service_peers import Port
from webhook.matrix.peers import Pair, Peers
from webhook.matrix.subjects import Subject, names_ports
from webhook.model.addresses import Family
from webhook.model.objects import Shape
from webhook.model.policy import Direction
from webhook.model.ports import FIRST_PORT, LAST_PORT, PROTOCOLS, PortMatch, PortRange
from webhook.model.tier import Entry, Match, ServicePeer
from webhook.model.truth import Truth
from webhook.world import View

_WHOLE: Final[tuple[tuple[Port | None, PortSet], ...]] = ((None, EVERYTHING),)


class Row(Struct, frozen=True, gc=False):
    """Ends that a rule is about surely, and those that it may be about (`sure` are among these).

    `ports` are those that it is about, `perhaps` those that depend on the CNI besides.
    """

    sure: Bits
    possible: Bits
    ports: PortSet
    perhaps: PortSet


class Rows:
    """Rows of one direction's rules."""

    def __init__(self, classes: Classes, peers: Peers, direction: Direction) -> None:
        """Work for `classes`."""
        self._classes = classes
        self._peers = peers
        self._direction = direction

    def of(self, entry: Entry, subject: Subject, family: Family) -> Sequence[Row]:
        """Return what `evaluate.match.entry_matches` answers end by end; rows may overlap."""
        if entry.unclear is not None:
            return (Row(0, self._classes.everybody, EVERYTHING, NOTHING),)
        own = self.own(entry, subject.number, family)
        if own is Truth.NO:
            return ()
        unsure = own is Truth.MAYBE or entry.conditional is not None
        rows: list[Row] = []
        for port, part in self._parts(entry):
            sure, possible = self._ends(entry, subject.node, family, port)
            for among, target in self._targets(entry, subject, possible):
                ports, perhaps = _ports(entry, target)
                if port is not None:
                    ports, perhaps = intersection(ports, part), intersection(perhaps, part)
                some = possible & among
                if some and (ports or perhaps):
                    rows.append(Row(0 if unsure else sure & among, some, ports, perhaps))
        return rows

    def own(self, entry: Entry, number: int, family: Family) -> Truth:
        """Say whether pods of a class are what an entry asks of its own side."""
        if entry.own is None:
            return Truth.YES
        if _by_port(entry.own):
            return Truth.MAYBE  # no family asks this of a subject
        sure, possible = (bits >> number & 1 for bits in self._peers.any_of(entry.own, family))
        return Truth(sure + possible)

    def _parts(self, entry: Entry) -> Iterable[tuple[Port | None, PortSet]]:
        """Return parts of all ports: one, unless a Service is meant on its ports only, and one port of each."""
        peers = _by_port(entry.matches or ()) if self._classes.asked.by_port else ()
        return _segments(self._classes.view, peers) if peers else _WHOLE

    def _ends(self, entry: Entry, node: str, family: Family, port: Port | None) -> Pair:
        if entry.matches is None:
            return self._classes.everybody, self._classes.everybody
        near = node if node and any(map(is_near, entry.matches)) else ""
        return self._peers.any_of(entry.matches, family, near, port)

    def _targets(self, entry: Entry, subject: Subject, possible: Bits) -> Iterator[tuple[Bits, Shape | None]]:
        """Yield ends by the pod that port names resolve on: the one that the packet goes to."""
        classes = self._classes
        if self._direction is Direction.INGRESS or not names_ports(entry):
            yield classes.everybody, subject.shape if self._direction is Direction.INGRESS else None
            return
        by_names: dict[object, list[int]] = {}
        for number in members(possible & classes.pods):
            by_names.setdefault(classes.all[number].shape.ports, []).append(number)
        for some in by_names.values():
            yield bits_of(some), classes.all[some[0]].shape
        yield classes.outside, None


def _by_port(matches: Iterable[Match]) -> list[ServicePeer]:
    return [leaf for match in matches for leaf in leaves(match) if isinstance(leaf, ServicePeer) and leaf.by_port]


def _segments(view: View, peers: Iterable[ServicePeer]) -> Iterator[tuple[Port, PortSet]]:
    """Cut all ports where an endpoint serves one; yield one port of each part, and the part."""
    services = (service for peer in peers for service in services_of(view, peer))
    served = {port for service in services for some in view.serving(service).values() for port in some}
    for index, protocol in enumerate(PROTOCOLS):
        numbers = {number for spoken, number in served if spoken == protocol and number is not None}
        edges = sorted({FIRST_PORT, LAST_PORT + 1, *numbers, *(number + 1 for number in numbers)})
        for first, after in pairwise(edges):
            yield (protocol, first), ((index * WIDTH + first, index * WIDTH + after - 1),)


def _ports(entry: Entry, target: Shape | None) -> tuple[PortSet, PortSet]:
    sure, maybe = entry_ports(entry.ports, target)
    if not entry.not_ports:
        return sure, maybe
    left_out, perhaps_left_out = entry_ports(entry.not_ports, target)
    possible = difference(union(sure, maybe), left_out)
    return difference(difference(sure, left_out), perhaps_left_out), possible


def entry_ports(ports: Iterable[PortMatch] | None, target: Shape | None) -> tuple[PortSet, PortSet]:
    """Return the ports that a rule's `ports` mean on `target`: surely, and those that depend on the CNI."""
    if ports is None:
        return EVERYTHING, NOTHING
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
    return sure, maybe
