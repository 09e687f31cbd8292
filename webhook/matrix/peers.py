"""Which classes a condition holds for, a peer of a rule means, or a selector selects, for all classes at once."""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import or_

from webhook.evaluate.ends import ANY_KEY, End, Outside
from webhook.evaluate.match import block_matches
from webhook.evaluate.node_and_service_peers import either_way
from webhook.matrix.classes import Classes
from webhook.matrix.nodes import Places, Port
from webhook.matrix.sets import Bits, first
from webhook.model.addresses import Family
from webhook.model.dialect import Dialect
from webhook.model.labels import (
    NO_KEYS,
    NO_LABELS,
    AllOf,
    AnyOf,
    LabelKeys,
    Labels,
    NoneOf,
    Operator,
    Predicate,
    Requirement,
    Selector,
    Space,
    holds,
)
from webhook.model.objects import PodClass
from webhook.model.peers import EndpointPeer, Peer, PodMatch
from webhook.model.policy import BlockPeer, UnclearPeer
from webhook.model.truth import Truth
from webhook.world.pod_labels import labels_of

Pair = tuple[Bits, Bits]  # surely, possibly
ByLabel = Mapping[tuple[str, str], Bits]


class Labelled:
    """Who has which labels, and whom a selector so selects. Equal questions are answered once."""

    def __init__(self, everybody: Bits, by_label: ByLabel, to_come: Bits, pending: LabelKeys) -> None:
        """Look up by label. `to_come`: those who may still be given labels `pending`."""
        self._everybody, self._by_label = everybody, by_label
        self._to_come, self._pending = to_come, pending
        self._values: dict[str, list[str]] = {}
        for key, value in by_label:
            self._values.setdefault(key, []).append(value)
        self._met: dict[Requirement, Pair] = {}
        self._absent: dict[str, Pair] = {}

    def select(self, selector: Selector, within: Bits) -> Pair:
        """Return whom a selector selects among `within`: one object where all that is possible is sure."""
        sure = possible = within
        for requirement in selector.requirements:
            yes, maybe = self.meeting(requirement)
            if yes is maybe and sure is possible:
                sure = possible = possible & maybe
            else:
                sure, possible = sure & yes, possible & maybe
            if not possible:
                break
        return sure, possible

    def meeting(self, requirement: Requirement) -> Pair:
        """Return who meets a requirement."""
        found = self._met.get(requirement)
        if found is None:
            found = self._met[requirement] = self._meets(requirement)
        return found

    def _meets(self, requirement: Requirement) -> Pair:
        """Ask for each value of the label once, and for those without it."""
        key = requirement.key
        values = requirement.values if requirement.operator is Operator.IN else self._values.get(key, ())
        asked = [(self._by_label.get((key, value), 0), Labels({key: value}), NO_KEYS) for value in values]
        settled, to_come = self._without(key)
        asked += [(settled, NO_LABELS, NO_KEYS), (to_come, NO_LABELS, self._pending)]
        return _union((bits, requirement.matches(labels, keys)) for bits, labels, keys in asked if bits)

    def _without(self, key: str) -> Pair:
        """Return those that have no such label, and of them those that may still be given labels, apart."""
        found = self._absent.get(key)
        if found is None:
            having = (self._by_label[key, value] for value in self._values.get(key, ()))
            absent = self._everybody & ~reduce(or_, having, 0)
            found = self._absent[key] = absent & ~self._to_come, absent & self._to_come
        return found


class Conditions:
    """Answers by class for what `model.labels.holds` answers by pod. Equal questions are answered once."""

    def __init__(self, classes: Classes, of_pods: Labelled) -> None:
        """Ask about `classes`, of whose own labels `of_pods` knows."""
        self._classes = classes
        self._of_pods = of_pods
        self._found: dict[Predicate, Pair] = {}

    def holding(self, expression: Predicate) -> Pair:
        """Return the classes for which `expression` holds."""
        found = self._found.get(expression)
        if found is None:
            found = self._found[expression] = self._holding(expression)
        return found

    def _holding(self, expression: Predicate) -> Pair:
        sure = possible = self._classes.pods
        match expression:
            case Requirement():
                own = expression.space is Space.POD
                return self._of_pods.meeting(expression) if own else self._around(expression)
            case AllOf(parts):
                for yes, maybe in map(self.holding, parts):
                    sure &= yes
                    possible &= maybe
                return sure, possible
            case AnyOf(parts):
                sure = possible = 0
                for yes, maybe in map(self.holding, parts):
                    sure |= yes
                    possible |= maybe
                return sure, possible
            case NoneOf(parts):
                for yes, maybe in map(self.holding, parts):
                    sure &= ~maybe
                    possible &= ~yes
                return sure, possible

    def _around(self, term: Requirement) -> Pair:
        """Ask the labels of namespaces and accounts, which are the same for all pods of one."""
        classes = self._classes
        if term.space is Space.NAMESPACE:
            groups: Iterable[tuple[PodClass, Bits]] = (
                (PodClass(name), bits) for name, bits in classes.by_namespace.items()
            )
        else:
            groups = ((PodClass(name, account=account), bits) for (name, account), bits in classes.by_account.items())
        sure = possible = 0
        for pod_class, bits in groups:
            truth = holds(term, labels_of(classes.view, pod_class))
            sure |= bits if truth is Truth.YES else 0
            possible |= bits if truth is not Truth.NO else 0
        return sure, possible


def _of_namespaces(classes: Classes) -> Labelled:
    """Return pods by the labels of their namespaces; of a namespace that nobody gave most are not known."""
    found: dict[tuple[str, str], Bits] = {}
    unknown = 0
    for name, bits in classes.by_namespace.items():
        namespace = classes.view.namespaces.get(name)
        unknown |= bits if namespace.synthetic else 0
        for pair in namespace.labels.pairs:
            found[pair] = found.get(pair, 0) | bits
    return Labelled(classes.pods, found, unknown, ANY_KEY)


