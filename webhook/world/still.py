"""A world that is read once and asked often."""

from collections.abc import Iterable

from webhook.model.addresses import Block, Family
from webhook.model.objects import Pod
from webhook.model.refs import WorkloadRef
from webhook.model.settings import DEFAULTS, Settings
from webhook.world.changes import Change
from webhook.world.view import Group
from webhook.world.world import World


class Still(World):
    """Remembers answers until anything changes: for commands, which judge a whole cluster at a time.

    A webhook's world changes too often, and judges too little between two changes, for that to pay.
    """

    def __init__(self, settings: Settings = DEFAULTS, *, complete: bool) -> None:
        """Start empty."""
        super().__init__(settings, complete=complete)
        self._forget()

    def _forget(self) -> None:
        self._groups: dict[str, tuple[Group, ...]] = {}
        self._pods_of: dict[WorkloadRef, tuple[Pod, ...]] = {}
        self._blocks: dict[Family, tuple[Block, ...]] = {}
        self._families: tuple[Family, ...] = ()

    def apply(self, changes: Iterable[Change]) -> None:
        """Apply changes in order."""
        self._forget()
        super().apply(changes)

    def groups(self, namespace: str) -> tuple[Group, ...]:
        """Return everybody of a namespace."""
        if namespace not in self._groups:
            self._groups[namespace] = super().groups(namespace)
        return self._groups[namespace]

    def pods_of(self, ref: WorkloadRef) -> tuple[Pod, ...]:
        """Return the live pods below `ref`, by name."""
        if ref not in self._pods_of:
            self._pods_of[ref] = super().pods_of(ref)
        return self._pods_of[ref]

    def families(self) -> tuple[Family, ...]:
        """Return the address families that pods have; IPv4 where nothing tells."""
        self._families = self._families or super().families()
        return self._families

    def pod_blocks(self, family: Family) -> tuple[Block, ...]:
        """Return the blocks that new pods get their addresses from; empty: not known."""
        if family not in self._blocks:
            self._blocks[family] = super().pod_blocks(family)
        return self._blocks[family]
