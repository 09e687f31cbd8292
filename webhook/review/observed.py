"""Records of a flow log, put together by who dialled whom: workloads where the ends are pods of the world.

An end is found by what the log tells of it: its pod's name, who makes the pod, what such names look like, its labels;
by its address only where the log names nobody, for addresses go from pod to pod.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final

from msgspec import Struct

from webhook.dependencies.services import through_service
from webhook.model.addresses import Address, Block, Protocol, is_loopback, parse_address
from webhook.model.answers import Host
from webhook.model.objects import ServicePort, Workload
from webhook.model.refs import WorkloadRef
from webhook.wire.flowlogs import Endpoint, FlowLog, FlowRecord, Skipped
from webhook.wire.shapes import Malformed
from webhook.world import Group, View

MOST: Final = 100_000  # different flows that are kept
MOST_OUTSIDE: Final = 20_000  # of these, from addresses outside: whoever finds an open door
MOST_NAMED: Final = 3  # lines that cannot be read
REMEMBERED: Final = 20_000  # different ends, with all that the log says of each


class ObservedFlow(Struct, frozen=True):
    """Who dialled whom on which port. None: addresses outside that are not told apart.

    `cluster_ip`: the Service's address and port that were dialled, where that is what policy sees of who dials.
    """

    source: WorkloadRef | Block | None
    target: WorkloadRef | Block | Host | None
    protocol: Protocol
    port: int
    cluster_ip: tuple[Block, int] | None = None


class Seen(Struct):
    """How many lines tell of a flow that passed, or that was dropped, and when the last of each was (Unix seconds)."""

    passed: int = 0
    dropped: int = 0
    last_passed: float = 0.0
    last_dropped: float = 0.0

    @property
    def stands_dropped(self) -> bool:
        """Whether a drop is the last word: what one end lets out, the other may still drop."""
        return self.dropped > 0 and self.last_dropped >= self.last_passed


class LeftOut(StrEnum):
    """Why a record does not count."""

    OLD = "too old"
    FOREIGN = "of no pod that is here"
    NODES = "from nodes, which policy lets in"
    MANY = "beyond what is kept"


class Tally:
    """Flows, counted. Memory is bounded by what is different in the log, and that by `MOST`.

    `lines`: how many there are; `left_out`: records that do not count, and `skipped`: lines that are none, by reason;
    `garbage`: how many lines cannot be read, of which `first` says where and why.
    """

    def __init__(self, view: View, since: float | None = None) -> None:
        """Count nothing yet. `since`: what is older is left out (Unix seconds)."""
        self._view, self.since = view, since
        self._ends = _Ends(view)
        self._outside = 0
        self.flows: dict[ObservedFlow, Seen] = {}
        self.left_out: Counter[LeftOut] = Counter()
        self.skipped: Counter[Skipped] = Counter()
        self.lines = self.records = self.garbage = 0
        self.first: list[tuple[str, int, str]] = []

    def read(self, log: FlowLog, line: bytes, file: str, number: int) -> None:
        """Read and count one line. `number`: its own, from 1."""
        self.lines += 1
        try:
            found = log.read(line)
        except Malformed as error:
            self.unreadable(file, number, str(error))
            return
        match found:
            case FlowRecord():
                self.records += 1
                self.add(found)
            case Skipped():
                self.skipped[found] += 1
            case None:
                pass

    def unreadable(self, file: str, number: int, why: str) -> None:
        """Count a line that cannot be read; the first ones are named."""
        self.garbage += 1
        if len(self.first) < MOST_NAMED:
            self.first.append((file, number, why))

    def add(self, record: FlowRecord) -> None:
        """Count one record."""
        if self.since is not None and record.time is not None and record.time < self.since:
            self.left_out[LeftOut.OLD] += 1
            return
        source, target = self._ends.find(record.source), self._ends.find(record.target)
        if _NOBODY in (source, target) or not (isinstance(source, WorkloadRef) or isinstance(target, WorkloadRef)):
            self.left_out[LeftOut.FOREIGN] += 1
        elif source == _NODE or (isinstance(source, Address) and self._view.nodes.at(source) is not None):
            self.left_out[LeftOut.NODES] += 1
        else:
            for flow in self._flows(source, target, record):
                self._count(flow, record)

    def _flows(self, source: "_End", target: "_End", record: FlowRecord) -> Iterator[ObservedFlow]:
        """Yield what a record tells of; a Service's own address stands for whoever is behind its port."""
        begin = source.block if isinstance(source, Address) else source if isinstance(source, WorkloadRef) else None
        service = self._view.services.at(target) if isinstance(target, Address) else None
        ports = service.ports if service is not None else ()
        if (
            service is not None
            and isinstance(target, Address)
            and isinstance(source, WorkloadRef)
            and _has(ports, record)
        ):
            behind = through_service(self._view, service, record.port, record.protocol, source).flows
            cluster_ip = (target.block, record.port) if self._view.dialect.services.egress_before else None
            for one in behind:
                end = one.to.ref if isinstance(one.to, Group) else one.to
                yield ObservedFlow(begin, end, one.protocol, one.port or record.port, cluster_ip)
            if behind:
                return
        if isinstance(target, Address) and record.target.hosts and service is None:
            yield ObservedFlow(begin, Host(record.target.hosts[0]), record.protocol, record.port)
            return
        goal = target.block if isinstance(target, Address) else target if isinstance(target, WorkloadRef) else None
        yield ObservedFlow(begin, goal, record.protocol, record.port)

    def _count(self, flow: ObservedFlow, record: FlowRecord) -> None:
        if flow not in self.flows and isinstance(flow.source, Block):
            if self._outside >= MOST_OUTSIDE:
                flow = ObservedFlow(None, flow.target, flow.protocol, flow.port)
            else:
                self._outside += 1
        if flow not in self.flows and len(self.flows) >= MOST:
            self.left_out[LeftOut.MANY] += 1
            return
        seen, time = self.flows.setdefault(flow, Seen()), record.time or 0.0
        if record.dropped:
            seen.dropped += 1
            seen.last_dropped = max(seen.last_dropped, time)
        else:
            seen.passed += 1
            seen.last_passed = max(seen.last_passed, time)


