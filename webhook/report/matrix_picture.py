"""A matrix to look at: a page with a grid that folds by namespace, and the same grid as one static SVG."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from msgspec import Struct

from webhook.matrix import Alike, Matrix, Ranges
from webhook.model.answers import Verdict
from webhook.model.refs import SHORT_KINDS, WorkloadRef
from webhook.model.settings import PRODUCT
from webhook.report.json_ import Record
from webhook.report.matrix_text import ALL, addresses, layers, members, names_of, ports
from webhook.report.page import Parts, ascii_text, page
from webhook.report.safe import clean, clip
from webhook.report.text import Failure, failure

TITLE: Final = "Open connections"
OUTSIDE: Final = "addresses"  # the group of ends that are no workloads


class End(Struct, frozen=True):
    """A row or a column: its name, and the namespace it is in, or what stands for one."""

    space: str
    name: str
    whole: str


class Cell(Struct, frozen=True):
    """What is open from one end to another, by their numbers. `sure`: known to be."""

    source: int
    target: int
    ports: str
    sure: bool


def html(whole: Matrix, parts: Parts, errors: Sequence[Failure] = (), hidden: int = 0) -> str:
    """Return the page. `hidden`: how many connections cannot be told, where they are not shown."""
    return page(parts, f"{TITLE} - {PRODUCT}", data(whole, errors, hidden))


def data(whole: Matrix, errors: Sequence[Failure] = (), hidden: int = 0) -> Record:
    """Return what the page shows: see `assets/matrix.js`, which is the only reader.

    `rows` is a list of [source, sure, ports, targets]: numbers in `ends` and `ports`.
    """
    ends, cells = _table(whole)
    words: dict[str, int] = {}
    rows: dict[tuple[int, bool, int], list[int]] = {}
    for cell in cells:
        said = words.setdefault(cell.ports, len(words))
        rows.setdefault((cell.source, cell.sure, said), []).append(cell.target)
    return {
        "ends": [{"ns": end.space, "name": end.name, "whole": end.whole} for end in ends],
        "outside": OUTSIDE,
        "all": ALL,
        "ports": list(words),
        "rows": [[source, int(sure), said, targets] for (source, sure, said), targets in rows.items()],
        "hidden": hidden,
        "errors": [failure(one) for one in errors],
    }


def _table(whole: Matrix) -> tuple[list[End], list[Cell]]:
    """Return who is in the grid, by namespace and then addresses, and what is open between them."""
    blocks: dict[Ranges, None] = {}  # in the order in which they are met
    drawn: list[tuple[int | Ranges, int | Ranges, str, bool]] = []
    for layer, verdict in layers(whole):
        for source, target, some in whole.rows(layer):
            for end in (source, target):
                if not isinstance(end, int):
                    blocks[end] = None
            drawn.append((source, target, ports(some), verdict is Verdict.ALLOWED))
    listed = [(_end(one), number) for number, one in enumerate(whole.workloads)]
    order = sorted(listed, key=lambda pair: (pair[0].space, pair[0].name))
    place = {number: row for row, (_, number) in enumerate(order)}
    columns = {some: row for row, some in enumerate(blocks, len(order))}
    ends = [end for end, _ in order] + [End(OUTSIDE, name, name) for name in map(addresses, blocks)]

    def where(end: int | Ranges) -> int:
        return place[end] if isinstance(end, int) else columns[end]

    cells = [Cell(where(source), where(target), said, sure) for source, target, said, sure in drawn]
    return ends, sorted(cells, key=lambda cell: (cell.source, cell.target, not cell.sure))


def _end(one: WorkloadRef | Alike) -> End:
    spaces = sorted({clean(ref.namespace) for ref in members(one)})
    if isinstance(one, Alike):
        first = _short(one.members[0])
        more = len(one.members) - 1
        return End(", ".join(spaces), f"{first} and {more} more" if more else first, names_of(one))
    return End(spaces[0], _short(one), names_of(one))


def _short(ref: WorkloadRef) -> str:
    return clean(f"{SHORT_KINDS.get(ref.kind, ref.kind.lower())}/{ref.name}")


# -- the grid as one picture -------------------------------------------------------------------------------------------

_NAMESPACE: Final = "http://www.w3.org/2000/svg"  # of the elements: a name, nothing is asked for there
_CELL: Final = 16  # pixels of a side
_LETTER: Final = 6.6  # pixels of a letter, of a name at 11 px
_NAME: Final = 34  # characters of a name; the whole is in its title
_MOST_CELLS: Final = 20_000  # with a title each: 3 MB
_GAP: Final = 8  # between namespaces
_STYLE: Final = """
  text { font: 11px system-ui, "DejaVu Sans", sans-serif; fill: #1a1f27; }
  .title { font-size: 16px; font-weight: 650; }
  .space { font-weight: 650; }
  .paper { fill: #fff; }
  .line { stroke: #e4e7eb; }
  .all { fill: #1f5fd6; }
  .some { fill: #8fb2f0; }
  .unknown { fill: #fff; stroke: #5b6472; stroke-dasharray: 2 2; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6e9ee; }
    .paper { fill: #0e1116; }
    .line { stroke: #232a33; }
    .all { fill: #7aa8ff; }
    .some { fill: #37568f; }
    .unknown { fill: #0e1116; stroke: #a3adbb; }
  }
"""


class _Grid(Struct, frozen=True):
    """Where rows and columns begin, in pixels; how large the picture is."""

    at: tuple[int, ...]
    left: int
    top: int
    side: int

    @property
    def size(self) -> tuple[int, int]:
        return self.left + self.side + 24, self.top + self.side + 44


def svg(whole: Matrix) -> str:
    """Return the picture: rows send, columns receive; the words for each cell are in its title."""
    ends, cells = _table(whole)
    grid = _grid(ends)
    width, height = grid.size
    box = f'width="{width}" height="{height}"'
    said = f"{TITLE}: rows send to columns"
    lines = (
        f'<svg xmlns="{_NAMESPACE}" {box} viewBox="0 0 {width} {height}" role="img" aria-labelledby="t">',
        f'<title id="t">{ascii_text(said)}</title>',
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" {box}/>',
        f'<text class="title" x="16" y="26">{ascii_text(said)}</text>',
        *_names(ends, grid),
        *_cells(ends, cells, grid),
        *_legend(grid),
        "</svg>",
    )
    return "\n".join(lines)


def _grid(ends: Sequence[End]) -> _Grid:
    at: list[int] = []
    offset = 0
    for number, end in enumerate(ends):
        offset += _GAP if number and end.space != ends[number - 1].space else 0
        at.append(offset)
        offset += _CELL
    longest = max((min(_NAME, len(end.name)) for end in ends), default=0)
    spaces = max((min(_NAME, len(end.space)) for end in ends), default=0)
    room = int(longest * _LETTER) + 16
    return _Grid(tuple(at), room + int(spaces * _LETTER) + 24, room + 64, offset)


def _names(ends: Sequence[End], grid: _Grid) -> Iterator[str]:
    """Yield lines and names of rows and columns, and the namespaces before the rows."""
    for end, at in zip(ends, grid.at, strict=True):
        middle = at + _CELL // 2
        x, y = grid.left + middle, grid.top + middle
        title = f"<title>{ascii_text(end.whole)}</title>"
        name = ascii_text(clip(end.name, _NAME))
        yield f'<path class="line" d="M{grid.left} {y}h{grid.side}M{x} {grid.top}v{grid.side}"/>'
        yield f'<text x="{grid.left - 6}" y="{y + 4}" text-anchor="end">{name}{title}</text>'
        yield f'<text transform="translate({x + 4} {grid.top - 6}) rotate(-90)">{name}{title}</text>'
    for space, some in groupby(zip(ends, grid.at, strict=True), key=lambda pair: pair[0].space):
        y = grid.top + next(at for _, at in some) + _CELL // 2 + 4
        yield f'<text class="space" x="16" y="{y}">{ascii_text(clip(space, _NAME))}</text>'


def _cells(ends: Sequence[End], cells: Sequence[Cell], grid: _Grid) -> Iterator[str]:
    """Yield what is open; the sure part of a pair lies above what is not known of it."""
    for cell, last in sorted(_runs(ends, cells), key=lambda run: run[0].sure):
        kind = ("all" if cell.ports == ALL else "some") if cell.sure else "unknown"
        x, y = grid.left + grid.at[cell.target] + 1, grid.top + grid.at[cell.source] + 1
        to = ends[cell.target].whole + (f" ... {ends[last].whole}" if last != cell.target else "")
        said = f"{ends[cell.source].whole} -> {to}: {cell.ports}{'' if cell.sure else ', not known'}"
        width, height = grid.at[last] - grid.at[cell.target] + _CELL - 2, _CELL - 2
        yield (
            f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="3">'
            f"<title>{ascii_text(said)}</title></rect>"
        )


def _runs(ends: Sequence[End], cells: Sequence[Cell]) -> Iterator[tuple[Cell, int]]:
    """Yield each cell with its own column; of very many, neighbours in a row that are alike as one, with the last's."""
    if len(cells) <= _MOST_CELLS:
        yield from ((cell, cell.target) for cell in cells)
        return
    by_layer = sorted(cells, key=lambda cell: (cell.source, cell.sure, cell.target))

    def alike(numbered: tuple[int, Cell]) -> tuple[int, bool, str, str, int]:
        number, cell = numbered  # in a run the column grows as the number does
        return cell.source, cell.sure, cell.ports, ends[cell.target].space, cell.target - number

    for _, run in groupby(enumerate(by_layer), key=alike):
        some = [cell for _, cell in run]
        yield some[0], some[-1].target


def _legend(grid: _Grid) -> Iterator[str]:
    y = grid.top + grid.side + 16
    for number, (kind, words) in enumerate((("all", "every port"), ("some", "some ports"), ("unknown", "not known"))):
        x = 16 + number * 110
        yield f'<rect class="{kind}" x="{x}" y="{y}" width="12" height="12" rx="3"/>'
        yield f'<text x="{x + 18}" y="{y + 10}">{words}</text>'
