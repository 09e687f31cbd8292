"""The judge's answers and the matrix's, asked in the same words: one pair of pods, one family, one port at a time."""

from collections.abc import Iterator
from itertools import pairwise, product
from random import Random
from typing import Final

from webhook.evaluate import Flow, PodEnd, ends_of_pod, judge_from_outside, judge_outside, judge_pair, template_end
from webhook.evaluate.coverage import edges_of
from webhook.evaluate.ends import INJECTED
from webhook.evaluate.flow import common_families
from webhook.judge.dependency import judge_flow
from webhook.matrix import End, Layer, Matrix, matrix
from webhook.matrix.sets import PortSet, holds
from webhook.model.addresses import (
    BITS,
    FAMILIES,
    FIRST_PORT,
    LAST_PORT,
    PROTOCOLS,
    Address,
    Block,
    Family,
    PortRange,
    Protocol,
)
from webhook.model.answers import Verdict
from webhook.model.objects import Template, Workload
from webhook.model.policy import Direction
from webhook.model.refs import WorkloadRef
from webhook.model.tier import CompiledPolicy
from webhook.model.truth import Truth
from webhook.world import Group, View

TRUTH: Final = {Verdict.ALLOWED: Truth.YES, Verdict.DENIED: Truth.NO, Verdict.UNKNOWN: Truth.MAYBE}
Port = tuple[Protocol, int]


def ends(view: View, group: Group) -> tuple[PodEnd, ...]:
    return (template_end(view, group.template),) if group.template else tuple(map(ends_of_pod, group.pods))


def pairs(view: View, source: Group, target: Group) -> Iterator[tuple[PodEnd, PodEnd]]:
    """Every pod of one with every pod of the other, but none with itself unless it stands for others too."""
    here, there = ends(view, source), ends(view, target)
    written = view.workloads.get(source.ref)
    grows = source.ref.kind != "Pod" and (written is None or written.replicas != 1)
    for (i, one), (j, other) in product(enumerate(here), enumerate(there)):
        if source.ref != target.ref or i != j or (len(here) == 1 and grows):
            yield one, other


def judged(view: View, source: PodEnd, target: PodEnd, port: Port) -> Truth:
    """What one pod may send to another, on every family that both have."""
    whole = TRUTH.get(judge_pair(view, source, target, *port)[0], Truth.NO)
    if whole is not Truth.MAYBE:
        return whole
    answers = [judge_pair(view, source, target, *port, (f,))[0] for f in common_families(view, source, target, ())]
    return min((TRUTH[answer] for answer in answers), default=Truth.MAYBE)


def between(view: View, source: Group, target: Group, port: Port) -> Truth:
    return min((judged(view, one, other, port) for one, other in pairs(view, source, target)), default=Truth.NO)


def beyond(view: View, direction: Direction, group: Group, address: Address, port: Port) -> Truth:
    """What every pod of a workload may send to an address outside, or get from it."""
    block = address.block
    if direction is Direction.EGRESS:
        return min(TRUTH[judge_outside(view, end, block, *port)[0]] for end in ends(view, group))
    each = (judge_from_outside(view, block, end, *port) for end in ends(view, group))
    return min(TRUTH[side.verdict] for side in each)


def everybody(view: View) -> list[Group]:
    return [group for namespace in view.namespaces.names() for group in view.pods.groups(namespace)]


def pieces(view: View) -> Iterator[CompiledPolicy]:
    """Yield every piece of every policy, and the enforcer's own."""
    yield from view.dialect.without_policy
    for namespace, direction in product(("", *view.namespaces.names()), Direction):
        yield from view.policies.compiled_policies(namespace, direction)


def boundaries(view: View) -> list[Port]:
    """Return the ports around every one that a rule, a container or an endpoint names, of all protocols."""
    named = {FIRST_PORT, LAST_PORT, *_of_rules(view)}
    for namespace in view.namespaces.names():
        for group in view.pods.groups(namespace):
            named |= {p.number for end in ends(view, group) for p in end.pod_class.ports}
        for service in view.services.within(namespace):
            named |= {number for _, number, _ in view.services.endpoints(service) if number is not None}
    around = {n for number in named for n in (number - 1, number, number + 1) if FIRST_PORT <= n <= LAST_PORT}
    return list(product(PROTOCOLS, sorted(around)))