def _has(ports: Iterable[ServicePort], record: FlowRecord) -> bool:
    return any((port.port, port.protocol) == (record.port, record.protocol) for port in ports)


# -- who an end is -----------------------------------------------------------------------------------------------------

_NOBODY: Final = "nobody"  # a pod that is not here
_UNSEEN: Final = "not looked for yet"
_NODE: Final = "node"  # a node, by an address that the world may not know
_End = WorkloadRef | Address | str | None
_OF_NODES: Final = frozenset({"reserved:host", "reserved:remote-node"})  # Cilium's identities
_ENDING: Final = re.compile(r"[a-z0-9]+|\*")
_ONE_PART: Final = frozenset({"StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"})


class _Ends:
    """Finds who an end is, and remembers it."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._known: dict[Endpoint, _End] = {}
        self._pods: dict[str, dict[str, WorkloadRef]] = {}
        self._workloads: dict[str, tuple[Workload, ...]] = {}

    def find(self, end: Endpoint) -> _End:
        """Return a workload, an address, what is neither, or None for addresses that are not told."""
        found = self._known.get(end, _UNSEEN)
        if found is _UNSEEN:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            found = self._known[end] = self._find(end)
        return found

    def _find(self, end: Endpoint) -> _End:
        if end.namespace:
            return (self._named(end) if (end.namespace in self._view.namespaces) else None) or _NOBODY
        if not _OF_NODES.isdisjoint(end.labels):
            return _NODE
        if not end.address:
            return None
        try:
            address = parse_address(end.address)
        except ValueError:
            return _NOBODY
        if is_loopback(address.block):
            return _NOBODY
        pod = self._view.pods.at(address)
        return address if pod is None else self._view.pods.top(pod)

    def _named(self, end: Endpoint) -> WorkloadRef | None:
        if end.pod in self._pods_of(end.namespace):
            return self._pods[end.namespace][end.pod]
        maker = self._view.workloads.get(WorkloadRef(end.kind, end.namespace, end.workload)) if end.workload else None
        if maker is not None and maker.owner is None:
            return maker.ref
        every = self._made_in(end.namespace)
        there = {*self._pods[end.namespace].values(), *(one.ref for one in every)}
        return _only(_like(there, end.pod)) or _only(_labelled(every, end.labels))

    def _pods_of(self, namespace: str) -> dict[str, WorkloadRef]:
        if namespace not in self._pods:
            groups = self._view.pods.groups(namespace)
            self._pods[namespace] = {pod.name: group.ref for group in groups for pod in group.pods}
        return self._pods[namespace]

    def _made_in(self, namespace: str) -> tuple[Workload, ...]:
        if namespace not in self._workloads:
            found = self._view.workloads.every(namespace)
            self._workloads[namespace] = tuple(one for one in found if one.owner is None)
        return self._workloads[namespace]


def _only(refs: Iterable[WorkloadRef]) -> WorkloadRef | None:
    found = set(refs)
    return found.pop() if len(found) == 1 else None


def _like(every: Iterable[WorkloadRef], pod: str) -> Iterator[WorkloadRef]:
    """Yield whose pods are, or were, called like this: with one part behind the name or, below a second maker, two."""
    stem, _, last = pod.rpartition("-")
    longer, _, middle = stem.rpartition("-")
    if not _ENDING.fullmatch(last):
        return
    for ref in every:
        two = ref.kind not in _ONE_PART and ref.kind != "Pod" and _ENDING.fullmatch(middle)
        if (ref.name == stem and ref.kind in _ONE_PART) or (ref.name == longer and two):
            yield ref


def _labelled(every: Iterable[Workload], labels: tuple[str, ...]) -> Iterator[WorkloadRef]:
    """Yield whose pods have labels of which these are all."""
    pairs = {(key, value) for key, _, value in (one.partition("=") for one in labels)}
    for one in every:
        own = one.selector or one.template.pod_class.labels
        if own.pairs and pairs.issuperset(own.pairs):
            yield one.ref
