"""Addresses outside the cluster as workloads reach them and are reached from them, those of nodes among them."""

from collections.abc import Iterator, Sequence
from functools import reduce

from webhook.evaluate.portset import EVERYTHING
from webhook.matrix.bits import Bits
from webhook.matrix.classes import Classes
from webhook.matrix.nodes import UNKNOWN, Needed, Nodes, Relation
from webhook.matrix.parts import Parts, added, overlap, within
from webhook.model.policy import Direction
from webhook.model.truth import Truth

ByClass = Sequence[Parts]


class NodeAddresses:
    """The nodes' addresses, beside the nodes that workloads run on."""

    def __init__(self, classes: Classes, nodes: Nodes) -> None:
        """Look at the classes of every workload, and at `nodes`."""
        self._classes = classes
        self._nodes = nodes
        self._pieces: dict[str, Bits] = {}
        policed = classes.view.dialect.families
        for piece, (address, name) in classes.pieces.nodes.items():
            if address.family in policed:
                self._pieces[name] = self._pieces.get(name, 0) | 1 << (len(classes.all) + piece)

    def of(self, direction: Direction, surely: ByClass, possibly: ByClass, wanted: Truth) -> list[Parts]:
        """Return by workload what is open to every pod of it, given what rules surely, and what they may, open."""
        plain = surely if wanted is Truth.YES else possibly
        fates = self._nodes.fates
        matters = fates.egress_matters if direction is Direction.EGRESS else fates.ingress_matters
        shared: dict[object, Parts] = {}
        found = []
        for number, of in enumerate(self._classes.of):
            changes = [self._changes(direction, number, one, wanted) if matters and self._pieces else () for one in of]
            key = (of, tuple(changes))
            if key not in shared:
                every = ((one, change) for one, change in zip(of, changes, strict=True))
                each = (_changed(one, change, plain, (surely, possibly)) for one, change in every)
                shared[key] = reduce(overlap, each)
            found.append(shared[key])
        return found

    def _changes(self, direction: Direction, number: int, one: int, wanted: Truth) -> tuple[tuple[Needed, Bits], ...]:
        """Return of which pieces something else than `wanted` is enough, or needed."""
        if direction is Direction.EGRESS and self._classes.host_network >> one & 1:
            return ()
        changes: dict[Needed, Bits] = {}
        for name, relations in self._related(number, one):
            ask = self._nodes.fates.egress if direction is Direction.EGRESS else self._nodes.fates.ingress
            if (needed := ask(relations, wanted)) is not wanted:
                changes[needed] = changes.get(needed, 0) | self._pieces[name]
        return tuple(sorted(changes.items(), key=str))

    def _related(self, number: int, one: int) -> Iterator[tuple[str, set[Relation]]]:
        """Yield nodes that pods of a class may be on, and how these stand to each."""
        on = self._nodes.of(number, one)
        for name in self._pieces if UNKNOWN in on else self._pieces.keys() & on.keys():
            relations = {Relation.SAME} if name in on else set()
            relations |= {Relation.UNKNOWN} if UNKNOWN in on else set()
            yield name, relations | ({Relation.OTHER} if any(n not in (name, UNKNOWN) for n in on) else set())


def _changed(
    one: int, changes: tuple[tuple[Needed, Bits], ...], plain: ByClass, answers: tuple[ByClass, ByClass]
) -> Parts:
    parts = plain[one]
    for needed, pieces in changes:
        if needed is Truth.NO:
            some: Parts = {EVERYTHING: pieces}
        else:
            some = {} if needed is None else within(answers[needed is Truth.MAYBE][one], pieces)
        parts = added(within(parts, ~pieces), some)
    return parts
