"""The text of a setting -> the hosts and ports in it. Nothing else of the text leaves this module.

Whatever may be a password, or a part of one, is no host: where user info, a query or a key makes that unclear, the
whole text says nothing. Every step is linear in the length of the text.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from webhook.model.addresses import FIRST_PORT, LAST_PORT, SCHEMES, Protocol
from webhook.model.hints import Meaning, Mention, Says

MOST: Final = 50  # mentions of one text
LONGEST: Final = 16_384  # characters of a text that is looked at; longer ones are files or data

_VARIABLE: Final = r"\$\([A-Za-z_][A-Za-z0-9_.-]*+\)"
_HOST: Final = rf"(?:{_VARIABLE}|[A-Za-z0-9_][A-Za-z0-9_.-]*+)"
_ENDPOINT: Final = re.compile(rf"(?P<host>{_HOST})(?::(?P<port>\d{{1,5}}|{_VARIABLE}))?")
_BEHIND_ENDPOINT: Final = re.compile(r"(?:/[^@]*+)?")
_NAME: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?\.?")
_LONGEST_NAME: Final = 253
_LETTER: Final = re.compile(r"[a-z]")
_OWN: Final = frozenset({"localhost", "localhost.localdomain", "host.docker.internal"})

_URL: Final = re.compile(
    r"(?<![A-Za-z0-9+._-])(?P<jdbc>jdbc:(?:[a-z0-9_-]{1,40}:){0,3}?)?(?P<scheme>[a-z][a-z0-9+.-]*+)://", re.IGNORECASE
)
_BEFORE_URL: Final = frozenset(" \t\r\n,;|=\"'`([{<>@")
_KINDS: Final = re.compile(r"(?:[a-z]++:)++")  # what Spring writes before a URL: `optional:configserver:`
_INSIDE_URL: Final = frozenset("=/:?&%#@")
_AUTHORITY: Final = re.compile(rf"(?:{_VARIABLE}|[^/?#\\;\s\"'`)\]}}>|])*+")
_RESOLVERS: Final = frozenset({"dns", "passthrough"})  # gRPC naming: `dns:///host:port`
_WRAPPED: Final = re.compile(r"(?:(?P<protocol>tcp|udp)[46]?)?\((?P<inside>[^()]*+)\)?")
_KEY: Final = re.compile(r"(?<![\w.-])(?P<key>[\w.-]++)[\"']?\s*+(?:(?P<clear>=|:(?!\d))|:)")
_SECRET: Final = {  # what in a key announces a secret, by what is behind it; `auth:80` is a host and a port
    True: re.compile(r"pass|pwd|secret|token|credential|api_?key|auth", re.IGNORECASE),
    False: re.compile(r"pass|pwd", re.IGNORECASE),
}

_PAIRS: Final = re.compile(r"\s*+[A-Za-z][\w .-]*=")
_BY_SPACE: Final = re.compile(r"(?<!\w)(?P<key>\w++)\s*+=\s*+(?P<value>'(?:[^'\\]|\\.)*+'|\S*+)")
_BY_SEMICOLON: Final = re.compile(r"(?<![\w .-])(?P<key>[\w .-]++)=\s*+(?P<value>\"[^\"]*+\"|'[^']*+'|[^;]*+)")
_HOST_KEYS: Final = frozenset({"host", "server", "data source", "datasource", "hostname", "addr", "address"})
_SEPARATORS: Final = re.compile(r"[,;|\s]++")
_WORDS: Final = re.compile(r"[^\s,;|:]++(?:[,;|]\s*+[^\s,;|:]++)*+")
_TELLING: Final = re.compile(
    r":[\d$]|\.svc\b|\._(?:tcp|udp)\.", re.IGNORECASE
)  # that it may be a place, whatever its name says
_PUNCTUATED: Final = re.compile(r"[:.=@]")  # as all are that name a host and are not known to
_DISCOVERY: Final = re.compile(r"dns(?:srv(?:noa)?)?\+")  # of Thanos, Cortex, Loki and Mimir
_SRV: Final = re.compile(r"_(?P<port>[a-z0-9-]++)\._(?P<protocol>tcp|udp)\.(?P<host>[a-z0-9].*)")  # RFC 2782
_ADDRESS: Final = re.compile(r"(?!0|127\.)\d{1,3}(?:\.\d{1,3}){3}")  # but of the container itself
_AROUND: Final = "\"'`[](){}<>"


class _Unclear(Exception):  # noqa: N818 - says that a text cannot be told apart; never leaves this module
    pass


def mentions(text: str, *, bare: bool) -> tuple[Mention, ...]:
    """Return the places that `text` names, each once. `bare`: it is known to name hosts, so that one word is one."""
    text = text.strip()
    if not text or len(text) > LONGEST or not (bare or _PUNCTUATED.search(text)):
        return ()
    try:
        found = dict.fromkeys(_read(text, bare=bare))
    except _Unclear:
        return ()
    return tuple(found)[:MOST]


def before_secret(text: str) -> str:
    """Return what is before the first key that announces a secret."""
    for key in _KEY.finditer(text):
        if (found := _SECRET[key["clear"] is not None].search(text, key.start("key"), key.end("key"))) is not None:
            return text[: found.start()]
    return text


def number(text: str) -> int | None:
    """Return the port that `text` is, if it is one and nothing else."""
    text = text.strip().strip("\"'")
    return _port(text) if text.isascii() and text.isdigit() and len(text) <= len(str(LAST_PORT)) else None


def _read(text: str, *, bare: bool) -> Iterator[Mention]:
    if "://" in text:
        return _urls(text)
    if _PAIRS.match(text):
        return _pairs(text)
    text = before_secret(text)
    if "@" in text:
        return _behind_user(text, bare=bare)
    return _list(text, bare=bare)


def _urls(text: str) -> Iterator[Mention]:
    """Yield the hosts of every URL. One that is not clear makes all of them doubtful."""
    first = text.index("://")
    starts = [m for m in _URL.finditer(text) if not _is_inside(text, m, first)]
    before = text[: starts[0].start()] if starts else ""
    if not starts or (before and before[-1] not in _BEFORE_URL and ("@" in text or not _KINDS.fullmatch(before))):
        raise _Unclear
    if "@" in text and len({m["scheme"].lower() for m in starts}) > 1:
        raise _Unclear
    ends = [*(m.start() for m in starts[1:]), len(text)]
    limit = len(before_secret(text))
    parts = [(m, text[m.end() : end]) for m, end in zip(starts, ends, strict=True) if m.start() < limit]
    return iter([one for m, rest in parts for one in _url(m, rest)])


def _is_inside(text: str, match: re.Match[str], first: int) -> bool:
    """Say whether a URL is a part of another one's path or query. `first`: where the first one says what it is."""
    return first < match.start() and text[match.start() - 1] in _INSIDE_URL


