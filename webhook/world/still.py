"""A world that is read once and asked often."""

from collections.abc import Iterable

from webhook.model.settings import DEFAULTS, Settings
from webhook.world.changes import Change
from webhook.world.view import Group
from webhook.world.world import World


class Still(World):
    """Remembers who is in a namespace until anything changes: for commands, which judge a whole cluster at a time.

    A webhook's world changes too often, and judges too little between two changes, for that to pay.
    """

    def __init__(self, settings: Settings = DEFAULTS, *, complete: bool) -> None:
        """Start empty."""
        super().__init__(settings, complete=complete)
        self._groups: dict[str, tuple[Group, ...]] = {}

    def apply(self, changes: Iterable[Change]) -> None:
        """Apply changes in order."""
        self._groups.clear()
        super().apply(changes)

    def groups(self, namespace: str) -> tuple[Group, ...]:
        """Return everybody of a namespace."""
        if namespace not in self._groups:
            self._groups[namespace] = super().groups(namespace)
        return self._groups[namespace]
