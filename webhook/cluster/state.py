"""How much of the cluster is known: "not yet listed" and "empty" differ by type."""

from collections.abc import Iterable
from enum import Enum

from msgspec import Struct

from webhook.cluster.kinds import Collection, Kind


class Phase(Enum):
    """Where one collection stands."""

    WAITING = "not yet listed"
    LIVE = "listed and watched"
    BEHIND = "listed, and what changed since may be missing"
    FORBIDDEN = "may not be read"
    ABSENT = "not served"

    @property
    def listed(self) -> bool:
        """Whether the sink has the collection, if not as of this moment."""
        return self in (Phase.LIVE, Phase.BEHIND)


class Standing(Struct, frozen=True):
    """One collection: its phase, the last trouble ("" for none), and when the server was last heard of it.

    `heard` is in seconds of the watcher's clock; None: never.
    """

    where: Collection
    phase: Phase = Phase.WAITING
    reason: str = ""
    heard: float | None = None

    @property
    def kind(self) -> Kind:
        """What is in it."""
        return self.where.kind

    def age(self, now: float) -> float | None:
        """Return how many seconds ago the server was last heard of it, never less than 0; None: never heard."""
        return None if self.heard is None else max(0.0, now - self.heard)


class Listing(Struct, frozen=True):
    """Not all that may be read has been listed yet: nothing may be judged. Never empty."""

    waiting_for: tuple[Standing, ...]


class Live(Struct, frozen=True):
    """Everything that may be read has been listed once.

    `unknown`: what may not be read or is not served; whatever depends on it is not decided.
    `behind`: those whose watch is interrupted.
    """

    unknown: tuple[Standing, ...] = ()
    behind: tuple[Standing, ...] = ()


State = Listing | Live


def overall(standings: Iterable[Standing]) -> State:
    """Sum up."""
    every = tuple(standings)
    if waiting := tuple(one for one in every if one.phase is Phase.WAITING):
        return Listing(waiting)
    return Live(
        unknown=tuple(one for one in every if one.phase in (Phase.FORBIDDEN, Phase.ABSENT)),
        behind=tuple(one for one in every if one.phase is Phase.BEHIND),
    )
