"""What may have become of the packets of a failed connection; and what clients print around it."""

from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What became of the packets."""

    TIMED_OUT = "timedOut"  # no answer to the first packet
    REFUSED = "refused"  # the first packet was answered by no
    RESET = "reset"  # a connection was cut
    NO_ROUTE = "noRoute"  # a router, or the client's own host, said that nobody is there
    FORBIDDEN = "forbidden"  # the client's own host let no packet out
    NO_SUCH_HOST = "noSuchHost"  # the name was looked up, and nobody has it
    LOOKUP_FAILED = "lookupFailed"  # the look-up got no usable answer
    CONNECTED = "connected"  # packets went both ways: TLS, a password, the answer itself
    UNCLEAR = "unclear"  # the client gave up, and does not say at which point


LOOKUPS: Final = frozenset({Kind.NO_SUCH_HOST, Kind.LOOKUP_FAILED})
REFUSALS: Final = frozenset({Kind.REFUSED, Kind.RESET, Kind.NO_ROUTE})
WAITED: Final = frozenset({Kind.TIMED_OUT, Kind.UNCLEAR})
UNANSWERED: Final = WAITED | {Kind.FORBIDDEN}  # as it looks where policy drops


class Caller(StrEnum):
    """Who was connecting."""

    WORKLOAD = "workload"
    KUBELET = "kubelet"  # a probe, from the pod's own node
    API_SERVER = "apiServer"  # a webhook, an aggregated API, a proxied request


FLAGS: Final = r"(?:\b50[34] |response_flags\"?[:=] ?\"?)(?:[a-z]{2,6},){0,4}"  # Envoy's, after the status

AROUND: Final[dict[tuple[int, Kind], tuple[str, ...]]] = {  # rank, kind -> words
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
        r"\brejecting connections",
        r"probe failed with statuscode",
        r"permission denied \(publickey",
        r"host key verification failed",
        r"login failed for user",
        r"is not allowed to connect to this",
        r"ora-(?:01017|12505|12514|28000)",
    ),
    (2, Kind.TIMED_OUT): (r"connection timeout\b(?! ?expired)",),
    (2, Kind.REFUSED): (r"curl: \(7\)",),
    (2, Kind.RESET): (
        r"curl: \((?:52|55|56)\)",
        FLAGS + r"u[cr]\b",
    ),
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
        r"can\'t (?:connect to|contact|reach) (?:mysql|ldap|database|remote|local|the )",
        r"could(?: not|n\'t) (?:reach|open a|establish)",
        r"could not be established",
        r":\d{1,5} - no response",
        r"error connecting to",
        FLAGS + r"u[fht]\b",
        FLAGS + r"urx\b",
        r"no (?:healthy upstream|live upstreams|upstream connections available)",
        r"(?:unabletoconnect|socketfailure) on ",
        r"timeout performing ",
        r"a network-related or instance-specific error",
        r"network adapter could not establish",
        r"no(?:brokers|host)available",
        r"out of available brokers",
        r"brokers? (?:are|is) down",
        r"broker transport failure",
        r"bootstrap broker [^\n]{1,300} disconnected",
        r"no servers available for connection",
        r"exception opening socket",
        r"communicationexception",
        r"connectionloss",
        r"layer4 connection problem",
        r"source: timedout",
        r"failed_connect",
        r"failed to open tcp connection",
        r"error trying to connect",
    ),
}
