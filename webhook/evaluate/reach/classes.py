"""Pods that no policy of this view can tell apart, as bits: bit i of any number below is class i."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from msgspec import Struct

from webhook.evaluate.ends import PodEnd, ends_of_pod, template_end
from webhook.evaluate.match import ANY_KEY, block_matches
from webhook.model.addresses import FAMILIES, Family
from webhook.model.labels import NO_KEYS, LabelKeys, Operator, Selector
from webhook.model.objects import Shape
from webhook.model.policy import BlockPeer, UnclearPeer
from webhook.model.refs import WorkloadRef
from webhook.model.tier import Isolation, Match, PodMatch
from webhook.model.truth import Truth
from webhook.world import Group, View

Bits = int
Pair = tuple[Bits, Bits]  # surely, possibly


def members(bits: Bits) -> Iterator[int]:
    """Yield the numbers of the bits that are set."""
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


class Class(Struct, frozen=True):
    """A shape, and where its addresses lie between the edges of all address blocks; None: no address there."""

    shape: Shape
    places: tuple[int | None, int | None]
    assigned: bool


class Classes:
    """The classes of a view, indexed by all that a selector asks for."""

    def __init__(self, view: View, isolations: Iterable[Isolation]) -> None:
        """Collect the classes of every group of `view`. `isolations`: whose address blocks tell pods apart."""
        self.view = view
        self.all: list[Class] = []
        self.groups: dict[WorkloadRef, tuple[Group, Bits]] = {}
        self.by_namespace: dict[str, Bits] = {}
        self.host_network: Bits = 0
        self._templates: Bits = 0
        self._number: dict[Class, int] = {}
        self._edges = _edges(isolations)
        self._by_label: dict[tuple[str, str], Bits] = {}
        self._by_key: dict[str, Bits] = {}
        self._matched: dict[tuple[Match, Family], Pair] = {}
        self._placed: dict[Family, dict[int, Bits]] = {family: {} for family in FAMILIES}
        self._unassigned: dict[bool, Bits] = {False: 0, True: 0}  # by whether they are on the host network
        for namespace in view.namespaces():
            for group in view.groups(namespace):
                self.groups[group.ref] = (group, self._put(group))
        self.everybody: Bits = (1 << len(self.all)) - 1

    def _put(self, group: Group) -> Bits:
        ends = [template_end(self.view, group.template)] if group.template else map(ends_of_pod, group.pods)
        bits = 0
        for end in ends:
            bits |= 1 << self._class_of(end)
        return bits

    def _class_of(self, end: PodEnd) -> int:
        places = tuple(self._place(end, family) for family in FAMILIES)
        key = Class(end.shape, (places[0], places[1]), bool(end.addresses))
        number = self._number.get(key)
        if number is None:
            number = self._number[key] = len(self.all)
            self.all.append(key)
            self._index(end.shape, 1 << number)
            for family, place in zip(FAMILIES, places, strict=True):
                if place is not None:
                    self._placed[family][place] = self._placed[family].get(place, 0) | 1 << number
            if not key.assigned:
                self._unassigned[end.shape.host_network] |= 1 << number
        return number

    def _place(self, end: PodEnd, family: Family) -> int | None:
        address = end.address(family)
        return None if address is None else bisect_right(self._edges[family], address.value)

    def _index(self, shape: Shape, bit: Bits) -> None:
        self.by_namespace[shape.namespace] = self.by_namespace.get(shape.namespace, 0) | bit
        for pair in shape.labels.pairs:
            self._by_label[pair] = self._by_label.get(pair, 0) | bit
            self._by_key[pair[0]] = self._by_key.get(pair[0], 0) | bit
        if shape.template:
            self._templates |= bit
        if shape.host_network:
            self.host_network |= bit

    def on_family(self, family: Family) -> Bits:
        """Return the classes that have, or may get, an address of the family."""
        index = FAMILIES.index(family)
        return sum(1 << i for i, c in enumerate(self.all) if c.places[index] is not None or not c.assigned)

    def select(self, selector: Selector, within: Bits) -> Pair:
        """Return whom a selector selects among `within`."""
        sure = possible = within
        for requirement in selector.requirements:
            known = self._by_key.get(requirement.key, 0)
            hit = 0
            for value in requirement.values:
                hit |= self._by_label.get((requirement.key, value), 0)
            pending = requirement.key in self.view.settings.pending_labels
            maybe = self._templates & ~known if pending else 0
            yes = hit
            if requirement.operator is Operator.NOT_IN:
                yes = ~hit & ~maybe
            elif requirement.operator is Operator.EXISTS:
                yes = known
            elif requirement.operator is Operator.DOES_NOT_EXIST:
                yes = ~known & ~maybe
            sure &= yes
            possible &= yes | maybe
            if not possible:
                break
        return sure, possible

    def matched(self, match: Match, family: Family) -> Pair:
        """Return whom a peer means, on one address family."""
        key = (match, family)
        found = self._matched.get(key)
        if found is None:
            found = self._matched[key] = self._match(match, family)
        return found

    def _match(self, match: Match, family: Family) -> Pair:
        match match:
            case PodMatch():
                return self._pods(match)
            case BlockPeer():
                return self._block(match, family)
            case UnclearPeer():
                return 0, self.everybody

    def _pods(self, match: PodMatch) -> Pair:
        if match.namespace is not None:
            sure = possible = self.by_namespace.get(match.namespace, 0)
        else:
            sure, possible = self._namespaces(match.namespaces)
        surely, _ = self.select(match.pods, sure & ~self.host_network)
        _, possibly = self.select(match.pods, possible & ~self.host_network)
        return surely, possibly

    def _namespaces(self, selector: Selector) -> Pair:
        sure = possible = 0
        for name, bits in self.by_namespace.items():
            namespace = self.view.namespace(name)
            keys: LabelKeys = ANY_KEY if namespace.synthetic else NO_KEYS
            truth = selector.matches(namespace.labels, keys)
            sure |= bits if truth is Truth.YES else 0
            possible |= bits if truth is not Truth.NO else 0
        return sure, possible

    def _block(self, peer: BlockPeer, family: Family) -> Pair:
        sure = 0
        for place, bits in self._placed[family].items():
            if _holds(self._edges[family], peer, family, place):
                sure |= bits
        possible = sure
        for hosted, bits in self._unassigned.items():
            if bits:
                truth = block_matches(self.view, peer, PodEnd(Shape("", host_network=hosted)), family)
                sure |= bits if truth is Truth.YES else 0
                possible |= bits if truth is not Truth.NO else 0
        return sure, possible


def _edges(isolations: Iterable[Isolation]) -> dict[Family, list[int]]:
    """Return where any rule's block begins, or the address behind its end, by family."""
    found: dict[Family, set[int]] = {family: set() for family in FAMILIES}
    for isolation in isolations:
        for entry in isolation.entries if isolation.by_address else ():
            for match in entry.matches or ():
                if isinstance(match, BlockPeer):
                    for block in (match.block, *match.excepts):
                        found[block.family] |= {block.first, block.last + 1}
    return {family: sorted(edges) for family, edges in found.items()}


def _holds(edges: list[int], peer: BlockPeer, family: Family, place: int) -> bool:
    """Say whether the peer holds the addresses between two edges; any of them tells for all."""
    if peer.block.family != family or place == 0:
        return False
    value = edges[place - 1]
    inside = peer.block.first <= value <= peer.block.last
    return inside and not any(b.family == family and b.first <= value <= b.last for b in peer.excepts)
