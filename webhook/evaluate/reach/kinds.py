"""Classes put together that the same isolations select: what one side opens is worked out once for all of them."""

from collections.abc import Sequence

from msgspec import Struct

from webhook.evaluate.reach.bits import Bits, bits_of, members
from webhook.evaluate.reach.classes import Classes
from webhook.evaluate.reach.peers import Peers
from webhook.model.objects import Shape
from webhook.model.policy import Direction
from webhook.model.ports import NamedPort
from webhook.model.tier import Isolation


class Kind(Struct, frozen=True):
    """Classes that the same isolations select, and that resolve port names alike.

    `sure` isolate every pod of it, `doubtful` may; nothing isolates pods on the host network.
    """

    sure: tuple[Isolation, ...]
    doubtful: tuple[Isolation, ...]
    subject: Shape
    classes: Bits
    by_address: bool


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
    found: dict[object, list[int]] = {}
    for one, kind in enumerate(classes.all):
        chosen = (tuple(sure[one]), tuple(doubtful[one]))
        names = kind.shape.ports if named and not named.isdisjoint(chosen[0] + chosen[1]) else ()
        found.setdefault((chosen, names, kind.shape.host_network), []).append(one)
    return [_kind(classes, isolations, sure[some[0]], doubtful[some[0]], some) for some in found.values()]


def _kind(
    classes: Classes, isolations: Sequence[Isolation], sure: list[int], doubtful: list[int], some: list[int]
) -> Kind:
    surely, perhaps = (tuple(isolations[n] for n in numbers) for numbers in (sure, doubtful))
    by_address = any(isolation.by_address for isolation in surely + perhaps)
    return Kind(surely, perhaps, classes.all[some[0]].shape, bits_of(some), by_address)


def names_ports(isolation: Isolation) -> bool:
    """Say whether a rule gives a port by its name."""
    return any(isinstance(port, NamedPort) for entry in isolation.entries for port in entry.ports or ())
