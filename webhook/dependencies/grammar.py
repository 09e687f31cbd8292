"""`netpol-preflight.io/connects-to` -> items (design.md §5). Any text gives values; nothing secret survives.

Commas and newlines separate items. A URL is taken whole: a comma in its user info or its query separates nothing, or
a part of a password would be read, and printed, as a name. Every step is linear in the length of the text.

User info, path and query of a URL are dropped here, and a malformed item is repeated only as far as it cannot hold
a password.
"""

import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Final, cast

from webhook.model.addresses import (
    FIRST_PORT,
    LAST_PORT,
    PROTOCOLS,
    SCHEMES,
    Address,
    Block,
    Protocol,
    parse_address,
    parse_block,
)
from webhook.model.answers import Declared, Dependency, Malformed, NameTarget, Source, Target, WorkloadTarget
from webhook.model.refs import KIND_OF_WORD, SHORT_KINDS

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


MOST_ITEMS: Final = 200  # of one workload, each host of a URL counted: what is declared is paid for by everybody
_REMEMBERED: Final = 2048  # characters of an annotation that is
MOST_HOSTS: Final = 50  # of one URL
SHOWN: Final = 60  # characters of a malformed item that a message repeats
FORM: Final = "name[.namespace][:port[/TCP|UDP|SCTP]]"

