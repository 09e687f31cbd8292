"""Classes put together that the same isolations select: what one side opens is worked out once for all of them."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from webhook.matrix.bits import Bits, bits_of, members
from webhook.matrix.class_keys import is_near
from webhook.matrix.classes import Classes
from webhook.matrix.peers import Pair, Peers
from webhook.model.addresses import FAMILIES
from webhook.model.objects import Shape
from webhook.model.policy import Direction
from webhook.model.ports import NamedPort
from webhook.model.tier import Action, Entry, Isolation

Chosen = tuple[tuple[int, ...], tuple[int, ...]]  # by number: isolations that surely select, and that may


class Subject(Struct, frozen=True):
    """What rules may ask of the pods that they select: one class of them, its shape, and its node where one asks."""

    number: int
    shape: Shape
    node: str


class Kind(Struct, frozen=True):
    """Classes that the same isolations select, and that answer alike what the rules of these ask of their subject.

    `sure` isolate every pod of it, `doubtful` may; nothing isolates pods on the host network. `lists`: these are allow
    lists of one tier, which have no order. `in_doubt`: something may decide that is not evaluated. `by_address`,
    `pods_apart`: as of pieces (`model.tier.Isolation`).
    """

    sure: tuple[Isolation, ...]
    doubtful: tuple[Isolation, ...]
    subject: Subject
    classes: Bits
    by_address: bool
    pods_apart: bool
    lists: bool
    in_doubt: bool

    @property
    def selected(self) -> bool:
        """Whether any policy is about these pods; none is about those on the host network."""
        return not self.subject.shape.host_network and bool(self.sure or self.doubtful)


class Trait(Struct, frozen=True):
    """How a piece is to be worked with.

    `names`: its port names resolve on the subject. `own`: entries that ask what the subject is. `near`: one asks who is
    on the subject's node. `lists`: it only isolates and allows. `plain`: its rules mean the same for all subjects.
    """

    names: bool
    own: tuple[Entry, ...]
    near: bool
    lists: bool
    plain: bool


class Traits:
    """The traits of pieces, by their place in memory: they live as long as the matrix is worked out."""

    def __init__(self, direction: Direction) -> None:
        """Look at pieces of one direction."""
        self.direction = direction
        self._found: dict[int, Trait] = {}

    def of(self, isolation: Isolation) -> Trait:
        """Return the traits of a piece."""
        found = self._found.get(id(isolation))
        if found is None:
            found = self._found[id(isolation)] = self._look(isolation)
        return found

    def _look(self, isolation: Isolation) -> Trait:
        names = near = False
        lists = isolation.isolates
        own: list[Entry] = []
        for entry in isolation.entries:
            lists = lists and entry.action is Action.ALLOW
            names = names or (self.direction is Direction.INGRESS and names_ports(entry))
            near = near or (isolation.by_address and any(map(is_near, entry.matches or ())))
            if entry.own is not None:
                own.append(entry)
        return Trait(names, tuple(own), near, lists, plain=not (names or near or own))


def names_ports(entry: Entry) -> bool:
    """Say whether a rule gives a port by its name."""
    return any(isinstance(port, NamedPort) for port in (*(entry.ports or ()), *entry.not_ports))


def kinds_of(classes: Classes, peers: Peers, every: Traits, isolations: Sequence[Isolation]) -> list[Kind]:
    """Put classes together; what a rule asks of its subject matters where there is such a rule."""
    traits = [every.of(isolation) for isolation in isolations]
    unordered = len({i.tier for i in isolations}) <= 1 and all(trait.lists for trait in traits)
    asking = {number for number, trait in enumerate(traits) if not trait.plain}
    owns = {n: [peers.any_of(e.own or (), f) for e in traits[n].own for f in FAMILIES] for n in asking}
    found: dict[tuple[Chosen, object, bool, bool], list[int]] = {}
    for one, chosen in enumerate(_chosen(classes, peers, isolations)):
        kind = classes.all[one]
        here = asking.intersection(chosen[0] + chosen[1]) if asking else ()
        answers = _answers(one, classes, [(traits[n], owns[n]) for n in sorted(here)]) if here else ()
        found.setdefault((chosen, answers, kind.shape.host_network, every.direction in kind.doubts), []).append(one)
    kinds = []
    for (numbers, _, host_network, in_doubt), some in found.items():
        sure, doubtful = (tuple(isolations[n] for n in each) for each in numbers)
        first = classes.all[some[0]]
        policed = () if host_network else sure + doubtful
        addresses = any(one.by_address for one in policed), any(one.pods_apart for one in policed)
        lists = unordered or _are_lists(sure + doubtful, [traits[n] for n in numbers[0] + numbers[1]])
        subject = Subject(some[0], first.shape, first.node)
        kinds.append(Kind(sure, doubtful, subject, bits_of(some), *addresses, lists, in_doubt))
    return kinds


def _are_lists(isolations: Sequence[Isolation], traits: Iterable[Trait]) -> bool:
    return all(trait.lists for trait in traits) and len({isolation.tier for isolation in isolations}) <= 1


def _answers(one: int, classes: Classes, asked: Sequence[tuple[Trait, Sequence[Pair]]]) -> object:
    """Return what a class answers to the rules that select it."""
    kind = classes.all[one]
    names = kind.shape.ports if any(trait.names for trait, _ in asked) else ()
    node = kind.node if any(trait.near for trait, _ in asked) else ""
    own = tuple((sure >> one & 1, possible >> one & 1) for _, pairs in asked for sure, possible in pairs)
    return names, node, own


def _chosen(classes: Classes, peers: Peers, isolations: Sequence[Isolation]) -> list[Chosen]:
    """Return by class which pieces select it."""
    sure: list[list[int]] = [[] for _ in classes.all]
    doubtful: list[list[int]] = [[] for _ in classes.all]
    for number, isolation in enumerate(isolations):
        here = classes.by_namespace.get(isolation.namespace, 0) if isolation.namespace else classes.pods
        surely, possibly = (0, here) if isolation.subject is None else peers.select(isolation.subject, here)
        if isolation.scope is not None:
            yes, maybe = peers.holding(isolation.scope)
            surely, possibly = surely & yes, possibly & maybe
        if isolation.unclear is not None:
            surely = 0
        for one in members(surely):
            sure[one].append(number)
        for one in members(possibly & ~surely):
            doubtful[one].append(number)
    return [(tuple(surely), tuple(perhaps)) for surely, perhaps in zip(sure, doubtful, strict=True)]
