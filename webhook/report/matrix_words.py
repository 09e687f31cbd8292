"""Ends and ports of a matrix in words, each worked out once however many rows it stands in."""

from collections.abc import Iterator
from functools import cache
from typing import Final

from webhook.evaluate.portset import EVERYTHING, PortSet, ranges
from webhook.matrix import Alike, Layer, Matrix, Party, Ranges
from webhook.model.addresses import Address, Block
from webhook.model.refs import WorkloadRef
from webhook.model.verdict import Verdict
from webhook.report.run import Failure
from webhook.report.safe import clean

ALL: Final = "all"
_MANY: Final = 4  # blocks; more are shown as the spans that they make up


def layers(matrix: Matrix) -> Iterator[tuple[Layer, Verdict]]:
    """Yield the connections that are sure, and those that are not known, where they were asked for."""
    yield matrix.sure, Verdict.ALLOWED
    if matrix.unknown is not None:
        yield matrix.unknown, Verdict.UNKNOWN


def members(party: Party) -> tuple[WorkloadRef, ...]:
    """Return the workloads of a party."""
    return party.members if isinstance(party, Alike) else (party,)


def party(one: Party) -> str:
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
    workloads = sum(len(members(one)) for one in matrix.parties)
    between = _counted(workloads, "workload")
    if len(matrix.parties) < workloads:
        between = f"{_counted(len(matrix.parties), 'group')} of {between}"
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
