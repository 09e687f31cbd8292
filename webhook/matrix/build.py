"""View -> matrix: classes, what each side opens, both joined, put together by workload and by range of addresses."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Final

from webhook.evaluate.rules import in_numbers
from webhook.matrix.allowed_sets import Openings
from webhook.matrix.classes import Classes
from webhook.matrix.matrix import Beyond, Layer, Matrix
from webhook.matrix.nodes import UNKNOWN, Needed, Nodes, Relation
from webhook.matrix.pairs import Opened, Sides, Tunnels, Workloads, no_common_family, reached
from webhook.matrix.peers import Peers
from webhook.matrix.rules import Traits, kinds_of
from webhook.matrix.sets import EVERYTHING, Bits, Parts, added, bits_of, less, members, overlap, within
from webhook.matrix.workloads import WorkloadPods, everybody_of
from webhook.model.addresses import FAMILIES, Family
from webhook.model.policy import Direction
from webhook.model.tier import CompiledPolicy
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.policies import EVERYWHERE

Addresses = Mapping[Family, list[int]]
NOBODY: Final[Parts] = {}


def outside(classes: Classes, direction: Direction, by_family: Mapping[Family, Opened], *, sure: bool) -> list[Parts]:
    """Return by class which pieces of the addresses outside are open, by their numbers."""
    by_class: list[Parts] = [NOBODY] * len(classes.all)
    for (kind, four), (_, six) in zip(*(by_family[family][direction] for family in FAMILIES), strict=True):
        each = [opening.sure if sure else opening.possible for opening in (four, six)]
        if each[0] is each[1]:
            parts = _pieces(classes, each[0])
        else:
            of_families = map(classes.pieces.of, FAMILIES)
            parts = added(*(within(_pieces(classes, o), some) for o, some in zip(each, of_families, strict=True)))
        for one in members(kind.classes):
            by_class[one] = parts
    return by_class


def _pieces(classes: Classes, parts: Parts) -> Parts:
    below = len(classes.all)
    return {ports: some for ports, who in parts.items() if (some := who >> below)}


def taken(workloads: Sequence[WorkloadPods]) -> Addresses:
    """Return the addresses that pods have of their own, sorted: these stand in a matrix as their pods."""
    found: dict[Family, set[int]] = {family: set() for family in FAMILIES}
    for one in workloads:
        for end in (member.end for member in one.members):
            for address in end.addresses if not end.pod_class.host_network else ():
                found[address.family].add(address.value)
    return {family: sorted(values) for family, values in found.items()}


ByClass = Sequence[Parts]


class NodeAddresses:
    """The nodes' addresses, beside the nodes that workloads run on."""

    def __init__(self, classes: Classes, nodes: Nodes) -> None:
        """Look at the classes of every workload, and at `nodes`."""
        self._classes = classes
        self._nodes = nodes
        self._pieces: dict[str, Bits] = {}
        policed = classes.view.dialect.families
        for piece, (address, name) in classes.pieces.nodes.items():
            if address.family in policed:
                self._pieces[name] = self._pieces.get(name, 0) | 1 << piece

    def matter(self, direction: Direction) -> bool:
        """Say whether it is another matter for some whether a packet is for, or from, a node."""
        fates = self._nodes.fates
        matters = fates.egress_matters if direction is Direction.EGRESS else fates.ingress_matters
        return matters and bool(self._pieces)

    def of(self, direction: Direction, plain: ByClass, other: ByClass, wanted: Truth) -> list[Parts]:
        """Return by workload what is open to every pod of it, given what rules open surely (MAYBE: what they may).

        `other`: what they may open (MAYBE: open surely); anything where nodes do not `matter`.
        """
        surely, possibly = (plain, other) if wanted is Truth.YES else (other, plain)
        matters = self.matter(direction)
        shared: dict[object, Parts] = {}
        found = []
        for number, of in enumerate(self._classes.of):
            changes = [self._changes(direction, number, one, wanted) if matters else () for one in of]
            key = (of, tuple(changes))
            if key not in shared:
                every = ((one, change) for one, change in zip(of, changes, strict=True))
                each = (_changed(one, change, plain, (surely, possibly)) for one, change in every)
                shared[key] = reduce(overlap, each)
            found.append(shared[key])
        return found

    def _changes(self, direction: Direction, number: int, one: int, wanted: Truth) -> tuple[tuple[Needed, Bits], ...]:
        """Return of which pieces something else than `wanted` is enough, or needed."""
        if direction is Direction.EGRESS and self._classes.host_network >> one & 1:
            return ()
        changes: dict[Needed, Bits] = {}
        for name, relations in self._related(number, one):
            ask = self._nodes.fates.egress if direction is Direction.EGRESS else self._nodes.fates.ingress
            if (needed := ask(relations, wanted)) is not wanted:
                changes[needed] = changes.get(needed, 0) | self._pieces[name]
        return tuple(sorted(changes.items(), key=str))

    def _related(self, number: int, one: int) -> Iterator[tuple[str, set[Relation]]]:
        """Yield nodes that pods of a class may be on, and how these stand to each."""
        on = self._nodes.of(number, one)
        for name in self._pieces if UNKNOWN in on else self._pieces.keys() & on.keys():
            relations = {Relation.SAME} if name in on else set()
            relations |= {Relation.UNKNOWN} if UNKNOWN in on else set()
            yield name, relations | ({Relation.OTHER} if any(n not in (name, UNKNOWN) for n in on) else set())


