"""Who may enforce policy: a module holds one enforcer, or several of one make, as records; all modules here count.

Whatever is true of one product alone is said here, and in the policy family that is its own.
"""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from webhook.enforcers.record import Enforcer, Found, Reader
from webhook.model.crd_policies import CompileContext
from webhook.model.truth import Truth

__all__ = ["AGENTS", "ENFORCERS", "NAMESPACES", "REJECTING", "Enforcer", "Found", "in_force"]


def _records() -> Iterator[Enforcer]:
    for module in iter_modules(__path__):
        found: tuple[Enforcer, ...] = getattr(import_module(f"{__name__}.{module.name}"), "RECORDS", ())
        yield from found


ENFORCERS: Final[dict[str, Enforcer]] = {one.name: one for one in sorted(_records(), key=lambda one: one.name)}
AGENTS: Final[dict[str, tuple[Enforcer, Reader]]] = {
    name: (one, reader) for one in ENFORCERS.values() for name, reader in one.agents.items()
}
REJECTING: Final = {  # those that surely answer by a refusal what policy denies first
    name: one.title or name
    for truth in (Truth.YES, Truth.MAYBE)
    for name, one in ENFORCERS.items()
    if one.dialect is not None and one.dialect(CompileContext()).rejects is truth
}
NAMESPACES: Final = frozenset({"kube-system"}.union(*(one.namespaces for one in ENFORCERS.values())))


def in_force(group: str, enforcer: str) -> bool:
    """Say whether `enforcer` may enforce objects of an API group; one that is not known may enforce all."""
    known = ENFORCERS.get(enforcer)
    return known is None or known.groups is None or group in known.groups
