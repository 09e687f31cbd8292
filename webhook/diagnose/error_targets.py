"""Where a client says that it was connecting to: one table of the forms that clients print.

Only what has the form of a name, an address and a port is ever taken out of a text: no user info, path or query.
"""

import re
from collections.abc import Iterator
from typing import Final, cast

from msgspec import Struct, structs

from webhook.model.addresses import FIRST_PORT, LAST_PORT, SCHEMES, Address, Protocol, parse_address


class Place(Struct, frozen=True):
    """A host by name, by address or by both, with the port where the text has it."""

    name: str | None = None
    address: Address | None = None
    port: int | None = None
    protocol: Protocol = "TCP"
    resolver: Address | None = None


# The words in capitals stand for what follows; texts are matched in small letters.
_PARTS: Final = {
    "HOST": r"(?P<host>[a-z0-9_][a-z0-9_.-]{0,252})",
    "BARE": r"(?P<host>[a-z][a-z0-9_.-]{0,252})",  # as Services are named: no time of day
    "ADDRESS": r"(?P<address>[0-9a-f.:]{2,45})",
    "PORT": r"(?P<port>\d{1,5})(?![a-z0-9_@])",
    "SPOT": r"(?P<spot>[a-z0-9_.:/\[\]<>%-]{1,330})",  # host:port, [v6]:port, v6:port, host/address:port
    "OWN": r"[0-9a-f.:\[\]]{2,60}",  # the client's own address
    "RESOLVER": r"(?P<resolver>[0-9a-f.:\[\]]{2,60})",  # who was asked
    "PROTOCOL": r"(?P<protocol>tcp|udp)[46]?",
    "URL": r"(?P<url>\b[a-z][a-z0-9+.-]{0,30}://[^\s\"'<>`]{1,600})",
}
_FORMS: Final = (  # most telling first
    r"\bdst\.service=\"?HOST",
    r"\bdst\.addr=SPOT",
    r"outbound\|PORT\|[a-z0-9-]{0,63}\|HOST",
    r"lookup HOST(?: on RESOLVER:\d{1,5})?:",
    r"ADDRESS:PORT \(BARE\): dial error",
    r"dial PROTOCOL (?:OWN->)?SPOT: ",
    r"(?:read|write) PROTOCOL OWN->SPOT: ",
    r"connection to server at \"HOST\"(?: \(ADDRESS\))?, port PORT",
    r"on host \"HOST\"(?: \(ADDRESS\))? and accepting\s{1,9}tcp/ip connections on port PORT",
    r"could not translate host name \"HOST\"",
    r"failed to connect to HOST port PORT",
    r"failed to connect to ADDRESS port PORT",
    r"failed to connect to ADDRESS:PORT",
    r"could(?: not|n't) resolve host(?:name)?:? \"?HOST",
    r"connection(?:pool)?\(host='HOST', port=PORT",
    r"connection(?:pool)?\(host='ADDRESS', port=PORT",
    r"failed to resolve 'SPOT'",
    r"failed to connect to HOST?/ADDRESS \(port PORT\)",
    r"connection to the host HOST, port PORT",
    r"connection to (?:the )?server SPOT was refused",
    r"connect to host HOST port PORT",
    r"(?:for|at) host HOST port PORT",
    r"for host \"HOST\" port PORT",
    r"server (?:is running )?at `HOST`:`PORT`",
    r"server (?:is running )?at `SPOT`",
    r"dns (?:resolution|lookup) failed for (?:service: )?SPOT",
    r"connect error\", SPOT, ",
    r"host: some\(domain\(\"HOST\"\)\), port: some\(PORT\)",
    r"\{to_address, ?\{[\"']HOST[\"'], ?PORT\}",
    r"tcp connect \(SPOT\)",
    r"connect to ipv[46]#SPOT failed",
    r"\[thrd:(?:[a-z_]{1,20}://)?HOST:PORT/",
    r"brokerconnection [^\n]{0,120}\bhost=HOST:PORT(?:[^\n]{0,60}\('ADDRESS', \d{1,5}\))?",
    r"couldn't resolve server SPOT from",
    r"bootstrap broker SPOT \(id",
    r"\"broker\":\"SPOT\"",
    r"(?:unabletoconnect|connecttimeout|socketfailure|socketclosed) on HOST:PORT",
    r"serverendpoint: (?:unspecified/)?HOST:PORT",
    r"communicationexception: SPOT \[root",
    r"\(host=HOST\)\(port=PORT\)",
    r"\bhost=HOST;port=PORT",
    r"\bserver=(?:tcp:)?HOST,PORT",
    r"thin:@(?://)?HOST:PORT",
    r"'HOST'/\(<addressfamily[^\n]{0,120}\('ADDRESS', PORT\)",
    r"-connect SPOT",
    r"\baddr: \"SPOT\"",
    r"\bname=HOST is_balancer",
    r"host:HOST, port:PORT",
    r"\{address=SPOT, ",
    r"\baddr: SPOT, ",
    r"endpoint=SPOT, ",
    r"\{'SPOT': ",
    r"connection #-?\d{1,9} (?:to |failed to: ?)(?:[a-z]{1,8}://)?SPOT",
    r"getaddrinfo\(host='HOST'",
    r"getaddrinfo for HOST failed",
    r":host=>\"HOST\", ?:port=>PORT",
    r"redis (?:on|at) HOST:PORT",
    r"(?:for server|connection to server|resolve address:|election address) SPOT",
    r"(?:seconds? for|waiting for:?) (?:tcp:)?HOST:PORT",
    r"\b(?:telnet|nc|ncat|netcat) (?:-[a-z0-9]{1,8} (?:\d{1,4} )?){0,6}HOST PORT",
    r"trying ADDRESS\.\.\.",
    r"(?<![a-z0-9_.@:/-])BARE:PORT - (?:no response|rejecting)",
    r"host not found in upstream \"SPOT\"",
    r"(?<![a-z0-9_.-])HOST could not be resolved \(",
    r"\bhost HOST not found",
    r"can't resolve 'HOST'",
    r"\bping6?: HOST: ",
    r"\[ADDRESS\] PORT \(",
    r"connect to HOST\[ADDRESS\]:PORT",
    r"port PORT on HOST",
    r"\bhttpsconnection [^\n]{1,120}connection to HOST timed out",
    r"\bhttpconnection [^\n]{1,120}connection to HOST timed out",
    r"mysql server (?:on|host) 'SPOT'",
    r"\bconnecting to HOST:PORT(?: \(ADDRESS:\d{1,5}\))?",
    r"connect to (?:https?://)?HOST(?::PORT)? \[[a-z0-9_.-]{0,253}/ADDRESS",
    r"connect e(?:connrefused|timedout|hostunreach|netunreach|connreset) SPOT",
    r"getaddrinfo e(?:notfound|ai_again) HOST(?: [a-z0-9_.-]{1,253}:PORT)?",
    r"querya{1,4} e(?:notfound|timeout) HOST",
    r"attempted address(?:es)?: SPOT",
    r"unknownhostexception: HOST",
    r"unable to resolve host \"?HOST",
    r"connection to SPOT refused",
    r"[ :(\[=](?P<spot>[a-z0-9_.-]{0,253}/[0-9a-f.:\[\]<>unresolv]{2,60}:\d{1,5})(?![a-z0-9_@])",  # InetSocketAddress
    r"\bipv[46]:SPOT",
    r"serverdescription \('HOST', PORT\)",
    r"connect\(2\) for \"HOST\" port PORT",
    r"connect\(2\) for SPOT",
    r"open tcp connection to SPOT",
    r"connect to HOST(?: \(?ADDRESS\)?)? port PORT",
    r"nc: HOST \(SPOT\)",
    r"remote host \(ADDRESS\)",
    r"connecting to HOST \([^)\n]{1,253}\)\|ADDRESS\|:PORT",
    r"bad address 'SPOT'",
    r"can't find HOST: (?:nxdomain|servfail|refused)",
    r"call failed \('ADDRESS', PORT",
    r"cannot connect to host HOST:PORT",
    r"upstream: \"URL",
    r"\baddress: ['\"]ADDRESS['\"],\s{1,20}port: PORT",
    r"\bhostname: ['\"]HOST['\"]",
    r"URL",
    r"\bhost=HOST(?:(?: port=|:)PORT)?",
    r"\(BARE:PORT(?:\)|, )",
    r"(?<![a-z0-9_.@:/-])(?P<address>\d{1,3}(?:\.\d{1,3}){3}):PORT",
    r"\[(?:::ffff:)?ADDRESS\]:PORT",
    r"\[ADDRESS:PORT\]",
    r"\"[^\s\"]{1,253}\" \"ADDRESS:PORT\"",
    r"\b(?:to|at|from|error|server|host|upstream|broker|node)[ =:\"'\[(]{1,3}BARE:PORT",
    r"(?<![a-z0-9_.@:/-])BARE:PORT: (?:timed out|\[errno)",
)
_DEFAULTS: Final = {  # what a form begins with -> the port that its clients leave out
    "mysql": SCHEMES["mysql"][1],
    "unknown mysql": SCHEMES["mysql"][1],
    r"\bhttps": SCHEMES["https"][1],
    r"\bhttp": SCHEMES["http"][1],
}
_WORD: Final = re.compile("|".join(_PARTS))
FORMS: Final = tuple(
    (
        re.compile(_WORD.sub(lambda word: _PARTS[word[0]], form)),
        next((port for start, port in _DEFAULTS.items() if form.startswith(start)), None),
    )
    for form in _FORMS
)
GENERAL: Final = _FORMS.index("URL")  # from this rank on forms that are in any text: a link, another host
_NAME: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,252}[a-z0-9_])?\.?")
_AT_BEHIND: Final = re.compile(r"[^\s@]{0,300}@")  # then what was read may be user info
_LETTER: Final = re.compile(r"[a-z]")
_NOBODY: Final = frozenset({"false", "nil", "none", "null", "undefined"})
_GUIDES: Final = (  # whose pages stand in messages of libraries
    r"(?:[a-z-]{1,40}\.)?readthedocs\.io|aka\.ms|curl\.(?:haxx\.)?se|dochub\.mongodb\.org|go\.microsoft\.com|goo\.gl|"
    r"learn\.microsoft\.com|pris\.ly|sqlalche\.me|stackoverflow\.com"
)
_GUIDE: Final = re.compile(r"[a-z]{1,10}://(?:www\.)?(?:" + _GUIDES + r")(?:[/:?#]|\Z)")
_READ_ON: Final = re.compile(  # what is before a link to documentation
    r"\b(?:see|visit|help|refer to|more (?:info|information|details|help)|read more|documentation|this error)"
    r"(?: (?:also|at|on|the|in|here|about|this|page|docs|link|please|for|it|details|more|information)){0,4}"
    r"[:,]? ?[(<\"'`]?\Z"
)
_READ_ON_LONG: Final = 80  # characters before a link that are looked at
_SOURCE_FILE: Final = re.compile(r"\.(?:go|java|kt|scala|py|rb|js|mjs|cjs|ts|rs|cs|c|cc|cpp|h|php)$")


