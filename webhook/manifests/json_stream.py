"""JSON documents, one after the other, as `kubectl get -o json` and `jq` write them."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from webhook.manifests.document import MOST_DEEP, TOO_DEEP, Unreadable
from webhook.manifests.scalars import shortened

_BLANK: Final = re.compile(r"[ \t\r\n]*")
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")


class _Refused(ValueError):  # noqa: N818 - it is the text that is refused
    """JSON that Kubernetes does not take, whatever a lenient reader would."""


def json_documents(text: str) -> Iterator[tuple[int, object]]:
    """Yield each document's first line and value; raises Unreadable at the first that is no JSON."""
    line, counted = 1, 0
    at = _skip(text, 0)
    while at < len(text):
        line += text.count("\n", counted, at)
        counted = at
        try:
            value, at = _DECODER.raw_decode(text, at)
        except json.JSONDecodeError as error:
            problem = error.msg[0].lower() + error.msg[1:]
            raise Unreadable(error.lineno, f"not JSON: {problem}, in column {error.colno}") from error
        except _Refused as error:
            raise Unreadable(line, str(error)) from error
        except RecursionError as error:
            raise Unreadable(line, TOO_DEEP) from error
        except ValueError as error:
            raise Unreadable(line, "a number is too long") from error
        _check_depth(value, line)
        yield line, _repaired(value) if _SURROGATE.search(text, counted, at) else value
        at = _skip(text, at)


def _skip(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Refused(f"duplicate key `{twice}` in one object")
    return value


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _Refused(f"number out of range: `{text[:40]}`")
    return shortened(value)


def _constant(text: str) -> NoReturn:
    raise _Refused(f"`{text}` is not JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_float=_number, parse_constant=_constant)


def _check_depth(value: object, line: int) -> None:
    level = [value]
    for _ in range(MOST_DEEP + 1):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return
    raise Unreadable(line, TOO_DEEP)


def _repaired(value: object) -> object:
    """Replace halves of surrogate pairs by U+FFFD, as Go's decoder does: no output could encode them."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [_repaired(item) for item in value]
        case dict():
            return {_repaired(key): _repaired(item) for key, item in value.items()}
        case _:
            return value