def _url(match: re.Match[str], rest: str) -> Iterator[Mention]:
    scheme = match["scheme"].lower()
    found = _AUTHORITY.match(rest)
    authority = found.group() if found else ""
    if scheme in _RESOLVERS:
        scheme, rest = "grpc", rest.lstrip("/")
        found = _AUTHORITY.match(rest)
        authority = found.group() if found else ""
    if "@" in rest[len(authority) :]:
        raise _Unclear
    names = (
        *scheme.split("+"),
        scheme.rstrip("0123456789"),
        *(match["jdbc"] or "").lower().split(":")[1:-1],
    )  # `mysql2+x://`
    protocol, default = next((SCHEMES[n] for n in names if n in SCHEMES), ("TCP", None))
    known = any(n in SCHEMES for n in names)
    for place in authority.rpartition("@")[2].split(",")[:MOST]:
        if place and (one := _endpoint(place, protocol)) is not None and (one.port or known):
            yield _with_default(one, default)


def _with_default(one: Mention, default: int | None) -> Mention:
    if one.port is not None or one.host.startswith("$"):
        return one
    return Mention(one.host, default, one.protocol)


def _endpoint(text: str, protocol: Protocol = "TCP") -> Mention | None:
    """Read `host[:port]`, `tcp(host:port)`; None for addresses and for the container itself. Raises _Unclear."""
    if text.startswith("["):
        return None  # an IPv6 address
    if (wrapped := _WRAPPED.fullmatch(text)) is not None:
        return _endpoint(wrapped["inside"], "UDP" if wrapped["protocol"] == "udp" else "TCP")
    found = _ENDPOINT.fullmatch(text)
    if found is None:
        raise _Unclear
    return _mention(found, protocol)


def _mention(found: re.Match[str], protocol: Protocol = "TCP") -> Mention | None:
    host, text = found["host"], found["port"]
    port = text if text is None or text.startswith("$") else _port(text)
    if text is not None and port is None:
        return None
    return Mention(host, port, protocol) if host.startswith("$") else _named(host.lower(), port, protocol)


def _named(host: str, port: int | str | None, protocol: Protocol) -> Mention | None:
    if (asked := _SRV.fullmatch(host)) is not None:
        host, port, protocol = asked["host"], asked["port"], "UDP" if asked["protocol"] == "udp" else "TCP"
    good = len(host) <= _LONGEST_NAME and _NAME.fullmatch(host) and ".." not in host
    told = good and (_LETTER.search(host) or _ADDRESS.fullmatch(host))
    return Mention(host, port, protocol) if told and host not in _OWN else None


