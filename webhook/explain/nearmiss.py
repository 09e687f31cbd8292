"""Rules that would let the packet through but for one thing: what a person most often got wrong."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Final, cast

from msgspec import Struct

from webhook.evaluate.ends import End, Outside, PodEnd
from webhook.evaluate.match import ANY_KEY, peers_match, ports_match
from webhook.families.networkpolicy import compile_section
from webhook.model.addresses import Family
from webhook.model.labels import NO_KEYS, Labels, Requirement, Selector
from webhook.model.objects import Shape
from webhook.model.policy import BlockPeer, Direction, Policy, Section
from webhook.model.ports import NamedPort, PortMatch, PortRange, Protocol
from webhook.model.refs import PolicyRef
from webhook.model.tier import Entry, Isolation, PodMatch
from webhook.model.truth import Truth
from webhook.model.verdict import NearMiss
from webhook.world import View

MOST: Final = 3
_SIMILAR: Final = 0.6  # of difflib's ratio: `webapi` and `web-api` are 0.92 alike, `web` and `cache` 0.25


class Packet(Struct, frozen=True):
    """One side's question: may `subject` talk to `other` on this port? `service_port`: what the client dialled."""

    direction: Direction
    subject: PodEnd
    other: End
    protocol: Protocol
    port: int
    service_port: int | None = None
    family: Family | None = None


class _Miss(Struct, frozen=True, order=True):
    rank: int
    field: str
    want: str
    have: str


_FAR: Final = _Miss(99, "", "", "")  # more than one thing away


def near_misses(view: View, packet: Packet) -> tuple[NearMiss, ...]:
    """Return at most three near misses among the policies of the subject's namespace, nearest first."""
    key = (near_misses, packet, view.families())
    known = view.memo.get(key)
    if known is None:
        known = view.memo[key] = _near_misses(view, packet)
    return cast("tuple[NearMiss, ...]", known)


def _near_misses(view: View, packet: Packet) -> tuple[NearMiss, ...]:
    found = {
        (miss.rank, NearMiss(ref, miss.field, miss.want, miss.have))
        for policy in view.policies(packet.subject.shape.namespace).values()
        for ref, miss in _of_policy(view, policy, packet)
    }
    return tuple(near for _, near in sorted(found)[:MOST])


def _of_policy(view: View, policy: Policy, packet: Packet) -> Iterator[tuple[PolicyRef, _Miss]]:
    if policy.unreadable is not None or policy.subject is None:
        return
    missed = list(_labels(policy.subject, packet.subject.shape.labels, "podLabels"))
    idle = dict(policy.idle).get(packet.direction)
    section = policy.section(packet.direction) or idle
    if section is None or len(missed) > 1:
        return
    isolation = _compiled(view, policy, packet.direction, section)
    if idle is not None and policy.section(packet.direction) is None:
        types = "+".join(d.value for d in Direction if policy.section(d) is not None)
        missed.append(_Miss(0, "policyTypes", packet.direction.value, types or "none"))
    if len(missed) > 1:
        return
    for entry in isolation.entries:
        misses = [*missed, *_of_entry(view, isolation, entry, packet)]
        if len(misses) == 1 and misses[0] is not _FAR:
            yield entry.ref, misses[0]


def _compiled(view: View, policy: Policy, direction: Direction, section: Section) -> Isolation:
    """Compile a section once a view: the memo is emptied when a policy changes."""
    key = (_compiled, policy.ref, direction)
    found = view.memo.get(key)
    if not isinstance(found, Isolation):
        found = view.memo[key] = compile_section(policy, direction, section, view.dialect)[0]
    return found


def _of_entry(view: View, isolation: Isolation, entry: Entry, packet: Packet) -> Iterator[_Miss]:
    """Yield one miss for each part of the entry that does not match; several make it no near miss."""
    if entry.unclear is not None:
        yield _FAR
        return
    target: Shape | None = packet.subject.shape
    if packet.direction is Direction.EGRESS:
        target = packet.other.shape if isinstance(packet.other, PodEnd) else None
    if ports_match(entry.ports, packet.protocol, packet.port, target) is Truth.NO:
        yield min(_port_misses(entry, packet, target), default=_FAR)
    if all(peers_match(view, entry, packet.other, family) is Truth.NO for family in _families(view, packet)):
        yield min(_peer_misses(view, isolation, entry, packet), default=_FAR)


