"""Workloads with the same rows put together, so that what is alike is read once."""

from webhook.matrix.bits import bits_of, listed
from webhook.matrix.matrix import Layer, Matrix, regrouped
from webhook.matrix.parts import Parts

Columns = list[list[tuple[int, int, object]]]  # by target: (layer, number of a row, ports) of all that reach it


def fold(matrix: Matrix) -> Matrix:
    """Return the matrix of groups: every member of one has the row, to every member of the other.

    A group's connection to itself is one of each member to each other, and to its own pods where it has several.
    """
    layers = [layer for layer in (matrix.sure, matrix.unknown) if layer is not None]
    rows, columns = _rows(layers), _columns(layers)
    found: dict[object, list[int]] = {}
    for number in range(len(matrix.parties)):
        key = (matrix.own >> number & 1, *(row[number] for row in rows), *_outside(layers, number), *columns[number])
        found.setdefault(key, []).append(number)
    together = [some for some in found.values() if len(some) > 1]
    alone = [some[0] for some in found.values() if len(some) == 1]
    groups = [*together, *_strangers(matrix, layers, rows, columns, alone)]
    own = bits_of(some[0] for some in together) | matrix.own
    return regrouped(matrix, sorted(groups), own)


def _rows(layers: list[Layer]) -> list[list[int]]:
    """Return by layer and party the number of its row: the same for equal rows."""
    found = []
    for layer in layers:
        numbers: dict[object, int] = {}
        found.append([numbers.setdefault(frozenset(parts.items()), len(numbers)) for parts in layer.pods])
    return found


def _columns(layers: list[Layer]) -> Columns:
    """Return by party which rows reach it; equal rows count once."""
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


def _strangers(
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
