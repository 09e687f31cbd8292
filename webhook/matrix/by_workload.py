"""From classes to workloads: what every pod of one may send to every pod of the other."""

from collections.abc import Iterator, Sequence
from functools import reduce

from webhook.evaluate.portset import EVERYTHING, PortSet, intersection
from webhook.matrix.bits import Bits, bits_of, members
from webhook.matrix.by_class import Sides
from webhook.matrix.classes import Classes
from webhook.matrix.nodes import Nodes
from webhook.matrix.parts import Parts, granted, overlap
from webhook.model.truth import Truth


class Workloads:
    """Workloads by number. `pure` ones have pods of one class only, which is what most have."""

    def __init__(self, classes: Classes, nodes: Nodes, sides: Sides) -> None:
        """Number workloads as `classes` does."""
        self._classes = classes
        self._nodes = nodes
        self._sides = sides
        self._of_class = [0] * len(classes.all)
        self._mixed: list[int] = []
        for number, of in enumerate(classes.of):
            if len(of) == 1:
                self._of_class[of[0]] |= 1 << number
            else:
                self._mixed.append(number)
        self._apart = sorted({*self._mixed, *members(nodes.targets)})
        self._same = all(bits == 1 << number for number, bits in enumerate(self._of_class))
        self._found: dict[Bits, Bits] = {}

    def reached(self, by_class: Sequence[Parts], *, sure: bool) -> list[Parts]:
        """Return by workload whom it reaches.

        Itself is among them where its pods, if there were several, would reach each other.
        """
        shared: dict[tuple[int, ...], Parts] = {}
        found = []
        for number, of in enumerate(self._classes.of):
            if of not in shared:
                every = reduce(overlap, (by_class[one] for one in of))
                shared[of] = self._pure(every)
            parts = shared[of]
            if self._apart or self._nodes.sources >> number & 1:
                parts = self._exactly(number, parts, by_class, sure=sure)
            found.append(parts)
        return found

    def _pure(self, parts: Parts) -> Parts:
        return {ports: who for ports, bits in parts.items() if (who := self._who(bits))}

    def _who(self, bits: Bits) -> Bits:
        """Return the workloads that have pods of these classes only, of one class each."""
        if self._same:
            return bits
        found = self._found.get(bits)
        if found is None:
            found = 0
            for one in members(bits):
                found |= self._of_class[one]
            self._found[bits] = found
        return found

    def _exactly(self, source: int, parts: Parts, by_class: Sequence[Parts], *, sure: bool) -> Parts:
        """Add whom only a look at every pair of classes can tell about."""
        asked = range(len(self._classes.of)) if self._nodes.sources >> source & 1 else self._apart
        known = bits_of(asked)
        found = {ports: rest for ports, who in parts.items() if (rest := who & ~known)}
        for target in asked:
            each = [self._ports(source, target, *pair, by_class, sure=sure) for pair in self._pairs(source, target)]
            if ports := reduce(intersection, each, EVERYTHING):
                found[ports] = found.get(ports, 0) | 1 << target
        return found

    def _pairs(self, source: int, target: int) -> Iterator[tuple[int, int]]:
        """Yield pairs of classes; a pod and itself are no pair, unless it is the only one there is."""
        sources, targets = self._classes.of[source], self._classes.of[target]
        alone = self._nodes.alone(source) if source == target and len(sources) > 1 else frozenset()
        return ((one, other) for one in sources for other in targets if one != other or one not in alone)

    def _ports(
        self, source: int, target: int, one: int, other: int, by_class: Sequence[Parts], *, sure: bool
    ) -> PortSet:
        wanted = Truth.YES if sure else Truth.MAYBE
        needed = self._nodes.needed(source, target, one, other, wanted)
        if needed == (wanted, wanted):
            return granted(by_class[one], other)
        return self._sides.ports(one, other, needed, wanted)
