"""Addresses outside the cluster, cut where any rule's block begins or ends: all of a piece are treated alike."""

import ipaddress
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping

from webhook.evaluate.coverage import edges_of
from webhook.matrix.bits import Bits, bits_of
from webhook.model.addresses import BITS, FAMILIES, IPV4, Address, Block, Family
from webhook.model.policy import BlockPeer
from webhook.model.tier import Isolation

Ranges = tuple[Block, ...]


class Pieces:
    """The pieces of both families, IPv4 first, numbered in the order of their addresses."""

    def __init__(
        self,
        isolations: Iterable[Isolation],
        nodes: Mapping[Address, str],
        served: Iterable[Address],
        links: Iterable[Block] = (),
    ) -> None:
        """Cut at the edges of every block of `isolations`; each address of `nodes` and `served` is a piece of its own.

        `nodes`: the name of the node by its address. `links`: blocks of which the own node may have any address.
        """
        edges: dict[Family, set[int]] = {family: {0, 1 << BITS[family]} for family in FAMILIES}
        for isolation in isolations:
            for entry in isolation.entries if isolation.by_address else ():
                for match in (*(entry.matches or ()), *(entry.own or ())):
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
