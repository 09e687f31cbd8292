"""One tier, walked for every end and every port at once: `evaluate.tiers` with sets in the place of one packet."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise

from msgspec import Struct

from webhook.evaluate.portset import EVERYTHING, NOTHING, PortSet, union
from webhook.matrix.bits import Bits
from webhook.matrix.parts import Parts, partition
from webhook.matrix.rules import Row
from webhook.model.tier import Action, Isolation
from webhook.model.truth import Truth

Read = tuple[Isolation, Truth, Sequence[tuple[Action, Sequence[Row]]]]  # a piece, whether it selects, its rules


class Stage(Struct, frozen=True):
    """What may become of packets in a tier: each of all ends, on each port, is in at least one."""

    allowed: Parts
    denied: Parts
    past: Parts


def walked(reads: Sequence[Read], everybody: Bits) -> Stage:
    """Return the stage of pieces in the order in which they are asked."""
    rows = [row for _, _, entries in reads for _, some in entries for row in some]
    found: dict[tuple[Bits, Bits, Bits], PortSet] = {}
    for ports, here in _cells({ports for row in rows for ports in (row.ports, row.perhaps) if ports}):
        cell = _Cell(here, everybody)
        cell.tier(reads)
        outcome = cell.allowed, cell.denied, cell.past
        found[outcome] = union(found.get(outcome, NOTHING), ports)
    return Stage(*(partition((o[which], ports) for o, ports in found.items() if o[which]) for which in range(3)))


def _cells(sets: Iterable[PortSet]) -> Iterator[tuple[PortSet, frozenset[PortSet]]]:
    """Cut all ports into sets that each of `sets` holds or does not touch; yield each with those that hold it."""
    every = (EVERYTHING, *(some for some in sets if some != EVERYTHING))
    toggles: dict[int, int] = {}
    for number, some in enumerate(every):
        for first, last in some:
            for edge in (first, last + 1):
                toggles[edge] = toggles.get(edge, 0) ^ 1 << number
    found: dict[int, list[tuple[int, int]]] = {}
    edges = sorted(toggles)
    here = 0
    for first, after in pairwise(edges):
        here ^= toggles[first]
        if here & 1:
            found.setdefault(here, []).append((first, after - 1))
    for held, ports in found.items():
        yield tuple(ports), frozenset(some for number, some in enumerate(every) if held >> number & 1)


class _Cell:
    """The walk of one tier on ports that all rules treat alike; see `evaluate.tiers._Walk`."""

    def __init__(self, ports: frozenset[PortSet], everybody: Bits) -> None:
        self._ports = ports
        self._everybody = everybody
        self.allowed = self.denied = self.past = 0

    def tier(self, reads: Sequence[Read]) -> None:
        free, closed = self._everybody, 0  # ends of which nothing that isolates was met; ends of which it was
        for _, lane in groupby(reads, key=lambda read: read[0].lane):
            still_free, still_closed = self._lane(lane)
            closed = closed & (still_free | still_closed) | free & still_closed
            free &= still_free
        self.denied |= closed
        self.past |= free

    def _lane(self, reads: Iterable[Read]) -> tuple[Bits, Bits]:
        free, closed = self._everybody, 0
        for _, group in groupby(reads, key=lambda read: read[0].rank):
            left, decided, surely, perhaps = free | closed, 0, False, 0
            for isolation, selects, entries in group:
                through = self._piece(isolation, entries, left)
                if selects is Truth.YES:
                    decided |= left & ~through
                    surely = surely or isolation.isolates
                elif isolation.isolates:
                    perhaps |= through
            closed = (left if surely else closed | perhaps) & ~decided
            free = 0 if surely else free & ~decided
            if not free | closed:
                break
        return free, closed

    def _piece(self, isolation: Isolation, entries: Sequence[tuple[Action, Sequence[Row]]], left: Bits) -> Bits:
        """Ask the rules in their order, of those that are left; return whom none of them surely decides."""
        if isolation.unclear is not None:
            self.allowed |= left
            return left
        for action, rows in entries:
            sure = possible = 0
            for row in rows:
                if row.ports in self._ports:
                    sure |= row.sure
                    possible |= row.possible
                elif row.perhaps in self._ports:
                    possible |= row.possible
            self._decide(action, left & possible)
            left &= ~sure
        return left

    def _decide(self, action: Action, ends: Bits) -> None:
        match action:
            case Action.ALLOW:
                self.allowed |= ends
            case Action.DENY:
                self.denied |= ends
            case Action.PASS:
                self.past |= ends
