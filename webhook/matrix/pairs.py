"""Which class of pods reaches which, on every address family of both and through meshes; the same by workload."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, reduce
from typing import Final

from webhook.evaluate.translation import Membership, tunnel
from webhook.matrix.allowed_sets import Opening
from webhook.matrix.classes import Classes
from webhook.matrix.nodes import Needed, Nodes
from webhook.matrix.rules import Kind
from webhook.matrix.sets import (
    EVERYTHING,
    NOTHING,
    Behaviour,
    Bits,
    Parts,
    PortSet,
    added,
    bits_of,
    by_source,
    difference,
    granted,
    holds,
    intersection,
    interval,
    members,
    overlap,
    union,
    within,
)
from webhook.model.addresses import FIRST_PORT, LAST_PORT, Family
from webhook.model.policy import Direction
from webhook.model.truth import Truth

TCP: Final = interval("TCP", FIRST_PORT, LAST_PORT)  # meshes carry nothing else


class Tunnels:
    """Where packets between classes of pods may go instead."""

    def __init__(self, classes: Classes, unselected: tuple[Bits, Bits]) -> None:
        """Look at the classes that are in a mesh. `unselected`: those whose egress, and ingress, no policy is about."""
        self._classes = classes
        self._free_out, self._free_in = unselected
        self._of = {mesh: self._from(mesh) for mesh in classes.meshes}

    def _from(self, mesh: Membership) -> list[tuple[int | None, Bits]]:
        found: dict[int | None, Bits] = {}
        for other, bits in self._classes.meshes.items():
            way = tunnel(mesh, other)
            if way is not None:
                found[way.port] = found.get(way.port, 0) | bits
        return list(found.items())

    def carried(self, by_class: Sequence[Parts], here: Bits, there: Bits, *, sure: bool) -> list[Parts]:
        """Return by class whom it reaches: surely where both ports are open, possibly where one of them may be.

        `here`, `there`: the classes that are asked about, as sources and as targets.
        """
        if not self._of:
            return list(by_class)
        each = enumerate(by_class)
        return [self._of_class(n, parts, there, sure=sure) if here >> n & 1 else parts for n, parts in each]

    def _of_class(self, one: int, parts: Parts, there: Bits, *, sure: bool) -> Parts:
        for port, targets in self._of.get(self._classes.all[one].mesh, ()):
            if port is None:
                quiet = self._free_in if self._free_out >> one & 1 else 0
                parts = _unsure(parts, targets & there & ~quiet, sure=sure)
                continue
            through = sum(who for ports, who in parts.items() if holds(ports, "TCP", port))
            hit = targets & ~through if sure else targets & through
            parts = _unsure(parts, hit, sure=sure)
        return parts


def _unsure(parts: Parts, targets: Bits, *, sure: bool) -> Parts:
    """Return what is open where nothing is sure of TCP to `targets`."""
    change: Callable[[PortSet, PortSet], PortSet] = difference if sure else union
    if not targets:
        return parts
    found = within(parts, ~targets)
    rest = targets
    for ports, who in within(parts, targets).items():
        rest &= ~who
        if changed := change(ports, TCP):
            found[changed] = found.get(changed, 0) | who
    if rest and not sure:
        found[TCP] = found.get(TCP, 0) | rest
    return found


Opened = dict[Direction, list[tuple[Kind, Opening]]]
NoCommonFamily = dict[int, Bits]


def reached(
    classes: Classes, by_family: dict[Family, Opened], no_common: NoCommonFamily, tunnels: Tunnels, *, sure: bool
) -> list[Parts]:
    """Return by class whom it surely reaches, or whom it possibly does, by the rules.

    One family stands for both where no policy of the view asks for addresses.
    """

    def joined(family: Family, here: Bits, there: Bits) -> list[Parts]:
        return tunnels.carried(_joined(classes, by_family[family], here, there, sure=sure), here, there, sure=sure)

    if len(by_family) == 1:
        (family,) = by_family
        return joined(family, classes.pods, classes.pods)
    four, six = (joined(family, classes.on[family], classes.on[family]) for family in by_family)
    found = [_on_both(classes, source, *each) for source, each in enumerate(zip(four, six, strict=True))]
    for here, there in _apart(classes):
        rest = enumerate(joined(4, here, there))
        known = (within(parts, ~no_common.get(source, 0)) for source, parts in rest)
        found = list(map(added, found, known))
    if not sure:
        for source, targets in no_common.items():
            found[source] = added(found[source], {EVERYTHING: targets})
    return found


def no_common_family(classes: Classes, by_family: dict[Family, Opened]) -> NoCommonFamily:
    """Return by class those of which nothing can be told: addresses matter, and no family of these is in common."""
    if len(by_family) == 1:
        return {}
    hosts = classes.host_network
    asking = {d: _asking(by_family[4][d]) for d in Direction}
    found: NoCommonFamily = {}
    for here, there in _apart(classes):
        for source in members(here):
            targets = 0
            for direction in Direction:
                of_hosts, of_pods = asking[direction]
                if direction is Direction.INGRESS:
                    targets |= of_hosts if hosts >> source & 1 else of_pods
                else:
                    targets |= (hosts if of_hosts >> source & 1 else 0) | (~hosts if of_pods >> source & 1 else 0)
            if targets := there if classes.apart else there & targets:
                found[source] = targets
    return found


def _asking(some: list[tuple[Kind, Opening]]) -> tuple[Bits, Bits]:
    """Return the classes whose rules ask for the addresses of hosts, and of pods."""
    of_hosts = sum(kind.classes for kind, _ in some if kind.by_address)
    return of_hosts, sum(kind.classes for kind, _ in some if kind.pods_apart)


def _apart(classes: Classes) -> list[tuple[Bits, Bits]]:
    """Return who has no address family in common with whom."""
    four, six = classes.on[4] & ~classes.on[6], classes.on[6] & ~classes.on[4]
    return [(four, six), (six, four)] if four and six else []


def _on_both(classes: Classes, source: int, four: Parts, six: Parts) -> Parts:
    """Join the answers of one source on both families; what both ends have must pass on both."""
    both = classes.on[4] & classes.on[6]
    if four == six:
        return four
    if not both >> source & 1:
        return four or six
    common = overlap(within(four, both), within(six, both))
    return added(common, added(within(four, ~both), within(six, ~both)))


def _joined(classes: Classes, some: Opened, here: Bits, there: Bits, *, sure: bool) -> list[Parts]:
    def behaviours(direction: Direction, among: Bits) -> list[Behaviour]:
        each = (Behaviour(k.classes & among, o.sure if sure else o.possible) for k, o in some[direction])
        return [behaviour for behaviour in each if behaviour.classes]

    return by_source(behaviours(Direction.EGRESS, here), behaviours(Direction.INGRESS, there), len(classes.all))


class Sides:
    """What the rules of each class open on its own side, for pairs of which one is a node to the other."""

    def __init__(self, classes: Classes, by_family: dict[Family, Opened], no_common: NoCommonFamily) -> None:
        """Look at the classes one by one."""
        self._classes = classes
        self._no_common = no_common
        self._by_family = by_family

    @cached_property
    def _of(self) -> dict[Family, dict[Direction, dict[int, tuple[Kind, Opening]]]]:
        return {
            family: {d: {one: pair for pair in some for one in members(pair[0].classes)} for d, some in opened.items()}
            for family, opened in self._by_family.items()
        }

    def ports(self, one: int, other: int, needed: tuple[Needed, Needed], wanted: Truth) -> PortSet:
        """Return the ports on which the rules of each side answer what is needed, on every family of both ends."""
        unknown = EVERYTHING if wanted is Truth.MAYBE else NOTHING
        if self._no_common.get(one, 0) >> other & 1:
            return unknown
        on = self._classes.on
        common = [family for family in self._of if on[family] >> one & on[family] >> other & 1]
        found = EVERYTHING
        for family in common or list(self._of)[:1]:
            egress, ingress = self._of[family][Direction.EGRESS][one], self._of[family][Direction.INGRESS][other]
            if family in self._classes.view.dialect.families or not (egress[0].selected or ingress[0].selected):
                found = intersection(found, _enough(egress[1], other, needed[0]))
                found = intersection(found, _enough(ingress[1], one, needed[1]))
            else:
                found = intersection(found, unknown)
        return found


def _enough(opening: Opening, end: int, needed: Needed) -> PortSet:
    if needed is Truth.NO:
        return EVERYTHING
    return NOTHING if needed is None else granted(opening.sure if needed is Truth.YES else opening.possible, end)


class Workloads:
    """Workloads by number. `pure` ones have pods of one class only, which is what most have."""

    def __init__(self, classes: Classes, nodes: Nodes, sides: Sides) -> None:
        """Number workloads as `classes` does."""
        self._classes = classes
        self._nodes = nodes
        self._sides = sides
        self._of_class = [0] * len(classes.all)
        self._mixed: list[int] = []
        for number, of in enumerate(classes.of):
            if len(of) == 1:
                self._of_class[of[0]] |= 1 << number
            else:
                self._mixed.append(number)
        self._apart = sorted({*self._mixed, *members(nodes.targets)})
        self._same = len(classes.all) == len(classes.of) and all(of == (n,) for n, of in enumerate(classes.of))
        self._found: dict[Bits, Bits] = {}

    def reached(self, by_class: Sequence[Parts], *, sure: bool) -> list[Parts]:
        """Return by workload whom it reaches.

        Itself is among them where its pods, if there were several, would reach each other.
        """
        shared: dict[tuple[int, ...], Parts] = {}
        found = []
        for number, of in enumerate(self._classes.of):
            if of not in shared:
                every = reduce(overlap, (by_class[one] for one in of))
                shared[of] = self._pure(every)
            parts = shared[of]
            if self._apart or self._nodes.sources >> number & 1:
                parts = self._exactly(number, parts, by_class, sure=sure)
            found.append(parts)
        return found

    def _pure(self, parts: Parts) -> Parts:
        if self._same:
            return parts
        return {ports: who for ports, bits in parts.items() if (who := self._who(bits))}

    def _who(self, bits: Bits) -> Bits:
        """Return the workloads that have pods of these classes only, of one class each."""
        found = self._found.get(bits)
        if found is None:
            found = 0
            for one in members(bits):
                found |= self._of_class[one]
            self._found[bits] = found
        return found

    def _exactly(self, source: int, parts: Parts, by_class: Sequence[Parts], *, sure: bool) -> Parts:
        """Add whom only a look at every pair of classes can tell about."""
        asked = range(len(self._classes.of)) if self._nodes.sources >> source & 1 else self._apart
        known = bits_of(asked)
        found = {ports: rest for ports, who in parts.items() if (rest := who & ~known)}
        for target in asked:
            each = [self._ports(source, target, *pair, by_class, sure=sure) for pair in self._pairs(source, target)]
            if ports := reduce(intersection, each, EVERYTHING):
                found[ports] = found.get(ports, 0) | 1 << target
        return found

    def _pairs(self, source: int, target: int) -> Iterator[tuple[int, int]]:
        """Yield pairs of classes; a pod and itself are no pair, unless it is the only one there is."""
        sources, targets = self._classes.of[source], self._classes.of[target]
        alone = self._nodes.alone(source) if source == target and len(sources) > 1 else frozenset()
        return ((one, other) for one in sources for other in targets if one != other or one not in alone)

    def _ports(
        self, source: int, target: int, one: int, other: int, by_class: Sequence[Parts], *, sure: bool
    ) -> PortSet:
        wanted = Truth.YES if sure else Truth.MAYBE
        needed = self._nodes.needed(source, target, one, other, wanted)
        if needed == (wanted, wanted):
            return granted(by_class[one], other)
        return self._sides.ports(one, other, needed, wanted)
