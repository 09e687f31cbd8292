"""Every connection of a view that is sure, and on request those that cannot be told."""

from collections.abc import Iterable, Iterator
from functools import reduce
from itertools import product

from msgspec import Struct

from webhook.evaluate.portset import EVERYTHING, NOTHING, PortSet, difference, intersection
from webhook.evaluate.reach.classes import Bits, Classes, members
from webhook.evaluate.reach.join import Behaviour, join
from webhook.evaluate.reach.kinds import Kind, kinds_of
from webhook.evaluate.reach.outside import Ranged, outside
from webhook.evaluate.reach.parts import Opening, opening
from webhook.model.addresses import Block, Family
from webhook.model.policy import Direction
from webhook.model.refs import WorkloadRef
from webhook.model.tier import Isolation
from webhook.model.truth import Truth
from webhook.world import Group, View

Ranges = tuple[Block, ...]
End = WorkloadRef | Ranges
Selecting = tuple[tuple[Isolation, Truth], ...]
Pairs = dict[tuple[int, int], PortSet]  # by class numbers


class Connection(Struct, frozen=True):
    """What is open from one end to another."""

    source: End
    target: End
    ports: PortSet


class Matrix(Struct, frozen=True):
    """Sorted connections: those that are sure, and those of which it cannot be told."""

    sure: tuple[Connection, ...]
    unknown: tuple[Connection, ...] = ()


def matrix(view: View, *, unknown: bool = False) -> Matrix:
    """Return all connections between workloads, and between workloads and addresses outside the cluster."""
    isolations = {d: [i for n in view.namespaces() for i in view.isolations(n, d)] for d in Direction}
    classes = Classes(view, [i for some in isolations.values() for i in some])
    kinds = {d: kinds_of(classes, d, isolations[d]) for d in Direction}
    addresses = any(i.by_address for some in isolations.values() for i in some)
    families = view.families() if addresses else view.families()[:1]
    sure, possible = _pod_pairs(classes, kinds, families, unknown=unknown)
    certain = [*_between(classes, sure), *_ranges(classes, kinds, 0)]
    if not unknown:
        return Matrix(tuple(sorted(certain, key=order)))
    doubtful = [*_less_sure(_between(classes, possible), certain), *_ranges(classes, kinds, 1)]
    return Matrix(tuple(sorted(certain, key=order)), tuple(sorted(doubtful, key=order)))


def _less_sure(possible: Iterable[Connection], certain: Iterable[Connection]) -> Iterator[Connection]:
    """Yield what is possible and not sure."""
    known = {(c.source, c.target): c.ports for c in certain}
    for one in possible:
        if left := difference(one.ports, known.get((one.source, one.target), NOTHING)):
            yield Connection(one.source, one.target, left)


def order(connection: Connection) -> tuple[str, ...]:
    """Sort key: workloads before ranges, by namespace, name and kind."""
    return (*_end_order(connection.source), *_end_order(connection.target), repr(connection.ports))


def _end_order(end: End) -> tuple[str, ...]:
    if isinstance(end, WorkloadRef):
        return ("0", end.namespace, end.name, end.kind)
    return ("1", *(f"{b.family}{b.first:040}{b.prefix:03}" for b in end))


def _pod_pairs(
    classes: Classes, kinds: dict[Direction, list[Kind]], families: tuple[Family, ...], *, unknown: bool
) -> tuple[Pairs, Pairs]:
    """Join both directions on each address family; what both ends have must pass on every family."""
    surely: Pairs = {}
    possibly: Pairs = {}
    seen: list[tuple[Bits, Pairs, Pairs]] = []
    for family in families:
        openings = {
            d: [(k, opening(classes, d, k.selecting, k.subject, family)) for k in ks] for d, ks in kinds.items()
        }
        here = classes.on_family(family) if len(families) > 1 else classes.everybody
        sure = _pairs(openings, here, sure=True)
        possible = _pairs(openings, here, sure=False) if unknown else {}
        if unknown:
            _host_sources(classes, here, possible)
        seen.append((here, sure, possible))
    for number, (_, sure, possible) in enumerate(seen):
        others = [s for i, s in enumerate(seen) if i != number]
        surely |= {p: _on_all(p, ports, others, 1) for p, ports in sure.items()}
        possibly |= {p: _on_all(p, ports, others, 2) for p, ports in possible.items()}
    return surely, possibly


