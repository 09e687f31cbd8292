"""A matrix as design.md's JSON, a row a line: `grep` and `diff` work on it, and 100,000 rows are written in one go."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final

import msgspec

from webhook.evaluate import portset
from webhook.evaluate.portset import PortSet
from webhook.matrix import Alike, Layer, Matrix, Party, Ranges
from webhook.model.verdict import Verdict
from webhook.report import json_
from webhook.report.matrix_text import layers
from webhook.report.run import Failure

_COMPACT: Final = -1  # indentation: none, and no spaces


def matrix(whole: Matrix, errors: Iterable[Failure] = (), skipped: int = 0) -> str:
    """Return matrix's object. `skipped`: documents that were none of ours."""
    rows = ",\n  ".join(row for layer, verdict in layers(whole) for row in _rows(whole, layer, verdict))
    some = f"\n  {rows}\n" if rows else ""
    failures = _encoded([json_.failure(error) for error in errors])
    return f'{{"connections": [{some}],\n"errors": {failures},\n"skipped": {skipped}}}'


def party(one: Party) -> json_.Record:
    """Return W; a group is `{workloads: [W, ...]}`."""
    if isinstance(one, Alike):
        return {"workloads": [json_.workload(ref) for ref in one.members]}
    return json_.workload(one)


def ports(some: PortSet) -> list[json_.Record]:
    """Return disjoint, sorted ranges."""
    return [{"protocol": r.protocol, "first": r.first, "last": r.last} for r in portset.ranges(some)]


def _rows(whole: Matrix, layer: Layer, verdict: Verdict) -> Iterator[str]:
    ends = [_encoded(party(one)) for one in whole.parties]
    sources = [f'{{"from":{end},"to":' for end in ends]
    tail = "}" if verdict is Verdict.ALLOWED else f',"verdict":"{verdict}"}}'

    @cache
    def beyond(blocks: Ranges) -> str:
        return _encoded({"cidrs": [str(block) for block in blocks]})

    @cache
    def open_ports(some: PortSet) -> str:
        return f',"ports":{_encoded(ports(some))}{tail}'

    for source, target, some in whole.rows(layer):
        head = sources[source] if isinstance(source, int) else f'{{"from":{beyond(source)},"to":'
        yield head + (ends[target] if isinstance(target, int) else beyond(target)) + open_ports(some)


def _encoded(value: Any) -> str:  # noqa: ANN401 - any JSON value
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return msgspec.json.format(json_.render(value), indent=_COMPACT)
