"""Pods on the host network: what nodes change about an answer, whatever the rules are.

Where two pods run matters only as far as they share a node, do not, or may; `evaluate.hosts` is asked once for each.
"""

from collections.abc import Iterable, Sequence
from enum import Enum, auto

from webhook.evaluate.ends import PodEnd
from webhook.evaluate.hosts import from_node, to_node
from webhook.matrix.bits import Bits, bits_of
from webhook.matrix.classes import Classes
from webhook.matrix.workloads import WorkloadPods
from webhook.model.objects import Shape
from webhook.model.truth import Truth
from webhook.model.verdict import Side, Verdict
from webhook.world import View

UNKNOWN = ""
Counts = dict[str, int]  # pods by node
Fate = tuple[Truth, Truth, Truth]  # what becomes of a side that rules answer NO, MAYBE and YES
Needed = Truth | None  # the least that rules must answer; None: nothing is enough
VERDICTS = {Truth.NO: Verdict.DENIED, Truth.MAYBE: Verdict.UNKNOWN, Truth.YES: Verdict.ALLOWED}
TRUTHS = {verdict: truth for truth, verdict in VERDICTS.items()}


class Relation(Enum):
    """Whether two ends are on one node."""

    SAME = auto()
    OTHER = auto()
    UNKNOWN = auto()


_ENDS = {Relation.SAME: ("a", "a"), Relation.OTHER: ("a", "b"), Relation.UNKNOWN: ("", "b")}


class Fates:
    """What a node makes of egress to it and of ingress from it, by how the two ends stand to each other."""

    def __init__(self, view: View) -> None:
        """Ask for each relation and each answer of the rules."""
        self._egress: dict[Relation, Fate] = {}
        self._ingress: dict[Relation, Fate] = {}
        for relation, (here, there) in _ENDS.items():
            one, other = (PodEnd(Shape(""), node=name) for name in (here, there))
            sides = [Side(VERDICTS[truth]) for truth in Truth]
            self._egress[relation] = _fate(to_node(view, one, other.node, side) for side in sides)
            self._ingress[relation] = _fate(from_node(view, one.node, other, side) for side in sides)
        self.egress_matters = any(fate != tuple(Truth) for fate in self._egress.values())
        self.ingress_matters = any(fate != tuple(Truth) for fate in self._ingress.values())

    def egress(self, relations: Iterable[Relation], wanted: Truth) -> Needed:
        """Return what rules must answer at least, so that a packet to a node is let out of every such pod."""
        return _needed((self._egress[relation] for relation in relations), wanted)

    def ingress(self, relations: Iterable[Relation], wanted: Truth) -> Needed:
        """Return what rules must answer at least, so that a packet from a node is let in to every such pod."""
        return _needed((self._ingress[relation] for relation in relations), wanted)


def _fate(sides: Iterable[Side]) -> Fate:
    no, maybe, yes = (TRUTHS[side.verdict] for side in sides)
    return no, maybe, yes


def _needed(fates: Iterable[Fate], wanted: Truth) -> Needed:
    every = list(fates)
    return next((truth for truth in Truth if all(fate[truth] >= wanted for fate in every)), None)


class Nodes:
    """Where the pods of workloads run, looked up only where it matters.

    `hosts`: workloads with pods on the host network; `asked`: those of which every pair with a pod is looked at.
    """

    def __init__(self, classes: Classes, workloads: Sequence[WorkloadPods]) -> None:
        """Look at `workloads`, whose classes are those of `classes`."""
        self.fates = Fates(classes.view)
        self._classes = classes
        self._workloads = workloads
        hosted = [any(classes.host_network >> one & 1 for one in of) for of in classes.of]
        hosts = bits_of(number for number, host in enumerate(hosted) if host)
        self.sources: Bits = hosts if self.fates.ingress_matters else 0
        self.targets: Bits = hosts if self.fates.egress_matters else 0
        self._counts: dict[int, dict[int, Counts]] = {}

    def needed(self, source: int, target: int, one: int, other: int, wanted: Truth) -> tuple[Needed, Needed]:
        """Return what rules must answer on each side, for all pods of class `one` of `source` and `other` of `target`.

        That is `wanted`, but where an end is a node to the other.
        """
        from_host, to_host = (self._classes.host_network >> end & 1 for end in (one, other))
        if not from_host and not to_host:
            return wanted, wanted
        same = source == target and one == other
        relations = related(self.of(source, one), self.of(target, other), itself=same)
        egress = self.fates.egress(relations, wanted) if to_host and not from_host else wanted
        return egress, self.fates.ingress(relations, wanted) if from_host else wanted

    def alone(self, number: int) -> frozenset[int]:
        """Return the classes that a workload has just one pod of; a template may stand for more."""
        running = (one for one in self._classes.of[number] if not self._classes.all[one].shape.template)
        return frozenset(one for one in running if sum(self.of(number, one).values()) == 1)

    def of(self, number: int, one: int) -> Counts:
        """Return on which nodes a workload's pods of a class run, and how many on each."""
        if number not in self._counts:
            counts: dict[int, Counts] = {}
            for member in self._workloads[number].members:
                here = counts.setdefault(self._classes.number(member), {})
                here[member.end.node] = here.get(member.end.node, 0) + 1
            self._counts[number] = counts
        return self._counts[number][one]


def related(here: Counts, there: Counts, *, itself: bool = False) -> set[Relation]:
    """Return how pods of two kinds stand to each other; `itself`: they are the same pods, and none meets itself."""
    found: set[Relation] = set()
    if UNKNOWN in here or UNKNOWN in there:
        found.add(Relation.UNKNOWN)
    shared = (here.keys() & there.keys()) - {UNKNOWN}
    if any(not itself or here[node] > 1 for node in shared):
        found.add(Relation.SAME)
    if any(a != b for a in here if a for b in there if b):
        found.add(Relation.OTHER)
    return found or {Relation.SAME}
