"""Both sides joined: the same whichever side is walked, and what asking every pair finds."""

from random import Random
from typing import Final

from hypothesis import event, given
from hypothesis import strategies as st

from webhook.matrix.sets import (
    EVERYTHING,
    NOTHING,
    Behaviour,
    Bits,
    Parts,
    PortSet,
    bits_of,
    by_source,
    granted,
    intersection,
    interval,
    members,
)

PORTS: Final = (EVERYTHING, interval("TCP", 80, 90), interval("TCP", 85, 99), interval("UDP", 53, 53))


def behaviours(random: Random, count: int) -> list[Behaviour]:
    """Return kinds of classes, each of which opens disjoint sets of `count` peers and of one address beyond them."""
    kinds: dict[int, list[int]] = {}
    for one in range(count):
        kinds.setdefault(random.randrange(count), []).append(one)
    return [Behaviour(bits_of(some), parts(random, count + 1)) for some in kinds.values()]


def parts(random: Random, count: int) -> Parts:
    found: dict[PortSet, list[int]] = {}
    share = random.choice((0.05, 0.5, 0.95))
    for one in range(count):
        if random.random() < share:
            found.setdefault(random.choice(PORTS), []).append(one)
    return {ports: bits_of(some) for ports, some in found.items()}


def pair_by_pair(egress: list[Behaviour], ingress: list[Behaviour], count: int) -> dict[tuple[int, int], PortSet]:
    """Return what every pair of classes has open, asked one by one."""

    def opened(some: list[Behaviour], one: int, other: int) -> PortSet:
        return next((granted(kind.peers, other) for kind in some if kind.classes >> one & 1), NOTHING)

    each = ((a, b) for a in range(count) for b in range(count))
    found = {(a, b): intersection(opened(egress, a, b), opened(ingress, b, a)) for a, b in each}
    return {pair: ports for pair, ports in found.items() if ports}


def listed(by_class: list[Parts]) -> dict[tuple[int, int], PortSet]:
    """Return the same of what was joined; no peer has two sets of ports."""
    found: dict[tuple[int, int], PortSet] = {}
    for source, opened in enumerate(by_class):
        seen: Bits = 0
        for ports, who in opened.items():
            assert not seen & who
            seen |= who
            found |= {(source, target): ports for target in members(who)}
    return found


@given(st.randoms(use_true_random=False), st.integers(1, 24))
def test_the_join_finds_what_every_pair_has_open_whichever_side_it_walks(random: Random, count: int) -> None:
    egress, ingress = behaviours(random, count), behaviours(random, count)
    expected = pair_by_pair(egress, ingress, count)
    event(f"open {bool(expected)}")
    for few in (0, 3, count):
        assert listed(by_source(egress, ingress, count, few=few)) == expected