def _port(text: str) -> int | None:
    value = int(text)
    return value if FIRST_PORT <= value <= LAST_PORT else None


def _pairs(text: str) -> Iterator[Mention]:
    """Read `host=db port=5432 ...` and `Server=db;Port=5432;...`; of all else only lists before the first pair."""
    pattern = _BY_SEMICOLON if ";" in text else _BY_SPACE
    values = {m["key"].strip().lower(): m["value"].strip("\"' \t") for m in pattern.finditer(text)}
    port = number(values.get("port", ""))
    for key in _HOST_KEYS & values.keys():
        for place in values[key].removeprefix("tcp:").split(",")[:MOST]:
            if place and not place.isdigit() and (one := _endpoint(place)) is not None:
                listed = number(values[key].partition(",")[2])
                yield Mention(one.host, one.port or port or listed, one.protocol)


def _behind_user(text: str, *, bare: bool) -> Iterator[Mention]:
    """Read `user:password@host:port/...`, `user:password@tcp(host:port)/...`, `jdbc:oracle:thin:@host:port:SID`."""
    head, _, tail = text.rpartition("@")
    if re.search(r"\s", head):
        raise _Unclear
    tail = tail.removeprefix("//")
    place = re.split(r"[/?;\s]", tail, maxsplit=1)[0]
    if text.lower().startswith("jdbc:oracle:"):
        place = ":".join(place.split(":")[:2])
    one = _endpoint(place)
    if one is not None and (one.port is not None or bare):
        yield one


def _list(text: str, *, bare: bool) -> Iterator[Mention]:
    """Read `a:1,b:2`, `host:port/path?query`, full names, and words where they are hosts; up to the first `key=value`.

    Words are hosts only where nothing else is there: alone, or in a list with commas.
    """
    bare = bare and _WORDS.fullmatch(text.strip()) is not None
    if not bare and _TELLING.search(text) is None:
        return
    for item in _SEPARATORS.split(text):
        place, _, _ = item.partition("?")
        place = place.strip("\"'" if "$(" in item else _AROUND)
        begins = _DISCOVERY.match(place)
        found = _ENDPOINT.match(place, begins.end() if begins else 0)
        whole = found is not None and _BEHIND_ENDPOINT.fullmatch(place, found.end()) and "=" not in place
        if found is None or not whole or (one := _mention(found)) is None:
            pass
        elif bare or one.port is not None or one.full:
            yield one
        if "=" in item:
            return


NEAR = 4  # lines between a `host:` and the `port:` that belongs to it


class Setting(Struct, frozen=True):
    """One name with what its value names. `place`: how deep and on which line it stands."""

    stem: tuple[str, ...]
    mentions: tuple[Mention, ...]
    number: int | None
    place: tuple[int, int] = (0, 0)


def setting(said: Meaning, value: str, place: tuple[int, int] = (0, 0)) -> Setting:
    """Read a value as its name says it is to be read."""
    match said.says:
        case Says.NOTHING:
            return Setting((), (), None, place)
        case Says.PORT:
            return Setting(said.stem, mentions(value, bare=False), number(value), place)
        case _:
            return Setting(said.stem, mentions(value, bare=said.says is Says.HOST), None, place)


def paired(settings: Iterable[Setting]) -> Iterator[Mention]:
    """Yield every mention; one without a port gets the port whose name has the same stem, the nearest of several."""
    every = list(settings)
    ports: dict[_Kin, list[Setting]] = {}
    for one in every:
        if one.number is not None:
            ports.setdefault(_kin(one), []).append(one)
    for one in every:
        for mention in one.mentions:
            if mention.port is not None:
                yield mention
            else:
                yield Mention(mention.host, _nearest(one, ports.get(_kin(one), [])), mention.protocol)


_Kin = tuple[tuple[str, ...], int]


def _kin(one: Setting) -> _Kin:
    """Return what a host and its port have in common: the stem or, where there is none, how deep they stand."""
    return one.stem, 0 if one.stem else one.place[0]


def _nearest(one: Setting, ports: list[Setting]) -> int | None:
    """Return the nearest port, which stand by line; the first of two. Without a stem it must be near."""
    at = bisect_left(ports, one.place[1], key=_line)
    around = ports[max(0, at - 1) : at + 1]
    found = min(around, key=lambda port: abs(_line(port) - _line(one)), default=None)
    if found is None or (not one.stem and abs(_line(found) - _line(one)) > NEAR):
        return None
    return found.number


def _line(one: Setting) -> int:
    return one.place[1]
