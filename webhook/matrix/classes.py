"""Pods that no policy can tell apart, and pieces of outside addresses that no block cuts, as bits of one number.

The bits of the classes of pods come first, in the order in which their workloads are sorted; above them those of the
pieces into which the policies' address blocks cut the addresses outside the cluster.
"""

import ipaddress
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from operator import or_
from typing import Final, TypeVar

from msgspec import Struct

from webhook.evaluate.coverage import edges_of
from webhook.evaluate.ends import PodEnd
from webhook.evaluate.flow import families_of_nodes
from webhook.evaluate.translation import OUTSIDE, Member, Membership, membership
from webhook.matrix.sets import Bits, bits_of
from webhook.matrix.workloads import Asked, WorkloadPods
from webhook.model.addresses import BITS, FAMILIES, IPV4, LINK_LOCAL, Address, Block, Family
from webhook.model.labels import NO_LABELS
from webhook.model.objects import PodClass
from webhook.model.policy import BlockPeer, Direction
from webhook.model.tier import CompiledPolicy
from webhook.world import View

Ranges = tuple[Block, ...]


class Pieces:
    """The pieces of both families, IPv4 first, numbered in the order of their addresses."""

    def __init__(
        self,
        compiled_policies: Iterable[CompiledPolicy],
        nodes: Mapping[Address, str],
        served: Iterable[Address],
        links: Iterable[Block] = (),
    ) -> None:
        """Cut at the edges of every block of the policies; each address of `nodes` and `served` is a piece of its own.

        `nodes`: the name of the node by its address. `links`: blocks of which the own node may have any address.
        """
        edges: dict[Family, set[int]] = {family: {0, 1 << BITS[family]} for family in FAMILIES}
        for compiled in compiled_policies:
            for rule in compiled.rules if compiled.by_address else ():
                for match in (*(rule.peers or ()), *(rule.subject_peers or ())):
                    for block in edges_of(match):
                        edges[block.family] |= {block.first, block.last + 1}
        for link in links:
            edges[link.family] |= {link.first, link.last + 1}
        for address in (*nodes, *served):
            edges[address.family] |= {address.value, address.value + 1}
        self._edges = {family: sorted(some) for family, some in edges.items()}
        self._base: dict[Family, int] = {4: 0, 6: len(self._edges[4]) - 1}
        self.count = sum(len(some) - 1 for some in self._edges.values())
        self._blocks: dict[Bits, Ranges] = {}
        self.nodes: dict[int, tuple[Address, str]] = {self.place(a): (a, name) for a, name in nodes.items()}
        self.of_nodes: Bits = bits_of(self.nodes)
        self.of_links: Bits = self._any(links) & ~self.of_nodes

    def of(self, family: Family) -> Bits:
        """Return the pieces of one family."""
        low = (1 << self._base[6]) - 1
        return low if family == IPV4 else (1 << self.count) - 1 & ~low

    def place(self, address: Address) -> int:
        """Return the number of the piece that an address lies in."""
        return self._base[address.family] + bisect_right(self._edges[address.family], address.value) - 1

    def first(self, piece: int) -> Address:
        """Return the lowest address of a piece."""
        family: Family = 4 if piece < self._base[6] else 6
        return Address(family, self._edges[family][piece - self._base[family]])

    def held(self, peer: BlockPeer) -> Bits:
        """Return the pieces that a peer holds; none of them does it hold in part."""
        found = self._between(peer.block)
        for inner in peer.excepts:
            found &= ~self._between(inner)
        return found

    def _any(self, blocks: Iterable[Block]) -> Bits:
        found = 0
        for block in blocks:
            found |= self._between(block)
        return found

    def _between(self, block: Block) -> Bits:
        edges, base = self._edges[block.family], self._base[block.family]
        low, high = bisect_left(edges, block.first), bisect_left(edges, block.last + 1)
        return ((1 << (high - low)) - 1) << (base + low)

    def blocks(self, bits: Bits, taken: Mapping[Family, list[int]]) -> Ranges:
        """Return the blocks that make up some pieces, without runs in which every address is one of `taken`.

        `taken`: sorted addresses by family, always the same.
        """
        found = self._blocks.get(bits)
        if found is None:
            runs = (run for run in self._runs(bits) if not _all_taken(run, taken))
            found = self._blocks[bits] = tuple(block for run in runs for block in blocks_between(*run))
        return found

    def _runs(self, bits: Bits) -> Iterator[tuple[Family, int, int]]:
        """Yield neighbouring pieces as one (family, first address, last address)."""
        for family in FAMILIES:
            edges = self._edges[family]
            here = bits >> self._base[family] & ((1 << (len(edges) - 1)) - 1)
            while here:
                low = (here & -here).bit_length() - 1
                length = (~(here >> low) & ((here >> low) + 1)).bit_length() - 1
                yield family, edges[low], edges[low + length] - 1
                here &= ~(((1 << length) - 1) << low)


def _all_taken(run: tuple[Family, int, int], taken: Mapping[Family, list[int]]) -> bool:
    family, first, last = run
    here = taken.get(family, [])
    return last - first < len(here) and bisect_right(here, last) - bisect_left(here, first) == last - first + 1


