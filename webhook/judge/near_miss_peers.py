"""The peer of a rule that was meant for the other end, and the label or namespace that keeps it from matching."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Final

from msgspec import Struct

from webhook.evaluate.coverage import entities_of
from webhook.evaluate.ends import ANY_KEY, End, Outside, PodEnd
from webhook.evaluate.match import peers_match
from webhook.evaluate.node_and_service_peers import node_of
from webhook.model.addresses import Family, Protocol
from webhook.model.labels import (
    NO_KEYS,
    AllOf,
    AnyOf,
    Labels,
    NoneOf,
    Predicate,
    Requirement,
    Selector,
    Space,
    holds,
    in_words,
)
from webhook.model.objects import PodClass
from webhook.model.peers import EndpointPeer, Peer, PodMatch
from webhook.model.policy import BlockPeer, Direction
from webhook.model.tier import CompiledPolicy, CompiledRule
from webhook.model.truth import Truth
from webhook.world import View
from webhook.world.pod_labels import labels_of

_SIMILAR: Final = 0.6  # of difflib's ratio: `webapi` and `web-api` are 0.92 alike, `web` and `cache` 0.25
_FIELDS: Final = {Space.POD: "podLabels", Space.NAMESPACE: "namespaceLabels", Space.ACCOUNT: "serviceAccount"}


class Miss(Struct, frozen=True, order=True):
    """What one part of a rule wants and what it met; the lower its rank, the nearer."""

    rank: int
    field: str
    want: str
    have: str


FAR: Final = Miss(99, "", "", "")  # more than one thing away


class Lack(Struct, frozen=True):
    """A requirement on labels of a pod, in words, that it does not meet: a miss, as soon as it is said what it has."""

    requirement: Requirement
    want: str


def told(miss: "Miss | Lack", labels: Labels) -> Miss:
    """Return what a pod with `labels` misses by."""
    return miss if isinstance(miss, Miss) else _label_miss(miss.requirement, labels, _FIELDS[Space.POD], miss.want)


def of_labels(selector: Selector, labels: Labels, field: str, *, synthetic: bool = False) -> Iterator[Miss]:
    """Yield what keeps `selector` from selecting `labels`. `synthetic`: labels that are not given are not known."""
    keys = ANY_KEY if synthetic else NO_KEYS
    missed = [r for r in selector.requirements if r.matches(labels, keys) is not Truth.YES]
    if len(missed) > 1:
        yield from (FAR,) * len(missed)  # no near miss, whatever they are: their words are not needed
    else:
        yield from (_label_miss(requirement, labels, field, str(requirement)) for requirement in missed)


def of_expression(view: View, test: Predicate, pod_class: PodClass) -> Iterator[Miss]:
    """Yield what keeps a condition from holding for pods of `pod_class`; of alternatives, the nearest."""
    if holds(test, labels_of(view, pod_class)) is Truth.YES:
        return
    match test:
        case Requirement():
            yield _term_miss(view, test, pod_class)
        case AllOf(parts):
            for part in parts:
                yield from of_expression(view, part, pod_class)
        case AnyOf(parts):
            several = ([*of_expression(view, part, pod_class)] for part in parts)
            yield min((misses[0] for misses in several if len(misses) == 1), default=FAR)
        case NoneOf((Requirement() as term,)):
            yield _term_miss(view, term, pod_class, wanted=f"!{in_words(term)}")
        case _:
            yield FAR


def _term_miss(view: View, term: Requirement, pod_class: PodClass, wanted: str = "") -> Miss:
    if term.space is Space.FIELD:
        field = "namespace" if term.key == "namespace" else "serviceAccount"
        have = pod_class.namespace if term.key == "namespace" else pod_class.account
        return Miss(1, field, wanted or " or ".join(sorted(term.values)), have)
    value = labels_of(view, pod_class)(term.space, term.key)
    if isinstance(value, Truth):
        return FAR
    have = f"{term.key}={value}" if value is not None else f"no {term.key}"
    alike = value is not None and not wanted and any(_similar(value, one) for one in term.values)
    return Miss(0 if alike else 2, _FIELDS[term.space], wanted or in_words(term), have)


def _label_miss(requirement: Requirement, labels: Labels, field: str, want: str) -> Miss:
    value = labels.get(requirement.key)
    have = f"{requirement.key}={value}" if value is not None else f"no {requirement.key}"
    return Miss(0 if resembles(requirement, labels) else 2, field, want, have)


def resembles(requirement: Requirement, labels: Labels) -> bool:
    """Say whether a label is there and has a value like one that is asked for."""
    value = labels.get(requirement.key)
    if value is not None:
        for wanted in requirement.values:
            if _similar(value, wanted):
                return True
    return False


@lru_cache(maxsize=4_096)  # in one namespace the same few names meet again and again
def _similar(value: str, wanted: str) -> bool:
    if 2 * min(len(value), len(wanted)) < _SIMILAR * (len(value) + len(wanted)):
        return False  # what `real_quick_ratio` says, without what a matcher prepares
    matcher = SequenceMatcher(None, value, wanted)  # whose quick ratios are no less than the whole one
    return all(ratio() >= _SIMILAR for ratio in (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio))


ON_HOST: Final = "is on the host network, and selectors never match it"


class Packet(Struct, frozen=True):
    """One side's question: may `subject` talk to `other` on this port? `service_port`: what the client dialled.

    `later`: of labels of `other` by which a rule misses it nothing is said yet, but that it does.
    """

    direction: Direction
    subject: PodEnd
    other: End
    protocol: Protocol
    port: int
    service_port: int | None = None
    family: Family | None = None
    later: bool = False


def matched(view: View, rule: CompiledRule, other: End, families: tuple[Family, ...]) -> bool:
    """Say whether any peer of a rule is, or may be, the other end."""
    return any(peers_match(view, rule, other, family) is not Truth.NO for family in families)


def families_of(view: View, packet: Packet) -> tuple[Family, ...]:
    """Return the address families by which the two may talk."""
    if packet.family is not None:
        return (packet.family,)
    if isinstance(packet.other, Outside):
        return (packet.other.block.family,)
    return packet.other.families or view.families()


def peer_misses(view: View, compiled: CompiledPolicy, rule: CompiledRule, packet: Packet) -> Iterator[Miss | Lack]:
    """Yield, of each peer that misses by one thing, what that is."""
    for peer in rule.peers or ():
        misses = [*_of_peer(view, compiled, peer, packet)]
        if len(misses) == 1:
            yield misses[0]


def _of_peer(view: View, compiled: CompiledPolicy, peer: Peer, packet: Packet) -> Iterator[Miss | Lack]:
    """Yield what keeps one peer from being the other end; of a place, a node or a Service there is nothing to say."""
    other = packet.other
    pod_class = other.pod_class if isinstance(other, PodEnd) and not other.pod_class.host_network else None
    match peer:
        case PodMatch() if pod_class is not None:
            yield from _pod_miss(view, peer, pod_class, packet)
        case PodMatch() if isinstance(other, PodEnd) and view.dialect.nodes.host_pods is Truth.NO:
            found = [*_pod_miss(view, peer, other.pod_class, packet)]
            yield from found or (Miss(0, "podLabels", _named(peer), ON_HOST),)
            yield from (FAR,) if found else ()
        case PodMatch() if isinstance(other, Outside):
            yield _global(view, peer, other)
        case EndpointPeer(test) if pod_class is not None:
            yield from of_expression(view, test, pod_class)
        case BlockPeer():
            yield from _block_miss(view, peer, packet)
        case AllOf(peers):
            families = families_of(view, packet)
            for part in peers:
                if not matched(view, CompiledRule(compiled.ref, (part,)), other, families):
                    yield from [*_of_peer(view, compiled, part, packet)] or (FAR,)
        case _:
            yield FAR


def _global(view: View, peer: PodMatch, other: Outside) -> Miss:
    """Return the miss of a selector that means a set without a namespace, and is read as pods of the policy's own."""
    peers = view.dialect.peers
    if not peer.own or not peer.namespace or not peer.pods.requirements:
        return FAR
    for one in peers.address_sets:
        holds = any(block.covers(other.block) for block in one.blocks)
        if holds and peer.pods.matches(one.labels) is Truth.YES:
            return Miss(0, "namespace", peer.namespace, f"{one.name}, which needs {peers.of_no_namespace}")
    return FAR


