"""Pods on the host network: what they send comes from their node, what is sent to them goes to it."""

from collections.abc import Mapping, Sequence

from webhook.evaluate.portset import EVERYTHING, NOTHING, PortSet
from webhook.matrix.bits import Bits, bits_of
from webhook.matrix.classes import Classes
from webhook.matrix.workloads import Actor
from webhook.model.truth import Truth

UNKNOWN = ""
Counts = dict[str, int]  # pods by node


class Nodes:
    """Where the pods of workloads run, looked up only where it matters.

    `hosts`: workloads with pods on the host network; `closing`: those whose node may be closed to its own pods.
    """

    def __init__(self, classes: Classes, actors: Sequence[Actor], strangers: Mapping[int, Bits]) -> None:
        """Look at `actors`, whose classes are those of `classes`."""
        self._classes = classes
        self._actors = actors
        self._strangers = strangers
        hosted = [any(classes.host_network >> one & 1 for one in of) for of in classes.of]
        self.hosts: Bits = bits_of(number for number, host in enumerate(hosted) if host)
        self.closing: Bits = 0 if classes.view.dialect.to_own_node is Truth.YES else self.hosts
        self._counts: dict[int, dict[int, Counts]] = {}

    def ruled(self, source: int, target: int, one: int, other: int, *, sure: bool) -> PortSet | None:
        """Return what pods of class `one` of `source` reach of class `other` of `target` whatever the rules say.

        None: the rules decide, as they do where no address family is in common (`evaluate.flow.judge_pair`).
        """
        from_host, to_host = (self._classes.host_network >> end & 1 for end in (one, other))
        if self._strangers.get(one, 0) >> other & 1 or not (from_host or to_host):
            return None
        if from_host:
            return EVERYTHING if self._open_anyway(self.of(source, one), self.of(target, other), sure=sure) else None
        return NOTHING if self._closed_anyway(self.of(source, one), self.of(target, other), sure=sure) else None

    def _open_anyway(self, here: Counts, there: Counts, *, sure: bool) -> bool:
        """A node reaches its own pods. Surely: each pair of pods shares one. Possibly: no pair is known not to."""
        if not self._classes.view.dialect.own_node:
            return False
        nodes = here.keys() | there.keys()
        if sure:
            return len(nodes) == 1 and UNKNOWN not in nodes
        return not any(a != b for a in here if a for b in there if b)

    def _closed_anyway(self, here: Counts, there: Counts, *, sure: bool) -> bool:
        """A pod may not reach its own node. Surely open: no pair of pods may share one. Possibly: none surely does."""
        after = self._classes.view.dialect.to_own_node
        shared = not (here.keys() - {UNKNOWN}).isdisjoint(there)
        if sure:
            return after is not Truth.YES and (shared or UNKNOWN in here or UNKNOWN in there)
        return after is Truth.NO and shared

    def alone(self, number: int) -> frozenset[int]:
        """Return the classes that a workload has just one pod of; a template may stand for more."""
        running = (one for one in self._classes.of[number] if not self._classes.all[one].shape.template)
        return frozenset(one for one in running if sum(self.of(number, one).values()) == 1)

    def of(self, number: int, one: int) -> Counts:
        """Return on which nodes a workload's pods of a class run, and how many on each."""
        if number not in self._counts:
            counts: dict[int, Counts] = {}
            for end in self._actors[number].ends:
                here = counts.setdefault(self._classes.number(end), {})
                here[end.node] = here.get(end.node, 0) + 1
            self._counts[number] = counts
        return self._counts[number][one]