_URL = re.compile(r"(?:jdbc:)?(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL | re.IGNORECASE)
_NAME = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?\.?")
_LONGEST_NAME: Final = 253
_PORT_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_BRACKETS = re.compile(r"\[(?P<inside>[^\]]*)\](?P<prefix>/\d+)?(?P<tail>.*)", re.DOTALL)


class _Expected(Exception):  # noqa: N818 - carries what was expected; never leaves this module
    pass


def parse(text: str, source: Source = "annotation", said: Collection[Declared] = ()) -> tuple[Declared, ...]:
    """Read a whole annotation; each item is a Dependency or Malformed with its position, counted from 1.

    A URL with several hosts is one item and several Dependencies. `said`: what the workload has declared before, which
    counts, too: whole items are taken up to `MOST_ITEMS` in all.
    """
    alone = not said and len(text) <= _REMEMBERED
    return _parsed(text, source) if alone else _parse(text, source, said)


def _parse(text: str, source: Source, said: Collection[Declared] = ()) -> tuple[Declared, ...]:
    found: dict[Declared, None] = {}
    count = fresh = 0
    for position, item in enumerate(items(text), 1):
        read = _read(position, item, source) if count < MOST_ITEMS else ()
        count += len(read)
        fresh += len({one for one in read if one not in said and one not in found})
        if not read or count > MOST_ITEMS or (fresh and fresh + len(said) > MOST_ITEMS):
            found[Malformed(position, "…", f"at most {MOST_ITEMS} items, each host counted", source)] = None
            break
        found.update(dict.fromkeys(read))
    return tuple(found)


_parsed: Final = lru_cache(1024)(_parse)  # workloads are written again and again, and mostly declare the same


def _read(position: int, item: str, source: Source) -> tuple[Declared, ...]:
    try:
        return (_known_item if len(item) <= _SHORT else _item)(item, source)
    except _Expected as error:
        return (Malformed(position, shown(item), str(error), source),)


def shown(item: str) -> str:
    """Return as much of a malformed item as is safe to print: nothing that may be user info, path or query."""
    if url := _URL.fullmatch(item):
        item = f"{url['scheme'].lower()}://…"
    elif is_url(item) or any(c in item for c in "@=?;"):
        item = "…"
    elif item.count("/") > 1:
        item = "/".join(item.split("/", 2)[:2]) + "/…"
    printable = "".join(c if c.isprintable() else "?" for c in item[: SHOWN + 1])
    return printable if len(printable) <= SHOWN else printable[:SHOWN] + "…"


def _item(item: str, source: Source) -> tuple[Dependency, ...]:
    if url := _URL.fullmatch(item):
        return tuple(_url(url["scheme"].lower(), url["rest"], source))
    if is_url(item):
        raise _Expected("a URL as SCHEME://HOST[:PORT]")
    kind, slash, rest = item.partition("/")
    if slash and kind.lower() in KIND_OF_WORD:
        return (_workload(KIND_OF_WORD[kind.lower()], rest, source),)
    if slash and _PORT_NAME.fullmatch(kind.lower()) and not kind.isdigit():
        raise _Expected(f"a workload's kind before the slash: {', '.join(SHORT_KINDS.values())}")
    host, port, protocol = _host_port(item)
    target = _target(host, scheme=False)
    if isinstance(target, Address | Block) and port is None:
        raise _Expected("a port behind the address: ADDRESS:PORT")
    return (Dependency(target, port, protocol, source),)


_SHORT: Final = 128  # characters of an item that is remembered
_known_item: Final = lru_cache(4_096)(_item)  # and what it declares many others do, too


def _workload(kind: str, text: str, source: Source) -> Dependency:
    host, port, protocol = _host_port(text)
    host = host.strip().lower()
    name, _, namespace = host.rstrip(".").partition(".")
    if "*" in host or not _is_name(host):
        raise _Expected("KIND/NAME[.NAMESPACE][:PORT[/TCP|UDP|SCTP]]")
    return Dependency(WorkloadTarget(kind, name, namespace or None), port, protocol, source)


def _url(scheme: str, rest: str, source: Source) -> Iterator[Dependency]:
    authority = re.split(r"[/?#\\;\s]", rest, maxsplit=1)[0]
    beyond = rest[len(authority) :]
    if "@" in beyond:
        raise _Expected("no `@` but behind user info, whose special characters are percent-encoded")
    if "," in beyond:
        raise _Expected("no `,` in a query: write %2C, or the next item on its own line")
    hosts = authority.rpartition("@")[2].split(",", MOST_HOSTS)
    if len(hosts) > MOST_HOSTS:
        raise _Expected(f"at most {MOST_HOSTS} hosts")
    for host in hosts:
        yield _url_host(scheme, host, source)


def _url_host(scheme: str, text: str, source: Source) -> Dependency:
    host, port, protocol = _host_port(text)
    if isinstance(port, str):
        raise _Expected("a number as the port of a URL")
    known = SCHEMES.get(scheme.partition("+")[0])
    if known is not None:
        protocol = known[0]
        port = known[1] if port is None else port
    target = _target(host, scheme=True)
    if isinstance(target, Address | Block) and port is None:
        raise _Expected("a port: this scheme has no default")
    return Dependency(target, port, protocol, source)


def _host_port(item: str) -> tuple[str, int | str | None, Protocol]:
    """Split `host[:port[/protocol]]`; the host may be a CIDR block or in brackets."""
    if brackets := _BRACKETS.fullmatch(item):
        if ":" not in brackets["inside"]:
            raise _Expected("an IPv6 address in the brackets: [ADDRESS]:PORT")
        host, tail = brackets["inside"] + (brackets["prefix"] or ""), brackets["tail"]
    elif item.count(":") > 1:
        raise _Expected("an IPv6 address in brackets: [ADDRESS]:PORT")
    else:
        host, colon, after = item.partition(":")
        tail = colon + after
    if not tail:
        return host, None, "TCP"
    if not tail.startswith(":"):
        raise _Expected("`:PORT` behind the address")
    text, slash, word = tail[1:].partition("/")
    return host, _port(text.strip()), _protocol(word.strip()) if slash else "TCP"


def _port(text: str) -> int | str:
    if text.isascii() and text.isdigit():
        number = int(text) if len(text) <= len(str(LAST_PORT)) else 0
        if not FIRST_PORT <= number <= LAST_PORT:
            raise _Expected(f"a port from {FIRST_PORT} to {LAST_PORT}")
        return number
    if not _PORT_NAME.fullmatch(text.lower()):
        raise _Expected(f"a port's number or name: {FORM}")
    return text.lower()


def _protocol(word: str) -> Protocol:
    if word.upper() not in PROTOCOLS:
        raise _Expected("TCP, UDP or SCTP behind the port")
    return cast("Protocol", word.upper())


def _target(host: str, *, scheme: bool) -> Target:
    host = host.strip()
    if not host.isascii():  # the small letter of some others is an ASCII one
        raise _Expected(FORM)
    host = host.lower()
    if ":" in host or host[:1].isdigit():  # no other text is an address, and most hosts are names
        try:
            return parse_block(host) if "/" in host else parse_address(host)
        except ValueError:
            if ":" in host or re.fullmatch(r"[0-9.]+(?:/.*)?", host):
                raise _Expected("an address, or a block as ADDRESS/PREFIX") from None
    if not _is_name(host):
        raise _Expected(FORM)
    return NameTarget(host, scheme)


def _is_name(host: str) -> bool:
    return len(host) <= _LONGEST_NAME and _NAME.fullmatch(host) is not None and ".." not in host