class Peers:
    """Answers by class for what `evaluate.peer` answers by pod. Equal questions are answered once."""

    def __init__(self, classes: Classes) -> None:
        """Ask about `classes`."""
        self._classes = classes
        self._places = Places(classes)
        self._matched: dict[tuple[Peer, Family, str, Port | None], Pair] = {}
        self._namespaces: dict[Selector, Pair] = {}
        pending = classes.view.settings.pending_labels
        self._of_pods = Labelled(classes.pods, classes.by_label, classes.templates, pending)
        self._conditions = Conditions(classes, self._of_pods)
        self._around = _of_namespaces(classes)
        self._links: Bits = classes.pieces.of_links << len(classes.all)
        self._hosts_match = _hosts_match(classes.view.dialect)

    def any_of(self, matches: Sequence[Peer], family: Family, node: str = "", port: Port | None = None) -> Pair:
        """Return whom any of `matches` means: pods by their address of one family, as seen from a pod on `node`.

        `port`: what is dialled, where a match asks for it; None: it matters to none.
        """
        if not matches:
            return 0, 0
        sure, possible = self._one(matches[0], family, node, port)
        for peer in matches[1:]:
            yes, maybe = self._one(peer, family, node, port)
            if yes is maybe and sure is possible:
                sure = possible = possible | maybe
            else:
                sure, possible = sure | yes, possible | maybe
        if self._links and either_way(matches):
            sure |= self._links
        return sure, possible

    def holding(self, scope: Predicate) -> Pair:
        """Return the pods for which a condition holds."""
        return self._conditions.holding(scope)

    def _one(self, peer: Peer, family: Family, node: str, port: Port | None) -> Pair:
        key = (peer, family, node, port)
        found = self._matched.get(key)
        if found is None:
            found = self._matched[key] = self._peer(peer, family, node, port)
        return found

    def _peer(self, peer: Peer, family: Family, node: str, port: Port | None) -> Pair:
        everybody = self._classes.everybody
        match peer:
            case PodMatch():
                return self._pods(peer)
            case BlockPeer():
                return self._block(peer, family)
            case UnclearPeer():
                return 0, everybody
            case EndpointPeer(test):
                sure, possible = self._conditions.holding(test)
                return sure & ~self._classes.host_network, possible & ~self._classes.host_network
            case AllOf(peers):
                sure = possible = everybody
                for part in peers:
                    yes, maybe = self._one(part, family, node, port)
                    sure &= yes
                    possible &= maybe
                return sure, possible
            case NoneOf(peers):
                yes, maybe = self.any_of(peers, family, node, port)
                return everybody & ~maybe, everybody & ~yes
            case AnyOf(peers):
                return self.any_of(peers, family, node, port)
            case _:
                return self._places.matched(peer, family, node, port)

    def select(self, selector: Selector, within: Bits) -> Pair:
        """Return whom a selector selects among `within`."""
        return self._of_pods.select(selector, within)

    def _pods(self, peer: PodMatch) -> Pair:
        if peer.namespace is not None:
            sure = possible = self._classes.by_namespace.get(peer.namespace, 0)
        else:
            sure, possible = self._of_namespaces(peer.namespaces)
        hosts = possible & self._classes.host_network  # are seen as their node
        surely, possibly = self.select(peer.pods, possible ^ hosts if hosts else possible)
        if sure is not possible:
            surely &= sure
        if self._hosts_match:
            of_hosts, maybe_of_hosts = self._places.hosts(peer)
            return surely | of_hosts, possibly | maybe_of_hosts
        return surely, possibly

    def _of_namespaces(self, selector: Selector) -> Pair:
        found = self._namespaces.get(selector)
        if found is None:
            found = self._namespaces[selector] = self._around.select(selector, self._classes.pods)
        return found

    def _block(self, peer: BlockPeer, family: Family) -> Pair:
        """Return the pieces that a block holds, and the pods whose address of `family` is, or may be, in one.

        One of each kind of end that it holds is asked for all of them.
        """
        classes = self._classes
        below = len(classes.all)
        held = classes.pieces.held(peer)
        pods = 0
        for place, bits in classes.placed[family].items():
            if held >> place & 1:
                pods |= bits
        asked: list[tuple[Bits, End]] = [(some, classes.all[first(some)].end) for some in self._kinds(pods) if some]
        asked += [(some, classes.all[first(some)].end) for some in classes.unassigned.values() if some]
        nodes, links = classes.pieces.of_nodes, classes.pieces.of_links & ~classes.pieces.of_nodes
        for some in (held & nodes, held & links, held & ~(nodes | links)):
            if some:
                asked.append((some << below, Outside(classes.pieces.first(first(some)).block)))
        return _union((bits, block_matches(classes.view, peer, end, family)) for bits, end in asked)

    def _kinds(self, pods: Bits) -> tuple[Bits, Bits]:
        return pods & self._classes.host_network, pods & ~self._classes.host_network


def _hosts_match(dialect: Dialect) -> bool:
    """Say whether a peer that selects pods may match nodes and the pods on their network."""
    return dialect.nodes.host_namespace is not None or dialect.nodes.host_pods is not Truth.NO


def _union(answers: Iterable[tuple[Bits, Truth]]) -> Pair:
    """Add up who answered what; one object where all that is possible is sure, as it mostly is."""
    sure = possible = 0
    for bits, truth in answers:
        if truth is not Truth.NO:
            possible |= bits
        if truth is Truth.YES:
            sure |= bits
    return (possible, possible) if sure == possible else (sure, possible)
