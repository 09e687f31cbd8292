"""What workloads may send to addresses outside the cluster, and get from them."""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Final

from webhook.evaluate.reach.actors import Actor
from webhook.evaluate.reach.bits import members
from webhook.evaluate.reach.classes import Classes
from webhook.evaluate.reach.kinds import Kind
from webhook.evaluate.reach.opening import Opening
from webhook.evaluate.reach.parts import Parts, overlap, within
from webhook.model.addresses import FAMILIES, Family

Addresses = Mapping[Family, list[int]]
NOBODY: Final[Parts] = {}


def outside(classes: Classes, opened: Iterable[tuple[Kind, Opening]], *, sure: bool) -> list[Parts]:
    """Return by workload which pieces of the addresses outside are open, to every pod of it."""
    by_class: list[Parts] = [NOBODY] * len(classes.all)
    for kind, opening in opened:
        parts = within(opening.sure if sure else opening.possible, classes.outside)
        for one in members(kind.classes):
            by_class[one] = parts
    shared: dict[tuple[int, ...], Parts] = {}
    for of in classes.of:
        if of not in shared:
            shared[of] = reduce(overlap, (by_class[one] for one in of))
    return [shared[of] for of in classes.of]


def taken(actors: Sequence[Actor]) -> Addresses:
    """Return the addresses that pods have of their own, sorted: these stand in a matrix as their pods."""
    found: dict[Family, set[int]] = {family: set() for family in FAMILIES}
    for actor in actors:
        for end in actor.ends:
            for address in end.addresses if not end.shape.host_network else ():
                found[address.family].add(address.value)
    return {family: sorted(values) for family, values in found.items()}