def blocks_between(family: Family, first: int, last: int) -> Ranges:
    """Return the blocks that make up the addresses from `first` to `last`."""
    if family == IPV4:
        fours = ipaddress.summarize_address_range(ipaddress.IPv4Address(first), ipaddress.IPv4Address(last))
        return tuple(Block(4, int(one.network_address), one.prefixlen) for one in fours)
    sixes = ipaddress.summarize_address_range(ipaddress.IPv6Address(first), ipaddress.IPv6Address(last))
    return tuple(Block(6, int(one.network_address), one.prefixlen) for one in sixes)


K = TypeVar("K")
Places = tuple[int | None, int | None]  # by family: between which edges of address blocks; None: no address of it
_NOWHERE: Final[Places] = None, None
_DIRECTIONS: Final = tuple(Direction)


class Class(Struct, frozen=True, gc=False):
    """What policies see of some pods: `labels` and `pod_class.ports` are those that some policy asks for.

    `pod_class` has no labels. Where no policy asks for addresses, `places` are not there, all count as assigned.
    `unevaluated`: the directions in which something may decide that is not evaluated. `node` is there only where a
    policy asks for it. `end`: one of the pods.
    """

    pod_class: PodClass
    labels: tuple[tuple[str, str], ...]
    places: Places
    assigned: bool
    unevaluated: tuple[Direction, ...]
    node: str
    mesh: Membership
    end: PodEnd


class Classes:
    """The classes of a view, indexed by all that a selector asks for."""

    def __init__(self, view: View, workloads: Iterable[WorkloadPods], compiled_policies: list[CompiledPolicy]) -> None:
        """Put every end of `workloads` into its class; `compiled_policies` are all that the view has."""
        self.view = view
        self.all: list[Class] = []
        self.apart = view.dialect.families != FAMILIES  # one family is policed, and the other is not
        self.by_address = self.apart or any(compiled.by_address for compiled in compiled_policies)
        self.asked = Asked.by(view, compiled_policies)
        self._pieces = Pieces(
            compiled_policies, _nodes(view), self.asked.served, LINK_LOCAL if self.asked.hosts else ()
        )
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
        end, pod_class, asked = member.end, member.end.pod_class, self.asked
        keys, names = asked.keys, asked.names
        labels = tuple([pair for pair in pod_class.labels.pairs if pair[0] in keys])
        ports = tuple([p for p in pod_class.ports if p.name in names]) if names else ()
        places = self._place(end) if end.addresses else _NOWHERE
        assigned = bool(end.addresses) or not self.by_address
        doubt = self.view.policies.unevaluated
        unevaluated = tuple([d for d in _DIRECTIONS if doubt(pod_class, d) is not None])
        account = pod_class.account if asked.accounts else ""
        node = end.node if asked.near or (asked.nodes and pod_class.host_network) else ""
        served = tuple([a for a in end.addresses if a in asked.served]) if asked.served else ()
        mesh = membership(self.view, member)
        kept = PodClass(pod_class.namespace, NO_LABELS, ports, pod_class.host_network, pod_class.template, account)
        key = (kept, labels, places, assigned, unevaluated, node, served, mesh)
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.all)
            self.all.append(Class(kept, labels, places, assigned, unevaluated, node, mesh, end))
        return found

    def _place(self, end: PodEnd) -> Places:
        if not self.by_address:
            return _NOWHERE
        four, six = (end.address(family) for family in FAMILIES)
        return self._pieces.place(four) if four else None, self._pieces.place(six) if six else None

    def _index(self) -> None:
        """Look all classes up by what a selector, a block or a direction asks for."""
        each = [(number, one, one.pod_class) for number, one in enumerate(self.all)]
        self.by_namespace = _grouped((pods.namespace, number) for number, _, pods in each)
        self.by_label = _grouped((pair, number) for number, one, _ in each for pair in one.labels)
        self.by_account = _grouped(((pods.namespace, pods.account), number) for number, _, pods in each)
        self.host_network = bits_of([number for number, _, pods in each if pods.host_network])
        self.meshes = _grouped((one.mesh, number) for number, one, _ in each if one.mesh is not OUTSIDE)
        self.templates = bits_of([number for number, _, pods in each if pods.template])
        self.unassigned = _grouped((pods.host_network, number) for number, one, pods in each if not one.assigned)
        self.placed: dict[Family, dict[int, Bits]] = {}
        self.on: dict[Family, Bits] = {}  # who has, or may get, an address of the family
        placed = [(number, one.places) for number, one, _ in each if one.places is not _NOWHERE]
        for index, family in enumerate(FAMILIES):
            places = ((places[index], number) for number, places in placed)
            here = self.placed[family] = _grouped((place, number) for place, number in places if place is not None)
            to_come = (bits for hosted, bits in self.unassigned.items() if family in self._to_come[hosted])
            self.on[family] = reduce(or_, (*here.values(), *to_come), 0)


def _nodes(view: View) -> dict[Address, str]:
    """Return the nodes by their addresses; of two with the same one the first by name, as `View.node_at` does."""
    every = sorted(view.nodes.every(), key=lambda node: node.name, reverse=True)
    return {address: node.name for node in every for address in node.addresses}


def _grouped(pairs: Iterable[tuple[K, int]]) -> dict[K, Bits]:
    found: dict[K, list[int]] = {}
    for key, number in pairs:
        found.setdefault(key, []).append(number)
    return {key: bits_of(numbers) for key, numbers in found.items()}
