"""Nodes, Services and the world outside for all classes at once, and what pods on the host network change.

Where two pods run matters only as far as they share a node, do not, or may;
`evaluate.node_and_service_peers` is asked once for each.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum, auto

from webhook.evaluate.ends import End, Outside, PodEnd
from webhook.evaluate.match import Packet, peer_matches
from webhook.evaluate.node_and_service_peers import from_node, to_node
from webhook.matrix.classes import Classes
from webhook.matrix.sets import Bits, bits_of, members
from webhook.matrix.workloads import WorkloadPods
from webhook.model.addresses import FIRST_PORT, IPV4, Family, Protocol
from webhook.model.answers import Side, Verdict
from webhook.model.objects import PodClass
from webhook.model.peers import NodePeer, Peer, Place, PlacePeer
from webhook.model.policy import Direction
from webhook.model.truth import Truth
from webhook.world import View

Pair = tuple[Bits, Bits]  # surely, possibly
Port = tuple[Protocol, int]


class Places:
    """Answers by class for what `evaluate.node_and_service_peers` answers by end."""

    def __init__(self, classes: Classes) -> None:
        """Ask about `classes`."""
        self._classes = classes
        self._nodes: Bits = classes.pieces.of_nodes << len(classes.all)
        self._links: Bits = classes.pieces.of_links << len(classes.all)
        below, place = len(classes.all), classes.pieces.place
        self._listed: Bits = bits_of(below + place(address) for address in classes.asked.served)

    def matched(self, peer: Peer, family: Family, node: str, port: Port | None) -> Pair:
        """Return who is there, as seen from a pod on `node`; behind a Service on `port`."""
        classes = self._classes
        match peer:
            case PlacePeer(Place.POD):
                pods = classes.pods & ~classes.host_network
                return pods, pods
            case PlacePeer(Place.WORLD):
                world = classes.outside & ~self._nodes
                return world & ~self._links, world
            case PlacePeer(Place.OWN_NODE):
                sure, possible = self._asked(peer, self._on_nodes(), family, node, port)
                return sure, possible | self._links
            case PlacePeer(Place.OTHER_NODE) | NodePeer():
                return self._asked(peer, self._on_nodes(), family, node, port)
            case _:
                return self._one_by_one(peer, family, node, port)

    def hosts(self, peer: Peer) -> Pair:
        """Return the nodes and the pods on their network that a match means, whatever their addresses."""
        return self._asked(peer, self._on_nodes(), IPV4, "", None)

    def _one_by_one(self, peer: Peer, family: Family, node: str, port: Port | None) -> Pair:
        """Ask about every class, every address that is listed anywhere, and about one for all others."""
        classes = self._classes
        each = itertools.chain(self._classes_of(), self._on_nodes(), self._served())
        sure, possible = self._asked(peer, each, family, node, port)
        others = classes.outside & ~self._nodes & ~self._listed
        if others:
            first = classes.pieces.first(members(others)[0] - len(classes.all))
            yes, maybe = self._asked(peer, iter([(0, Outside(first.block))]), family, node, port)
            sure, possible = sure | others * yes, possible | others * maybe
        return sure, possible

    def _classes_of(self) -> Iterator[tuple[int, End]]:
        yield from ((number, one.end) for number, one in enumerate(self._classes.all))

    def _served(self) -> Iterator[tuple[int, End]]:
        below, place = len(self._classes.all), self._classes.pieces.place
        yield from ((below + place(a), Outside(a.block)) for a in self._classes.asked.served)

    def _on_nodes(self) -> Iterator[tuple[int, End]]:
        """Yield nodes by their addresses, and pods on their network; nobody else can be one."""
        classes = self._classes
        yield from ((number, classes.all[number].end) for number in members(classes.host_network))
        below = len(classes.all)
        yield from ((below + piece, Outside(address.block)) for piece, (address, _) in classes.pieces.nodes.items())

    def _asked(self, peer: Peer, ends: Iterator[tuple[int, End]], family: Family, node: str, port: Port | None) -> Pair:
        view, subject = self._classes.view, PodEnd(PodClass(""), node=node)
        sure: list[int] = []
        possible: list[int] = []
        for number, end in ends:
            packet = Packet(Direction.EGRESS, subject, end, family, *(port or ("TCP", FIRST_PORT)))
            truth = peer_matches(view, peer, end, family, packet)
            if truth is not Truth.NO:
                possible.append(number)
            if truth is Truth.YES:
                sure.append(number)
        return bits_of(sure), bits_of(possible)


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
            one, other = (PodEnd(PodClass(""), node=name) for name in (here, there))
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
        running = (one for one in self._classes.of[number] if not self._classes.all[one].pod_class.template)
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
