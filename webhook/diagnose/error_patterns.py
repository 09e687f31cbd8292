"""What clients print when a connection fails: one table from words to what happened to the packets.

Texts are matched in small letters. A look-up's failure comes first, since it is often told inside a dial's; then what
happened to packets; then what only says that the client gave up. The sources are the clients' own: Go `net`, `net/http`
and grpc-go, curl, libpq, the JDK and Netty, Node's libuv and undici, CPython and urllib3, redis-py, PyMongo, the MySQL
clients, grpc-core, c-ares, .NET, Rust's std and hyper, Ruby, PHP, Erlang, BusyBox and netcat, Kafka's and ZooKeeper's
clients, Oracle's and SQL Server's, Envoy's response flags, nginx and HAProxy.
"""

import re
from typing import Final

from msgspec import Struct

from webhook.diagnose.error_kinds import AROUND, FLAGS, Caller, Kind


class ErrorPattern(Struct, frozen=True):
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
        r"domain name not found",
        r"dns server returned answer with no data",
        r"host not found in upstream",
        r"could not be resolved \(3:",
        r"non-existing domain",
        r"ora-12545",
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
        r": try again\b(?! ?(?:later|in|after|with))",
        r"non-recoverable (?:failure in name resolution|error)",
        r"\bservfail\b",
        r"querya{1,4} e(?:servfail|connrefused|refused)",
        r"could not contact dns servers",
        r"timeout while contacting dns servers",
        r"dns server returned general failure",
        r"could not be resolved \((?:2|5|110):",
        r"unknown mysql server host " + _QUOTED + r"\(-3\)",
        r"timeout awaiting 'lookup'",
        r"nslookup: (?:write to|read|recv)\b",
    ),
    (0, Kind.CONNECTED): (
        r"read tcp [^\s\">]{1,160}->[^\s\"]{1,80}: i/o timeout",
        r"tls handshake timeout",
        r"read timed out",
        r"readtimeout(?:error|exception)",
        r"(?:exceptions|httpx)\.readtimeout\b",
        r"net::readtimeout",
        r"timeout on reading data from socket",
        r"read timeout on endpoint",
        r"while reading body\)",
        r"pre-login handshake",
        r"was reached but timed out",
        r"ssl connection timeout",
        r"upstream timed out \(110: [^)\n]{1,60}\) while (?!connecting)",
        r"ssl_do_handshake\(\) failed",
        r"layer6 timeout",
        r"layer7 (?:timeout|wrong status|invalid response)",
        r"timeout awaiting '(?:response|send|secureconnect)'",
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
        r"unresolvedaddressexception",
        r"can't resolve '",
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
        r"\bconnection to (?:the )?server [^\s]{1,300} was refused",
        r"delayed.connect.error:.111",
        r"(?:returned error |connect:errno=)111\b",
        r"\bcode: (?:111|61)\b",
        r"port ?unreachable",
        r"no endpoints available for service",
        r"ora-12541",
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
        r"destination host unreachable",
        r"delayed.connect.error:.1(?:01|13)",
        r"immediate.connect.error",
        r"(?:returned error |connect:errno=)(?:101|113)\b",
        r"\bcode: (?:101|113)\b",
        r"ora-12543",
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
        r"execution expired",
        r"net::opentimeout",
        r"::connecttimeout\b",
        r"delayed.connect.error:.110",
        r"\{connection_timeout",
        r"connection timeout (?:to host|after \d{1,9} ?ms)",
        r"timeout was reached",
        r"(?:returned error |connect:errno=)110\b",
        r"connection #-?\d{1,9} to [^\s]{1,300} timed out",
        r"\bcode: (?:110|60)\b",
        r"connect_timeout\[",
        r"timeout connecting to \[",
        r"layer4 timeout",
        r"connection setup time(?:d )?out",
        r"failed to connect to [^\s]{0,300} \(port \d{1,5}\) from [^\n]{1,100} after \d{1,9}ms(?!:)",
        r"connect timeout on endpoint",
        r"due to connection timeout",
        r"timeout awaiting 'connect'",
        r"timed out creating connection",
        r"session timed out, have not heard from server",
        r"tcp connect \([^\s]{1,300}\): timeout",
        r"maybe a networkpolicy is blocking",
        r"ora-12(?:170|535)",
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
        r"upstream prematurely closed",
        r"\{(?:connection_termination|remote_reset)",
        r"reset reason: (?:connection termination|remote reset)",
        r"server disconnected",
        r"connection terminated unexpectedly",
        r"connection closed by (?:remote host|[^\s]{1,253} port)",
        r"(?:server|mysql server) has (?:gone away|closed the connection)",
        r"http2: client connection lost",
        r"unexpected eof",
        r"ora-(?:03113|03135|12537|12547)",
    ),
    (1, Kind.FORBIDDEN): (
        r"\b(?:connect|connect error|sendto|sendmsg|socketexception|connectexception): operation not permitted",
        r"operation not permitted \(connect failed\)",
        r"connect (?:eperm|eacces)\b",
        r"connect fail for [^\n]{1,253}: operation not permitted",
    ),
    (1, Kind.LOOKUP_FAILED): (
        r"dns resolution failed",
        r"dns lookup failed for",
        FLAGS + r"df\b",
        r"local: host resolution failure",
    ),
    **AROUND,
}
PATTERNS: Final = tuple(
    ErrorPattern(rank, kind, re.compile(words)) for (rank, kind), several in _WORDS.items() for words in several
)
CALLERS: Final = (  # words in the line of an error that is not the workload's own -> whose it is
    (Caller.KUBELET, re.compile(r"\b(?:readiness|liveness|startup) probe (?:failed|errored|warning)")),
    (
        Caller.API_SERVER,
        re.compile(
            r"failed (?:to call|calling) (?:admission )?webhook|conversion webhook for |error trying to reach service|"
            r"failing or missing response from|faileddiscoverycheck|error dialing backend"
        ),
    ),
)
SPOKEN: Final = (  # whom the table knows, for the message about a text that it does not
    "Go, curl, libpq and psycopg, JDBC and Java, Node.js, Python (requests, redis, pymongo), MySQL, gRPC, .NET, Rust, "
    "Ruby, PHP, Erlang, Kafka, Oracle, SQL Server, MongoDB, Envoy, nginx, HAProxy, nc, telnet and wget"
)
