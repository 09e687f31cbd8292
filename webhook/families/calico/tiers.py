"""Tiers, and the precedence of policies in them, which depends on the version of Calico.

Source: `projectcalico/calico` felix/calc/policy_sorter.go, policy_resolver.go; api/pkg/apis/projectcalico/v3/tier.go.
"""

import re
from collections.abc import Iterator
from math import inf
from typing import Final

from msgspec import Struct

from webhook.enforcers.calico import STORED
from webhook.families.family import TIERS, doubt
from webhook.model.crd_policies import CompileContext, CrdPolicy
from webhook.model.tier import Precedence, Tier
from webhook.wire.shapes import Malformed, Raw, fail, mapping, shown, string

Version = tuple[int, int]
NEWEST: Final[Version] = (1000, 0)  # what is not told is read as the newest reads it
SINCE_FIRST_API: Final[Version] = (3, 29)  # AdminNetworkPolicy and BaselineAdminNetworkPolicy
SINCE_SECOND_API: Final[Version] = (3, 32)  # ClusterNetworkPolicy instead
NAMES_WITHOUT_PROTOCOL: Final[Version] = (3, 32)
TIES_BY_NAME: Final[Version] = (3, 32)  # before, by the name under which an object is stored
DAEMON_SETS: Final = ("calico-node", "canal", "rke2-canal")
_IMAGE: Final = re.compile(r"image=\S*?calico[^:\s]*:v?(\d{1,3})\.(\d{1,3})\.")
TO_HOST: Final = "FELIX_DEFAULTENDPOINTTOHOSTACTION="
DEFAULT: Final = Tier(1_000_000, "default")
ADMIN: Final = Tier(1000, "kube-admin")
BASELINE: Final = Tier(10_000_000, "kube-baseline")
FIRST_ADMIN: Final = Tier(1000, "adminnetworkpolicy")
FIRST_BASELINE: Final = Tier(10_000_000, "baselineadminnetworkpolicy")
_BUILT_IN: Final = {SINCE_SECOND_API: (ADMIN, BASELINE), SINCE_FIRST_API: (FIRST_ADMIN, FIRST_BASELINE)}
_HUGE: Final = 1e300  # beyond, and where it is none, a number has no order
OF_KUBERNETES: Final = 1000.0  # the order of Kubernetes' own NetworkPolicies in tier `default`


def flags(compile_context: CompileContext) -> Iterator[str]:
    """Yield the flags of Calico's DaemonSets."""
    for name in DAEMON_SETS:
        yield from compile_context.flags.get(name, ())


def version(compile_context: CompileContext) -> Version:
    """Return the oldest version that runs; NEWEST where no image has one."""
    found = [(int(m[1]), int(m[2])) for flag in flags(compile_context) if (m := _IMAGE.match(flag))]
    return min(found, default=NEWEST)


class TierEnd(Struct, frozen=True):
    """A tier, and whether pods are denied at its end."""

    tier: Tier
    default_deny: bool


def admin_tiers(running: Version) -> tuple[Tier, Tier]:
    """Return the tiers of the cluster-wide policies of Kubernetes, before and after NetworkPolicy."""
    return next((found for since, found in _BUILT_IN.items() if running >= since), (ADMIN, BASELINE))


def tier_end(name: str, running: Version, compile_context: CompileContext, problems: list[str]) -> TierEnd:
    """Return the tier `name`. One that does not exist comes last, and closes.

    Raises Doubtful where tiers may not have been read: `default` always exists.
    """
    if name == DEFAULT.name:
        return TierEnd(DEFAULT, default_deny=True)
    every = {one.ref.name: one for one in compile_context.all(*reversed(TIERS))}
    if (found := every.get(name)) is not None:
        try:
            return _read(found)
        except Malformed as error:
            problems.append(f"Tier `{name}`: {error}")
    elif (built_in := {tier.name: tier for tier in admin_tiers(running)}.get(name)) is not None:
        return TierEnd(built_in, default_deny=False)
    elif DEFAULT.name not in every:
        doubt("spec.tier", f"expected a tier that is known, not {shown(name)}")
    return TierEnd(Tier(inf, name), default_deny=True)


def _read(found: CrdPolicy) -> TierEnd:
    spec = mapping(found.spec, "spec", "")
    action = string(spec, "defaultAction", "spec") or "Deny"
    if action not in ("Deny", "Pass"):
        fail("spec.defaultAction", f"expected Deny or Pass, not {shown(action)}")
    order = order_of(spec)
    return TierEnd(Tier(DEFAULT.order if order is None else order, found.ref.name), default_deny=action == "Deny")


def order_of(spec: Raw) -> float | None:
    """Read `order`; None where there is none. Raises Malformed."""
    value = spec.get("order")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_HUGE < value < _HUGE:
        fail("spec.order", f"expected a number, not {shown(value)}")
    return float(value)


def tier_name(policy: CrdPolicy, spec: Raw, running: Version) -> str:
    """Return the tier that a policy names; older Calicos kept it in the stored object's name. Raises Malformed."""
    found = string(spec, "tier", "spec")
    if found:
        return found
    prefix, dot, _ = policy.ref.name.partition(".")
    told = dot and policy.group == STORED and running < TIES_BY_NAME
    return prefix if told else DEFAULT.name


def precedence(policy: CrdPolicy, tier: str, order: float | None, running: Version) -> Precedence:
    """Return the place of a policy in its tier: by order, those without one last, then by name."""
    first, namespace, name = inf if order is None else order, policy.namespace or "", policy.ref.name
    if running >= TIES_BY_NAME:
        known = name.removeprefix(f"{tier}.") if policy.group == STORED else name
        return first, known, namespace, policy.ref.kind
    stored = name if name.startswith(f"{tier}.") else f"{tier}.{name}"
    return first, f"{namespace}/{stored}" if namespace else stored


def ties_of_kubernetes(running: Version) -> tuple[str, ...]:
    """Return what follows OF_KUBERNETES in the rank of a NetworkPolicy, as templates of its namespace and name."""
    if running >= TIES_BY_NAME:
        return "{name}", "{namespace}", "KubernetesNetworkPolicy"
    return ("{namespace}/knp.default.{name}",)


def in_words(tier: Tier, order: float | None) -> str:
    """Return the place of a policy in a person's words."""
    place = "last" if order is None else f"order {order:g}"
    return f"tier {tier.name}, {place}"
