"""Pods on the host network: what they send comes from their node, and a node always reaches its own pods."""

from collections.abc import Mapping, Sequence

from webhook.evaluate.reach.actors import Actor
from webhook.evaluate.reach.bits import Bits, bits_of
from webhook.evaluate.reach.classes import Classes

UNKNOWN = ""


class Nodes:
    """Where the pods of workloads run, looked up only where somebody is on the host network."""

    def __init__(self, classes: Classes, actors: Sequence[Actor], strangers: Mapping[int, Bits]) -> None:
        """Look at `actors`, whose classes are those of `classes`."""
        self._classes = classes
        self._actors = actors
        self._strangers = strangers
        hosted = [any(classes.host_network >> one & 1 for one in of) for of in classes.of]
        self.hosts: Bits = bits_of(number for number, host in enumerate(hosted) if host)
        self._counts: dict[int, dict[int, dict[str, int]]] = {}

    def open_anyway(self, source: int, target: int, one: int, other: int, *, sure: bool) -> bool:
        """Say whether pods of class `one` of `source` reach those of `other` of `target` whatever the rules say.

        Surely: each pair of pods shares a node. Possibly (not `sure`): no pair is known not to. Otherwise the rules
        decide, as they do where no address family is in common (`evaluate.flow.judge_pair`).
        """
        if not self._classes.host_network >> one & 1 or self._strangers.get(one, 0) >> other & 1:
            return False
        here, there = self._of(source, one), self._of(target, other)
        nodes = here.keys() | there.keys()
        if sure:
            return len(nodes) == 1 and UNKNOWN not in nodes
        return not any(a != b for a in here if a for b in there if b)

    def alone(self, number: int) -> frozenset[int]:
        """Return the classes that a workload has just one pod of; a template may stand for more."""
        running = (one for one in self._classes.of[number] if not self._classes.all[one].shape.template)
        return frozenset(one for one in running if sum(self._of(number, one).values()) == 1)

    def _of(self, number: int, one: int) -> dict[str, int]:
        """Return on which nodes a workload's pods of a class run, and how many on each."""
        if number not in self._counts:
            counts: dict[int, dict[str, int]] = {}
            for end in self._actors[number].ends:
                here = counts.setdefault(self._classes.number(end), {})
                here[end.node] = here.get(end.node, 0) + 1
            self._counts[number] = counts
        return self._counts[number][one]
