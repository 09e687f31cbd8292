"""What one direction of a class lets through, for every peer and port at once: `evaluate.tiers` with sets."""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import groupby, pairwise

from msgspec import Struct

from webhook.matrix.classes import Classes
from webhook.matrix.peers import Peers
from webhook.matrix.rules import Kind, Row, Rows, Subject, Traits
from webhook.matrix.sets import EVERYTHING, NOTHING, Bits, Grant, Parts, PortSet, less, overlap, partition, union
from webhook.model.addresses import Family
from webhook.model.tier import Action, CompiledPolicy, sort_key
from webhook.model.truth import Truth

Read = tuple[CompiledPolicy, Truth, Sequence[tuple[Action, Sequence[Row]]]]  # a piece, whether it selects, its rules


class TierSets(Struct, frozen=True, gc=False):
    """What may become of packets in a tier: each of all ends, on each port, is in at least one."""

    allowed: Parts
    denied: Parts
    past: Parts


def walked(reads: Sequence[Read], everybody: Bits) -> TierSets:
    """Return the stage of pieces in the order in which they are asked."""
    rows = [row for _, _, rules in reads for _, some in rules for row in some]
    found: dict[tuple[Bits, Bits, Bits], PortSet] = {}
    for ports, here in _cells({ports for row in rows for ports in (row.ports, row.perhaps) if ports}):
        cell = _Cell(here, everybody)
        cell.tier(reads)
        outcome = cell.allowed, cell.denied, cell.past
        found[outcome] = union(found.get(outcome, NOTHING), ports)
    return TierSets(*(partition((o[which], ports) for o, ports in found.items() if o[which]) for which in range(3)))


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
        for _, api_group in groupby(reads, key=lambda read: read[0].api_group):
            still_free, still_closed = self._api_group(api_group)
            closed = closed & (still_free | still_closed) | free & still_closed
            free &= still_free
        self.denied |= closed
        self.past |= free

    def _api_group(self, reads: Iterable[Read]) -> tuple[Bits, Bits]:
        free, closed = self._everybody, 0
        for _, group in groupby(reads, key=lambda read: read[0].precedence):
            left, decided, surely, perhaps = free | closed, 0, False, 0
            for compiled, selects, rules in group:
                through = self._policy(compiled, rules, left)
                if selects is Truth.YES:
                    decided |= left ^ left & through
                    surely = surely or compiled.default_deny
                elif compiled.default_deny:
                    perhaps |= through
            closed = (left if surely else closed | perhaps) & ~decided
            free = 0 if surely else free & ~decided
            if not free | closed:
                break
        return free, closed

    def _policy(self, compiled: CompiledPolicy, rules: Sequence[tuple[Action, Sequence[Row]]], left: Bits) -> Bits:
        """Ask the rules in their order, of those that are left; return whom none of them surely decides."""
        if compiled.unclear is not None:
            self.allowed |= left
            return left
        for action, rows in rules:
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


Members = Sequence[tuple[CompiledPolicy, Truth]]


class Opening(Struct, frozen=True, gc=False):
    """Whom a kind lets through: surely, and possibly (which holds all that is sure)."""

    sure: Parts
    possible: Parts


class Grants(Struct, frozen=True, gc=False):
    """What the rules of one isolation grant: surely, and what more they may."""

    sure: tuple[Grant, ...]
    possible: tuple[Grant, ...]