def _pod_miss(view: View, peer: PodMatch, pod_class: PodClass, packet: Packet) -> Iterator[Miss | Lack]:
    if packet.later:
        lacks = (one for one in peer.pods.requirements if one.matches(pod_class.labels) is not Truth.YES)
        yield from (Lack(one, str(one)) for one in lacks)
    else:
        yield from of_labels(peer.pods, pod_class.labels, "podLabels")
    if peer.namespace is not None:
        if peer.namespace != pod_class.namespace:
            yield Miss(1, "namespace", peer.namespace, pod_class.namespace)
    else:
        namespace = view.namespaces.get(pod_class.namespace)
        yield from of_labels(peer.namespaces, namespace.labels, "namespaceLabels", synthetic=namespace.synthetic)


def _named(peer: PodMatch) -> str:
    """Return whom a peer names: its pods by their labels, else all of its namespaces."""
    if peer.pods.requirements:
        return f"pods with {peer.pods}"
    return f"pods of namespace {peer.namespace}" if peer.namespace else f"pods of namespaces with {peer.namespaces}"


def _block_miss(view: View, peer: BlockPeer, packet: Packet) -> Iterator[Miss]:
    other = packet.other
    address = other.block if isinstance(other, Outside) else None
    if isinstance(other, PodEnd) and (own := other.address(packet.family or peer.block.family)) is not None:
        address = own.block
    if address is None or address.family != peer.block.family:
        return
    want = f"{peer.block} except {', '.join(map(str, peer.excepts))}" if peer.excepts else str(peer.block)
    if isinstance(other, PodEnd) and peer.pods is not Truth.YES and peer.block.covers(address):
        want += " outside the cluster"
    have = str(address).removesuffix("/32").removesuffix("/128")
    node = node_of(view, other) if isinstance(other, Outside) else None
    if node is not None and peer.nodes is not Truth.YES and peer.block.covers(address):
        entities = entities_of(view, address, packet.port)
        have += f", of node {node.name}: no block holds nodes under {view.dialect.name}, write {entities}"
    yield Miss(2, "cidr", want, have)
