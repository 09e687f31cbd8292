"""A matrix as a table: aligned for a person at a terminal, or as markdown."""

from collections.abc import Iterator

from webhook.matrix import Alike, Layer, Matrix, Ranges
from webhook.model.verdict import Verdict
from webhook.report.matrix_words import addresses, layers, party, ports, total
from webhook.report.run import Failure
from webhook.report.text import Paint, plain

_ESCAPED = str.maketrans({character: f"\\{character}" for character in "\\`*_[]<>|"})
_WIDEST = 60  # characters of a column: one long list of addresses does not push all other rows aside


def text(
    whole: Matrix, errors: tuple[Failure, ...] = (), skipped: int = 0, paint: Paint = plain, *, hidden: int = 0
) -> str:
    """Return one line a row, columns two spaces apart; who is in a large group; and one line that sums up.

    `hidden`: how many connections cannot be told, where they are not shown.
    """
    names, groups = _names(whole)
    rows = [(*row, verdict) for layer, verdict in layers(whole) for row in _rows(whole, layer, names)]
    unknown = sum(verdict is Verdict.UNKNOWN for *_, verdict in rows)
    summary = total(whole, len(rows) - unknown, unknown, skipped, errors, hidden)
    if not rows:
        return summary
    here, there = (max(_width(row[column] for row in rows), 4) for column in (0, 1))
    if whole.unknown is None:
        lines = [f"{source:{here}}  {target:{there}}  {some}" for source, target, some, _ in rows]
        head = f"{'FROM':{here}}  {'TO':{there}}  PORTS"
    else:
        lines = [f"{source:{here}}  {target:{there}}  {said:7}  {some}" for source, target, some, said in rows]
        head = f"{'FROM':{here}}  {'TO':{there}}  VERDICT  PORTS"
    return "\n".join([paint("bold", head), *lines, "", *groups, *([""] if groups else []), summary])


def _names(whole: Matrix) -> tuple[list[str], list[str]]:
    """Return what parties are called, and lines that say who is in those whose members no column holds."""
    names: list[str] = []
    groups: list[str] = []
    for one in whole.parties:
        name = party(one)
        if isinstance(one, Alike) and len(name) > _WIDEST:
            short = f"group {len(groups) + 1} ({len(one.members)} workloads)"
            groups.append(f"{short}: {name}")
            name = short
        names.append(name)
    return names, groups


def markdown(whole: Matrix) -> str:
    """Return a table as GitHub and GitLab show it."""
    names = [party(one) for one in whole.parties]
    asked = whole.unknown is not None
    lines = (
        ["| From | To | Verdict | Ports |", "|---|---|---|---|"]
        if asked
        else ["| From | To | Ports |", "|---|---|---|"]
    )
    for layer, verdict in layers(whole):
        for source, target, some in _rows(whole, layer, names):
            cells = (source, target, verdict, some) if asked else (source, target, some)
            lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return "\n".join(lines)


def _rows(whole: Matrix, layer: Layer, names: list[str]) -> Iterator[tuple[str, str, str]]:
    beyond: dict[Ranges, str] = {}

    def said(end: int | Ranges) -> str:
        if isinstance(end, int):
            return names[end]
        if end not in beyond:
            beyond[end] = addresses(end)
        return beyond[end]

    for source, target, some in whole.rows(layer):
        yield said(source), said(target), ports(some)


def _width(texts: Iterator[str]) -> int:
    return min(_WIDEST, max(map(len, texts), default=0))


def _cell(text: str) -> str:
    """Return text that ends no cell and starts no markup."""
    return text.translate(_ESCAPED)
