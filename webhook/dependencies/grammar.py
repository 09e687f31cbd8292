"""`netpol-preflight.io/connects-to` -> items (design.md §5). Any text gives values; nothing secret survives.

User info, path and query of a URL are dropped here, and a malformed item is repeated only as far as it cannot hold
a password.
"""

import re
from collections.abc import Collection, Iterator
from typing import Final, cast

from webhook.dependencies.items import is_url, items
from webhook.model.addresses import Address, Block, parse_address, parse_block
from webhook.model.dependency import Declared, Dependency, Malformed, NameTarget, Source, Target, WorkloadTarget
from webhook.model.ports import FIRST_PORT, LAST_PORT, PROTOCOLS, Protocol
from webhook.model.refs import KIND_OF_WORD, SHORT_KINDS
from webhook.model.schemes import SCHEMES

MOST_ITEMS: Final = 200  # of one workload, each host of a URL counted: what is declared is paid for by everybody
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


def _read(position: int, item: str, source: Source) -> tuple[Declared, ...]:
    try:
        return _item(item, source)
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
