"""Nodes by their addresses: what policy cannot close to a pod's own node, and what its enforcer may."""

from collections.abc import Sequence
from functools import reduce

from webhook.evaluate.portset import EVERYTHING
from webhook.matrix.bits import Bits
from webhook.matrix.classes import Classes
from webhook.matrix.nodes import UNKNOWN, Nodes
from webhook.matrix.parts import Parts, added, overlap, within
from webhook.model.truth import Truth


class Hosts:
    """The nodes' addresses, beside the nodes that workloads run on."""

    def __init__(self, classes: Classes, nodes: Nodes) -> None:
        """Look at the classes of every workload, and at `nodes`."""
        self._classes = classes
        self._nodes = nodes
        self._pieces: dict[str, Bits] = {}
        for piece, (_, name) in classes.pieces.nodes.items():
            self._pieces[name] = self._pieces.get(name, 0) | 1 << (len(classes.all) + piece)

    def out(self, by_class: Sequence[Parts], *, sure: bool) -> list[Parts]:
        """Return by workload what it may send to addresses outside, given what each class may (`judge_outside`)."""
        found = self._together(by_class)
        after = self._classes.view.dialect.to_own_node
        if after is Truth.YES or not self._pieces:
            return found
        return [self._without_own(number, parts, after, sure=sure) for number, parts in enumerate(found)]

    def _without_own(self, number: int, parts: Parts, after: Truth, *, sure: bool) -> Parts:
        pods = [one for one in self._classes.of[number] if not self._classes.host_network >> one & 1]
        on = {name for one in pods for name in self._nodes.of(number, one)}
        closed = 0
        for name, pieces in self._pieces.items():
            if (name in on and (sure or after is Truth.NO)) or (sure and UNKNOWN in on):
                closed |= pieces
        return within(parts, ~closed) if closed else parts

    def into(self, by_class: Sequence[Parts], *, sure: bool) -> list[Parts]:
        """Return by workload what it may get from addresses outside (`judge_from_outside`)."""
        found = self._together(by_class)
        if not self._classes.view.dialect.own_node or not self._pieces:
            return found
        shared: dict[object, Parts] = {}
        for number, of in enumerate(self._classes.of):
            places = tuple(tuple(sorted(self._nodes.of(number, one))) for one in of)
            if (of, places) not in shared:
                shared[of, places] = self._with_own(found[number], of, places, by_class, sure=sure)
            found[number] = shared[of, places]
        return found

    def _with_own(
        self,
        parts: Parts,
        of: Sequence[int],
        places: Sequence[Sequence[str]],
        by_class: Sequence[Parts],
        *,
        sure: bool,
    ) -> Parts:
        """Open each node to its own pods: rules count only for the classes that have a pod elsewhere."""
        known = {name for each in places for name in each}
        by_rules: dict[tuple[int, ...], Bits] = {}
        for name in self._pieces if UNKNOWN in known else known & self._pieces.keys():
            here = (name,) if sure else (name, UNKNOWN)
            elsewhere = tuple(
                one for one, each in zip(of, places, strict=True) if any(place not in here for place in each)
            )
            if len(elsewhere) < len(of):
                by_rules[elsewhere] = by_rules.get(elsewhere, 0) | self._pieces[name]
        for elsewhere, pieces in by_rules.items():
            rules = reduce(overlap, (by_class[one] for one in elsewhere), {EVERYTHING: pieces})
            parts = added(within(parts, ~pieces), within(rules, pieces))
        return parts

    def _together(self, by_class: Sequence[Parts]) -> list[Parts]:
        """Return by workload what is open to every class of it."""
        shared: dict[tuple[int, ...], Parts] = {}
        for of in self._classes.of:
            if of not in shared:
                shared[of] = reduce(overlap, (by_class[one] for one in of))
        return [shared[of] for of in self._classes.of]
