"""Policy families: one module each, which compiles its objects to the same ordered tiers when they arrive.

A new family is its module and its line in FAMILIES; nothing else knows which there are.
"""

from typing import Final

from webhook.families import admin, calico, cilium, opaque, others
from webhook.families.family import NOTHING, Compiled, Family
from webhook.families.networkpolicy import compile_policy
from webhook.families.surroundings import Surroundings
from webhook.model.dialect import GENERIC, Dialect, Kind, Standing
from webhook.model.foreign import Foreign, in_force
from webhook.model.policy import Direction
from webhook.model.tier import Action, Entry, Tier, piece
from webhook.wire import meta
from webhook.wire.foreign import foreign
from webhook.wire.objects import Projected
from webhook.wire.objects import project as project_known
from webhook.wire.shapes import Malformed, Raw

__all__ = [
    "POLICIES",
    "REFERENCES",
    "WIDE",
    "Surroundings",
    "compile_foreign",
    "compile_policy",
    "dialect_of",
    "project",
]

FAMILIES: Final[tuple[Family, ...]] = (admin.FAMILY, calico.FAMILY, cilium.FAMILY, opaque.FAMILY, others.FAMILY)
POLICIES: Final[dict[Kind, Family]] = {kind: family for family in FAMILIES for kind in family.policies}
REFERENCES: Final[frozenset[Kind]] = frozenset(kind for family in FAMILIES for kind in family.references)
WIDE: Final[frozenset[Kind]] = frozenset(kind for family in FAMILIES for kind in family.wide)
_FIRST: Final = Tier(float("-inf"), "")
_DIALECTS: Final = {name: said for family in FAMILIES for name, said in family.dialects.items()}


def project(raw: Raw, default_namespace: str = "default") -> Projected | None:
    """Read one object of any kind that a verdict depends on. None: not a kind of ours. Raises Malformed."""
    kind, version = raw.get("kind"), raw.get("apiVersion")
    if isinstance(kind, str) and isinstance(version, str):
        known = (version.rpartition("/")[0], kind)
        if known in POLICIES or known in REFERENCES:
            return foreign(raw, None if known in WIDE else meta.namespace(raw, default_namespace))
    return project_known(raw, default_namespace)


def dialect_of(surroundings: Surroundings) -> Dialect:
    """Return how the enforcer reads policies; one of its own that no family describes reads them as the API says."""
    name = surroundings.enforcer.name
    if "+" in name:
        return others.several(name.split("+"))
    said = _DIALECTS.get(name)
    return GENERIC if said is None else said(surroundings)


def standing_of(kind: Kind, surroundings: Surroundings) -> Standing:
    """Say what becomes of a kind of policy under this enforcer."""
    dialect = surroundings.dialect
    if kind in dialect.evaluated:
        return Standing.EVALUATED
    if kind in dialect.inert or not in_force(kind[0], surroundings.enforcer.name):
        return Standing.INERT
    return Standing.DOUBTFUL


def compile_foreign(value: Foreign, surroundings: Surroundings) -> Compiled:
    """Compile a policy: what nothing enforces comes to nothing, what is not understood may do anything."""
    kind = (value.group, value.ref.kind)
    family = POLICIES.get(kind)
    standing = standing_of(kind, surroundings)
    if family is None or standing is Standing.INERT:
        return NOTHING
    try:
        if standing is Standing.EVALUATED:
            return family.compile(value, surroundings)
        why = "its kind is not evaluated here"
    except Malformed as error:
        why = str(error)
    return anything(value, why)


def anything(value: Foreign, why: str) -> Compiled:
    """Return the pieces of a policy that may let through or drop anything of whatever it may select."""
    entries = tuple(Entry(value.ref, unclear=why, action=action) for action in (Action.ALLOW, Action.DENY))
    scope = family.scope(value) if (family := POLICIES.get((value.group, value.ref.kind))) else None
    namespace = value.namespace or ""
    pieces = tuple(piece(value.ref, d, entries, _FIRST, namespace=namespace, scope=scope) for d in Direction)
    return Compiled(pieces, (why,))
