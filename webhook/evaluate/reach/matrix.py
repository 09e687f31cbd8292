"""A matrix: who may send what to whom, as a value that is listed row by row."""

from collections.abc import Iterator

from msgspec import Struct

from webhook.evaluate.portset import PortSet
from webhook.evaluate.reach.bits import Bits, listed
from webhook.evaluate.reach.parts import Parts, within
from webhook.evaluate.reach.pieces import Ranges
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

    def number(self, ref: WorkloadRef) -> int | None:
        """Return the number of the party that `ref` is, or is in."""
        for number, party in enumerate(self.parties):
            if ref == party or (isinstance(party, Alike) and ref in party.members):
                return number
        return None


def focused(matrix: Matrix, number: int) -> Matrix:
    """Return only the rows that touch one party."""
    sure, unknown = (layer and _touching(layer, number) for layer in (matrix.sure, matrix.unknown))
    return Matrix(matrix.parties, matrix.own, sure or matrix.sure, unknown)


def _touching(layer: Layer, number: int) -> Layer:
    pods = [parts if source == number else within(parts, 1 << number) for source, parts in enumerate(layer.pods)]
    out, into = ([some if n == number else () for n, some in enumerate(every)] for every in (layer.out, layer.into))
    return Layer(pods, out, into)
