"""What a change opens, closes, gains and loses: for a terminal, for programs, and for a pull request's comment."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from webhook.matrix import Connection, Differences, Ranges
from webhook.matrix.sets import PortSet
from webhook.model.answers import Finding
from webhook.model.refs import WorkloadRef
from webhook.report import json_, matrix_text, safe
from webhook.report.safe import clean
from webhook.report.text import Failure, Paint, count, failure, grouped, plain
from webhook.report.words import sentence
from webhook.review.compare import DependencyChange

_SHOWN: Final = 8  # peers of a line; the others are counted
_ROWS: Final = 200  # rows of a section of a comment: a pull request's may be 65,536 characters long
_SECTIONS: Final = (("opened", "error"), ("closed", "warning"), ("unsure", "dim"))
_TITLES: Final = {"opened": "Opened", "closed": "Closed", "unsure": "Not sure: unknown before or after"}


class Diff(Struct, frozen=True):
    """The whole of it. `new` and `gone`: findings of one of the two worlds only."""

    connections: Differences
    dependencies: tuple[DependencyChange, ...]
    new: tuple[Finding, ...]
    gone: tuple[Finding, ...]
    errors: tuple[Failure, ...] = ()

    @property
    def worse(self) -> bool:
        """Whether a declared dependency that passed is dropped."""
        return any(one.worsens for one in self.dependencies)


# -- JSON --------------------------------------------------------------------------------------------------------------


def record(diff: Diff) -> str:
    """Return diff's object (design.md §7); `unsure`, `workloads`, `findings` and `errors` come on top."""
    found = diff.connections
    return json_.render(
        {
            "opened": [_connection(one) for one in found.opened],
            "closed": [_connection(one) for one in found.closed],
            "unsure": [_connection(one) for one in found.unsure],
            "dependencies": [_dependency(one) for one in diff.dependencies],
            "findings": {
                "new": [json_.finding(one) for one in diff.new],
                "gone": [json_.finding(one) for one in diff.gone],
            },
            "workloads": {
                "added": [json_.workload(ref) for ref in sorted(found.added)],
                "removed": [json_.workload(ref) for ref in sorted(found.removed)],
            },
            "errors": [json_.failure(one) for one in diff.errors],
        }
    )


def _connection(one: Connection) -> json_.Record:
    return {"from": _end(one.source), "to": _end(one.target), "ports": json_.ports(one.ports)}


def _end(end: object) -> json_.Record:
    if isinstance(end, WorkloadRef):
        return json_.workload(end)
    return {"cidrs": [str(one) for one in end]} if isinstance(end, tuple) else {}


def _dependency(one: DependencyChange) -> json_.Record:
    return {
        "workload": json_.workload(one.workload),
        "dependency": one.dependency,
        "source": one.source,
        "before": one.before,
        "after": one.after,
    }


# -- rows, folded by workload ------------------------------------------------------------------------------------------


class Row(Struct, frozen=True):
    """Connections of one workload with the same ports: whom it sends to, or who sends to it."""

    source: str
    target: str
    ports: str
    note: str


def rows(found: Differences, some: Sequence[Connection]) -> Iterator[Row]:
    """Yield the connections, those of one source (or from outside, of one range) with the same ports as one row."""
    groups: dict[tuple[object, PortSet, str], list[object]] = {}
    for one in some:
        note = _note(found, one)
        groups.setdefault((one.source, one.ports, note), []).append(one.target)
    for (source, ports, note), targets in groups.items():
        yield Row(_named([source]), _named(targets), matrix_text.ports(ports), note)


def _note(found: Differences, one: Connection) -> str:
    ends = {end for end in (one.source, one.target) if isinstance(end, WorkloadRef)}
    if ends & found.added:
        return "with a new workload"
    return "with a workload that is gone" if ends & found.removed else ""


def _named(ends: Sequence[object]) -> str:
    names = [clean(str(end)) if isinstance(end, WorkloadRef) else _addresses(end) for end in ends]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _addresses(end: object) -> str:
    blocks: Ranges = end if isinstance(end, tuple) else ()
    return matrix_text.addresses(blocks)


def _verdicts(one: DependencyChange) -> str:
    return f"{one.before or 'not declared'} -> {one.after or 'not declared'}"


# -- text --------------------------------------------------------------------------------------------------------------


