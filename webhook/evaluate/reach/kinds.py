"""Classes put together that the same isolations select: what one side opens is worked out once for all of them."""

from msgspec import Struct

from webhook.evaluate.reach.classes import Bits, Classes, members
from webhook.model.objects import Shape
from webhook.model.policy import Direction
from webhook.model.ports import NamedPort
from webhook.model.tier import Isolation
from webhook.model.truth import Truth

Selecting = tuple[tuple[Isolation, Truth], ...]


class Kind(Struct, frozen=True):
    """Classes that the same isolations select, and that resolve port names alike."""

    selecting: Selecting
    subject: Shape
    classes: Bits


def kinds_of(classes: Classes, direction: Direction, isolations: list[Isolation]) -> list[Kind]:
    """Put classes together that the same isolations select; port names matter where a rule has one."""
    selecting: dict[int, list[int]] = {}
    doubtful: set[tuple[int, int]] = set()
    for number, isolation in enumerate(isolations):
        here = classes.by_namespace.get(isolation.namespace, 0)
        sure, possible = (0, here) if isolation.subject is None else classes.select(isolation.subject, here)
        for one in members(possible):
            selecting.setdefault(one, []).append(number)
        doubtful |= {(number, one) for one in members(possible if isolation.unclear else possible & ~sure)}
    named = {n for n, i in enumerate(isolations) if direction is Direction.INGRESS and _names_ports(i)}
    found: dict[object, tuple[int, Bits]] = {}
    for one, kind in enumerate(classes.all):
        chosen = tuple((n, (n, one) in doubtful) for n in selecting.get(one, ()))
        names = kind.shape.ports if any(n in named for n, _ in chosen) else ()
        key = (chosen, names, kind.shape.host_network)
        first, bits = found.get(key, (one, 0))
        found[key] = (first, bits | 1 << one)
    return [
        Kind(
            tuple(
                (isolations[n], Truth.MAYBE if (n, first) in doubtful else Truth.YES) for n in selecting.get(first, ())
            ),
            classes.all[first].shape,
            bits,
        )
        for first, bits in found.values()
    ]


def _names_ports(isolation: Isolation) -> bool:
    return any(isinstance(port, NamedPort) for entry in isolation.entries for port in entry.ports or ())
