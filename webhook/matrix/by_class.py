"""What each class of pods reaches among the others, on every address family that both ends have."""

from webhook.evaluate.portset import EVERYTHING, NOTHING, PortSet, intersection
from webhook.matrix.allowed_sets import Opening
from webhook.matrix.bits import Bits, members
from webhook.matrix.classes import Classes
from webhook.matrix.join import Behaviour, by_source
from webhook.matrix.nodes import Needed
from webhook.matrix.parts import Parts, added, granted, overlap, within
from webhook.matrix.subjects import Kind
from webhook.matrix.tunnels import Tunnels
from webhook.model.addresses import Family
from webhook.model.policy import Direction
from webhook.model.truth import Truth

Opened = dict[Direction, list[tuple[Kind, Opening]]]
Strangers = dict[int, Bits]


def reached(
    classes: Classes, by_family: dict[Family, Opened], strangers: Strangers, tunnels: Tunnels, *, sure: bool
) -> list[Parts]:
    """Return by class whom it surely reaches, or whom it possibly does, by the rules.

    One family stands for both where no policy of the view asks for addresses.
    """

    def joined(family: Family, here: Bits, there: Bits) -> list[Parts]:
        return tunnels.carried(_joined(classes, by_family[family], here, there, sure=sure), here, there, sure=sure)

    if len(by_family) == 1:
        (family,) = by_family
        return joined(family, classes.pods, classes.pods)
    four, six = (joined(family, classes.on[family], classes.on[family]) for family in by_family)
    found = [_on_both(classes, source, *each) for source, each in enumerate(zip(four, six, strict=True))]
    for here, there in _apart(classes):
        rest = enumerate(joined(4, here, there))
        known = (within(parts, ~strangers.get(source, 0)) for source, parts in rest)
        found = list(map(added, found, known))
    if not sure:
        for source, targets in strangers.items():
            found[source] = added(found[source], {EVERYTHING: targets})
    return found


def no_common_family(classes: Classes, by_family: dict[Family, Opened]) -> Strangers:
    """Return by class those of which nothing can be told: addresses matter, and no family of these is in common."""
    if len(by_family) == 1:
        return {}
    hosts = classes.host_network
    asking = {d: _asking(by_family[4][d]) for d in Direction}
    found: Strangers = {}
    for here, there in _apart(classes):
        for source in members(here):
            targets = 0
            for direction in Direction:
                of_hosts, of_pods = asking[direction]
                if direction is Direction.INGRESS:
                    targets |= of_hosts if hosts >> source & 1 else of_pods
                else:
                    targets |= (hosts if of_hosts >> source & 1 else 0) | (~hosts if of_pods >> source & 1 else 0)
            if targets := there if classes.apart else there & targets:
                found[source] = targets
    return found


def _asking(some: list[tuple[Kind, Opening]]) -> tuple[Bits, Bits]:
    """Return the classes whose rules ask for the addresses of hosts, and of pods."""
    of_hosts = sum(kind.classes for kind, _ in some if kind.by_address)
    return of_hosts, sum(kind.classes for kind, _ in some if kind.pods_apart)


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


class Sides:
    """What the rules of each class open on its own side, for pairs of which one is a node to the other."""

    def __init__(self, classes: Classes, by_family: dict[Family, Opened], strangers: Strangers) -> None:
        """Look at the classes one by one."""
        self._classes = classes
        self._strangers = strangers
        self._of: dict[Family, dict[Direction, dict[int, tuple[Kind, Opening]]]] = {
            family: {d: {one: pair for pair in some for one in members(pair[0].classes)} for d, some in opened.items()}
            for family, opened in by_family.items()
        }

    def ports(self, one: int, other: int, needed: tuple[Needed, Needed], wanted: Truth) -> PortSet:
        """Return the ports on which the rules of each side answer what is needed, on every family of both ends."""
        unknown = EVERYTHING if wanted is Truth.MAYBE else NOTHING
        if self._strangers.get(one, 0) >> other & 1:
            return unknown
        on = self._classes.on
        common = [family for family in self._of if on[family] >> one & on[family] >> other & 1]
        found = EVERYTHING
        for family in common or list(self._of)[:1]:
            egress, ingress = self._of[family][Direction.EGRESS][one], self._of[family][Direction.INGRESS][other]
            if family in self._classes.view.dialect.families or not (egress[0].selected or ingress[0].selected):
                found = intersection(found, _enough(egress[1], other, needed[0]))
                found = intersection(found, _enough(ingress[1], one, needed[1]))
            else:
                found = intersection(found, unknown)
        return found


def _enough(opening: Opening, end: int, needed: Needed) -> PortSet:
    if needed is Truth.NO:
        return EVERYTHING
    return NOTHING if needed is None else granted(opening.sure if needed is Truth.YES else opening.possible, end)
