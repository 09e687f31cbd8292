"""A matrix: who may send what to whom, as a value that is listed row by row."""

from collections.abc import Iterator

from msgspec import Struct

from webhook.evaluate.portset import PortSet
from webhook.matrix.address_pieces import Ranges
from webhook.matrix.bits import Bits, bits_of, listed
from webhook.matrix.parts import Parts, within
from webhook.model.refs import WorkloadRef

Beyond = tuple[tuple[Ranges, PortSet], ...]  # address ranges, each with what is open; sorted


class Alike(Struct, frozen=True):
    """Workloads with the same rows, in and out."""

    members: tuple[WorkloadRef, ...]


Party = WorkloadRef | Alike
End = Party | Ranges
Row = tuple[int | Ranges, int | Ranges, PortSet]  # source, target: a party's number, or address ranges


class Connection(Struct, frozen=True):
    """What is open from one end to another."""

    source: End
    target: End
    ports: PortSet


class Layer(Struct, frozen=True):
    """Connections of one certainty, by the number of a party: to parties, to and from addresses outside."""

    pods: list[Parts]
    out: list[Beyond]
    into: list[Beyond]


class Matrix(Struct, frozen=True):
    """Everybody with their connections: those that are sure, and where asked for those that cannot be told.

    `own`: the parties whose connections among their own pods count. A row is sure where every pod of the source may
    send to every pod of the target on every address family that both have; it is not known where that may be so.
    """

    parties: tuple[Party, ...]
    own: Bits
    sure: Layer
    unknown: Layer | None = None

    def rows(self, layer: Layer) -> Iterator[Row]:
        """Yield rows by source and target in the order of parties; address ranges after them."""
        for source, parts in enumerate(layer.pods):
            hidden = 1 << source & ~self.own
            targets = [(target, ports) for ports, bits in parts.items() for target in listed(bits & ~hidden)]
            if len(parts) > 1:
                targets.sort()
            for target, ports in targets:
                yield source, target, ports
            for ranges, ports in layer.out[source]:
                yield source, ranges, ports
        senders = [(ranges, target, ports) for target, some in enumerate(layer.into) for ranges, ports in some]
        yield from sorted(senders)

    def connections(self, layer: Layer) -> Iterator[Connection]:
        """Yield rows with their ends as values."""
        for source, target, ports in self.rows(layer):
            here, there = (self.parties[end] if isinstance(end, int) else end for end in (source, target))
            yield Connection(here, there, ports)


def focused(matrix: Matrix, number: int) -> Matrix:
    """Return only the rows that touch one party, and whom they join."""
    sure = _touching(matrix.sure, number)
    unknown = _touching(matrix.unknown, number) if matrix.unknown else None
    seen = {number}
    for layer in filter(None, (sure, unknown)):
        seen |= {source for source, parts in enumerate(layer.pods) if parts}
        seen |= {target for bits in layer.pods[number].values() for target in listed(bits)}
    touched = Matrix(matrix.parties, matrix.own, sure, unknown)
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
        tuple(_party([matrix.parties[number] for number in some]) for some in groups),
        bits_of(place[first] for first in listed(own & among)),
        layer(matrix.sure),
        layer(matrix.unknown) if matrix.unknown else None,
    )


def _party(some: list[Party]) -> Party:
    if len(some) == 1:
        return some[0]
    return Alike(tuple(ref for one in some for ref in (one.members if isinstance(one, Alike) else (one,))))
