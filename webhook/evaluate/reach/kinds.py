"""Classes put together that the same isolations select: what one side opens is worked out once for all of them."""

from collections.abc import Sequence

from msgspec import Struct

from webhook.evaluate.reach.bits import Bits, bits_of, members
from webhook.evaluate.reach.classes import Classes
from webhook.evaluate.reach.peers import Peers
from webhook.model.objects import Shape
from webhook.model.policy import Direction
from webhook.model.ports import ContainerPort, NamedPort
from webhook.model.tier import Isolation

Chosen = tuple[tuple[int, ...], tuple[int, ...]]  # by number: isolations that surely select, and that may
Names = tuple[ContainerPort, ...]


class Kind(Struct, frozen=True):
    """Classes that the same isolations select, and that resolve port names alike.

    `sure` isolate every pod of it, `doubtful` may; nothing isolates pods on the host network. `in_doubt`: something
    may decide that is not evaluated.
    """

    sure: tuple[Isolation, ...]
    doubtful: tuple[Isolation, ...]
    subject: Shape
    classes: Bits
    by_address: bool
    in_doubt: bool


def kinds_of(classes: Classes, peers: Peers, direction: Direction, isolations: Sequence[Isolation]) -> list[Kind]:
    """Put classes together; port names matter where a rule has one."""
    sure: list[list[int]] = [[] for _ in classes.all]
    doubtful: list[list[int]] = [[] for _ in classes.all]
    for number, isolation in enumerate(isolations):
        here = classes.by_namespace.get(isolation.namespace, 0)
        surely, possibly = (0, here) if isolation.subject is None else peers.select(isolation.subject, here)
        if isolation.unclear is not None:
            surely = 0
        for one in members(surely):
            sure[one].append(number)
        for one in members(possibly & ~surely):
            doubtful[one].append(number)
    named = {n for n, i in enumerate(isolations) if direction is Direction.INGRESS and names_ports(i)}
    found: dict[tuple[Chosen, Names, bool, bool], list[int]] = {}
    for one, kind in enumerate(classes.all):
        chosen = (tuple(sure[one]), tuple(doubtful[one]))
        names = kind.shape.ports if named and not named.isdisjoint(chosen[0] + chosen[1]) else ()
        found.setdefault((chosen, names, kind.shape.host_network, direction in kind.doubts), []).append(one)
    kinds = []
    for (numbers, _, _, in_doubt), some in found.items():
        selecting, perhaps = (tuple(isolations[n] for n in each) for each in numbers)
        shape = classes.all[some[0]].shape
        by_address = not shape.host_network and any(one.by_address for one in selecting + perhaps)
        kinds.append(Kind(selecting, perhaps, shape, bits_of(some), by_address, in_doubt))
    return kinds


def names_ports(isolation: Isolation) -> bool:
    """Say whether a rule gives a port by its name."""
    return any(isinstance(port, NamedPort) for entry in isolation.entries for port in entry.ports or ())
