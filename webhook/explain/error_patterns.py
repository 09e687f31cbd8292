"""What clients print when a connection fails: one table from words to what happened to the packets.

Texts are matched in small letters. A look-up's failure comes first, since it is often told inside a dial's; then what
happened to packets; then what only says that the client gave up. The sources are the clients' own: Go `net`, `net/http`
and grpc-go, curl, libpq, the JDK and Netty, Node's libuv and undici, CPython and urllib3, redis-py, PyMongo, the MySQL
clients, grpc-core, .NET, Rust's std, Ruby, BusyBox and netcat.
"""

import re
from enum import StrEnum
from typing import Final

from msgspec import Struct


class Kind(StrEnum):
    """What became of the packets."""

    TIMED_OUT = "timedOut"  # no answer to the first packet
    REFUSED = "refused"  # the first packet was answered by no
    RESET = "reset"  # a connection was cut
    NO_ROUTE = "noRoute"  # a router, or the client's own host, said that nobody is there
    NO_SUCH_HOST = "noSuchHost"  # the name was looked up, and nobody has it
    LOOKUP_FAILED = "lookupFailed"  # the look-up got no usable answer
    CONNECTED = "connected"  # packets went both ways: TLS, a password, the answer itself
    UNCLEAR = "unclear"  # the client gave up, and does not say at which point


LOOKUPS: Final = frozenset({Kind.NO_SUCH_HOST, Kind.LOOKUP_FAILED})
REFUSALS: Final = frozenset({Kind.REFUSED, Kind.RESET, Kind.NO_ROUTE})
WAITED: Final = frozenset({Kind.TIMED_OUT, Kind.UNCLEAR})


class Sign(Struct, frozen=True):
    """Words that tell `kind`. `rank` 0 is told inside others and wins, 3 is told around others and loses."""

    rank: int
    kind: Kind
    words: re.Pattern[str]


_GO_LOOKUP: Final = (
    r"lookup [^\s:\"]{1,253}(?: on [^\s\"]{1,80})?: "
    r"(?:(?:read|write|dial) (?:udp|tcp)[46]? [^\s\"]{1,160}: )?"
)
_QUOTED: Final = r"'[^'\n]{1,300}' "

