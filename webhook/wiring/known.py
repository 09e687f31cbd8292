"""What is known of a cluster, live or out of a snapshot: values, gaps, and what to say of them."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from webhook.report.run import Failure
from webhook.report.safe import clean
from webhook.wiring.snapshot import INBOUND, UNNEEDED, Snapshot, State, contents, forbidden, gaps, lost
from webhook.world.changes import Value

if TYPE_CHECKING:
    from webhook.wire.objects import Projected
    from webhook.wiring.survey import Surveyed

THEN: Final = "forbidden when the snapshot was taken"


class Known(Struct, frozen=True):
    """`complete`: what is not in `values` does not exist. `notes`: what a person should know of that."""

    taken: datetime
    cluster: str
    values: tuple[Value, ...]
    complete: bool
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()


def of_snapshot(path: str, snapshot: Snapshot) -> Known:
    """Return what a snapshot says. An object that cannot be read is a failure; the others count."""
    found = contents(snapshot)
    return Known(
        snapshot.taken,
        snapshot.cluster,
        (*found.values, *gaps(snapshot.kinds, {})),
        complete=not snapshot.namespaces and not any(lost(snapshot.kinds)),
        failures=tuple(Failure(path, 0, text) for text in found.broken),
        notes=tuple(f"{clean(path)}: {note}" for note in notes(snapshot.kinds, {}, snapshot.namespaces)),
    )


def of_cluster(taken: datetime, surveyed: "Surveyed[Projected]") -> Known:
    """Return what a cluster says. An object that the API server took and we cannot read is left out, and named."""
    return Known(
        taken,
        surveyed.cluster,
        (*surveyed.found, *gaps(surveyed.kinds, surveyed.reasons)),
        complete=not any(lost(surveyed.kinds)),
        notes=(*notes(surveyed.kinds, surveyed.reasons), *(clean(f"left out: {one}") for one in surveyed.unreadable)),
    )


def notes(kinds: Mapping[str, State], reasons: Mapping[str, str], namespaces: Iterable[str] = ()) -> Iterator[str]:
    """Yield what is not known and what that does to answers."""
    if some := ", ".join(namespaces):
        yield f"of namespaces {clean(some)} only: what is elsewhere is not known"
    partial = set(lost(kinds))
    for name in forbidden(kinds):
        if name in partial:
            effect = "the world is partial, what is not in it may exist all the same"
        elif name in INBOUND:
            effect = "the ways in that it declares are not judged"
        elif name in UNNEEDED:
            effect = "less is known"
        else:
            effect = "verdicts that such a policy may decide are unknown"
        yield clean(f"{name} may not be read ({reasons.get(name, THEN)}): {effect}")
