"""Which kinds of policy are not known at the moment: whatever one of them may select cannot be judged."""

from collections.abc import Iterable, Iterator
from typing import Final

from webhook.cluster.kinds import DISCOVERY, Collection, Standing
from webhook.families import POLICIES, REFERENCES
from webhook.model.foreign import Gap
from webhook.wire.inbound_others import BINDINGS
from webhook.wire.objects import DECLARING
from webhook.world import Change, Drop, Put

FAMILIES: Final = frozenset(kind for kind in (*POLICIES, *REFERENCES) if kind[0])  # API group, kind
FOUND: Final = FAMILIES | DECLARING  # all that is read if it is served, and looked for again and again


def without(kinds: Iterable[tuple[str, str]]) -> str:
    """Say what is not judged without kinds that declare something, by API group and kind."""
    some = set(kinds)
    ways = "the ways in that they declare" if len(some - BINDINGS) > 1 else "the ways in that it declares"
    if some <= BINDINGS:
        return "who needs the API server by its rights is not inferred"
    return f"{ways} are not judged" + (", nor who needs the API server by its rights" if some & BINDINGS else "")


class Gaps:
    """Follows the standings of policy families, and keeps a world's gaps in step."""

    def __init__(self) -> None:
        """Start with nothing heard."""
        self._heard: dict[Collection, Standing] = {}
        self._gaps: dict[tuple[str, str], Gap] = {}

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
        gaps = {(gap.group, gap.kind): gap for gap in _gaps(self._heard.values())}
        before, self._gaps = self._gaps, gaps
        gone: list[Change] = [Drop("Gap", group, kind) for group, kind in before if (group, kind) not in gaps]
        return gone + [Put(gap) for key, gap in gaps.items() if before.get(key) != gap]


def _gaps(standings: Iterable[Standing]) -> Iterator[Gap]:
    every = list(standings)
    known = {(one.kind.group, one.kind.name) for one in every}
    for one in every:
        if one.phase.listed:
            continue
        reason = one.reason or one.phase.value
        if one.kind == DISCOVERY:  # what is served is not known: it may be any
            yield from (Gap(kind, group, reason) for group, kind in sorted(FAMILIES - known))
        else:
            yield Gap(one.kind.name, one.kind.group, reason)


def kind_name(kind: str, group: str) -> str:
    """Return `Pod`, `Deployment.apps`: what apimachinery calls a GroupKind."""
    return f"{kind}.{group}" if group else kind
