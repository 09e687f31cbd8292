"""Pairs of pods whose mesh may carry a connection to another port: `evaluate.mesh` says which, and what follows."""

from collections.abc import Callable, Sequence
from typing import Final

from webhook.evaluate.mesh import Membership, tunnel
from webhook.evaluate.portset import PortSet, difference, holds, interval, union
from webhook.matrix.bits import Bits
from webhook.matrix.classes import Classes
from webhook.matrix.parts import Parts, within
from webhook.model.ports import FIRST_PORT, LAST_PORT

TCP: Final = interval("TCP", FIRST_PORT, LAST_PORT)  # meshes carry nothing else


class Tunnels:
    """Where packets between classes of pods may go instead."""

    def __init__(self, classes: Classes, unselected: tuple[Bits, Bits]) -> None:
        """Look at the classes that are in a mesh. `unselected`: those whose egress, and ingress, no policy is about."""
        self._classes = classes
        self._free_out, self._free_in = unselected
        self._of = {mesh: self._from(mesh) for mesh in classes.meshes}

    def _from(self, mesh: Membership) -> list[tuple[int | None, Bits]]:
        found: dict[int | None, Bits] = {}
        for other, bits in self._classes.meshes.items():
            way = tunnel(mesh, other)
            if way is not None:
                found[way.port] = found.get(way.port, 0) | bits
        return list(found.items())

    def carried(self, by_class: Sequence[Parts], here: Bits, there: Bits, *, sure: bool) -> list[Parts]:
        """Return by class whom it reaches: surely where both ports are open, possibly where one of them may be.

        `here`, `there`: the classes that are asked about, as sources and as targets.
        """
        if not self._of:
            return list(by_class)
        each = enumerate(by_class)
        return [self._of_class(n, parts, there, sure=sure) if here >> n & 1 else parts for n, parts in each]

    def _of_class(self, one: int, parts: Parts, there: Bits, *, sure: bool) -> Parts:
        for port, targets in self._of.get(self._classes.all[one].mesh, ()):
            if port is None:
                quiet = self._free_in if self._free_out >> one & 1 else 0
                parts = _unsure(parts, targets & there & ~quiet, sure=sure)
                continue
            through = sum(who for ports, who in parts.items() if holds(ports, "TCP", port))
            hit = targets & ~through if sure else targets & through
            parts = _unsure(parts, hit, sure=sure)
        return parts


def _unsure(parts: Parts, targets: Bits, *, sure: bool) -> Parts:
    """Return what is open where nothing is sure of TCP to `targets`."""
    change: Callable[[PortSet, PortSet], PortSet] = difference if sure else union
    if not targets:
        return parts
    found = within(parts, ~targets)
    rest = targets
    for ports, who in within(parts, targets).items():
        rest &= ~who
        if changed := change(ports, TCP):
            found[changed] = found.get(changed, 0) | who
    if rest and not sure:
        found[TCP] = found.get(TCP, 0) | rest
    return found
