"""How much of the cluster is known: "not yet listed" and "empty" differ by type."""

from enum import Enum

from msgspec import Struct

from webhook.cluster.kinds import Kind


class Phase(Enum):
    """Where one kind stands."""

    WAITING = "not yet listed"
    LIVE = "listed and watched"
    BEHIND = "listed, and what changed since may be missing"
    FORBIDDEN = "may not be read"
    ABSENT = "not served"


class Standing(Struct, frozen=True):
    """One kind: its phase, the last trouble ("" for none), and when the server was last heard of it.

    `heard` is in seconds of the watcher's monotonic clock; None: never.
    """

    kind: Kind
    phase: Phase = Phase.WAITING
    reason: str = ""
    heard: float | None = None


class Listing(Struct, frozen=True):
    """Not all kinds that may be read have been listed yet: nothing may be judged. Never empty."""

    waiting_for: tuple[Standing, ...]


class Live(Struct, frozen=True):
    """Every kind that may be read has been listed once.

    `unknown`: kinds that may not be read or are not served; whatever depends on them is not decided.
    `behind`: kinds whose watch is interrupted.
    """

    unknown: tuple[Standing, ...] = ()
    behind: tuple[Standing, ...] = ()


State = Listing | Live


def overall(standings: tuple[Standing, ...]) -> State:
    """Sum up the kinds."""
    if waiting := tuple(one for one in standings if one.phase is Phase.WAITING):
        return Listing(waiting)
    return Live(
        unknown=tuple(one for one in standings if one.phase in (Phase.FORBIDDEN, Phase.ABSENT)),
        behind=tuple(one for one in standings if one.phase is Phase.BEHIND),
    )
