"""What is known of a cluster, live or out of a snapshot: values, gaps, and what to say of them."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from webhook.model.foreign import Gap
from webhook.report.run import Failure
from webhook.report.safe import clean
from webhook.wire.objects import DECLARING, Projected
from webhook.wire.shapes import Malformed
from webhook.wiring.gaps import FAMILIES, kind_name, without
from webhook.wiring.snapshot import Snapshot, State, restored, shown
from webhook.world.changes import Value

if TYPE_CHECKING:
    from webhook.wiring.list_once import ListedCluster

THEN: Final = "forbidden when the snapshot was taken"
NETWORK_POLICY: Final = "NetworkPolicy.networking.k8s.io"
INBOUND: Final = {kind_name(kind, group): (group, kind) for group, kind in DECLARING}
UNNEEDED: Final = frozenset({"Node", "ConfigMap", "ServiceAccount", *INBOUND})  # without them nothing is judged wrong


class ClusterSnapshot(Struct, frozen=True):
    """`complete`: what is not in `values` does not exist. `notes`: what a person should know of that."""

    taken: datetime
    cluster: str
    values: tuple[Value, ...]
    complete: bool
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()


def of_snapshot(path: str, snapshot: Snapshot) -> ClusterSnapshot:
    """Return what a snapshot says. An object that cannot be read is a failure; the others count."""
    found = contents(snapshot)
    return ClusterSnapshot(
        snapshot.taken,
        snapshot.cluster,
        (*found.values, *gaps(snapshot.kinds, {})),
        complete=not snapshot.namespaces and not any(lost(snapshot.kinds)),
        failures=tuple(Failure(path, 0, text) for text in found.broken),
        notes=tuple(f"{clean(path)}: {note}" for note in notes(snapshot.kinds, {}, snapshot.namespaces)),
    )


def of_cluster(taken: datetime, listed: "ListedCluster[Projected]") -> ClusterSnapshot:
    """Return what a cluster says. An object that the API server took and we cannot read is left out, and named."""
    return ClusterSnapshot(
        taken,
        listed.cluster,
        (*listed.found, *gaps(listed.kinds, listed.reasons)),
        complete=not any(lost(listed.kinds)),
        notes=(*notes(listed.kinds, listed.reasons), *(clean(f"left out: {one}") for one in listed.unreadable)),
    )


def notes(kinds: Mapping[str, State], reasons: Mapping[str, str], namespaces: Iterable[str] = ()) -> Iterator[str]:
    """Yield what is not known and what that does to answers."""
    if some := ", ".join(namespaces):
        yield f"of namespaces {clean(some)} only: what is elsewhere is not known"
    partial = set(lost(kinds))
    if declaring := [name for name in forbidden(kinds) if name in INBOUND]:
        why = reasons.get(declaring[0], THEN) if len(declaring) == 1 else "forbidden"
        effect = without(INBOUND[name] for name in declaring)
        yield clean(f"{', '.join(declaring)} may not be read ({why}): {effect}")
    for name in forbidden(kinds):
        if name in INBOUND:
            continue
        if name in partial:
            effect = "the world is partial, what is not in it may exist all the same"
        elif name in UNNEEDED:
            effect = "less is known"
        else:
            effect = "verdicts that such a policy may decide are unknown"
        yield clean(f"{name} may not be read ({reasons.get(name, THEN)}): {effect}")


class Contents(Struct):
    """What a world is made of. `broken`: objects that cannot be read, as `objects[3]: why`."""

    values: list[Projected] = []
    broken: list[str] = []


def contents(snapshot: Snapshot) -> Contents:
    """Return the values of a snapshot's objects."""
    found = Contents()
    for index, record in enumerate(snapshot.objects):
        try:
            value = restored(record)
        except (Malformed, msgspec.ValidationError) as error:
            found.broken.append(f"objects[{index}]: {shown(str(error))}")
            continue
        if value is not None:
            found.values.append(value)
    return found


def gaps(kinds: Mapping[str, State], reasons: Mapping[str, str]) -> Iterator[Gap]:
    """Yield a gap for each kind of policy that may not be read: what it may select cannot be judged."""
    for group, kind in (("networking.k8s.io", "NetworkPolicy"), *FAMILIES):
        name = kind_name(kind, group)
        if kinds.get(name) == "forbidden":
            yield Gap(kind, group, reasons.get(name, THEN))


def lost(kinds: Mapping[str, State]) -> Iterator[str]:
    """Yield kinds that may not be read and are no policies, so that what is not there may exist all the same."""
    policies = {NETWORK_POLICY, *(kind_name(kind, group) for group, kind in FAMILIES)}
    for name, state in kinds.items():
        if state == "forbidden" and name not in policies and name not in UNNEEDED:
            yield name


def forbidden(kinds: Mapping[str, State]) -> list[str]:
    """Return the kinds that may not be read, sorted."""
    return sorted(name for name, state in kinds.items() if state == "forbidden")
