"""A matrix in words: its ends and ports, as a table for a terminal or Markdown, and as a graph for Graphviz."""

from collections.abc import Iterator
from functools import cache
from typing import Final

from webhook.matrix import Alike, Layer, Matrix, Ranges, Workloads
from webhook.matrix.sets import EVERYTHING, PortSet, ranges
from webhook.model.addresses import Address, Block
from webhook.model.answers import Verdict
from webhook.model.refs import SHORT_KINDS, WorkloadRef
from webhook.report.safe import clean
from webhook.report.text import Failure, Tabulate

ALL: Final = "all"
_MANY: Final = 4  # blocks; more are shown as the spans that they make up


def layers(matrix: Matrix) -> Iterator[tuple[Layer, Verdict]]:
    """Yield the connections that are sure, and those that are not known, where they were asked for."""
    yield matrix.sure, Verdict.ALLOWED
    if matrix.unknown is not None:
        yield matrix.unknown, Verdict.UNKNOWN


def members(some: Workloads) -> tuple[WorkloadRef, ...]:
    """Return each of the workloads."""
    return some.members if isinstance(some, Alike) else (some,)


def names_of(one: Workloads) -> str:
    """Return `deploy/production/web-api`; several as `deploy/production/{api,web}, sts/data/db`."""
    if isinstance(one, WorkloadRef):
        return clean(str(one))
    names: dict[str, list[str]] = {}
    for ref in one.members:
        names.setdefault(str(ref).removesuffix(ref.name), []).append(ref.name)
    each = (f"{place}{some[0]}" if len(some) == 1 else f"{place}{{{','.join(some)}}}" for place, some in names.items())
    return clean(", ".join(each))


def addresses(blocks: Ranges) -> str:
    """Return blocks after each other; many of them as spans, `10.0.0.0-10.3.255.255`."""
    if len(blocks) <= _MANY:
        return ", ".join(map(str, blocks))
    return ", ".join(_spans(blocks))


def _spans(blocks: Ranges) -> Iterator[str]:
    """Join neighbours, of blocks that are sorted."""
    run: list[Block] = []
    for block in blocks:
        if run and (block.family != run[-1].family or block.first != run[-1].last + 1):
            yield _span(run)
            run = []
        run.append(block)
    yield _span(run)


def _span(run: list[Block]) -> str:
    if len(run) == 1:
        return str(run[0])
    return f"{Address(run[0].family, run[0].first)}-{Address(run[-1].family, run[-1].last)}"


@cache
def ports(some: PortSet) -> str:
    """Return `all`, or `80/TCP, 8000-8999/TCP, */UDP`."""
    return ALL if some == EVERYTHING else ", ".join(map(str, ranges(some)))


def total(matrix: Matrix, rows: int, unknown: int, skipped: int, errors: tuple[Failure, ...], hidden: int = 0) -> str:
    """Return `12 connections between 5 workloads; 1 document skipped`."""
    workloads = sum(len(members(one)) for one in matrix.workloads)
    between = _counted(workloads, "workload")
    if len(matrix.workloads) < workloads:
        between = f"{_counted(len(matrix.workloads), 'group')} of {between}"
    found = f"{_counted(rows, 'connection')} between {between}"
    if matrix.unknown is not None:
        found += f", {unknown} not known"
    elif hidden:
        found += f", {hidden} more cannot be told (--unknown shows them)"
    if skipped:
        found += f"; {_counted(skipped, 'document')} skipped"
    return found + (f"; {_counted(len(errors), 'document')} unreadable" if errors else "")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


_ESCAPED = str.maketrans({character: f"\\{character}" for character in "\\`*_[]<>|"})
_MOST_DRAWN: Final = 2_000  # rows: a library takes a third of a second for a thousand
_WIDEST = 60  # characters of a column: one long list of addresses does not push all other rows aside


def text(
    whole: Matrix,
    errors: tuple[Failure, ...] = (),
    skipped: int = 0,
    *,
    tabulate: Tabulate | None = None,
    hidden: int = 0,
) -> str:
    """Return one line a row, columns two spaces apart; who is in a large group; and one line that sums up.

    `tabulate`: what draws a table that a person can take in, instead. `hidden`: how many connections cannot be told,
    where they are not shown.
    """
    names, groups = _names(whole)
    rows = [(*row, verdict) for layer, verdict in layers(whole) for row in _worded(whole, layer, names)]
    unknown = sum(verdict is Verdict.UNKNOWN for *_, verdict in rows)
    summary = total(whole, len(rows) - unknown, unknown, skipped, errors, hidden)
    if not rows:
        return summary
    asked = whole.unknown is not None
    head = ("FROM", "TO", *(("VERDICT",) if asked else ()), "PORTS")
    table = [(source, target, *((said,) if asked else ()), some) for source, target, some, said in rows]
    lines = [tabulate(head, table)] if tabulate and len(rows) <= _MOST_DRAWN else list(_aligned(head, table))
    return "\n".join([*lines, "", *groups, *([""] if groups else []), summary])