class Openings:
    """Openings of one direction; what several kinds share is worked out once."""

    def __init__(self, classes: Classes, peers: Peers, traits: Traits) -> None:
        """Work for `classes`."""
        self._everybody = classes.everybody
        self._rows = Rows(classes, peers, traits.direction)
        self._traits = traits
        self._grants: dict[object, Grants] = {}
        self._tier_sets: dict[object, TierSets] = {}
        self._policed = classes.view.dialect.families
        self._open: Parts = {EVERYTHING: classes.everybody}

    def of(self, kind: Kind, family: Family) -> Opening:
        """Join isolations as `evaluate.side` does. Pods are met by their address of `family`."""
        if kind.unevaluated:
            return Opening({}, self._open)
        if kind.subject.pod_class.host_network or not (kind.sure or kind.possible):
            return Opening(self._open, self._open)
        if family not in self._policed:
            return Opening({}, self._open)
        if kind.lists:
            each = ([self._of_isolation(i, kind.subject, family) for i in some] for some in (kind.sure, kind.possible))
            return self._of_lists(*each)
        members = (*((i, Truth.YES) for i in kind.sure), *((i, Truth.MAYBE) for i in kind.possible))
        return self._of_tiers(sorted(members, key=lambda pair: sort_key(pair[0])), kind.subject, family)

    def _of_lists(self, sure: Sequence[Grants], possible: Sequence[Grants]) -> Opening:
        if not sure:
            each = (partition(grants.sure) for grants in possible)
            return Opening(reduce(overlap, each, self._open), self._open)
        surely = partition([grant for grants in sure for grant in grants.sure])
        if not possible and not any(grants.possible for grants in sure):
            return Opening(surely, surely)
        return Opening(surely, _possibly(sure, possible))

    def _of_tiers(self, members: Members, subject: Subject, family: Family) -> Opening:
        """Follow all packets through the tiers; what is allowed on some way and denied on none is sure."""
        passing = self._open
        allowed: list[Grant] = []
        denied: list[Grant] = []
        for _, tier in groupby(members, key=lambda pair: pair[0].tier):
            tier_sets = self._tier(tuple(tier), subject, family)
            allowed += _grants(overlap(passing, tier_sets.allowed))
            denied += _grants(overlap(passing, tier_sets.denied))
            passing = overlap(passing, tier_sets.past)
            if not passing:
                break
        possible = partition((*allowed, *_grants(passing)))
        return Opening(less(possible, partition(denied)), possible)

    def _tier(self, members: Members, subject: Subject, family: Family) -> TierSets:
        asked = tuple((id(compiled), truth, self._asked(compiled, subject, family)) for compiled, truth in members)
        found = self._tier_sets.get((asked, family))
        if found is None:
            lists = all(self._traits.of(compiled).lists for compiled, _ in members)
            make = self._tier_of_lists if lists else self._tier_in_order
            found = self._tier_sets[asked, family] = make(members, subject, family)
        return found

    def _tier_of_lists(self, members: Members, subject: Subject, family: Family) -> TierSets:
        """Whoever is surely isolated is denied what is not surely granted; another may be denied it, and may pass."""
        sure = [self._of_isolation(i, subject, family) for i, truth in members if truth is Truth.YES]
        possible = [self._of_isolation(i, subject, family) for i, truth in members if truth is not Truth.YES]
        opening = self._of_lists(sure, possible)
        return TierSets(_possibly(sure, possible), less(self._open, opening.sure), {} if sure else self._open)

    def _tier_in_order(self, members: Members, subject: Subject, family: Family) -> TierSets:
        def read(compiled: CompiledPolicy, truth: Truth) -> Read:
            rules = compiled.rules if compiled.unclear is None else ()
            return compiled, truth, [(e.action, self._rows.of(e, subject, family)) for e in rules]

        return walked([read(*member) for member in members], self._everybody)

    def _of_isolation(self, compiled: CompiledPolicy, subject: Subject, family: Family) -> Grants:
        key = (id(compiled), family, self._asked(compiled, subject, family))
        found = self._grants.get(key)
        if found is None:
            found = self._grants[key] = self._work_out(compiled, subject, family)
        return found

    def _asked(self, compiled: CompiledPolicy, subject: Subject, family: Family) -> object:
        """Return what the rules of a piece ask of the subject: for equal answers they do the same."""
        traits = self._traits.of(compiled)
        if traits.plain:
            return None
        owns = tuple(self._rows.own(rule, subject.number, family) for rule in traits.own)
        return subject.pod_class.ports if traits.names else (), owns, subject.node if traits.near else ""

    def _work_out(self, compiled: CompiledPolicy, subject: Subject, family: Family) -> Grants:
        if compiled.unclear is not None:
            return Grants((), ((self._everybody, EVERYTHING),))
        sure: list[Grant] = []
        possible: list[Grant] = []
        for row in (row for rule in compiled.rules for row in self._rows.of(rule, subject, family)):
            if row.sure and row.ports:
                sure.append((row.sure, row.ports))
            if row.possible is not row.sure and (unsure := row.possible & ~row.sure) and row.ports:
                possible.append((unsure, row.ports))
            if row.perhaps:
                possible.append((row.possible, row.perhaps))
        return Grants(tuple(sure), tuple(possible))


def _grants(parts: Parts) -> Iterator[Grant]:
    return ((who, ports) for ports, who in parts.items())


def _possibly(*several: Iterable[Grants]) -> Parts:
    return partition(grant for some in several for grants in some for grant in (*grants.sure, *grants.possible))
