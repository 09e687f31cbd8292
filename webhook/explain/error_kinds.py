"""What may have become of the packets of a connection that failed."""

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