def places(text: str) -> Iterator[tuple[int, int, Place]]:
    """Yield (rank, offset, place) for each form found in `text`, which is in small letters."""
    for rank, (form, port) in enumerate(FORMS):
        for match in form.finditer(text):
            place = _place(match)
            if place is not None:
                yield rank, match.start(), structs.replace(place, port=place.port or port)


def _place(match: re.Match[str]) -> Place | None:
    groups = {key: value for key, value in match.groupdict().items() if value is not None}
    if _AT_BEHIND.match(match.string, match.end()):
        return None
    if "url" in groups:
        return None if _is_guide(match) else _url(groups["url"])
    protocol = cast("Protocol", groups["protocol"].upper()) if "protocol" in groups else "TCP"
    resolver = _address(groups["resolver"].strip("[]")) if "resolver" in groups else None
    found = _spot(groups["spot"]) if "spot" in groups else Place()
    if found is None:
        return None
    name, address, port = found.name, found.address, found.port
    if "host" in groups:
        host = _host(groups["host"].rstrip(".-"), dotted=match.string[match.end("host") : match.end("host") + 1])
        name, address = (host.name or name, host.address or address) if host else (name, address)
    if "address" in groups:
        address = _address(groups["address"])
    if "port" in groups:
        port = _port(groups["port"])
        if port is None:
            return None
    if name is None and address is None:
        return None
    return Place(name, address, port, protocol, resolver)


