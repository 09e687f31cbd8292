"""Pods that no policy of a view can tell apart, and addresses outside, as bits of one number.

The bits of the classes of pods come first, in the order in which their workloads are sorted; above them those of the
pieces into which the policies' address blocks cut the addresses outside the cluster.
"""

from collections.abc import Iterable
from typing import TypeVar

from msgspec import Struct

from webhook.evaluate.ends import PodEnd
from webhook.evaluate.flow import families_of_nodes
from webhook.evaluate.mesh import OUTSIDE, Member, Membership, membership
from webhook.matrix.address_pieces import Pieces
from webhook.matrix.bits import Bits, bits_of
from webhook.matrix.class_keys import Asked
from webhook.matrix.workloads import WorkloadPods
from webhook.model.addresses import FAMILIES, LINK_LOCAL, Address, Family
from webhook.model.labels import Labels
from webhook.model.objects import Shape
from webhook.model.policy import Direction
from webhook.model.tier import Isolation
from webhook.world import View

K = TypeVar("K")
Places = tuple[int | None, int | None]  # by family: between which edges of address blocks; None: no address of it


class Class(Struct, frozen=True):
    """What policies see of some pods: `shape` has only the labels and port names that some policy asks for.

    Where no policy asks for addresses, `places` are not there and all count as assigned. `doubts`: the directions in
    which something may decide that is not evaluated. `node` is there only where a policy asks for it. `end`: one of the
    pods.
    """

    shape: Shape
    places: Places
    assigned: bool
    doubts: tuple[Direction, ...]
    node: str
    mesh: Membership
    end: PodEnd


class Classes:
    """The classes of a view, indexed by all that a selector asks for."""

    def __init__(self, view: View, workloads: Iterable[WorkloadPods], isolations: list[Isolation]) -> None:
        """Put every end of `workloads` into its class; `isolations` are all that the view has."""
        self.view = view
        self.all: list[Class] = []
        self.apart = view.dialect.families != FAMILIES  # one family is policed, and the other is not
        self.by_address = self.apart or any(isolation.by_address for isolation in isolations)
        self.asked = Asked.by(view, isolations)
        self._pieces = Pieces(isolations, _nodes(view), self.asked.served, LINK_LOCAL if self.asked.hosts else ())
        self._numbers: dict[object, int] = {}
        self.of: list[tuple[int, ...]] = [self._of(one) for one in workloads]
        self._to_come = {False: view.families(), True: families_of_nodes(view)}
        self._index()
        self.pods: Bits = (1 << len(self.all)) - 1
        self.outside: Bits = ((1 << self._pieces.count) - 1) << len(self.all)
        self.everybody: Bits = self.pods | self.outside

    @property
    def pieces(self) -> Pieces:
        """The addresses outside; piece 0 is the lowest bit of `outside`."""
        return self._pieces

    @property
    def families(self) -> tuple[Family, ...]:
        """The address families that anybody here has, or may get."""
        to_come = {f for hosted, bits in self.unassigned.items() if bits for f in self._to_come[hosted]}
        return tuple(sorted(to_come | set(self._to_come[False])))

    def _of(self, one: WorkloadPods) -> tuple[int, ...]:
        return tuple(dict.fromkeys(map(self.number, one.members)))

    def number(self, member: Member) -> int:
        """Return the number of the class of a pod; a new one where it is the first of its kind."""
        end, shape = member.end, member.end.shape
        labels = tuple(pair for pair in shape.labels.pairs if pair[0] in self.asked.keys)
        ports = tuple(p for p in shape.ports if p.name in self.asked.names)
        places = self._place(end)
        assigned = bool(end.addresses) or not self.by_address
        doubts = tuple(d for d in Direction if self.view.doubt(shape, d) is not None)
        account = shape.account if self.asked.accounts else ""
        node = end.node if self.asked.near or (self.asked.nodes and shape.host_network) else ""
        served = tuple(a for a in end.addresses if a in self.asked.served) if self.asked.served else ()
        seen = (shape.namespace, labels, ports, shape.host_network, shape.template, account)
        mesh = membership(self.view, member)
        key = (*seen, places, assigned, doubts, node, served, mesh)
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.all)
            kept = Shape(shape.namespace, Labels(labels), *seen[2:])
            self.all.append(Class(kept, places, assigned, doubts, node, mesh, end))
        return found

    def _place(self, end: PodEnd) -> Places:
        if not end.addresses or not self.by_address:
            return None, None
        four, six = (end.address(family) for family in FAMILIES)
        return self._pieces.place(four) if four else None, self._pieces.place(six) if six else None

    def _index(self) -> None:
        """Look all classes up by what a selector, a block or a direction asks for."""
        each = list(enumerate(self.all))
        self.by_namespace = _grouped((one.shape.namespace, number) for number, one in each)
        self.by_label = _grouped((pair, number) for number, one in each for pair in one.shape.labels.pairs)
        self.by_key = _grouped((pair[0], number) for number, one in each for pair in one.shape.labels.pairs)
        self.values: dict[str, list[str]] = {}
        for key, value in self.by_label:
            self.values.setdefault(key, []).append(value)
        self.by_account = _grouped(((one.shape.namespace, one.shape.account), number) for number, one in each)
        self.host_network = bits_of(number for number, one in each if one.shape.host_network)
        self.meshes = _grouped((one.mesh, number) for number, one in each if one.mesh != OUTSIDE)
        self.templates = bits_of(number for number, one in each if one.shape.template)
        self.unassigned = _grouped((one.shape.host_network, number) for number, one in each if not one.assigned)
        self.placed: dict[Family, dict[int, Bits]] = {}
        self.on: dict[Family, Bits] = {}  # who has, or may get, an address of the family
        for index, family in enumerate(FAMILIES):
            places = ((one.places[index], number) for number, one in each)
            self.placed[family] = _grouped((place, number) for place, number in places if place is not None)
            self.on[family] = bits_of(
                number
                for number, one in each
                if one.places[index] is not None
                or (not one.assigned and family in self._to_come[one.shape.host_network])
            )


def _nodes(view: View) -> dict[Address, str]:
    """Return the nodes by their addresses; of two with the same one the first by name, as `View.node_at` does."""
    every = sorted(view.nodes(), key=lambda node: node.name, reverse=True)
    return {address: node.name for node in every for address in node.addresses}


def _grouped(pairs: Iterable[tuple[K, int]]) -> dict[K, Bits]:
    found: dict[K, list[int]] = {}
    for key, number in pairs:
        found.setdefault(key, []).append(number)
    return {key: bits_of(numbers) for key, numbers in found.items()}
