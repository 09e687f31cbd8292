"""Who lets out, joined with who lets in, at the cost of what is open rather than of all pairs."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from webhook.evaluate.portset import PortSet, intersection
from webhook.matrix.bits import Bits, members
from webhook.matrix.parts import Parts

FEW: Final = 64  # a set of peers of at most this size is walked; a larger one is met from the other side

Row = tuple[Bits, Bits, PortSet]  # every one of these, to every one of those, on these ports


class Behaviour(Struct, frozen=True):
    """Classes that let through the same in one direction, each of `peers` on its ports."""

    classes: Bits
    peers: Parts


def join(egress: list[Behaviour], ingress: list[Behaviour]) -> Iterator[Row]:
    """Yield every (sources, destinations, ports) that both sides open; no pair of classes comes twice."""
    owner = {t: g for g, behaviour in enumerate(ingress) for t in members(behaviour.classes)}
    everybody = sum(behaviour.classes for behaviour in ingress)
    narrow, wide = _by_source(ingress, sum(behaviour.classes for behaviour in egress))
    for behaviour in egress:
        sources = members(behaviour.classes)
        for ports, peers in behaviour.peers.items():
            targets = peers & everybody
            if targets.bit_count() <= FEW:
                groups = {owner[t] for t in members(targets)}
            else:
                groups = {g for s in sources for g in narrow.get(s, ())} | wide
            for group in groups:
                yield from _between(behaviour.classes, targets, ports, ingress[group])


def _by_source(ingress: list[Behaviour], senders: Bits) -> tuple[dict[int, set[int]], set[int]]:
    narrow: dict[int, set[int]] = {}
    wide: set[int] = set()
    for number, behaviour in enumerate(ingress):
        for peers in behaviour.peers.values():
            sources = peers & senders
            if sources.bit_count() <= FEW:
                for source in members(sources):
                    narrow.setdefault(source, set()).add(number)
            else:
                wide.add(number)
    return narrow, wide


def _between(sources: Bits, targets: Bits, ports: PortSet, behaviour: Behaviour) -> Iterator[Row]:
    reached = targets & behaviour.classes
    if not reached:
        return
    for open_ports, admitted in behaviour.peers.items():
        let_in = sources & admitted
        if let_in and (both := intersection(ports, open_ports)):
            yield let_in, reached, both


def by_source(egress: list[Behaviour], ingress: list[Behaviour], count: int) -> list[Parts]:
    """Return for each of `count` classes what it reaches."""
    found: list[Parts] = [{} for _ in range(count)]
    for sources, targets, ports in join(egress, ingress):
        for source in members(sources):
            parts = found[source]
            parts[ports] = parts.get(ports, 0) | targets
    return found
