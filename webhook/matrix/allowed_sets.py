"""What one direction of a kind of pod lets through, worked out for every peer and every port at once."""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import groupby

from msgspec import Struct

from webhook.evaluate.portset import EVERYTHING
from webhook.matrix.classes import Classes
from webhook.matrix.parts import Grant, Parts, less, overlap, partition
from webhook.matrix.peers import Peers
from webhook.matrix.rules import Rows
from webhook.matrix.subjects import Kind, Subject, Traits
from webhook.matrix.tiers import Read, Stage, walked
from webhook.model.addresses import Family
from webhook.model.tier import Isolation, position
from webhook.model.truth import Truth

Members = Sequence[tuple[Isolation, Truth]]


class Opening(Struct, frozen=True):
    """Whom a kind lets through: surely, and possibly (which holds all that is sure)."""

    sure: Parts
    possible: Parts


class Grants(Struct, frozen=True):
    """What the rules of one isolation grant: surely, and what more they may."""

    sure: tuple[Grant, ...]
    doubtful: tuple[Grant, ...]


class Openings:
    """Openings of one direction; what several kinds share is worked out once."""

    def __init__(self, classes: Classes, peers: Peers, traits: Traits) -> None:
        """Work for `classes`."""
        self._everybody = classes.everybody
        self._rows = Rows(classes, peers, traits.direction)
        self._traits = traits
        self._grants: dict[object, Grants] = {}
        self._stages: dict[object, Stage] = {}
        self._policed = classes.view.dialect.families
        self._open: Parts = {EVERYTHING: classes.everybody}

    def of(self, kind: Kind, family: Family) -> Opening:
        """Join isolations as `evaluate.side` does. Pods are met by their address of `family`."""
        if kind.in_doubt:
            return Opening({}, self._open)
        if kind.subject.shape.host_network or not (kind.sure or kind.doubtful):
            return Opening(self._open, self._open)
        if family not in self._policed:
            return Opening({}, self._open)
        members = (*((i, Truth.YES) for i in kind.sure), *((i, Truth.MAYBE) for i in kind.doubtful))
        if kind.lists:
            return self._of_lists(members, kind.subject, family)
        return self._of_tiers(sorted(members, key=lambda pair: position(pair[0])), kind.subject, family)

    def _of_lists(self, members: Members, subject: Subject, family: Family) -> Opening:
        sure, doubtful = self._granted(members, subject, family)
        if not sure:
            each = (partition(grants.sure) for grants in doubtful)
            return Opening(reduce(overlap, each, self._open), self._open)
        surely = partition(grant for grants in sure for grant in grants.sure)
        if not doubtful and not any(grants.doubtful for grants in sure):
            return Opening(surely, surely)
        return Opening(surely, _possibly(sure, doubtful))

    def _of_tiers(self, members: Members, subject: Subject, family: Family) -> Opening:
        """Follow all packets through the tiers; what is allowed on some way and denied on none is sure."""
        passing = self._open
        allowed: list[Grant] = []
        denied: list[Grant] = []
        for _, tier in groupby(members, key=lambda pair: pair[0].tier):
            stage = self._stage(tuple(tier), subject, family)
            allowed += _grants(overlap(passing, stage.allowed))
            denied += _grants(overlap(passing, stage.denied))
            passing = overlap(passing, stage.past)
            if not passing:
                break
        possible = partition((*allowed, *_grants(passing)))
        return Opening(less(possible, partition(denied)), possible)

    def _stage(self, members: Members, subject: Subject, family: Family) -> Stage:
        asked = tuple((id(isolation), truth, self._asked(isolation, subject, family)) for isolation, truth in members)
        found = self._stages.get((asked, family))
        if found is None:
            lists = all(self._traits.of(isolation).lists for isolation, _ in members)
            make = self._stage_of_lists if lists else self._stage_in_order
            found = self._stages[asked, family] = make(members, subject, family)
        return found

    def _stage_of_lists(self, members: Members, subject: Subject, family: Family) -> Stage:
        """Whoever is surely isolated is denied what is not surely granted; another may be denied it, and may pass."""
        sure, doubtful = self._granted(members, subject, family)
        opening = self._of_lists(members, subject, family)
        return Stage(_possibly(sure, doubtful), less(self._open, opening.sure), {} if sure else self._open)

    def _stage_in_order(self, members: Members, subject: Subject, family: Family) -> Stage:
        def read(isolation: Isolation, truth: Truth) -> Read:
            entries = isolation.entries if isolation.unclear is None else ()
            return isolation, truth, [(e.action, self._rows.of(e, subject, family)) for e in entries]

        return walked([read(*member) for member in members], self._everybody)

    def _granted(self, members: Members, subject: Subject, family: Family) -> tuple[list[Grants], list[Grants]]:
        """Return what pieces grant that surely select, and those that may."""
        sure = [self._of_isolation(i, subject, family) for i, truth in members if truth is Truth.YES]
        return sure, [self._of_isolation(i, subject, family) for i, truth in members if truth is not Truth.YES]

    def _of_isolation(self, isolation: Isolation, subject: Subject, family: Family) -> Grants:
        key = (id(isolation), family, self._asked(isolation, subject, family))
        found = self._grants.get(key)
        if found is None:
            found = self._grants[key] = self._work_out(isolation, subject, family)
        return found

    def _asked(self, isolation: Isolation, subject: Subject, family: Family) -> object:
        """Return what the rules of a piece ask of the subject: for equal answers they do the same."""
        traits = self._traits.of(isolation)
        if traits.plain:
            return ()
        owns = tuple(self._rows.own(entry, subject.number, family) for entry in traits.own)
        return subject.shape.ports if traits.names else (), owns, subject.node if traits.near else ""

    def _work_out(self, isolation: Isolation, subject: Subject, family: Family) -> Grants:
        if isolation.unclear is not None:
            return Grants((), ((self._everybody, EVERYTHING),))
        sure: list[Grant] = []
        doubtful: list[Grant] = []
        for row in (row for entry in isolation.entries for row in self._rows.of(entry, subject, family)):
            if row.sure and row.ports:
                sure.append((row.sure, row.ports))
            if (unsure := row.possible & ~row.sure) and row.ports:
                doubtful.append((unsure, row.ports))
            if row.perhaps:
                doubtful.append((row.possible, row.perhaps))
        return Grants(tuple(sure), tuple(doubtful))


def _grants(parts: Parts) -> Iterator[Grant]:
    return ((who, ports) for ports, who in parts.items())


def _possibly(*several: Iterable[Grants]) -> Parts:
    return partition(grant for some in several for grants in some for grant in (*grants.sure, *grants.doubtful))
