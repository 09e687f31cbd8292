"""Two matrices -> what is open in one of them only: connection by connection, port by port, address by address."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from msgspec import Struct

from webhook.matrix.classes import Ranges, blocks_between
from webhook.matrix.matrix import Beyond, Connection, Layer, Matrix
from webhook.matrix.sets import NOTHING, PortSet, difference, intersection, union
from webhook.model.addresses import FAMILIES, Block, Family, merged
from webhook.model.refs import WorkloadRef

Pair = tuple[WorkloadRef, WorkloadRef]


class State(Struct, frozen=True):
    """What is known of some ports: those that are surely open, and those of which it cannot be told."""

    sure: PortSet = NOTHING
    unknown: PortSet = NOTHING


class Delta(Struct, frozen=True):
    """Ports whose answer changes. `unsure`: it is not known before, or not after."""

    opened: PortSet = NOTHING
    closed: PortSet = NOTHING
    unsure: PortSet = NOTHING


class Differences(Struct, frozen=True):
    """Connections that change, sorted; `added` and `removed` are the workloads that only one matrix has."""

    opened: tuple[Connection, ...] = ()
    closed: tuple[Connection, ...] = ()
    unsure: tuple[Connection, ...] = ()
    added: frozenset[WorkloadRef] = frozenset()
    removed: frozenset[WorkloadRef] = frozenset()


_CLOSED: Final = State()
_WHAT: Final = ("opened", "closed", "unsure")


def differences(before: Matrix, after: Matrix) -> Differences:
    """Compare two matrices of single workloads, both with the layer of what is not known."""
    there, here = _workloads(before), _workloads(after)
    changes = [*_between(before, after), *_beyond(before, after)]
    opened, closed, unsure = (_sorted(one for one in changes if one[2] == what) for what in _WHAT)
    return Differences(opened, closed, unsure, frozenset(here - there), frozenset(there - here))


Change = tuple[WorkloadRef | Ranges, WorkloadRef | Ranges, str, PortSet]


def _workloads(matrix: Matrix) -> set[WorkloadRef]:
    return {one for one in matrix.workloads if isinstance(one, WorkloadRef)}


def _sorted(changes: Iterable[Change]) -> tuple[Connection, ...]:
    found = [Connection(source, target, ports) for source, target, _, ports in changes]
    return tuple(sorted(found, key=lambda one: (_end(one.source), _end(one.target), one.ports)))


def _end(end: object) -> tuple[int, object]:
    """Sort workloads before address ranges."""
    return (0, end) if isinstance(end, WorkloadRef) else (1, end)


def compared(before: State, after: State) -> Delta:
    """Return what becomes of each port. What is unknown on one side and not the same on the other is unsure."""
    opened = difference(difference(after.sure, before.sure), before.unknown)
    closed = difference(difference(before.sure, after.sure), after.unknown)
    ends = (
        intersection(before.sure, after.unknown),
        intersection(before.unknown, after.sure),
        difference(difference(after.unknown, before.unknown), before.sure),
        difference(difference(before.unknown, after.unknown), after.sure),
    )
    unsure = NOTHING
    for some in ends:
        unsure = union(unsure, some)
    return Delta(opened, closed, unsure)


def _parts(delta: Delta) -> Iterator[tuple[str, PortSet]]:
    for what in _WHAT:
        if ports := getattr(delta, what):
            yield what, ports


# -- between workloads -------------------------------------------------------------------------------------------------


def _between(before: Matrix, after: Matrix) -> Iterator[Change]:
    states = _states(before), _states(after)
    for pair in states[0].keys() | states[1].keys():
        delta = compared(states[0].get(pair, _CLOSED), states[1].get(pair, _CLOSED))
        for what, ports in _parts(delta):
            yield *pair, what, ports


def _states(matrix: Matrix) -> dict[Pair, State]:
    found: dict[Pair, State] = {pair: State(ports) for pair, ports in _pairs(matrix, matrix.sure)}
    for pair, ports in _pairs(matrix, matrix.unknown) if matrix.unknown else ():
        found[pair] = State(found.get(pair, _CLOSED).sure, ports)
    return found


def _pairs(matrix: Matrix, layer: Layer) -> Iterator[tuple[Pair, PortSet]]:
    for source, target, ports in matrix.rows(layer):
        if isinstance(source, int) and isinstance(target, int):
            here, there = matrix.workloads[source], matrix.workloads[target]
            if isinstance(here, WorkloadRef) and isinstance(there, WorkloadRef):
                yield (here, there), ports


# -- to and from addresses outside -------------------------------------------------------------------------------------


def _beyond(before: Matrix, after: Matrix) -> Iterator[Change]:
    for outward in (True, False):
        states = [_outside(matrix, outward=outward) for matrix in (before, after)]
        for ref in states[0].keys() | states[1].keys():
            for blocks, what, ports in _addresses(states[0].get(ref, _NOBODY), states[1].get(ref, _NOBODY)):
                yield (ref, blocks, what, ports) if outward else (blocks, ref, what, ports)


Answers = tuple[Beyond, Beyond]  # what is sure, what is not known
_NOBODY: Final[Answers] = ((), ())


def _outside(matrix: Matrix, *, outward: bool) -> dict[WorkloadRef, Answers]:
    layers = [layer.out if outward else layer.into for layer in (matrix.sure, matrix.unknown) if layer is not None]
    found: dict[WorkloadRef, Answers] = {}
    for number, ref in enumerate(matrix.workloads):
        each = [layer[number] for layer in layers]
        if isinstance(ref, WorkloadRef) and any(each):
            found[ref] = (each[0], each[1] if len(each) > 1 else ())
    return found


def _addresses(before: Answers, after: Answers) -> Iterator[tuple[Ranges, str, PortSet]]:
    """Yield ranges whose answer changes: addresses with the same change stand together."""
    if before == after:
        return
    runs: dict[tuple[str, PortSet], list[Block]] = {}
    for family in FAMILIES:
        sweeps = [_Sweep(family, some) for known in (before, after) for some in known]
        edges = sorted({edge for sweep in sweeps for edge in sweep.edges})
        for first, end in pairwise(edges):
            sure, unknown, sure_then, unknown_then = (sweep.at(first) for sweep in sweeps)
            for key in _parts(compared(State(sure, unknown), State(sure_then, unknown_then))):
                runs.setdefault(key, []).extend(blocks_between(family, first, end - 1))
    for (what, ports), blocks in runs.items():
        yield merged(blocks), what, ports


class _Sweep:
    """What is open to each address of a family, asked in the order of addresses."""

    def __init__(self, family: Family, some: Beyond) -> None:
        self._spans = sorted((b.first, b.last, ports) for blocks, ports in some for b in blocks if b.family == family)
        self._next = 0
        self.edges = [edge for first, last, _ in self._spans for edge in (first, last + 1)]

    def at(self, address: int) -> PortSet:
        while self._next < len(self._spans) and self._spans[self._next][1] < address:
            self._next += 1
        if self._next == len(self._spans):
            return NOTHING
        first, _, ports = self._spans[self._next]
        return ports if first <= address else NOTHING
