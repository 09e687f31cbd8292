"""Who lets out, joined with who lets in, at the cost of what is open rather than of all pairs."""

from collections.abc import Iterator

from msgspec import Struct

from webhook.evaluate.portset import PortSet, intersection
from webhook.evaluate.reach.classes import Bits, members
from webhook.evaluate.reach.parts import Parts

FEW = 64  # a set of peers of at most this size is walked; a larger one is met from the other side

Row = tuple[Bits, Bits, PortSet]  # every one of these, to every one of those, on these ports


class Behaviour(Struct, frozen=True):
    """Classes that let through the same in one direction."""

    classes: Bits
    parts: Parts


def join(egress: list[Behaviour], ingress: list[Behaviour]) -> Iterator[Row]:
    """Yield every (sources, destinations, ports) that both sides open; class pairs come once a port set."""
    owner = {t: g for g, behaviour in enumerate(ingress) for t in members(behaviour.classes)}
    narrow, wide = _by_source(ingress)
    for behaviour in egress:
        sources = list(members(behaviour.classes))
        for ports, targets in behaviour.parts.items():
            if not ports:
                continue
            if targets.bit_count() <= FEW:
                groups = {owner[t] for t in members(targets)}
            else:
                groups = {g for s in sources for g in narrow.get(s, ())} | wide
            for group in sorted(groups):
                yield from _between(behaviour.classes, targets, ports, ingress[group])


def _by_source(ingress: list[Behaviour]) -> tuple[dict[int, set[int]], set[int]]:
    narrow: dict[int, set[int]] = {}
    wide: set[int] = set()
    for number, behaviour in enumerate(ingress):
        for ports, sources in behaviour.parts.items():
            if ports and sources.bit_count() <= FEW:
                for source in members(sources):
                    narrow.setdefault(source, set()).add(number)
            elif ports:
                wide.add(number)
    return narrow, wide


def _between(sources: Bits, targets: Bits, ports: PortSet, behaviour: Behaviour) -> Iterator[Row]:
    reached = targets & behaviour.classes
    if not reached:
        return
    for open_ports, admitted in behaviour.parts.items():
        let_in = sources & admitted
        if let_in and open_ports and (both := intersection(ports, open_ports)):
            yield let_in, reached, both
