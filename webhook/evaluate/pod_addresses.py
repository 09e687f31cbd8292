"""Addresses of pods that have none yet: from the blocks that are known, else, in files, private ones are supposed."""

from collections.abc import Iterable, Iterator
from typing import Final

from webhook.model.addresses import Address, Block, Family, parse_block
from webhook.model.objects import Shape
from webhook.model.policy import BlockPeer, Direction
from webhook.model.tier import Every, Match
from webhook.model.truth import Truth
from webhook.world import View

PRIVATE: Final[dict[Family, tuple[Block, ...]]] = {
    4: tuple(map(parse_block, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))),
    6: (parse_block("fc00::/7"),),
}
SUPPOSED: Final = "pods without an address are assumed to have private ones (RFC 1918, 100.64.0.0/10, fc00::/7)"


def supposed_blocks(view: View, family: Family) -> tuple[Block, ...]:
    """Return where the addresses of pods to come are supposed to be from; empty: that cannot be told."""
    if view.complete:
        return ()
    key = (supposed_blocks, family)
    if key not in view.memo:
        private = all(any(block.holds(a) for block in PRIVATE[a.family]) for a in _known(view) if a.family == family)
        view.memo[key] = private
    return PRIVATE[family] if view.memo[key] else ()


def _known(view: View) -> Iterator[Address]:
    for namespace in view.namespaces():
        for group in view.groups(namespace):
            view.budget.spend(len(group.pods))
            yield from (a for pod in group.pods if not pod.shape.host_network for a in pod.addresses)


def supposes(view: View, ends: Iterable[tuple[Shape, Direction]]) -> bool:
    """Say whether an answer about pods without an address may rest on what is supposed of it."""
    for shape, direction in ends:
        for isolation, _ in view.selecting(shape, direction):
            for entry in isolation.entries:
                if any(_decided(view, match) for match in entry.matches or ()):
                    return True
    return False


def _decided(view: View, match: Match) -> bool:
    if isinstance(match, Every):
        return any(_decided(view, one) for one in match.peers)
    if not isinstance(match, BlockPeer) or match.pods is Truth.NO or (match.block.prefix == 0 and not match.excepts):
        return False
    family = match.block.family
    return not view.pod_blocks(family) and not any(
        block.overlaps(match.block) for block in supposed_blocks(view, family)
    )