def _families(view: View, packet: Packet) -> tuple[Family, ...]:
    if packet.family is not None:
        return (packet.family,)
    return (packet.other.families if isinstance(packet.other, PodEnd) else ()) or view.families()


def _port_misses(entry: Entry, packet: Packet, target: Shape | None) -> Iterator[_Miss]:
    have = f"{packet.port}/{packet.protocol}"
    for port in entry.ports or ():
        if port.protocol != packet.protocol:
            if _spoken(port, packet.port, packet.protocol, target):
                yield _Miss(1, "protocol", port.protocol, packet.protocol)
        elif packet.service_port is not None and _spoken(port, packet.service_port, packet.protocol, None):
            yield _Miss(0, "port", str(port), have)
        elif _is_about_pods(entry):
            yield _Miss(3, "port", str(port), have)


def _spoken(port: PortMatch, number: int, protocol: Protocol, target: Shape | None) -> bool:
    """Say whether the entry would be about that number if it were written for `protocol`."""
    alike = (
        PortRange(protocol, port.first, port.last) if isinstance(port, PortRange) else NamedPort(protocol, port.name)
    )
    return ports_match((alike,), protocol, number, target) is Truth.YES


def _is_about_pods(entry: Entry) -> bool:
    """Say whether a rule names pods: one for anybody on another port (DNS) is about something else."""
    return any(isinstance(match, PodMatch) and bool(match.pods.requirements) for match in entry.matches or ())


def _peer_misses(view: View, isolation: Isolation, entry: Entry, packet: Packet) -> Iterator[_Miss]:
    other = packet.other
    for match in entry.matches or ():
        if isinstance(match, PodMatch) and isinstance(other, PodEnd) and not other.shape.host_network:
            yield from _pod_miss(view, isolation, match, other.shape)
        if isinstance(match, BlockPeer):
            yield from _block_miss(match, other, packet.family)


def _pod_miss(view: View, isolation: Isolation, match: PodMatch, shape: Shape) -> Iterator[_Miss]:
    labels = list(_labels(match.pods, shape.labels, "podLabels"))
    if match.own:
        if match.namespace != shape.namespace:
            labels.append(_Miss(1, "namespace", isolation.namespace, shape.namespace))
    else:
        namespace = view.namespace(shape.namespace)
        labels += _labels(match.namespaces, namespace.labels, "namespaceLabels", synthetic=namespace.synthetic)
    if len(labels) == 1:
        yield labels[0]


def _block_miss(peer: BlockPeer, other: End, family: Family | None) -> Iterator[_Miss]:
    address = other.block if isinstance(other, Outside) else None
    if isinstance(other, PodEnd) and (own := other.address(family or peer.block.family)) is not None:
        address = own.block
    if address is None or address.family != peer.block.family:
        return
    want = f"{peer.block} except {', '.join(map(str, peer.excepts))}" if peer.excepts else str(peer.block)
    yield _Miss(2, "cidr", want, str(address).removesuffix("/32").removesuffix("/128"))


def _labels(selector: Selector, labels: Labels, field: str, *, synthetic: bool = False) -> Iterator[_Miss]:
    keys = ANY_KEY if synthetic else NO_KEYS
    missed = [r for r in selector.requirements if r.matches(labels, keys) is not Truth.YES]
    if len(missed) > 1:
        yield from (_FAR,) * len(missed)  # no near miss, whatever they are: their words are not needed
    else:
        yield from (_label_miss(requirement, labels, field) for requirement in missed)


def _label_miss(requirement: Requirement, labels: Labels, field: str) -> _Miss:
    value = labels.get(requirement.key)
    have = f"{requirement.key}={value}" if value is not None else f"no {requirement.key}"
    alike = value is not None and any(_similar(value, wanted) for wanted in requirement.values)
    return _Miss(0 if alike else 2, field, str(requirement), have)


@lru_cache(maxsize=4_096)  # in one namespace the same few names meet again and again
def _similar(value: str, wanted: str) -> bool:
    return SequenceMatcher(None, value, wanted).ratio() >= _SIMILAR