def text(diff: Diff, paint: Paint = plain) -> str:
    """Return what changes, section by section, and one line that sums up."""
    lines: list[str] = []
    for name, style in _SECTIONS:
        if some := getattr(diff.connections, name):
            lines += [paint("bold", f"{_TITLES[name]}:"), *_lines(diff.connections, some, style, paint), ""]
    if diff.dependencies:
        lines += [paint("bold", "Declared dependencies:")]
        lines += [_line(one, paint) for one in diff.dependencies] + [""]
    if diff.new:
        lines += [paint("bold", "New findings:"), *grouped(diff.new, paint)]
    if diff.gone:
        gone = (f"{one.severity.word} {one.id} {sentence(one)}" for one in diff.gone)
        lines += [paint("bold", "Findings that are gone:"), *gone, ""]
    return "\n".join([*lines, summary(diff)])


def _lines(found: Differences, some: Sequence[Connection], style: str, paint: Paint) -> Iterator[str]:
    for row in rows(found, some):
        note = f" ({row.note})" if row.note else ""
        yield f"  {paint(style, row.source)} -> {row.target}: {row.ports}{note}"


def _line(one: DependencyChange, paint: Paint) -> str:
    style = "error" if one.worsens else "warning" if one.may_worsen else "dim"
    return f"  {clean(one.workload.short)} -> {clean(one.dependency)}: {paint(style, _verdicts(one))}"


def summary(diff: Diff) -> str:
    """Return `2 connections opened, 1 closed; 1 declared dependency lost, 2 inferred; 1 new finding`."""
    found = diff.connections
    parts = [f"{count(len(found.opened), 'connection')} opened, {len(found.closed)} closed"]
    if found.unsure:
        parts.append(f"{len(found.unsure)} not sure")
    lost = sum(one.worsens for one in diff.dependencies)
    told = f"{count(lost, 'declared dependency')} lost" if lost else "no declared dependency lost"
    inferred = sum(one.may_worsen for one in diff.dependencies)
    parts.append(f"{told}, {inferred} inferred" if inferred else told)
    parts.append(f"{count(len(diff.new), 'finding')} new, {len(diff.gone)} gone")
    return "; ".join(parts) + (f"; {count(len(diff.errors), 'document')} unreadable" if diff.errors else "")


# -- markdown ----------------------------------------------------------------------------------------------------------


def comment(diff: Diff) -> str:
    """Return a comment for a pull request: what is lost in front, what is long folded away."""
    perhaps = [one for one in diff.dependencies if one.may_worsen]
    mark = "❌" if diff.worse else "⚠️" if perhaps or diff.connections.opened else "✅"
    lines = [f"### {mark} Network policy: {safe.escaped(summary(diff))}", ""]
    lines += [*_dependencies([one for one in diff.dependencies if one.worsens], "Declared dependencies that are lost")]
    lines += [*_dependencies(perhaps, "Inferred dependencies that are lost")]
    for name, _ in _SECTIONS:
        lines += _folded(_TITLES[name], diff.connections, getattr(diff.connections, name))
    rest = [one for one in diff.dependencies if not (one.worsens or one.may_worsen)]
    lines += [*_dependencies(rest, "Other dependencies that change")]
    for title, some in (("New findings", diff.new), ("Findings that are gone", diff.gone)):
        told = ((one.id, one.severity.word, safe.escaped(sentence(one))) for one in some)
        lines += _section(title, len(some), safe.table(("Id", "Severity", "What"), told))
    lines += [f"- unreadable: {safe.escaped(failure(one))}" for one in diff.errors]
    return "\n".join(lines).rstrip("\n") + "\n"


def _dependencies(some: Sequence[DependencyChange], title: str) -> Iterator[str]:
    if some:
        cells = ((safe.code(one.workload.short), safe.code(one.dependency), _verdicts(one)) for one in some)
        yield from (f"**{title}**", "", *safe.table(("Workload", "Dependency", "Before -> after"), cells), "")


def _folded(title: str, found: Differences, some: Sequence[Connection]) -> Iterator[str]:
    cells = [(safe.code(row.source), safe.code(row.target), row.ports, row.note) for row in rows(found, some)]
    table = safe.table(("From", "To", "Ports", ""), cells[:_ROWS])
    more = [f"and {len(cells) - _ROWS} more rows: `netpol-preflight diff`"] if len(cells) > _ROWS else []
    yield from _section(title, len(some), [*table, *more])


def _section(title: str, number: int, table: Iterable[str]) -> Iterator[str]:
    if number:
        yield from (f"<details><summary>{title} ({number})</summary>", "", *table, "", "</details>", "")
