"""Who stands where, for all classes and all addresses outside at once: on nodes, in the world, behind Services."""

import itertools
from collections.abc import Iterator

from webhook.evaluate.ends import End, Outside, PodEnd
from webhook.evaluate.match import Packet, peer_matches
from webhook.matrix.bits import Bits, bits_of, members
from webhook.matrix.classes import Classes
from webhook.model.addresses import IPV4, Family
from webhook.model.objects import Shape
from webhook.model.policy import Direction
from webhook.model.ports import FIRST_PORT, Protocol
from webhook.model.tier import Match, NodePeer, Place, PlacePeer
from webhook.model.truth import Truth

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

    def matched(self, match: Match, family: Family, node: str, port: Port | None) -> Pair:
        """Return who stands there, as seen from a pod on `node`; behind a Service on `port`."""
        classes = self._classes
        match match:
            case PlacePeer(Place.POD):
                pods = classes.pods & ~classes.host_network
                return pods, pods
            case PlacePeer(Place.WORLD):
                world = classes.outside & ~self._nodes
                return world & ~self._links, world
            case PlacePeer(Place.OWN_NODE):
                sure, possible = self._asked(match, self._on_nodes(), family, node, port)
                return sure, possible | self._links
            case PlacePeer(Place.OTHER_NODE) | NodePeer():
                return self._asked(match, self._on_nodes(), family, node, port)
            case _:
                return self._one_by_one(match, family, node, port)

    def hosts(self, match: Match) -> Pair:
        """Return the nodes and the pods on their network that a match means, whatever their addresses."""
        return self._asked(match, self._on_nodes(), IPV4, "", None)

    def _one_by_one(self, match: Match, family: Family, node: str, port: Port | None) -> Pair:
        """Ask about every class, every address that is listed anywhere, and about one for all others."""
        classes = self._classes
        each = itertools.chain(self._classes_of(), self._on_nodes(), self._served())
        sure, possible = self._asked(match, each, family, node, port)
        others = classes.outside & ~self._nodes & ~self._listed
        if others:
            first = classes.pieces.first(members(others)[0] - len(classes.all))
            yes, maybe = self._asked(match, iter([(0, Outside(first.block))]), family, node, port)
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

    def _asked(
        self, match: Match, ends: Iterator[tuple[int, End]], family: Family, node: str, port: Port | None
    ) -> Pair:
        view, subject = self._classes.view, PodEnd(Shape(""), node=node)
        sure: list[int] = []
        possible: list[int] = []
        for number, end in ends:
            packet = Packet(Direction.EGRESS, subject, end, family, *(port or ("TCP", FIRST_PORT)))
            truth = peer_matches(view, match, end, family, packet)
            if truth is not Truth.NO:
                possible.append(number)
            if truth is Truth.YES:
                sure.append(number)
        return bits_of(sure), bits_of(possible)