def _is_guide(match: re.Match[str]) -> bool:
    """Say whether a URL leads to documentation: what a person is to read, and no connection was made to."""
    before = match.string[max(0, match.start("url") - _READ_ON_LONG) : match.start("url")]
    return _GUIDE.match(match["url"]) is not None or _READ_ON.search(before) is not None


def _host(text: str, dotted: str = "") -> Place | None:
    """Read a name or an address. `dotted`: what is behind it."""
    address = _address(text)
    if address is not None:
        return Place(address=address)
    if not _NAME.fullmatch(text) or not _LETTER.search(text) or ".." in text or text in _NOBODY:
        return None
    if dotted == ":" and _SOURCE_FILE.search(text):
        return None  # `main.go:102:` is a line of somebody's program
    return Place(name=text)


def _spot(text: str) -> Place | None:
    """Read `host:port`, `[v6]:port`, `v6:port`, `host/address:port` or `/address:port`."""
    text = text.strip("<>").rstrip(".:/")
    before, slash, behind = text.rpartition("/")
    if slash and behind.startswith("<unresolved>"):
        before, slash, behind = "", "", before + behind.removeprefix("<unresolved>")
    host, colon, number = behind.rpartition(":")
    port = _port(number) if colon else None
    if colon and port is None:
        whole = _address(behind.strip("[]"))
        return Place(address=whole) if whole else None
    found = _host((host if colon else behind).removeprefix("[").removesuffix("]"), colon)
    if found is None:
        return None
    name = _host(before) if before else None
    return Place((name.name if name else None) or found.name, found.address, port)


def _url(url: str) -> Place | None:
    """Read a URL's host and port. One whose user info may have spilled into its path tells nothing."""
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?#\\;,]", rest, maxsplit=1)[0]
    beyond = rest[len(authority) :]
    if "@" in beyond:
        return None
    text = authority.rpartition("@")[2]
    text = text.rstrip(".:)]}") if "[" not in text or not text.endswith("]") else text
    protocol, default = SCHEMES.get(scheme.partition("+")[0], ("TCP", None))
    host, colon, number = text.rpartition(":")
    if colon and not text.endswith("]"):
        port = _port(number)
        found = _host(host.removeprefix("[").removesuffix("]")) if port else None
    else:
        port, found = default, _host(text.removeprefix("[").removesuffix("]"))
    return Place(found.name, found.address, port, protocol) if found else None


def _address(text: str) -> Address | None:
    try:
        return parse_address(text.replace("%5b", "").replace("%5d", ""))
    except ValueError:
        return None


def _port(text: str) -> int | None:
    if not text.isascii() or not text.isdigit() or len(text) > len(str(LAST_PORT)):
        return None
    number = int(text)
    return number if FIRST_PORT <= number <= LAST_PORT else None
