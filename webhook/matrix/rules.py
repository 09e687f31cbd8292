"""The policies that select a class, and their rules as rows: which ends, on which ports."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from webhook.evaluate.match import ports_match
from webhook.matrix.classes import Classes
from webhook.matrix.nodes import Port
from webhook.matrix.peers import Pair, Peers
from webhook.matrix.sets import (
    EVERYTHING,
    NOTHING,
    WIDTH,
    Bits,
    PortSet,
    bits_of,
    difference,
    intersection,
    interval,
    members,
    union,
)
from webhook.matrix.workloads import is_near, services_of
from webhook.model.addresses import FAMILIES, FIRST_PORT, LAST_PORT, PROTOCOLS, Family, NamedPort, PortMatch, PortRange
from webhook.model.objects import PodClass
from webhook.model.peers import Peer, ServicePeer, leaves
from webhook.model.policy import Direction
from webhook.model.tier import Action, CompiledPolicy, CompiledRule
from webhook.model.truth import Truth
from webhook.world import View

Chosen = tuple[tuple[int, ...], tuple[int, ...]]  # by number: isolations that surely select, and that may


class Subject(Struct, frozen=True, gc=False):
    """What rules may ask of the pods that they select: one class of them, and its node where one asks."""

    number: int
    pod_class: PodClass
    node: str


class Kind(Struct, frozen=True, gc=False):
    """Classes that the same isolations select, and that answer alike what the rules of these ask of their subject.

    `sure` isolate every pod of it, `possible` may; nothing isolates pods on the host network. `lists`: these are allow
    lists of one tier, which have no order. `unevaluated`: something may decide that is not evaluated. `by_address`,
    `pods_apart`: as of pieces (`model.tier.CompiledPolicy`).
    """

    sure: tuple[CompiledPolicy, ...]
    possible: tuple[CompiledPolicy, ...]
    subject: Subject
    classes: Bits
    by_address: bool
    pods_apart: bool
    lists: bool
    unevaluated: bool

    @property
    def selected(self) -> bool:
        """Whether any policy is about these pods; none is about those on the host network."""
        return not self.subject.pod_class.host_network and bool(self.sure or self.possible)


class Trait(Struct, frozen=True, gc=False):
    """How a piece is to be worked with.

    `names`: its port names resolve on the subject. `own`: rules that ask what the subject is. `near`: one asks who is
    on the subject's node. `lists`: it only isolates and allows. `plain`: its rules mean the same for all subjects.
    """

    names: bool
    own: tuple[CompiledRule, ...]
    near: bool
    lists: bool
    plain: bool


class Traits:
    """The traits of pieces, by their place in memory: they live as long as the matrix is worked out."""

    def __init__(self, direction: Direction) -> None:
        """Look at pieces of one direction."""
        self.direction = direction
        self._found: dict[int, Trait] = {}

    def of(self, compiled: CompiledPolicy) -> Trait:
        """Return the traits of a piece."""
        found = self._found.get(id(compiled))
        if found is None:
            found = self._found[id(compiled)] = self._look(compiled)
        return found

    def _look(self, compiled: CompiledPolicy) -> Trait:
        names = near = False
        lists = compiled.default_deny
        own: list[CompiledRule] = []
        for rule in compiled.rules:
            lists = lists and rule.action is Action.ALLOW
            names = names or (self.direction is Direction.INGRESS and names_ports(rule))
            near = near or (compiled.by_address and any(map(is_near, rule.peers or ())))
            if rule.subject_peers is not None:
                own.append(rule)
        plain = not (names or near or own)
        return _USUAL if lists and plain else Trait(names, tuple(own), near, lists, plain)


_USUAL: Final = Trait(names=False, own=(), near=False, lists=True, plain=True)


def names_ports(rule: CompiledRule) -> bool:
    """Say whether a rule gives a port by its name."""
    return any([isinstance(port, NamedPort) for port in (*(rule.ports or ()), *rule.not_ports)])  # noqa: C419 - faster


def kinds_of(classes: Classes, peers: Peers, every: Traits, compiled_policies: Sequence[CompiledPolicy]) -> list[Kind]:
    """Put classes together; what a rule asks of its subject matters where there is such a rule."""
    traits = [every.of(compiled) for compiled in compiled_policies]
    unordered = len({i.tier for i in compiled_policies}) <= 1 and all(trait.lists for trait in traits)
    asking = {number for number, trait in enumerate(traits) if not trait.plain}
    owns = {n: [peers.any_of(e.subject_peers or (), f) for e in traits[n].own for f in FAMILIES] for n in asking}
    by_address = {number for number, one in enumerate(compiled_policies) if one.by_address}
    pods_apart = {number for number, one in enumerate(compiled_policies) if one.pods_apart}
    found: dict[tuple[Chosen, object, bool, bool], list[int]] = {}
    for one, chosen in enumerate(_chosen(classes, peers, compiled_policies)):
        kind = classes.all[one]
        here = asking.intersection(chosen[0] + chosen[1]) if asking else ()
        answers = _answers(one, classes, [(traits[n], owns[n]) for n in sorted(here)]) if here else ()
        found.setdefault(
            (chosen, answers, kind.pod_class.host_network, every.direction in kind.unevaluated), []
        ).append(one)
    kinds = []
    for (numbers, _, host_network, unevaluated), some in found.items():
        sure, possible = (tuple([compiled_policies[n] for n in each]) for each in numbers)
        first = classes.all[some[0]]
        policed = () if host_network else numbers[0] + numbers[1]
        addresses = not by_address.isdisjoint(policed), not pods_apart.isdisjoint(policed)
        lists = unordered or _are_lists(sure + possible, [traits[n] for n in numbers[0] + numbers[1]])
        subject = Subject(some[0], first.pod_class, first.node)
        kinds.append(Kind(sure, possible, subject, bits_of(some), *addresses, lists, unevaluated))
    return kinds


def _are_lists(compiled_policies: Sequence[CompiledPolicy], traits: Iterable[Trait]) -> bool:
    return all(trait.lists for trait in traits) and len({compiled.tier for compiled in compiled_policies}) <= 1


def _answers(one: int, classes: Classes, asked: Sequence[tuple[Trait, Sequence[Pair]]]) -> object:
    """Return what a class answers to the rules that select it."""
    kind = classes.all[one]
    names = kind.pod_class.ports if any(trait.names for trait, _ in asked) else ()
    node = kind.node if any(trait.near for trait, _ in asked) else ""
    own = tuple((sure >> one & 1, possible >> one & 1) for _, pairs in asked for sure, possible in pairs)
    return names, node, own


def _chosen(classes: Classes, peers: Peers, compiled_policies: Sequence[CompiledPolicy]) -> list[Chosen]:
    """Return by class which pieces select it."""
    sure: list[list[int]] = [[] for _ in classes.all]
    possible: dict[int, list[int]] = {}  # of hardly any
    for number, compiled in enumerate(compiled_policies):
        here = classes.by_namespace.get(compiled.namespace, 0) if compiled.namespace else classes.pods
        surely, possibly = (0, here) if compiled.subject is None else peers.select(compiled.subject, here)
        if compiled.scope is not None:
            yes, maybe = peers.holding(compiled.scope)
            surely, possibly = surely & yes, possibly & maybe
        if compiled.unclear is not None:
            surely = 0
        for one in members(surely):
            sure[one].append(number)
        for one in members(possibly & ~surely) if surely is not possibly else ():
            possible.setdefault(one, []).append(number)
    return [(tuple(surely), tuple(possible.get(one, ()))) for one, surely in enumerate(sure)]


_WHOLE: Final[tuple[tuple[Port | None, PortSet], ...]] = ((None, EVERYTHING),)


class Row(Struct, frozen=True, gc=False):
    """Ends that a rule is about surely, and those that it may be about (`sure` are among these).

    `ports` are those that it is about, `perhaps` those that depend on the CNI besides.
    """

    sure: Bits
    possible: Bits
    ports: PortSet
    perhaps: PortSet


class Rows:
    """Rows of one direction's rules."""

    def __init__(self, classes: Classes, peers: Peers, direction: Direction) -> None:
        """Work for `classes`."""
        self._classes = classes
        self._peers = peers
        self._direction = direction

    def of(self, rule: CompiledRule, subject: Subject, family: Family) -> Sequence[Row]:
        """Return what `evaluate.peer.rule_matches` answers end by end; rows may overlap."""
        if rule.unclear is not None:
            return (Row(0, self._classes.everybody, EVERYTHING, NOTHING),)
        own = self.own(rule, subject.number, family)
        if own is Truth.NO:
            return ()
        unsure = own is Truth.MAYBE or rule.conditional is not None
        rows: list[Row] = []
        for port, part in self._parts(rule):
            sure, possible = self._ends(rule, subject.node, family, port)
            for among, target in self._targets(rule, subject, possible):
                ports, perhaps = _ports(rule, target)
                if port is not None:
                    ports, perhaps = intersection(ports, part), intersection(perhaps, part)
                surely, possibly = (sure, possible) if among is None else (sure & among, possible & among)
                if possibly and (ports or perhaps):
                    rows.append(Row(0 if unsure else surely, possibly, ports, perhaps))
        return rows

    def own(self, rule: CompiledRule, number: int, family: Family) -> Truth:
        """Say whether pods of a class are what a rule asks of its own side."""
        if rule.subject_peers is None:
            return Truth.YES
        if _by_port(rule.subject_peers):
            return Truth.MAYBE  # no family asks this of a subject
        sure, possible = (bits >> number & 1 for bits in self._peers.any_of(rule.subject_peers, family))
        return Truth(sure + possible)

    def _parts(self, rule: CompiledRule) -> Iterable[tuple[Port | None, PortSet]]:
        """Return parts of all ports: one, unless a Service is meant on its ports only, and one port of each."""
        peers = _by_port(rule.peers or ()) if self._classes.asked.by_port else ()
        return _segments(self._classes.view, peers) if peers else _WHOLE

    def _ends(self, rule: CompiledRule, node: str, family: Family, port: Port | None) -> Pair:
        if rule.peers is None:
            return self._classes.everybody, self._classes.everybody
        near = node if node and any(map(is_near, rule.peers)) else ""
        return self._peers.any_of(rule.peers, family, near, port)

    def _targets(
        self, rule: CompiledRule, subject: Subject, possible: Bits
    ) -> Iterator[tuple[Bits | None, PodClass | None]]:
        """Yield ends (None: all) by the pod that port names resolve on: the one that the packet goes to."""
        classes = self._classes
        if self._direction is Direction.INGRESS or not names_ports(rule):
            yield None, subject.pod_class if self._direction is Direction.INGRESS else None
            return
        by_names: dict[object, list[int]] = {}
        for number in members(possible & classes.pods):
            by_names.setdefault(classes.all[number].pod_class.ports, []).append(number)
        for some in by_names.values():
            yield bits_of(some), classes.all[some[0]].pod_class
        yield classes.outside, None


