"""What a diagnosis is made of; and whose address, or whose name, a client was connecting to."""

from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct

from webhook.dependencies import parse, resolve
from webhook.diagnose.error_kinds import LOOKUPS
from webhook.diagnose.errors import ConnectionFailure
from webhook.evaluate.coverage import may_be_a_pods
from webhook.judge.dependency import Judged, judge
from webhook.judge.explanation import Explanation
from webhook.judge.workload import declared
from webhook.model.addresses import IPV6, Address, Block, ContainerPort
from webhook.model.answers import Dependency, Malformed, NameTarget, Verdict
from webhook.model.objects import Workload
from webhook.model.refs import KIND_OF_WORD, SHORT_KINDS, WorkloadRef
from webhook.world import View

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
    failure: ConnectionFailure
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


LOOPBACK = {4: Block(4, 127 << 24, 8), 6: Block(6, 1, 128)}
MOST_CANDIDATES = 8


def locate(view: View, workload: Workload, failure: ConnectionFailure, given: str | None = None) -> Target:
    """Find the target of a failed connection. `given`: it is known to be this one, written as a dependency."""
    if given is not None:
        return Target(Whose.NAMED, _with_port(given, failure))
    address, name = failure.address, failure.name
    if (address is not None and LOOPBACK[address.family].holds(address)) or _is_local(name):
        return Target(Whose.LOOPBACK, None, (("what", name or str(address)),))
    if failure.kind in LOOKUPS:
        return Target(Whose.NAMED, _joined(name, failure)) if name else Target(Whose.NONE)
    if address is not None and (known := _known(view, failure, address)) is not None:
        return known
    if name is not None:
        stale = address is not None and view.complete and may_be_a_pods(view, address.block)
        return Target(Whose.NAMED, _joined(name, failure), (("stale", str(address)),) if stale else ())
    return _single(view, workload) if address is None else _unknown(view, workload, failure, address)


def may_be_meant(view: View, workload: Workload, name: str | None) -> bool:
    """Say whether a name is one that the workload declares, or a Service's that is here."""
    if name is None:
        return False
    bare, *rest = name.removesuffix(".").split(".")
    if view.services.get(rest[0] if rest else workload.ref.namespace, bare) is not None:
        return True
    items = (item.target for item in declared(workload) if isinstance(item, Dependency))
    return any(target.host == name for target in items if isinstance(target, NameTarget))


def _is_local(name: str | None) -> bool:
    return name is not None and (name.rstrip(".") == "localhost" or name.rstrip(".").endswith(".localhost"))


def _with_port(given: str, failure: ConnectionFailure) -> str:
    """Add the port of the error to a dependency that has none."""
    items = parse(given)
    if failure.port is None or len(items) != 1:
        return given
    item = items[0]
    if isinstance(item, Malformed):
        bare = f"{given}:{failure.port}/{failure.protocol}"  # an address is malformed without a port
        return given if isinstance(parse(bare)[0], Malformed) else bare
    return given if item.port is not None else f"{given}:{failure.port}/{failure.protocol}"


def _joined(host: str | None, failure: ConnectionFailure) -> str:
    return f"{host}:{failure.port}/{failure.protocol}" if failure.port else f"{host}"


def _dialled(address: Address, failure: ConnectionFailure) -> str | None:
    """Return the address as a dependency, which needs a port."""
    return _joined(f"[{address}]" if address.family == IPV6 else str(address), failure) if failure.port else None


def _known(view: View, failure: ConnectionFailure, address: Address) -> Target | None:
    """Return whose address it is, where somebody here has it."""
    text = _dialled(address, failure)
    facts: Facts = (("address", str(address)),)
    if (pod := view.pods.at(address)) is not None:
        top = view.pods.top(pod)
        facts += (("pod", f"{pod.namespace}/{pod.name}"), ("kind", top.kind), ("workload", top.short))
        return Target(Whose.POD, text or _workload(top), facts)
    if (service := view.services.at(address)) is not None:
        name = f"{service.name}.{service.namespace}"
        return Target(Whose.SERVICE, text or name, (*facts, ("service", f"{service.namespace}/{service.name}")))
    if outside := view.services.outside_at(address):
        return Target(Whose.LOAD_BALANCER, text, (*facts, ("service", f"{outside[0].namespace}/{outside[0].name}")))
    if (node := view.nodes.at(address)) is not None:
        return Target(Whose.NODE, text, (*facts, ("node", node.name)))
    return None


def _workload(ref: WorkloadRef) -> str:
    word = SHORT_KINDS.get(ref.kind, ref.kind.lower())
    return f"{word}/{ref.name}.{ref.namespace}" if word in KIND_OF_WORD else ref.name


def _unknown(view: View, workload: Workload, failure: ConnectionFailure, address: Address) -> Target:
    """An address that nobody here has: outside, gone, or a pod's that files know nothing of."""
    text, facts = (
        _dialled(address, failure),
        (("address", str(address)), ("port", f"{failure.port}/{failure.protocol}")),
    )
    if not may_be_a_pods(view, address.block):
        return Target(Whose.OUTSIDE, text, facts)
    if view.complete:
        return Target(Whose.GONE, text, facts)
    if failure.port is None:
        return Target(Whose.NONE)
    wanted = ContainerPort(failure.port, failure.protocol)
    for how, found in (("declared", [*_declared(view, workload, wanted)]), ("listens", [*_servers(view, wanted)])):
        candidates = tuple(dict.fromkeys(c for c in found if c))
        if len(candidates) == 1:
            return Target(Whose.ASSUMED, candidates[0], (*facts, ("how", how), ("taken", candidates[0])))
        if candidates:
            return Target(Whose.NOBODY, text, facts, candidates[:MOST_CANDIDATES])
    return Target(Whose.NOBODY, text, facts)


def _single(view: View, workload: Workload) -> Target:
    """The text names nobody; a workload that declares one thing alone can mean nothing else."""
    texts = tuple(
        dict.fromkeys(resolve(view, workload, item).text for item in declared(workload) if isinstance(item, Dependency))
    )
    if len(texts) == 1:
        return Target(Whose.ASSUMED, texts[0], (("how", "only"), ("taken", texts[0])))
    return Target(Whose.NONE, candidates=texts[:MOST_CANDIDATES])


def _declared(view: View, workload: Workload, wanted: ContainerPort) -> Iterator[str]:
    """Yield what the workload declares and that is reached on that port, before or after translation."""
    for item in declared(workload):
        if isinstance(item, Dependency):
            judged = judge(view, workload, resolve(view, workload, item))
            reached = {(f.protocol, port) for f in judged.flows for port in (f.port, f.service_port)}
            if (wanted.protocol, wanted.number) in reached:
                yield judged.text


def _servers(view: View, wanted: ContainerPort) -> Iterator[str]:
    """Yield the workloads that declare the port."""
    for one in view.workloads.every():
        ports = one.template.declares
        if one.owner is None and any((p.number, p.protocol) == (wanted.number, wanted.protocol) for p in ports):
            yield f"{_workload(one.ref)}:{wanted.number}/{wanted.protocol}"
