"""Policy families: a module each, which compiles its objects to the same ordered tiers when they arrive.

A new family is its module and its line in `families.family`; nothing else knows which there are, and none is loaded
before an object of its kinds, or an enforcer that reads policy its way, is met.
"""

from functools import cache
from importlib import import_module
from typing import Final

from webhook.enforcers import ENFORCERS, in_force
from webhook.families.enforced import compile_policy
from webhook.families.family import FAMILIES, NOTHING, Compiled, Family
from webhook.model.crd_policies import CompileContext, CrdPolicy
from webhook.model.dialect import GENERIC, Certainty, Dialect, Kind, Support
from webhook.model.policy import Direction
from webhook.model.tier import Action, CompiledRule, Tier, compiled_policy
from webhook.wire import shapes
from webhook.wire.objects import UNSERVED, Projected, crd_policy
from webhook.wire.objects import project as project_known
from webhook.wire.shapes import Malformed, Raw

__all__ = ["POLICIES", "REFERENCES", "WIDE", "compile_foreign", "compile_policy", "dialect_of", "project"]

POLICIES: Final[dict[Kind, str]] = {kind: name for name, kinds in FAMILIES.items() for kind in kinds.policies}
REFERENCES: Final[frozenset[Kind]] = frozenset(kind for kinds in FAMILIES.values() for kind in kinds.references)
WIDE: Final[frozenset[Kind]] = frozenset(kind for kinds in FAMILIES.values() for kind in kinds.wide)
_FIRST: Final = Tier(float("-inf"), "")


@cache
def family_of(kind: Kind) -> Family | None:
    """Return the family of a kind of policy, loaded when it is first asked for; None: no kind of any."""
    return _loaded(POLICIES[kind]) if kind in POLICIES else None


@cache
def _loaded(name: str) -> Family:
    found: Family = import_module(f"{__name__}.{name}").FAMILY
    return found


def project(raw: Raw, default_namespace: str = "default") -> Projected | None:
    """Read one object of any kind that a verdict depends on. None: not a kind of ours. Raises Malformed."""
    kind, version = raw.get("kind"), raw.get("apiVersion")
    if isinstance(kind, str) and isinstance(version, str):
        known = (version.rpartition("/")[0], kind)
        if known in POLICIES or known in REFERENCES or known == UNSERVED:
            return crd_policy(raw, None if known in WIDE else shapes.namespace(raw, default_namespace))
    return project_known(raw, default_namespace)


def dialect_of(compile_context: CompileContext) -> Dialect:
    """Return how the enforcer reads policies; one of its own that no family describes reads them as the API says."""
    name = compile_context.enforcer.name
    if "+" in name:
        return _side_by_side(name.split("+"))
    record = ENFORCERS.get(name)
    if record is not None and record.dialect is not None:
        return record.dialect(compile_context)
    reading = _loaded(record.family if record else "admin").dialects.get(name)
    return GENERIC if reading is None else reading(compile_context)


def _side_by_side(names: list[str]) -> Dialect:
    """Return the dialect of enforcers that must all let a packet pass: nobody's, so that no policy is sure."""
    every = " and ".join(names)
    why = f"{every} enforce policy side by side, and each must let a packet pass"
    return Dialect("+".join(names), certainty=Certainty(network_policies=why))


def support_of(kind: Kind, compile_context: CompileContext) -> Support:
    """Say what becomes of a kind of policy under this enforcer."""
    dialect = compile_context.dialect
    if kind in dialect.evaluated:
        return Support.EVALUATED
    if kind in dialect.inert or not in_force(kind[0], compile_context.enforcer.name):
        return Support.INERT
    return Support.DOUBTFUL


def compile_crd_policy(value: CrdPolicy, compile_context: CompileContext) -> Compiled:
    """Compile a policy: one that nothing enforces has no rules, one that is not understood may do anything."""
    kind = (value.group, value.ref.kind)
    family = family_of(kind)
    support = support_of(kind, compile_context)
    if family is None or support is Support.INERT:
        return NOTHING
    try:
        if support is Support.EVALUATED:
            return family.compile(value, compile_context)
        why = "its kind is not evaluated here"
    except Malformed as error:
        why = str(error)
    return anything(value, why)


def anything(value: CrdPolicy, why: str) -> Compiled:
    """Return a policy, compiled, that may let through or drop anything of the pods that it may select."""
    rules = tuple(CompiledRule(value.ref, unclear=why, action=action) for action in (Action.ALLOW, Action.DENY))
    scope = family.scope(value) if (family := family_of((value.group, value.ref.kind))) else None
    namespace = value.namespace or ""
    policies = tuple(compiled_policy(value.ref, d, rules, _FIRST, namespace=namespace, scope=scope) for d in Direction)
    return Compiled(policies, (why,))
