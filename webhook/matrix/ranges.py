"""What workloads may send to addresses outside the cluster, and get from them."""

from collections.abc import Mapping, Sequence
from typing import Final

from webhook.matrix.bits import members
from webhook.matrix.by_class import Opened
from webhook.matrix.classes import Classes
from webhook.matrix.parts import Parts, added, within
from webhook.matrix.workloads import WorkloadPods
from webhook.model.addresses import FAMILIES, Family
from webhook.model.policy import Direction

Addresses = Mapping[Family, list[int]]
NOBODY: Final[Parts] = {}


def outside(classes: Classes, direction: Direction, by_family: Mapping[Family, Opened], *, sure: bool) -> list[Parts]:
    """Return by class which pieces of the addresses outside are open."""
    by_class: list[Parts] = [NOBODY] * len(classes.all)
    below = len(classes.all)
    for (kind, four), (_, six) in zip(*(by_family[family][direction] for family in FAMILIES), strict=True):
        each = [opening.sure if sure else opening.possible for opening in (four, six)]
        if each[0] is each[1]:
            parts = within(each[0], classes.outside)
        else:
            of_families = (classes.pieces.of(family) << below for family in FAMILIES)
            parts = added(*(within(some, pieces) for some, pieces in zip(each, of_families, strict=True)))
        for one in members(kind.classes):
            by_class[one] = parts
    return by_class


def taken(workloads: Sequence[WorkloadPods]) -> Addresses:
    """Return the addresses that pods have of their own, sorted: these stand in a matrix as their pods."""
    found: dict[Family, set[int]] = {family: set() for family in FAMILIES}
    for one in workloads:
        for end in (member.end for member in one.members):
            for address in end.addresses if not end.shape.host_network else ():
                found[address.family].add(address.value)
    return {family: sorted(values) for family, values in found.items()}
