"""Where one item of an annotation ends and the next begins, without ever cutting a secret in two.

Commas and newlines separate items. A URL is taken whole: a comma in its user info or its query separates nothing, or
a part of a password would be read, and printed, as a name. Every step is linear in the length of the text.
"""

import re
from collections.abc import Iterator
from typing import Final

from webhook.model.refs import KIND_OF_WORD

_SCHEME: Final = r"(?:jdbc:|[a-z][a-z0-9+.-]*+://)"
_IS_URL: Final = re.compile(r"jdbc:|[^,\n]*?://", re.IGNORECASE)  # in quotes, or with something else before it, too
_LINE: Final = re.compile(r"[^\n]+")
_PROPER: Final = re.compile(r"(?:jdbc:)?[a-z][a-z0-9+.-]*+://", re.IGNORECASE)
_SEPARATORS: Final = re.compile(r"[,\s]*+")
_NEXT: Final = re.compile(rf",(?=\s|{_SCHEME})", re.IGNORECASE)  # in no URL: what follows is another item
_HOST: Final = re.compile(r"[^\s,/?#;\\]*+")
_HOSTS: Final = re.compile(r"[^\s,/?#;\\]++(?:,[^\s,/?#;\\]++)++(?=[/?])")
_PATH: Final = re.compile(r"[^,?#;]*+")
_OTHER_ITEM: Final = re.compile(r"/(?:\d{1,3}(?![^:,\s])|(?:tcp|udp|sctp)(?![^,\s]))", re.IGNORECASE)


def is_url(item: str) -> bool:
    """Say whether an item is a URL, or means to be one."""
    return _IS_URL.match(item) is not None


def items(text: str) -> Iterator[str]:
    """Yield the items of an annotation, none of them empty."""
    for found in _LINE.finditer(text):
        line = found.group()
        start = _skipped(line, 0)
        while start < len(line):
            end = _end_of_url(line, start) if is_url_at(line, start) else _comma(line, start, len(line))
            yield line[start:end].strip()
            start = _skipped(line, end)


def is_url_at(line: str, start: int) -> bool:
    """Say whether a URL begins at `start`."""
    return _IS_URL.match(line, start) is not None


def _skipped(line: str, start: int) -> int:
    found = _SEPARATORS.match(line, start)
    return found.end() if found else start


def _comma(line: str, start: int, end: int) -> int:
    found = line.find(",", start, end)
    return end if found < 0 else found


def _end_of_url(line: str, start: int) -> int:
    """Return where the URL at `start` ends: behind the last `@` that may be its own, its hosts, path and query.

    What only holds a URL somewhere is taken as far as it may reach.
    """
    following = _NEXT.search(line, start)
    limit = following.start() if following else len(line)
    scheme = _PROPER.match(line, start, limit)
    if scheme is None:
        return limit
    hosts = max(line.rfind("@", start, limit) + 1, scheme.end())
    end = _end_of_hosts(line, hosts, limit)
    if line[end : end + 1] in ("/", "\\"):
        end = _end(_PATH, line, end, limit)
    return limit if line[end : end + 1] in ("?", "#", ";") else _comma(line, end, limit)


def _end_of_hosts(line: str, start: int, limit: int) -> int:
    """Return the end of one host, or of several where a path or a query behind them says that they are one URL's."""
    one = _end(_HOST, line, start, limit)
    several = _HOSTS.match(line, start, limit)
    if several is None:
        return one
    last = several.group().rpartition(",")[2]
    if last.lower() in KIND_OF_WORD or _OTHER_ITEM.match(line, several.end(), limit):
        return one
    return several.end()


def _end(pattern: re.Pattern[str], line: str, start: int, limit: int) -> int:
    found = pattern.match(line, start, limit)
    return found.end() if found else start