def _changed(
    one: int, changes: tuple[tuple[Needed, Bits], ...], plain: ByClass, answers: tuple[ByClass, ByClass]
) -> Parts:
    parts = plain[one]
    for needed, pieces in changes:
        if needed is Truth.NO:
            some: Parts = {EVERYTHING: pieces}
        else:
            some = {} if needed is None else within(answers[needed is Truth.MAYBE][one], pieces)
        parts = added(within(parts, ~pieces), some)
    return parts


EGRESS, INGRESS = Direction.EGRESS, Direction.INGRESS
Isolations = dict[Direction, list[CompiledPolicy]]


def matrix(view: View, *, unknown: bool = False) -> Matrix:
    """Return all connections between workloads, and between workloads and addresses outside the cluster."""
    everybody = everybody_of(view)
    compiled_policies = {d: list(_isolations(view, d)) for d in Direction}
    classes = Classes(view, everybody, [i for some in compiled_policies.values() for i in some])
    by_family = _opened(classes, compiled_policies, classes.families if classes.by_address else classes.families[:1])
    beyond = _beyond_families(classes, compiled_policies, by_family)
    no_common = no_common_family(classes, by_family)
    tunnels = Tunnels(classes, _unselected(by_family))
    nodes = Nodes(classes, everybody)
    workloads = Workloads(classes, nodes, Sides(classes, by_family, no_common))
    addresses, node_addresses = taken(everybody), NodeAddresses(classes, nodes)

    def parts(*, sure: bool) -> list[list[Parts]]:
        pods = workloads.reached(reached(classes, by_family, no_common, tunnels, sure=sure), sure=sure)
        found = [pods]
        for direction in (EGRESS, INGRESS):
            plain = outside(classes, direction, beyond, sure=sure)
            other = outside(classes, direction, beyond, sure=not sure) if node_addresses.matter(direction) else plain
            found.append(node_addresses.of(direction, plain, other, Truth.YES if sure else Truth.MAYBE))
        return found

    surely = parts(sure=True)
    possible = _less(parts(sure=False), surely) if unknown else None
    return Matrix(
        tuple(one.ref for one in everybody),
        bits_of(number for number, one in enumerate(everybody) if one.several),
        _layer(classes, surely, addresses),
        _layer(classes, possible, addresses) if possible else None,
    )


def _isolations(view: View, direction: Direction) -> Iterator[CompiledPolicy]:
    """Yield every piece of the view: the enforcer's own, those of cluster-wide policies, those of namespaces."""
    yield from (piece for piece in view.dialect.without_policy if piece.direction is direction)
    for namespace in (EVERYWHERE, *view.namespaces.names()):
        yield from (in_numbers(view, compiled) for compiled in view.policies.compiled_policies(namespace, direction))


def _opened(classes: Classes, compiled_policies: Isolations, families: Iterable[Family]) -> dict[Family, Opened]:
    peers = Peers(classes)
    traits = {d: Traits(d) for d in Direction}
    kinds = {d: kinds_of(classes, peers, traits[d], compiled_policies[d]) for d in Direction}
    openings = {d: Openings(classes, peers, traits[d]) for d in Direction}
    return {f: {d: [(k, openings[d].of(k, f)) for k in kinds[d]] for d in Direction} for f in families}


def _unselected(by_family: dict[Family, Opened]) -> tuple[Bits, Bits]:
    """Return the classes whose egress, and whose ingress, nothing is about."""
    some = next(iter(by_family.values()))
    out, into = (sum(k.classes for k, _ in some[d] if not k.selected and not k.unevaluated) for d in (EGRESS, INGRESS))
    return out, into


def _beyond_families(
    classes: Classes, compiled_policies: Isolations, by_family: dict[Family, Opened]
) -> dict[Family, Opened]:
    """Return what is opened to addresses outside by their family.

    Only a subject's own addresses tell families apart, and enforcers that do not police one of them.
    """
    some = next(iter(by_family.values()))
    missing = [f for f in FAMILIES if f not in by_family]
    if not classes.asked.own_address and not classes.apart:
        return by_family | dict.fromkeys(missing, some)
    return by_family | _opened(classes, compiled_policies, missing)


def _less(possible: Iterable[Sequence[Parts]], sure: Iterable[Sequence[Parts]]) -> list[list[Parts]]:
    return [list(map(less, some, certain)) for some, certain in zip(possible, sure, strict=True)]


def _layer(classes: Classes, parts: Sequence[list[Parts]], addresses: Addresses) -> Layer:
    pods, out, into = parts
    return Layer(pods, *(_beyond(classes, some, addresses) for some in (out, into)))


def _beyond(classes: Classes, by_workload: Iterable[Parts], addresses: Addresses) -> list[Beyond]:
    """Return pieces as ranges, once for all workloads that have the same."""
    shared: dict[int, Beyond] = {}
    found = []
    for parts in by_workload:
        if id(parts) not in shared:
            each = ((classes.pieces.blocks(bits, addresses), ports) for ports, bits in parts.items())
            shared[id(parts)] = tuple(sorted((ranges, ports) for ranges, ports in each if ranges))
        found.append(shared[id(parts)])
    return found