def _of_rules(view: View) -> Iterator[int]:
    for piece in pieces(view):
        for port in (p for entry in piece.rules for p in (*(entry.ports or ()), *entry.not_ports)):
            if isinstance(port, PortRange):
                yield from (port.first, port.last)


def edges(view: View, family: Family) -> list[Address]:
    """Return the addresses on both sides of every edge of every block that a rule names, and around nodes and
    endpoints.
    """
    found = {0, (1 << BITS[family]) - 1}
    services = (service for namespace in view.namespaces.names() for service in view.services.within(namespace))
    single = {a for node in view.nodes.every() for a in node.addresses}
    single |= {a for service in services for a in view.services.serving(service)}
    found |= {n for a in single if a.family == family for n in (a.value - 1, a.value, a.value + 1)}
    for entry in (entry for piece in pieces(view) for entry in piece.rules):
        for block in (b for match in (*(entry.peers or ()), *(entry.subject_peers or ())) for b in edges_of(match)):
            if block.family == family:
                found |= {n for e in (block.first, block.last) for n in (e - 1, e, e + 1)}
    return [Address(family, n) for n in sorted(found) if 0 <= n < 1 << BITS[family]]


# -- the matrix, asked the same ----------------------------------------------------------------------------------------


class Table:
    """A matrix as a look-up; no row may stand twice."""

    def __init__(self, whole: Matrix) -> None:
        self._pods: dict[tuple[End, End], tuple[PortSet, Truth]] = {}
        self._ranges: dict[tuple[Direction, End], list[tuple[Block, PortSet, Truth]]] = {}
        self._unknown: dict[tuple[End, End], PortSet] = {}
        for layer, truth in ((whole.sure, Truth.YES), (whole.unknown, Truth.MAYBE)):
            assert layer is not None
            self._take(whole, layer, truth)

    def _take(self, whole: Matrix, layer: Layer, truth: Truth) -> None:
        seen: dict[tuple[End, End], PortSet] = {}
        for source, target, ports in ((c.source, c.target, c.ports) for c in whole.connections(layer)):
            assert ports, "a pair with nothing open"
            assert all(a[1] + 1 < b[0] or a[1] // 65536 < b[0] // 65536 for a, b in pairwise(ports))
            assert (source, target) not in seen, "a row that stands twice"
            seen[source, target] = ports
            if isinstance(source, tuple):
                assert not isinstance(target, tuple)
                self._put(Direction.INGRESS, target, source, ports, truth)
            elif isinstance(target, tuple):
                self._put(Direction.EGRESS, source, target, ports, truth)
        if truth is Truth.YES:
            self._sure = seen
        else:
            self._unknown = seen

    def _put(self, direction: Direction, end: End, blocks: tuple[Block, ...], ports: PortSet, truth: Truth) -> None:
        self._ranges.setdefault((direction, end), []).extend((block, ports, truth) for block in blocks)

    def between(self, source: WorkloadRef, target: WorkloadRef, port: Port) -> Truth:
        if holds(self._sure.get((source, target), ()), *port):
            return Truth.YES
        return Truth.MAYBE if holds(self._unknown.get((source, target), ()), *port) else Truth.NO

    def beyond(self, direction: Direction, end: WorkloadRef, address: Address, port: Port) -> Truth:
        rows = self._ranges.get((direction, end), ())
        found = [truth for block, ports, truth in rows if block.holds(address) and holds(ports, *port)]
        assert len(found) < 2, "an address that stands in two rows"
        return found[0] if found else Truth.NO


def disagreements(view: View) -> Iterator[object]:
    """Yield every flow on which matrix and judge differ."""
    table = Table(matrix(view, unknown=True))
    ports = boundaries(view)
    for source, target in product(everybody(view), repeat=2):
        for port in ports:
            expected, found = between(view, source, target, port), table.between(source.ref, target.ref, port)
            if expected is not found:
                yield str(source.ref), str(target.ref), port, expected, found
    for family, group in product(FAMILIES, everybody(view)):
        for direction, address, port in product(Direction, edges(view, family), ports):
            pod = view.pods.at(address)
            expected = beyond(view, direction, group, address, port)
            found = table.beyond(direction, group.ref, address, port)
            if expected is not found and not (pod is not None and found is Truth.NO):
                yield direction, str(group.ref), str(address), port, expected, found


# -- the review, asked the same ----------------------------------------------------------------------------------------

PORTS: Final = 8  # of those around which answers may change; addresses likewise
ADDRESSES: Final = 6


def reviewed(view: View, source: Workload, end: PodEnd, target: Group, port: Port) -> Truth:
    """What the review answers for one pod and one other, on every family that both have."""
    whole = _reviewed(view, source, end, target, port)
    if whole is not Truth.MAYBE:
        return whole
    (other,) = ends(view, target)
    common = common_families(view, end, other, ())
    return min((_reviewed(view, source, end, target, port, (f,)) for f in common), default=Truth.MAYBE)


def _reviewed(
    view: View, source: Workload, end: PodEnd, target: Group, port: Port, families: tuple[Family, ...] = ()
) -> Truth:
    flow = Flow(target, *port, families=families)
    return min(TRUTH.get(found.verdict, Truth.NO) for found in judge_flow(view, source, end, flow))


def singly(group: Group) -> list[Group]:
    """Return a group pod by pod."""
    return [group] if group.template else [Group(group.ref, (pod,)) for pod in group.pods]


def workload_of(view: View, group: Group, number: int) -> Workload:
    """Return what one pod of a group is reviewed as; of a pod that runs its own label says whether Linkerd is there."""
    written = view.workloads.get(group.ref)
    if group.template is not None:
        return group.template
    pod = group.pods[number]
    if pod.bare is not None:
        return pod.bare
    template = Template(pod.pod_class, injected=pod.pod_class.labels.get(INJECTED) is not None)
    return Workload(group.ref, template, replicas=written.replicas if written else None)


def connections(view: View, source: Group, target: Group, port: Port) -> Truth:
    """What every pod of one group may send to every pod of the other, by the review."""
    here, there = ends(view, source), singly(target)
    written = view.workloads.get(source.ref)
    grows = source.ref.kind != "Pod" and (written is None or written.replicas != 1)
    answers = [
        reviewed(view, workload_of(view, source, i), one, other, port)
        for (i, one), (j, other) in product(enumerate(here), enumerate(there))
        if source.ref != target.ref or i != j or (len(here) == 1 and grows)
    ]
    return min(answers, default=Truth.NO)


def differences(view: View, random: Random) -> Iterator[object]:
    """Yield flows on which matrix and review differ, of some ports and addresses that are drawn."""
    table = Table(matrix(view, unknown=True))
    every = boundaries(view)
    ports = [port for index, port in enumerate(every) if port[0] == "TCP" or index % 3 == 0]
    ports = random.sample(ports, min(PORTS, len(ports)))
    for source, target in product(everybody(view), repeat=2):
        for port in ports:
            expected, found = connections(view, source, target, port), table.between(source.ref, target.ref, port)
            if expected is not found:
                yield str(source.ref), str(target.ref), port, expected, found
    for family, group in product(FAMILIES, everybody(view)):
        addresses = edges(view, family)
        for direction, address in product(Direction, random.sample(addresses, min(ADDRESSES, len(addresses)))):
            for port in ports[:2]:
                expected = beyond(view, direction, group, address, port)
                found = table.beyond(direction, group.ref, address, port)
                if expected is not found and not (view.pods.at(address) is not None and found is Truth.NO):
                    yield direction, str(group.ref), str(address), port, expected, found
