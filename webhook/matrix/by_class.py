"""What each class of pods reaches among the others, on every address family that both ends have."""

from webhook.evaluate.portset import EVERYTHING
from webhook.matrix.allowed_sets import Opening
from webhook.matrix.bits import Bits, members
from webhook.matrix.classes import Classes
from webhook.matrix.join import Behaviour, by_source
from webhook.matrix.parts import Parts, added, overlap, within
from webhook.matrix.subjects import Kind
from webhook.model.addresses import Family
from webhook.model.policy import Direction

Opened = dict[Direction, list[tuple[Kind, Opening]]]
Strangers = dict[int, Bits]


def reached(classes: Classes, by_family: dict[Family, Opened], strangers: Strangers, *, sure: bool) -> list[Parts]:
    """Return by class whom it surely reaches, or whom it possibly does.

    One family stands for both where no policy of the view asks for addresses.
    """
    if len(by_family) == 1:
        (some,) = by_family.values()
        return _joined(classes, some, classes.pods, classes.pods, sure=sure)
    four, six = (_joined(classes, by_family[f], classes.on[f], classes.on[f], sure=sure) for f in by_family)
    found = [_on_both(classes, source, *each) for source, each in enumerate(zip(four, six, strict=True))]
    for here, there in _apart(classes):
        free = {d: [(k, o) for k, o in by_family[4][d] if not k.by_address] for d in Direction}
        found = list(map(added, found, _joined(classes, free, here, there, sure=sure)))
    if not sure:
        for source, targets in strangers.items():
            found[source] = added(found[source], {EVERYTHING: targets})
    return found


def strangers(classes: Classes, by_family: dict[Family, Opened]) -> Strangers:
    """Return by class those of which nothing can be told: a rule asks for addresses, and no family is in common."""
    if len(by_family) == 1:
        return {}
    asking = {d: sum(k.classes for k, _ in by_family[4][d] if k.by_address) for d in Direction}
    found: Strangers = {}
    for here, there in _apart(classes):
        for source in members(here):
            targets = there if asking[Direction.EGRESS] >> source & 1 else there & asking[Direction.INGRESS]
            if targets:
                found[source] = targets
    return found


def _apart(classes: Classes) -> list[tuple[Bits, Bits]]:
    """Return who has no address family in common with whom."""
    four, six = classes.on[4] & ~classes.on[6], classes.on[6] & ~classes.on[4]
    return [(four, six), (six, four)] if four and six else []


def _on_both(classes: Classes, source: int, four: Parts, six: Parts) -> Parts:
    """Join the answers of one source on both families; what both ends have must pass on both."""
    both = classes.on[4] & classes.on[6]
    if four == six:
        return four
    if not both >> source & 1:
        return four or six
    common = overlap(within(four, both), within(six, both))
    return added(common, added(within(four, ~both), within(six, ~both)))


def _joined(classes: Classes, some: Opened, here: Bits, there: Bits, *, sure: bool) -> list[Parts]:
    def behaviours(direction: Direction, among: Bits) -> list[Behaviour]:
        each = (Behaviour(k.classes & among, o.sure if sure else o.possible) for k, o in some[direction])
        return [behaviour for behaviour in each if behaviour.classes]

    return by_source(behaviours(Direction.EGRESS, here), behaviours(Direction.INGRESS, there), len(classes.all))
