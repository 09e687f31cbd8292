"""Which classes a condition holds for, a peer of a rule means, or a selector selects, for all classes at once."""

from collections.abc import Iterable, Sequence

from webhook.evaluate.ends import End, Outside, namespace_matches
from webhook.evaluate.match import block_matches
from webhook.evaluate.node_and_service_peers import either_way
from webhook.matrix.classes import Classes
from webhook.matrix.nodes import Places, Port
from webhook.matrix.sets import Bits, first
from webhook.model.addresses import Family
from webhook.model.labels import (
    NO_KEYS,
    NO_LABELS,
    AllOf,
    AnyOf,
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


class Conditions:
    """Answers by class for what `model.labels.holds` answers by pod. Equal questions are answered once."""

    def __init__(self, classes: Classes) -> None:
        """Ask about `classes`."""
        self._classes = classes
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
                return self._own(expression) if expression.space is Space.POD else self._around(expression)
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

    def _own(self, term: Requirement) -> Pair:
        """Ask the pods' own labels; one that is not there may still be added to a pod to come."""
        classes = self._classes
        absent = classes.pods & ~classes.by_key.get(term.key, 0)
        unsure = classes.templates & absent if term.key in classes.view.settings.pending_labels else 0
        sure = absent & ~unsure if _is_met(term, None) else 0
        for value in classes.values.get(term.key, ()):
            sure |= classes.by_label[term.key, value] if _is_met(term, value) else 0
        return sure, sure | unsure

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


def _is_met(term: Requirement, value: str | None) -> bool:
    return term.holds(value)


class Peers:
    """Answers by class for what `evaluate.peer` answers by pod. Equal questions are answered once."""

    def __init__(self, classes: Classes) -> None:
        """Ask about `classes`."""
        self._classes = classes
        self._conditions = Conditions(classes)
        self._places = Places(classes)
        self._matched: dict[tuple[Peer, Family, str, Port | None], Pair] = {}
        self._namespaces: dict[Selector, Pair] = {}
        self._met: dict[Requirement, Pair] = {}

    def any_of(self, matches: Sequence[Peer], family: Family, node: str = "", port: Port | None = None) -> Pair:
        """Return whom any of `matches` means: pods by their address of one family, as seen from a pod on `node`.

        `port`: what is dialled, where a match asks for it; None: it matters to none.
        """
        sure = possible = 0
        for peer in matches:
            yes, maybe = self._one(peer, family, node, port)
            sure |= yes
            possible |= maybe
        if either_way(matches):
            sure |= self._classes.pieces.of_links << len(self._classes.all)
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
        sure = possible = within
        for requirement in selector.requirements:
            yes, maybe = self._meeting(requirement)
            sure &= yes
            possible &= maybe
            if not possible:
                break
        return sure, possible

    def _meeting(self, requirement: Requirement) -> Pair:
        found = self._met.get(requirement)
        if found is None:
            found = self._met[requirement] = self._meets(requirement)
        return found

    def _meets(self, requirement: Requirement) -> Pair:
        """Return who meets a requirement: each value of its label is asked once, and those without it."""
        classes = self._classes
        key = requirement.key
        values = requirement.values if requirement.operator is Operator.IN else classes.values.get(key, ())
        asked = [(classes.by_label.get((key, value), 0), Labels({key: value}), NO_KEYS) for value in values]
        absent = classes.pods & ~classes.by_key.get(key, 0)
        asked.append((absent & ~classes.templates, NO_LABELS, NO_KEYS))
        asked.append((absent & classes.templates, NO_LABELS, classes.view.settings.pending_labels))
        return _union((bits, requirement.matches(labels, keys)) for bits, labels, keys in asked if bits)

    def _pods(self, peer: PodMatch) -> Pair:
        if peer.namespace is not None:
            sure = possible = self._classes.by_namespace.get(peer.namespace, 0)
        else:
            sure, possible = self._of_namespaces(peer.namespaces)
        seen = ~self._classes.host_network  # others are seen as their node
        surely, possibly = self.select(peer.pods, possible & seen)
        of_hosts, maybe_of_hosts = self._hosts(peer)
        return surely & sure | of_hosts, possibly | maybe_of_hosts

    def _hosts(self, peer: PodMatch) -> Pair:
        """Return the nodes and the pods on their network that a peer matches, under enforcers where it may."""
        dialect = self._classes.view.dialect
        if dialect.nodes.host_namespace is None and dialect.nodes.host_pods is Truth.NO:
            return 0, 0
        return self._places.hosts(peer)

    def _of_namespaces(self, selector: Selector) -> Pair:
        found = self._namespaces.get(selector)
        if found is None:
            peer, view = PodMatch(None, selector), self._classes.view
            each = self._classes.by_namespace.items()
            found = self._namespaces[selector] = _union((bits, namespace_matches(view, peer, n)) for n, bits in each)
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


def _union(answers: Iterable[tuple[Bits, Truth]]) -> Pair:
    sure = possible = 0
    for bits, truth in answers:
        if truth is not Truth.NO:
            possible |= bits
        if truth is Truth.YES:
            sure |= bits
    return sure, possible