def _by_port(matches: Iterable[Peer]) -> list[ServicePeer]:
    return [leaf for peer in matches for leaf in leaves(peer) if isinstance(leaf, ServicePeer) and leaf.by_port]


def _segments(view: View, peers: Iterable[ServicePeer]) -> Iterator[tuple[Port, PortSet]]:
    """Cut all ports where an endpoint serves one; yield one port of each part, and the part."""
    services = (service for peer in peers for service in services_of(view, peer))
    served = {port for service in services for some in view.services.serving(service).values() for port in some}
    for index, protocol in enumerate(PROTOCOLS):
        numbers = {number for spoken, number in served if spoken == protocol and number is not None}
        edges = sorted({FIRST_PORT, LAST_PORT + 1, *numbers, *(number + 1 for number in numbers)})
        for first, after in pairwise(edges):
            yield (protocol, first), ((index * WIDTH + first, index * WIDTH + after - 1),)


def _ports(rule: CompiledRule, target: PodClass | None) -> tuple[PortSet, PortSet]:
    sure, maybe = rule_ports(rule.ports, target)
    if not rule.not_ports:
        return sure, maybe
    left_out, perhaps_left_out = rule_ports(rule.not_ports, target)
    possible = difference(union(sure, maybe), left_out)
    return difference(difference(sure, left_out), perhaps_left_out), possible


def rule_ports(ports: Iterable[PortMatch] | None, target: PodClass | None) -> tuple[PortSet, PortSet]:
    """Return the ports that a rule's `ports` mean on `target`: surely, and those that depend on the CNI."""
    if ports is None:
        return EVERYTHING, NOTHING
    sure = maybe = NOTHING
    for port in ports:
        if isinstance(port, PortRange):
            sure = union(sure, interval(port.protocol, port.first, port.last))
            continue
        for number in {p.number for p in target.ports if p.name == port.name} if target else ():
            one = interval(port.protocol, number, number)
            truth = ports_match((port,), port.protocol, number, target)
            sure = union(sure, one) if truth is Truth.YES else sure
            maybe = union(maybe, one) if truth is Truth.MAYBE else maybe
    return sure, maybe
