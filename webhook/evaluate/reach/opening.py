"""What one direction of a kind of pod lets through, worked out for every peer and every port at once."""

from collections.abc import Iterable, Iterator
from functools import reduce

from msgspec import Struct

from webhook.evaluate.match import ports_match
from webhook.evaluate.portset import EVERYTHING, NOTHING, PortSet, interval, union
from webhook.evaluate.reach.bits import Bits, bits_of, members
from webhook.evaluate.reach.classes import Classes
from webhook.evaluate.reach.kinds import Kind, names_ports
from webhook.evaluate.reach.parts import Parts, overlap, partition
from webhook.evaluate.reach.peers import Peers
from webhook.model.addresses import Family
from webhook.model.objects import Shape
from webhook.model.policy import Direction
from webhook.model.ports import NamedPort, PortMatch, PortRange
from webhook.model.tier import Entry, Isolation
from webhook.model.truth import Truth


class Opening(Struct, frozen=True):
    """Whom a kind lets through: surely, and possibly (which holds all that is sure)."""

    sure: Parts
    possible: Parts


class Grants(Struct, frozen=True):
    """What the rules of one isolation grant: surely, and what more they may."""

    sure: tuple[tuple[Bits, PortSet], ...]
    doubtful: tuple[tuple[Bits, PortSet], ...]


class Openings:
    """Openings of one direction; what several kinds share is worked out once."""

    def __init__(self, classes: Classes, peers: Peers, direction: Direction) -> None:
        """Work for `classes`."""
        self._classes = classes
        self._peers = peers
        self._direction = direction
        self._grants: dict[tuple[int, Family, Shape | None], Grants] = {}  # by the isolation's place in memory
        self._open: Parts = {EVERYTHING: classes.everybody}

    def of(self, kind: Kind, family: Family) -> Opening:
        """Join isolations as `evaluate.side` does. Pods are met by their address of `family`."""
        if kind.in_doubt:
            return Opening({}, self._open)
        if kind.subject.host_network or not (kind.sure or kind.doubtful):
            return Opening(self._open, self._open)
        sure = [self._of_isolation(isolation, kind, family) for isolation in kind.sure]
        doubtful = [self._of_isolation(isolation, kind, family) for isolation in kind.doubtful]
        if not sure:
            each = (partition(grants.sure) for grants in doubtful)
            return Opening(reduce(overlap, each, self._open), self._open)
        surely = partition(grant for grants in sure for grant in grants.sure)
        if not doubtful and not any(grants.doubtful for grants in sure):
            return Opening(surely, surely)
        every = (grant for grants in (*sure, *doubtful) for grant in (*grants.sure, *grants.doubtful))
        return Opening(surely, partition(every))

    def _of_isolation(self, isolation: Isolation, kind: Kind, family: Family) -> Grants:
        named = self._direction is Direction.INGRESS and names_ports(isolation)
        key = (id(isolation), family, kind.subject if named else None)
        found = self._grants.get(key)
        if found is None:
            target = kind.subject if self._direction is Direction.INGRESS else None
            found = self._grants[key] = self._work_out(isolation, target, family)
        return found

    def _work_out(self, isolation: Isolation, target: Shape | None, family: Family) -> Grants:
        anything = ((self._classes.everybody, EVERYTHING),)
        if isolation.unclear is not None:
            return Grants((), anything)
        sure: list[tuple[Bits, PortSet]] = []
        doubtful: list[tuple[Bits, PortSet]] = []
        for entry in isolation.entries:
            if entry.unclear is not None:
                doubtful += anything
                continue
            for surely, possibly, ports, perhaps in self._entry(entry, target, family):
                if surely and ports:
                    sure.append((surely, ports))
                if (unsure := possibly & ~surely) and ports:
                    doubtful.append((unsure, ports))
                if possibly and perhaps:
                    doubtful.append((possibly, perhaps))
        return Grants(tuple(sure), tuple(doubtful))

    def _entry(
        self, entry: Entry, target: Shape | None, family: Family
    ) -> Iterator[tuple[Bits, Bits, PortSet, PortSet]]:
        """Yield (peers, possible peers, ports, possible ports); names resolve on the pod that the packet goes to."""
        sure, possible = self._who(entry, family)
        if self._direction is Direction.INGRESS or not any(isinstance(p, NamedPort) for p in entry.ports or ()):
            yield sure, possible, *entry_ports(entry.ports, target)
            return
        classes = self._classes
        by_names: dict[object, list[int]] = {}
        for number in members(possible & classes.pods):
            by_names.setdefault(classes.all[number].shape.ports, []).append(number)
        for some in by_names.values():
            bits = bits_of(some)
            yield sure & bits, possible & bits, *entry_ports(entry.ports, classes.all[some[0]].shape)
        yield sure & classes.outside, possible & classes.outside, *entry_ports(entry.ports, None)

    def _who(self, entry: Entry, family: Family) -> tuple[Bits, Bits]:
        if entry.matches is None:
            return self._classes.everybody, self._classes.everybody
        sure = possible = 0
        for match in entry.matches:
            yes, maybe = self._peers.matched(match, family)
            sure |= yes
            possible |= maybe
        return sure, possible


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
