"""A matrix: who may send what to whom, listed row by row; workloads with the same rows can be folded into one."""

from collections.abc import Iterator

from msgspec import Struct

from webhook.matrix.classes import Ranges
from webhook.matrix.sets import Bits, Parts, PortSet, bits_of, listed, within
from webhook.model.refs import WorkloadRef

Beyond = tuple[tuple[Ranges, PortSet], ...]  # address ranges, each with what is open; sorted


class Alike(Struct, frozen=True):
    """Workloads with the same rows, in and out."""

    members: tuple[WorkloadRef, ...]


Workloads = WorkloadRef | Alike  # one, or a group
End = Workloads | Ranges
Row = tuple[int | Ranges, int | Ranges, PortSet]  # source, target: an index into `workloads`, or address ranges


class Connection(Struct, frozen=True):
    """What is open from one end to another."""

    source: End
    target: End
    ports: PortSet


class Layer(Struct, frozen=True):
    """Connections of one certainty, by index into `workloads`: to others of them, to and from addresses outside."""

    pods: list[Parts]
    out: list[Beyond]
    into: list[Beyond]


class Matrix(Struct, frozen=True):
    """Everybody with their connections: those that are sure, and where asked for those that cannot be told.

    `own`: those whose connections among their own pods count. A row is sure where every pod of the source may
    send to every pod of the target on every address family that both have; it is not known where that may be so.
    """

    workloads: tuple[Workloads, ...]
    own: Bits
    sure: Layer
    unknown: Layer | None = None

    def rows(self, layer: Layer) -> Iterator[Row]:
        """Yield rows by source and target in the order of `workloads`; address ranges after them."""
        for source in range(len(layer.pods)):
            for target, ports in self.reached(layer, source):
                yield source, target, ports
            for ranges, ports in layer.out[source]:
                yield source, ranges, ports
        yield from senders(layer)

    def reached(self, layer: Layer, source: int) -> list[tuple[int, PortSet]]:
        """Return whom one of `workloads` reaches, in their order."""
        parts, hidden = layer.pods[source], 1 << source & ~self.own
        targets = [(target, ports) for ports, bits in parts.items() for target in listed(bits & ~hidden)]
        if len(parts) > 1:
            targets.sort()
        return targets

    def connections(self, layer: Layer) -> Iterator[Connection]:
        """Yield rows with their ends as values."""
        for source, target, ports in self.rows(layer):
            here, there = (self.workloads[end] if isinstance(end, int) else end for end in (source, target))
            yield Connection(here, there, ports)


def senders(layer: Layer) -> list[tuple[Ranges, int, PortSet]]:
    """Return the rows from addresses outside, sorted."""
    return sorted((ranges, target, ports) for target, some in enumerate(layer.into) for ranges, ports in some)


def focused(matrix: Matrix, number: int) -> Matrix:
    """Return only the rows that touch one of `workloads`, and whom they join."""
    sure = _touching(matrix.sure, number)
    unknown = _touching(matrix.unknown, number) if matrix.unknown else None
    seen = {number}
    for layer in filter(None, (sure, unknown)):
        seen |= {source for source, parts in enumerate(layer.pods) if parts}
        seen |= {target for bits in layer.pods[number].values() for target in listed(bits)}
    touched = Matrix(matrix.workloads, matrix.own, sure, unknown)
    return regrouped(touched, [[one] for one in sorted(seen)], matrix.own)


def _touching(layer: Layer, number: int) -> Layer:
    pods = [parts if source == number else within(parts, 1 << number) for source, parts in enumerate(layer.pods)]
    out, into = ([some if n == number else () for n, some in enumerate(every)] for every in (layer.out, layer.into))
    return Layer(pods, out, into)


