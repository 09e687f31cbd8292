"""What a diagnosis is made of: values, which `report` puts into words."""

from enum import StrEnum

from msgspec import Struct

from webhook.explain.errors import Fault
from webhook.explain.explanation import Explanation
from webhook.explain.judge import Judged
from webhook.model.refs import WorkloadRef
from webhook.model.verdict import Verdict

Facts = tuple[tuple[str, str], ...]


class State(StrEnum):
    """What was found at one step."""

    OK = "ok"
    NOT_OK = "notOk"
    UNKNOWN = "unknown"


class Step(Struct, frozen=True):
    """One thing that was looked at. `says` is the sentence, `facts` its words."""

    name: str
    state: State
    says: str
    facts: Facts = ()


class Whose(StrEnum):
    """What the target of a failed connection turned out to be."""

    NAMED = "named"  # by a name, or by whoever asks
    POD = "pod"
    SERVICE = "service"
    LOAD_BALANCER = "loadBalancer"
    NODE = "node"
    LOOPBACK = "loopback"
    OUTSIDE = "outside"
    GONE = "gone"  # an address of pods that no pod has
    NOBODY = "nobody"  # files give pods no addresses
    ASSUMED = "assumed"  # the one server here that it can have been
    NONE = "none"  # the text names none


class Target(Struct, frozen=True):
    """Where the connection was going to. `text`: as a dependency is declared; None: it cannot be asked about."""

    whose: Whose
    text: str | None = None
    facts: Facts = ()
    candidates: tuple[str, ...] = ()


class Cause(StrEnum):
    """What explains the error best."""

    POLICY = "policy"
    POLICY_PARTLY = "policyPartly"
    POLICY_REJECTS = "policyRejects"
    POLICY_OR_SERVER = "policyOrServer"
    DNS_POLICY = "dnsPolicy"
    DNS_SERVER = "dnsServer"
    DNS_UNDECIDED = "dnsUndecided"
    NO_SUCH_NAME = "noSuchName"
    NAME_EXISTS = "nameExists"
    NO_SUCH_TARGET = "noSuchTarget"
    NO_SUCH_PORT = "noSuchPort"
    NO_BACKENDS = "noBackends"
    NOT_RUNNING = "notRunning"
    GONE = "gone"
    LOOPBACK = "loopback"
    NOT_LISTENING = "notListening"
    CUT = "cut"
    NO_ROUTE = "noRoute"
    CONNECTED = "connected"
    LOST = "lost"
    FORBIDDEN = "forbidden"
    PROBE = "probe"
    PROBE_WAITS = "probeWaits"
    DECLARED = "declared"
    UNDECIDED = "undecided"
    UNDECIDED_ANSWERED = "undecidedAnswered"


class Diagnosis(Struct, frozen=True):
    """A failed connection, held against the world. `policies`: a fix can be written for `target.text`."""

    source: WorkloadRef
    fault: Fault
    target: Target
    verdict: Verdict
    cause: Cause
    steps: tuple[Step, ...]
    explanation: Explanation | None = None
    dns: Judged | None = None
    facts: Facts = ()
    fixable: bool = False
    enforcer: str = ""
    suspects: tuple[Judged, ...] = ()  # what the workload needs and policy denies, where the text names no target of it
