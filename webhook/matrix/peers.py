"""Whom a peer of a rule means, for all classes at once; and whom a selector selects."""

from collections.abc import Sequence

from webhook.evaluate.ends import PodEnd
from webhook.evaluate.labels import ANY_KEY
from webhook.evaluate.match import block_matches
from webhook.evaluate.node_and_service_peers import either_way
from webhook.matrix.bits import Bits
from webhook.matrix.classes import Classes
from webhook.matrix.conditions import Conditions
from webhook.matrix.node_and_service_peers import Places, Port
from webhook.model.addresses import Family
from webhook.model.expression import Expression
from webhook.model.labels import NO_KEYS, LabelKeys, Operator, Requirement, Selector
from webhook.model.objects import Shape
from webhook.model.policy import BlockPeer, UnclearPeer
from webhook.model.tier import EndpointPeer, Every, Match, Neither, PodMatch
from webhook.model.truth import Truth

Pair = tuple[Bits, Bits]  # surely, possibly


class Peers:
    """Answers by class for what `evaluate.match` answers by pod. Equal questions are answered once."""

    def __init__(self, classes: Classes) -> None:
        """Ask about `classes`."""
        self._classes = classes
        self._conditions = Conditions(classes)
        self._places = Places(classes)
        self._matched: dict[tuple[Match, Family, str, Port | None], Pair] = {}
        self._namespaces: dict[Selector, Pair] = {}

    def any_of(self, matches: Sequence[Match], family: Family, node: str = "", port: Port | None = None) -> Pair:
        """Return whom any of `matches` means: pods by their address of one family, as seen from a pod on `node`.

        `port`: what is dialled, where a match asks for it; None: it matters to none.
        """
        sure = possible = 0
        for match in matches:
            yes, maybe = self._one(match, family, node, port)
            sure |= yes
            possible |= maybe
        if either_way(matches):
            sure |= self._classes.pieces.of_links << len(self._classes.all)
        return sure, possible

    def holding(self, scope: Expression) -> Pair:
        """Return the pods for which a condition holds."""
        return self._conditions.holding(scope)

    def _one(self, match: Match, family: Family, node: str, port: Port | None) -> Pair:
        key = (match, family, node, port)
        found = self._matched.get(key)
        if found is None:
            found = self._matched[key] = self._match(match, family, node, port)
        return found

    def _match(self, match: Match, family: Family, node: str, port: Port | None) -> Pair:
        everybody = self._classes.everybody
        match match:
            case PodMatch():
                return self._pods(match)
            case BlockPeer():
                return self._block(match, family)
            case UnclearPeer():
                return 0, everybody
            case EndpointPeer(test):
                sure, possible = self._conditions.holding(test)
                return sure & ~self._classes.host_network, possible & ~self._classes.host_network
            case Every(peers):
                sure = possible = everybody
                for peer in peers:
                    yes, maybe = self._one(peer, family, node, port)
                    sure &= yes
                    possible &= maybe
                return sure, possible
            case Neither(peers):
                yes, maybe = self.any_of(peers, family, node, port)
                return everybody & ~maybe, everybody & ~yes
            case _:
                return self._places.matched(match, family, node, port)

    def select(self, selector: Selector, within: Bits) -> Pair:
        """Return whom a selector selects among `within`."""
        sure = possible = within
        for requirement in selector.requirements:
            yes, maybe = self._meeting(requirement)
            sure &= yes
            possible &= yes | maybe
            if not possible:
                break
        return sure, possible

    def _meeting(self, requirement: Requirement) -> Pair:
        """Return who meets a requirement, and of whom it cannot be told: pods to come, whose label may be added."""
        classes = self._classes
        known = classes.by_key.get(requirement.key, 0)
        pending = requirement.key in classes.view.settings.pending_labels
        maybe = classes.templates & ~known if pending else 0
        hit = 0
        for value in requirement.values:
            hit |= classes.by_label.get((requirement.key, value), 0)
        match requirement.operator:
            case Operator.IN:
                return hit, maybe
            case Operator.NOT_IN:
                return ~hit & ~maybe, maybe
            case Operator.EXISTS:
                return known, maybe
            case Operator.DOES_NOT_EXIST:
                return ~known & ~maybe, maybe

    def _pods(self, match: PodMatch) -> Pair:
        if match.namespace is not None:
            sure = possible = self._classes.by_namespace.get(match.namespace, 0)
        else:
            sure, possible = self._of_namespaces(match.namespaces)
        seen = ~self._classes.host_network  # others are seen as their node
        surely, possibly = self.select(match.pods, possible & seen)
        return surely & sure, possibly

    def _of_namespaces(self, selector: Selector) -> Pair:
        found = self._namespaces.get(selector)
        if found is None:
            sure = possible = 0
            for name, bits in self._classes.by_namespace.items():
                namespace = self._classes.view.namespace(name)
                keys: LabelKeys = ANY_KEY if namespace.synthetic else NO_KEYS
                truth = selector.matches(namespace.labels, keys)
                sure |= bits if truth is Truth.YES else 0
                possible |= bits if truth is not Truth.NO else 0
            found = self._namespaces[selector] = sure, possible
        return found

    def _block(self, peer: BlockPeer, family: Family) -> Pair:
        """Return the pieces that a block holds, and the pods whose address of `family` is, or may be, in one."""
        classes = self._classes
        below = len(classes.all)
        held = classes.pieces.held(peer)
        sure = held << below
        for place, bits in classes.placed[family].items():
            if held >> place & 1:
                sure |= bits
        possible = sure
        for hosted, bits in classes.unassigned.items():
            if bits:
                truth = block_matches(classes.view, peer, PodEnd(Shape("", host_network=hosted)), family)
                sure |= bits if truth is Truth.YES else 0
                possible |= bits if truth is not Truth.NO else 0
        hosts, nodes = classes.host_network, classes.pieces.of_nodes << below
        for bits, held_at_all in ((classes.pods & ~hosts, peer.pods), (hosts | nodes, peer.nodes)):
            if held_at_all is not Truth.YES:
                sure &= ~bits
            if held_at_all is Truth.NO:
                possible &= ~bits
        if peer.nodes is not Truth.YES:
            sure &= ~(classes.pieces.of_links << below)
        if classes.view.dialect.before_translation:
            inside = classes.pods | nodes
            return sure & ~inside, possible | inside
        return sure, possible