def _on_all(pair: tuple[int, int], ports: PortSet, others: Iterable[tuple[Bits, Pairs, Pairs]], which: int) -> PortSet:
    for other in others:
        here = other[0]
        if here >> pair[0] & 1 and here >> pair[1] & 1:
            found = other[1] if which == 1 else other[2]
            ports = intersection(ports, found.get(pair, NOTHING))
    return ports


def _pairs(openings: dict[Direction, list[tuple[Kind, Opening]]], here: Bits, *, sure: bool) -> Pairs:
    def behaviours(direction: Direction) -> list[Behaviour]:
        return [Behaviour(k.classes & here, o.sure if sure else o.possible) for k, o in openings[direction]]

    found: Pairs = {}
    for sources, targets, ports in join(behaviours(Direction.EGRESS), behaviours(Direction.INGRESS)):
        reached = list(members(targets & here))
        for source in members(sources & here):
            for target in reached:
                found[source, target] = ports
    return found


def _host_sources(classes: Classes, here: Bits, possible: Pairs) -> None:
    """A pod on the host network may run beside any pod, and then nothing keeps it out."""
    from_host = list(members(classes.host_network & here))
    for source in from_host:
        for target in members(here):
            possible[source, target] = EVERYTHING


def _between(classes: Classes, pairs: Pairs) -> Iterator[Connection]:
    """Put classes together to workloads: sure is what every pod of one may send to every pod of the other."""
    owners: dict[int, list[WorkloadRef]] = {}
    for ref, (_, bits) in classes.groups.items():
        for number in members(bits):
            owners.setdefault(number, []).append(ref)
    found: dict[tuple[WorkloadRef, WorkloadRef], list[PortSet]] = {}
    for (source, target), ports in pairs.items():
        for ends in product(owners[source], owners[target]) if ports else ():
            found.setdefault(ends, []).append(ports)
    for (one, other), sets in found.items():
        whole = classes.groups[one][1].bit_count() * classes.groups[other][1].bit_count() == len(sets)
        if whole and (one != other or several(classes.groups[one][0])) and (ports := reduce(intersection, sets)):
            yield Connection(one, other, ports)


def several(group: Group) -> bool:
    """Say whether a workload has, or may have, more than one pod."""
    if group.ref.kind == "Pod":
        return False
    if group.template is None:
        return len(group.pods) > 1
    return group.template.replicas is None or group.template.replicas > 1


def _ranges(classes: Classes, kinds: dict[Direction, list[Kind]], which: int) -> Iterator[Connection]:
    """Yield what workloads and addresses outside may send each other. `which`: 0 sure, 1 not known."""
    for direction, some in kinds.items():
        by_class: dict[int, Ranged] = {}
        for kind in some:
            sure, possible = outside(direction, kind.selecting, kind.subject)
            ranged = sure if which == 0 else _less(possible, sure)
            by_class |= dict.fromkeys(members(kind.classes), ranged)
        for ref, (_, bits) in classes.groups.items():
            each = [by_class[number] for number in members(bits)]
            if any(ranged != each[0] for ranged in each):
                continue
            for ports, blocks in each[0].items():
                ends: tuple[End, End] = (ref, blocks) if direction is Direction.EGRESS else (blocks, ref)
                yield Connection(*ends, ports)


def _less(possible: Ranged, sure: Ranged) -> Ranged:
    """Return the possible ranges that are not sure: exact where the blocks are the same, else all of them."""
    found: Ranged = {}
    for ports, blocks in possible.items():
        certain = next((p for p, b in sure.items() if b == blocks), NOTHING)
        if left := difference(ports, certain):
            found[left] = (*found.get(left, ()), *blocks)
    return found
