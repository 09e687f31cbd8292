"""What is known of a cluster, live or out of a snapshot: values, gaps by kind, and what to say of them."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from webhook.cluster.kinds import DISCOVERY, Collection, Standing
from webhook.families import POLICIES, REFERENCES
from webhook.model.crd_policies import UnlistedKind
from webhook.report.safe import clean
from webhook.report.text import Failure
from webhook.wire.inbound_others import BINDINGS
from webhook.wire.objects import DECLARING, Projected
from webhook.wire.shapes import Malformed
from webhook.wiring.snapshot import Snapshot, State, restored, shown
from webhook.world import Change, Drop, Put
from webhook.world.changes import Value

if TYPE_CHECKING:
    from webhook.wiring.cluster_source import ListedCluster

FAMILIES: Final = frozenset(kind for kind in (*POLICIES, *REFERENCES) if kind[0])  # API group, kind
FOUND: Final = FAMILIES | DECLARING  # all that is read if it is served, and looked for again and again


def without(kinds: Iterable[tuple[str, str]]) -> str:
    """Say what is not judged without kinds that declare something, by API group and kind."""
    some = set(kinds)
    ways = "the ways in that they declare" if len(some - BINDINGS) > 1 else "the ways in that it declares"
    if some <= BINDINGS:
        return "who needs the API server by its rights is not inferred"
    return f"{ways} are not judged" + (", nor who needs the API server by its rights" if some & BINDINGS else "")


class UnlistedKinds:
    """Follows the standings of policy families, and keeps a world's gaps in step."""

    def __init__(self) -> None:
        """Start with nothing heard."""
        self._heard: dict[Collection, Standing] = {}
        self._unlisted_kinds: dict[tuple[str, str], UnlistedKind] = {}

    def hear(self, standing: Standing) -> list[Change]:
        """Take one standing; return what changes in the world."""
        if standing.kind != DISCOVERY and (standing.kind.group, standing.kind.name) not in FAMILIES:
            return []
        self._heard[standing.where] = standing
        return self._step()

    def forget(self, where: Collection) -> list[Change]:
        """Hear that a collection is not there any more; return what changes in the world."""
        return self._step() if self._heard.pop(where, None) else []

    def _step(self) -> list[Change]:
        unlisted_kinds = {
            (unlisted.group, unlisted.kind): unlisted for unlisted in _unlisted_kinds(self._heard.values())
        }
        before, self._unlisted_kinds = self._unlisted_kinds, unlisted_kinds
        gone: list[Change] = [
            Drop("UnlistedKind", group, kind) for group, kind in before if (group, kind) not in unlisted_kinds
        ]
        return gone + [Put(unlisted) for key, unlisted in unlisted_kinds.items() if before.get(key) != unlisted]


def _unlisted_kinds(standings: Iterable[Standing]) -> Iterator[UnlistedKind]:
    every = list(standings)
    known = {(one.kind.group, one.kind.name) for one in every}
    for one in every:
        if one.phase.listed:
            continue
        reason = one.reason or one.phase.value
        if one.kind == DISCOVERY:  # what is served is not known: it may be any
            yield from (UnlistedKind(kind, group, reason) for group, kind in sorted(FAMILIES - known))
        else:
            yield UnlistedKind(one.kind.name, one.kind.group, reason)


def kind_name(kind: str, group: str) -> str:
    """Return `Pod`, `Deployment.apps`: what apimachinery calls a GroupKind."""
    return f"{kind}.{group}" if group else kind


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
        (*found.values, *unlisted_kinds(snapshot.kinds, {})),
        complete=not snapshot.namespaces and not any(lost(snapshot.kinds)),
        failures=tuple(Failure(path, 0, text) for text in found.broken),
        notes=tuple(f"{clean(path)}: {note}" for note in notes(snapshot.kinds, {}, snapshot.namespaces)),
    )


def of_cluster(taken: datetime, listed: "ListedCluster[Projected]") -> ClusterSnapshot:
    """Return what a cluster says. An object that the API server took and we cannot read is left out, and named."""
    return ClusterSnapshot(
        taken,
        listed.cluster,
        (*listed.found, *unlisted_kinds(listed.kinds, listed.reasons)),
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


def unlisted_kinds(kinds: Mapping[str, State], reasons: Mapping[str, str]) -> Iterator[UnlistedKind]:
    """Yield a gap for each kind of policy that may not be read: what it may select cannot be judged."""
    for group, kind in (("networking.k8s.io", "NetworkPolicy"), *FAMILIES):
        name = kind_name(kind, group)
        if kinds.get(name) == "forbidden":
            yield UnlistedKind(kind, group, reasons.get(name, THEN))


def lost(kinds: Mapping[str, State]) -> Iterator[str]:
    """Yield kinds that may not be read and are no policies, so that what is not there may exist all the same."""
    policies = {NETWORK_POLICY, *(kind_name(kind, group) for group, kind in FAMILIES)}
    for name, state in kinds.items():
        if state == "forbidden" and name not in policies and name not in UNNEEDED:
            yield name


def forbidden(kinds: Mapping[str, State]) -> list[str]:
    """Return the kinds that may not be read, sorted."""
    return sorted(name for name, state in kinds.items() if state == "forbidden")