_WORDS: Final[dict[tuple[int, Kind], tuple[str, ...]]] = {
    (0, Kind.NO_SUCH_HOST): (
        _GO_LOOKUP + r"no such host",
        r"name or service not known",
        r"nodename nor servname provided",
        r"no address associated with hostname",
        r"name does not resolve",
        r"getaddrinfo enotfound",
        r"querya{1,4} enotfound",
        r"nxdomain",
        r"bad address '",
        r"produced zero addresses",
    ),
    (0, Kind.LOOKUP_FAILED): (
        _GO_LOOKUP + r"(?:connect: |recvfrom: |read: )?"
        r"(?:i/o timeout|server misbehaving|connection refused|operation was canceled|context deadline exceeded)",
        r"temporary failure in name resolution",
        r"eai_again",
        r"querya{1,4} etimeout",
        r"no servers could be reached",
        r"communications error to [^\s]{1,60}#53",
        r"resolving timed out",
        r"lookup timed out",
        r"dnsnameresolvertimeoutexception",
        r"resource temporarily unavailable \([a-z0-9_.-]{1,253}:",
        r"\bgaierror\(-3",
        r"\berror -3 connecting to",
    ),
    (0, Kind.CONNECTED): (
        r"read tcp [^\s\">]{1,160}->[^\s\"]{1,80}: i/o timeout",
        r"tls handshake timeout",
        r"read timed out",
        r"readtimeout(?:error|exception)",
        r"(?:exceptions|httpx)\.readtimeout\b",
    ),
    (0, Kind.UNCLEAR): (r"operation timed out after \d{1,9} milliseconds with \d{1,19} (?:out of|bytes)",),
    (1, Kind.NO_SUCH_HOST): (
        r"no such host",
        r"enotfound",
        r"could(?: not|n't) resolve host",
        r"unknownhostexception",
        r"unknown mysql server host",
        r"getaddrinfo failed",
        r"failed to resolve '",
        r"failed to lookup address information",
        r"could not translate host name",
        r"server can't find",
        r"unable to resolve host",
        r"error -2 connecting to",
    ),
    (1, Kind.REFUSED): (
        r"connection refused",
        r"econnrefused",
        r"connectionrefusederror",
        r"actively refused",
        r"\bconnection to [^\s]{1,300} refused",
        r"\[errno (?:111|61)\]",
        r"\bos error (?:111|61)\)",
        r"\berror (?:111|61) connecting to",
        r"mysql server on " + _QUOTED + r"\((?:111|61)\b",
        r"delayed connect error: 111",
    ),
    (1, Kind.NO_ROUTE): (
        r"no route to host",
        r"noroutetohost",
        r"ehostunreach",
        r"enetunreach",
        r"network is unreachable",
        r"host is unreachable",
        r"\[errno (?:101|113)\]",
        r"\bos error (?:101|113)\)",
        r"\berror (?:101|113) connecting to",
        r"mysql server on " + _QUOTED + r"\((?:101|113)\b",
    ),
    (1, Kind.TIMED_OUT): (
        r"i/o timeout",
        r"connection timed out",
        r"connect timed out",
        r"connect(?:ion)? attempt timed out",
        r"connecttimeout(?:error|exception)",
        r"(?:exceptions|httpx)\.connecttimeout\b",
        r"connect timeout error",
        r"und_err_connect_timeout",
        r"etimedout",
        r"connection to [^\s]{1,300} timed out",
        r"request canceled while waiting for connection",
        r"timeout connecting to server",
        r"timeout expired",
        r"\[errno (?:110|60)\]",
        r"\bos error (?:110|60)\)",
        r"\berror (?:110|60) connecting to",
        r"mysql server on " + _QUOTED + r"\((?:110|60|timed out)\b",
        r"\btcp connect error: deadline has elapsed",
        r"reset reason: connection timeout",
        r"curl: \(28\) failed to connect",
        r"operation timed out",
        r":\d{1,5}: timed out",
        r"failed to respond after a period of time|did not properly respond ?after a period of time",
    ),
    (1, Kind.RESET): (
        r"connection reset",
        r"econnreset",
        r"socket hang up",
        r"broken pipe",
        r"\bepipe\b",
        r"\[errno (?:32|104)\]",
        r"\bos error (?:32|104)\)",
        r"closed the connection unexpectedly",
        r"connection closed before server preface",
        r"lost connection to mysql server",
        r"empty reply from server",
        r"remote end closed connection",
        r"forcibly closed by the remote host",
        r"\": eof\b",
    ),
    (2, Kind.CONNECTED): (
        r"\bx509: ",
        r"certificate (?:verify failed|has expired|signed by)",
        r"certificate_verify_failed",
        r"pkix path",
        r"ssl (?:routines|certificate problem)",
        r"sslhandshakeexception",
        r"handshake[_ ]failure",
        r"remote error: tls: ",
        r"wrong version number",
        r"gave http response to https client",
        r"password authentication failed",
        r"no pg_hba\.conf entry",
        r"access denied for user",
        r"authentication failed",
        r"\b(?:noauth|wrongpass) ",
        r"too many (?:clients|connections)",
        r"code = (?:unauthenticated|permissiondenied|unimplemented|notfound|internal)\b",
        r"\b(?:502 bad gateway|503 service unavailable|504 gateway time-?out|403 forbidden|401 unauthorized)",
    ),
    (2, Kind.REFUSED): (r"curl: \(7\)",),
    (2, Kind.RESET): (r"curl: \((?:52|55|56)\)",),
    (2, Kind.NO_SUCH_HOST): (r"curl: \(6\)",),
    (3, Kind.UNCLEAR): (
        r"context deadline exceeded",
        r"deadline[_ ]?exceeded",
        r"client\.timeout",
        r"communications link failure",
        r"the connection attempt failed",
        r"sockettimeoutexception",
        r"serverselection(?:timeout)?error",
        r"all connection attempts failed",
        r"curl: \(28\)",
        r"can't connect to mysql server on",
        r"failed to connect to",
        r"unable to connect to",
        r"cannot connect to",
        r"could not connect to",
        r"failed to establish a new connection",
        r"code = unavailable\b",
        r"timeout(?:error|exception)",
        r"(?:request|operation has|download|upstream) timed out",
        r"timeout of \d{1,9} ?ms exceeded",
        r"\btimed out\b",
        r"\btimeout\b",
    ),
}
SIGNS: Final = tuple(
    Sign(rank, kind, re.compile(words)) for (rank, kind), several in _WORDS.items() for words in several
)
SPOKEN: Final = (  # whom the table knows, for the message about a text that it does not
    "Go, curl, libpq and psycopg, JDBC and Java, Node.js, Python (requests, redis, pymongo), MySQL, gRPC, .NET, Rust, "
    "nc and wget"
)