def regrouped(matrix: Matrix, groups: list[list[int]], own: Bits) -> Matrix:
    """Return the matrix of `groups`, each with the rows of its first member; who is in none is left out.

    `own`: whose first members' connection to themselves counts.
    """
    firsts = [some[0] for some in groups]
    place = {first: number for number, first in enumerate(firsts)}
    among = bits_of(firsts)

    def renumbered(parts: Parts) -> Parts:
        return {ports: bits_of(place[t] for t in listed(who)) for ports, bits in parts.items() if (who := bits & among)}

    def layer(whole: Layer) -> Layer:
        pods = [renumbered(whole.pods[first]) for first in firsts]
        return Layer(pods, *([some[first] for first in firsts] for some in (whole.out, whole.into)))

    return Matrix(
        tuple(_joined([matrix.workloads[number] for number in some]) for some in groups),
        bits_of(place[first] for first in listed(own & among)),
        layer(matrix.sure),
        layer(matrix.unknown) if matrix.unknown else None,
    )


def _joined(some: list[Workloads]) -> Workloads:
    if len(some) == 1:
        return some[0]
    return Alike(tuple(ref for one in some for ref in (one.members if isinstance(one, Alike) else (one,))))


Columns = list[list[tuple[int, int, object]]]  # by target: (layer, number of a row, ports) of all that reach it


def fold(matrix: Matrix) -> Matrix:
    """Return the matrix of groups: every member of one has the row, to every member of the other.

    A group's connection to itself is one of each member to each other, and to its own pods where it has several.
    """
    layers = [layer for layer in (matrix.sure, matrix.unknown) if layer is not None]
    rows, columns = _rows(layers), _columns(layers)
    found: dict[object, list[int]] = {}
    for number in range(len(matrix.workloads)):
        key = (matrix.own >> number & 1, *(row[number] for row in rows), *_outside(layers, number), *columns[number])
        found.setdefault(key, []).append(number)
    together = [some for some in found.values() if len(some) > 1]
    alone = [some[0] for some in found.values() if len(some) == 1]
    groups = [*together, *_unconnected(matrix, layers, rows, columns, alone)]
    own = bits_of(some[0] for some in together) | matrix.own
    return regrouped(matrix, sorted(groups), own)


def _rows(layers: list[Layer]) -> list[list[int]]:
    """Return by layer and index the number of its row: the same for equal rows."""
    found = []
    for layer in layers:
        numbers: dict[object, int] = {}
        found.append([numbers.setdefault(frozenset(parts.items()), len(numbers)) for parts in layer.pods])
    return found


def _columns(layers: list[Layer]) -> Columns:
    """Return by index which rows reach it; equal rows count once."""
    found: Columns = [[] for _ in layers[0].pods]
    for which, layer in enumerate(layers):
        numbers: dict[object, int] = {}
        for parts in layer.pods:
            key = frozenset(parts.items())
            if key in numbers:
                continue
            numbers[key] = len(numbers)
            for ports, bits in parts.items():
                for target in listed(bits):
                    found[target].append((which, numbers[key], ports))
    return found


def _outside(layers: list[Layer], number: int) -> list[object]:
    return [some for layer in layers for some in (layer.out[number], layer.into[number])]


def _unconnected(
    matrix: Matrix, layers: list[Layer], rows: list[list[int]], columns: Columns, alone: list[int]
) -> list[list[int]]:
    """Put single pods together that reach, and are reached by, the same others, and not each other."""
    owners = [{} for _ in layers]  # type: list[dict[int, int]]
    for counts, numbers in zip(owners, rows, strict=True):
        for number in numbers:
            counts[number] = counts.get(number, 0) + 1
    found: dict[object, list[int]] = {}
    for number in alone:
        key: object = number
        if not matrix.own >> number & 1:
            mine = {(which, row[number]) for which, row in enumerate(rows) if owners[which][row[number]] == 1}
            others = tuple(token for token in columns[number] if token[:2] not in mine)
            reached = tuple(frozenset(_without(layer.pods[number], number).items()) for layer in layers)
            key = (reached, others, *_outside(layers, number))
        found.setdefault(key, []).append(number)
    return list(found.values())


def _without(parts: Parts, number: int) -> Parts:
    return {ports: rest for ports, bits in parts.items() if (rest := bits & ~(1 << number))}
