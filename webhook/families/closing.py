"""What follows a policy's own rules where others are asked before its pods are denied (`Dialect.closing`)."""

from collections.abc import Iterator

from msgspec import structs

from webhook.model.dialect import Dialect
from webhook.model.policy import Direction
from webhook.model.tier import Entry, Isolation, Place, PlacePeer, with_entries

_LOCAL = (PlacePeer(Place.OWN_NODE),)
_UNSURE = "is open to its own node, and whether that comes before the Baseline tier is not known"


def following(base: Isolation, dialect: Dialect, *, isolates: bool) -> Iterator[Isolation]:
    """Yield the pieces for the pods of `base` that come after all rules: open to their own node, then closed."""
    if base.direction is Direction.INGRESS:
        for tier, rank, sure in dialect.from_own_node:
            entry = Entry(base.ref, _LOCAL, conditional=None if sure else _UNSURE)
            yield with_entries(structs.replace(base, tier=tier, rank=rank, isolates=False), (entry,))
    if isolates and dialect.closing is not None:
        yield with_entries(structs.replace(base, tier=dialect.closing, rank=(), isolates=True), ())
