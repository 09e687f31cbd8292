"""Kinds of policy that may not be read: whatever they may select cannot be judged."""

from collections.abc import Iterable
from typing import Final

from webhook.enforcers import in_force
from webhook.model.foreign import Doubt, Gap

NETWORKING: Final = "networking.k8s.io"


class Doubts:
    """An index of the kinds that are known only by name."""

    def __init__(self) -> None:
        """Start empty."""
        self.gaps: dict[tuple[str, str], Gap] = {}

    def put(self, gap: Gap) -> None:
        """Add or replace."""
        self.gaps[gap.kind, gap.group] = gap

    def drop(self, group: str, kind: str) -> None:
        """Remove, if it is here."""
        self.gaps.pop((kind, group), None)

    def under(self, enforcer: str) -> Doubt | None:
        """Return why no answer under `enforcer` can be trusted."""
        for gap in sorted(self.gaps.values(), key=lambda g: (g.group, g.kind)):
            if gap.group == NETWORKING or in_force(gap.group, enforcer):
                return Doubt((), f"{gap.kind}.{gap.group} may not be read ({gap.reason}), so that one may apply here")
        return None


def named(gaps: Iterable[Gap]) -> list[str]:
    """Return `kind.group` of each gap, sorted."""
    return sorted(f"{gap.kind}.{gap.group}" for gap in gaps)