def _aligned(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Yield lines whose columns begin below each other, at little cost a row: there may be a million."""
    widths = [min(_WIDEST, max(len(row[column]) for row in (head, *rows))) for column in range(len(head) - 1)]
    form = "".join(f"{{:{width}}}  " for width in widths) + "{}"
    yield from (form.format(*row) for row in (head, *rows))


def _names(whole: Matrix) -> tuple[list[str], list[str]]:
    """Return what workloads are called, and lines that say who is in those whose members no column holds."""
    names: list[str] = []
    groups: list[str] = []
    for one in whole.workloads:
        name = names_of(one)
        if isinstance(one, Alike) and len(name) > _WIDEST:
            short = f"group {len(groups) + 1} ({len(one.members)} workloads)"
            groups.append(f"{short}: {name}")
            name = short
        names.append(name)
    return names, groups


def markdown(whole: Matrix) -> str:
    """Return a table as GitHub and GitLab show it."""
    names = [names_of(one) for one in whole.workloads]
    asked = whole.unknown is not None
    lines = (
        ["| From | To | Verdict | Ports |", "|---|---|---|---|"]
        if asked
        else ["| From | To | Ports |", "|---|---|---|"]
    )
    for layer, verdict in layers(whole):
        for source, target, some in _worded(whole, layer, names):
            cells = (source, target, verdict, some) if asked else (source, target, some)
            lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return "\n".join(lines)


def _worded(whole: Matrix, layer: Layer, names: list[str]) -> Iterator[tuple[str, str, str]]:
    beyond: dict[Ranges, str] = {}

    def said(end: int | Ranges) -> str:
        if isinstance(end, int):
            return names[end]
        if end not in beyond:
            beyond[end] = addresses(end)
        return beyond[end]

    for source, target, some in whole.rows(layer):
        yield said(source), said(target), ports(some)


def _cell(text: str) -> str:
    """Return text that ends no cell and starts no markup."""
    return text.translate(_ESCAPED)


def dot(whole: Matrix) -> str:
    """Return a directed graph; arrows that are not known are dashed. Workloads without any are there too."""
    beyond: dict[Ranges, int] = {}
    arrows = []
    for layer, verdict in layers(whole):
        style = ', style="dashed"' if verdict is Verdict.UNKNOWN else ""
        for source, target, some in whole.rows(layer):
            here, there = (_node(end, beyond) for end in (source, target))
            arrows.append(f"  {here} -> {there} [label={_quoted(ports(some))}{style}];")
    lines = ["digraph matrix {", "  rankdir=LR;", "  node [shape=box];", *_boxes(whole)]
    for blocks, number in beyond.items():
        lines.append(f"  a{number} [shape=ellipse, label={_quoted(*map(str, blocks))}];")
    return "\n".join([*lines, *arrows, "}"])


def _node(end: int | Ranges, beyond: dict[Ranges, int]) -> str:
    return f"w{end}" if isinstance(end, int) else f"a{beyond.setdefault(end, len(beyond))}"


def _boxes(whole: Matrix) -> Iterator[str]:
    framed: dict[str, list[str]] = {}
    for number, one in enumerate(whole.workloads):
        spaces = {ref.namespace for ref in members(one)}
        if len(spaces) == 1:
            framed.setdefault(spaces.pop(), []).append(f"w{number} [label={_quoted(*_lines(one))}];")
        else:
            yield f"  w{number} [label={_quoted(*map(names_of, members(one)))}];"
    for number, (space, boxes) in enumerate(framed.items()):
        yield f"  subgraph cluster_{number} {{"
        yield f"    label={_quoted(space)};"
        yield from (f"    {box}" for box in boxes)
        yield "  }"


def _lines(one: Workloads) -> Iterator[str]:
    """Yield names without the namespace, which the frame says."""
    for ref in one.members if isinstance(one, Alike) else (one,):
        yield _short(ref)


def _short(ref: WorkloadRef) -> str:
    return f"{SHORT_KINDS.get(ref.kind, ref.kind.lower())}/{ref.name}"


def _quoted(*lines: str) -> str:
    r"""Return a DOT string; `\n` between lines."""
    each = (clean(line).replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(each) + '"'
