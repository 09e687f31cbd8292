"""Who may enforce policy: a module holds one enforcer, or several of one make, as records; all modules here count.

Whatever is true of one product alone is said here, and in the policy family that is its own.
"""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from webhook.enforcers.record import Enforcer, Found, Reader

__all__ = ["AGENTS", "ENFORCERS", "NAMESPACES", "Enforcer", "Found", "in_force"]


def _records() -> Iterator[Enforcer]:
    for module in iter_modules(__path__):
        found: tuple[Enforcer, ...] = getattr(import_module(f"{__name__}.{module.name}"), "RECORDS", ())
        yield from found


ENFORCERS: Final[dict[str, Enforcer]] = {one.name: one for one in sorted(_records(), key=lambda one: one.name)}
AGENTS: Final[dict[str, tuple[Enforcer, Reader]]] = {
    name: (one, reader) for one in ENFORCERS.values() for name, reader in one.agents.items()
}
NAMESPACES: Final = frozenset({"kube-system"}.union(*(one.namespaces for one in ENFORCERS.values())))


def in_force(group: str, enforcer: str) -> bool:
    """Say whether `enforcer` may enforce objects of an API group; one that is not known may enforce all."""
    known = ENFORCERS.get(enforcer)
    return known is None or known.groups is None or group in known.groups
