"""The addresses that a cluster gives to its own pods and Services, sorted: a block finds those in it at once."""

from bisect import bisect_left
from functools import cached_property

from webhook.model.addresses import Address, Block, Family
from webhook.world import View

Owned = tuple[Block, str]  # and whose it is


class Own:
    """The ranges and addresses of one view, of which nothing changes meanwhile."""

    def __init__(self, view: View) -> None:
        """Look at nothing yet."""
        self.view = view

    def overlap(self, block: Block, excepts: tuple[Block, ...]) -> tuple[str, str] | None:
        """Return a range that `block` reaches into and does not except, and whose it is.

        The ranges of pods come first, then the lowest address of a pod or a Service.
        """
        for pool in self.view.pod_blocks(block.family):
            if block.overlaps(pool) and not any(e.covers(pool) for e in excepts):
                return str(pool), "pods"
        addresses = self._addresses.get(block.family, [])
        for place in range(bisect_left(addresses, block.first, key=_value), len(addresses)):
            address, owner = addresses[place]
            if address.first > block.last:
                break
            if not any(e.covers(address) for e in excepts):
                return str(Address(address.family, address.first)), owner
        return None

    @cached_property
    def _addresses(self) -> dict[Family, list[Owned]]:
        found: dict[Family, dict[Block, str]] = {}
        for namespace in self.view.namespaces():
            for group in self.view.groups(namespace):
                for address in (a for pod in group.pods if not pod.shape.host_network for a in pod.addresses):
                    found.setdefault(address.family, {}).setdefault(address.block, f"pod {group.ref.short}")
            for service in self.view.services(namespace):
                for address in service.cluster_ips:
                    owner = f"Service {service.namespace}/{service.name}"
                    found.setdefault(address.family, {}).setdefault(address.block, owner)
        return {family: sorted(some.items()) for family, some in found.items()}


def _value(one: Owned) -> int:
    return one[0].first
