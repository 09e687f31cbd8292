"""`netpol-preflight.io/connects-to` -> items (design.md §5). Any text gives values; nothing secret survives.

User info, path and query of a URL are dropped here, and a malformed item is repeated only as far as it cannot hold
a password.
"""

import re
from collections.abc import Iterator
from typing import Final, cast

from webhook.dependencies.schemes import SCHEMES
from webhook.model.addresses import Address, Block, parse_address, parse_block
from webhook.model.dependency import Declared, Dependency, Malformed, NameTarget, Source, Target, WorkloadTarget
from webhook.model.ports import FIRST_PORT, LAST_PORT, PROTOCOLS, Protocol
from webhook.model.refs import KIND_OF_WORD

MOST_ITEMS: Final = 200  # of one workload; a 256 KiB annotation must not cost seconds
SHOWN: Final = 60  # characters of a malformed item that a message repeats
FORM: Final = "name[.namespace][:port[/TCP|UDP|SCTP]]"

_URL = re.compile(r"(?:jdbc:)?(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_NAME = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?\.?")
_LONGEST_NAME: Final = 253
_PORT_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_BRACKETS = re.compile(r"\[(?P<inside>[^\]]*)\](?P<prefix>/\d+)?(?P<tail>.*)", re.DOTALL)
_ITEM = re.compile(r"(?:(?:jdbc:)?[A-Za-z][A-Za-z0-9+.-]*://(?:[^\s/?#@]*@)?)?[^,\n]*", re.DOTALL)


class _Expected(Exception):  # noqa: N818 - carries what was expected; never leaves this module
    pass


def parse(text: str, source: Source = "annotation") -> tuple[Declared, ...]:
    """Read a whole annotation; each item is a Dependency or Malformed with its position, counted from 1."""
    found: dict[Declared, None] = {}
    for position, item in enumerate(_items(text), 1):
        if position > MOST_ITEMS:
            found[Malformed(position, "…", f"at most {MOST_ITEMS} items", source)] = None
            break
        try:
            found[_item(item, source)] = None
        except _Expected as error:
            found[Malformed(position, shown(item), str(error), source)] = None
    return tuple(found)


def _items(text: str) -> Iterator[str]:
    """Yield items between commas and newlines. A comma in a URL's user info separates nothing."""
    start = 0
    while start < len(text):
        while start < len(text) and (text[start] in ",\n" or text[start].isspace()):
            start += 1
        match = _ITEM.match(text, start)
        if match is None or match.end() == start:
            return
        if item := match.group().strip():
            yield item
        start = match.end()


def shown(item: str) -> str:
    """Return as much of a malformed item as is safe to print: nothing that may be user info, path or query."""
    url = _URL.fullmatch(item)
    if url:
        item = f"{url['scheme'].lower()}://…"
    elif "@" in item or "=" in item or "?" in item:
        item = "…"
    printable = "".join(c if c.isprintable() else "?" for c in item)
    return printable if len(printable) <= SHOWN else printable[:SHOWN] + "…"


def _item(item: str, source: Source) -> Dependency:
    if url := _URL.fullmatch(item):
        return _url(url["scheme"].lower(), url["rest"], source)
    kind, slash, rest = item.partition("/")
    if slash and kind.lower() in KIND_OF_WORD:
        host, port, protocol = _host_port(rest)
        name, dot, namespace = host.lower().partition(".")
        _check_name(host.lower())
        return Dependency(
            WorkloadTarget(KIND_OF_WORD[kind.lower()], name, namespace if dot else None), port, protocol, source
        )
    host, port, protocol = _host_port(item)
    target = _target(host, scheme=False)
    if isinstance(target, Address | Block) and port is None:
        raise _Expected("a port behind the address: ADDRESS:PORT")
    return Dependency(target, port, protocol, source)


def _url(scheme: str, rest: str, source: Source) -> Dependency:
    authority = re.split(r"[/?#\\;\s]", rest, maxsplit=1)[0]
    beyond = rest[len(authority) :]
    if "@" not in authority and "@" in beyond and ":" in authority:
        raise _Expected("user info with its special characters percent-encoded")
    host, port, protocol = _host_port(authority.rpartition("@")[2])
    known = SCHEMES.get(scheme.partition("+")[0])
    if isinstance(port, str):
        raise _Expected("a number as the port of a URL")
    if known is not None:
        protocol = known[0]
        port = known[1] if port is None else port
    target = _target(host, scheme=True)
    if isinstance(target, Address | Block) and port is None:
        raise _Expected(f"a port: the scheme `{scheme}` has no default")
    return Dependency(target, port, protocol, source)


def _host_port(item: str) -> tuple[str, int | str | None, Protocol]:
    """Split `host[:port[/protocol]]`; the host may be a CIDR block or in brackets."""
    if brackets := _BRACKETS.fullmatch(item):
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
    host = host.strip().lower()
    try:
        return parse_block(host) if "/" in host else parse_address(host)
    except ValueError:
        if "/" in host or ":" in host or re.fullmatch(r"[0-9.]+", host):
            raise _Expected("an address, or a block as ADDRESS/PREFIX") from None
    _check_name(host)
    return NameTarget(host, scheme)


def _check_name(host: str) -> None:
    if len(host) > _LONGEST_NAME or not _NAME.fullmatch(host) or ".." in host:
        raise _Expected(FORM)
