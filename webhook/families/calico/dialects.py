"""Tiers and precedence in them; and how Calico, and Canal, which is its policy over flannel, read policies.

Source: `projectcalico/calico` felix/calc/policy_sorter.go, policy_resolver.go; api/pkg/apis/projectcalico/v3/tier.go.

Policies on host endpoints may hold up what pods send and receive, and are not evaluated.
Source: `tigera/docs` reference/host-endpoints, `projectcalico/calico` felix/rules.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from math import inf
from typing import Final

from msgspec import Struct

from webhook.enforcers.calico import STORED
from webhook.families import CALICO_POLICIES, FELIX, HOSTS, TIERS, doubt
from webhook.families.calico.addresses import of_namespaces, of_no_namespace, pod_blocks
from webhook.model.crd_policies import CompileContext, CrdPolicy
from webhook.model.dialect import (
    CNP,
    FIRST_API,
    BlockReading,
    Dialect,
    Kind,
    NodeReading,
    PeerReading,
    ServiceReading,
    TierOrder,
)
from webhook.model.labels import Predicate, holds
from webhook.model.peers import Place, PlacePeer
from webhook.model.policy import Direction
from webhook.model.tier import Action, CompiledPolicy, CompiledRule, Precedence, Tier, compiled_policy
from webhook.model.truth import Truth
from webhook.wire.shapes import Malformed, Raw, fail, flag, mapping, shown, string, strings

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


_FIRST: Final = Tier(-inf, "host endpoints")
_NODES: Final = (PlacePeer(Place.OWN_NODE), PlacePeer(Place.OTHER_NODE))
_ON_THE_WAY: Final = ("applyOnForward", "preDNAT", "doNotTrack")
_ALLOWING: Final = "projectcalico-default-allow"  # the profile of host endpoints that Calico makes for nodes
_PER_NODE: Final = "node."
_ACTIONS: Final = {"accept": Truth.YES, "drop": Truth.NO}
_SECOND_KINDS: Final[frozenset[Kind]] = frozenset({CNP})


def guards(
    policy: CrdPolicy, spec: Raw, subject: Predicate, compile_context: CompileContext
) -> Iterator[CompiledPolicy]:
    """Yield what a cluster-wide policy may do to packets of pods where it selects host endpoints."""
    endpoint = _selected(subject, compile_context)
    if endpoint is None:
        return
    whole = any(flag(spec, key, "spec") for key in _ON_THE_WAY)
    reason = f"also selects host endpoint `{endpoint}`, and what it does to packets there is not evaluated"
    rule = CompiledRule(policy.ref, None if whole else _NODES, action=Action.DENY, conditional=reason)
    for direction in Direction:
        yield compiled_policy(policy.ref, direction, (rule,), _FIRST, position="host endpoints")


def _selected(subject: Predicate, compile_context: CompileContext) -> str | None:
    """Return a host endpoint that a policy selects: by its own labels, for it has no others."""
    for one in compile_context.all(*HOSTS):
        if holds(subject, lambda _space, key, labels=one.labels: labels.get(key)) is Truth.YES:  # type: ignore[misc]
            return one.ref.name
    return None


def to_own_node(compile_context: CompileContext) -> Truth:
    """Say whether a pod's packets get to its own node once policy let them out: defaultEndpointToHostAction.

    The environment of the DaemonSet wins over FelixConfiguration, that of a node over that of all
    (felix/config/config_params.go). Nothing told: Felix's own Drop where its DaemonSet is known; else Accept, which
    Calico's manifests, chart and operator all set there.
    """
    told = {flag.removeprefix(TO_HOST) for flag in flags(compile_context) if flag.startswith(TO_HOST)}
    found = {_ACTIONS.get(word.lower(), Truth.MAYBE) for word in told or _configured(compile_context)}
    sure = found.pop() if len(found) == 1 else Truth.MAYBE
    return min(sure, Truth.MAYBE) if any(map(_closes, compile_context.all(*HOSTS))) else sure


def hosts(compile_context: CompileContext) -> str:
    """Return why policies may select nodes, too; empty: no node has a host endpoint but those that Calico makes."""
    first = next((one for one in compile_context.all(*HOSTS) if _closes(one)), None)
    return "" if first is None else f"host endpoint `{first.ref.name}` puts nodes under policy, which is not evaluated"


def _configured(compile_context: CompileContext) -> set[str]:
    every = {one.ref.name: _action(one) for one in compile_context.all(*FELIX)}
    of_nodes = {action for name, action in every.items() if name.startswith(_PER_NODE) and action}
    unset = "drop" if any(name in compile_context.flags for name in DAEMON_SETS) else "accept"
    return {every.get("default") or unset, *of_nodes}


def _action(one: CrdPolicy) -> str:
    try:
        return string(mapping(one.spec, "spec", ""), "defaultEndpointToHostAction", "spec").lower()
    except Malformed:
        return "not readable"


def _closes(endpoint: CrdPolicy) -> bool:
    """Say whether a host endpoint without a policy lets nothing through."""
    try:
        return _ALLOWING not in strings(mapping(endpoint.spec, "spec", ""), "profiles", "spec")
    except Malformed:
        return True


def _dialect(name: str, compile_context: CompileContext) -> Dialect:
    running = version(compile_context)
    first = FIRST_API if SINCE_FIRST_API <= running < SINCE_SECOND_API else frozenset[Kind]()
    second = _SECOND_KINDS if running >= SINCE_SECOND_API else frozenset[Kind]()
    admin, baseline = admin_tiers(running)
    return Dialect(
        name,
        evaluated=frozenset(CALICO_POLICIES) | first | second,
        inert=(FIRST_API | _SECOND_KINDS) - first - second,
        tiers=TierOrder(
            network_policies=DEFAULT,
            precedence=(OF_KUBERNETES,),
            ties=ties_of_kubernetes(running),
            admin=admin,
            baseline=baseline,
            by_name=True,
        ),
        peers=PeerReading(
            closed=frozenset({"nodes", "domainNames"}),
            members=tuple(of_namespaces(compile_context)),
            address_sets=tuple(of_no_namespace(compile_context)),
            of_no_namespace="namespaceSelector: global()",
        ),
        blocks=BlockReading(pod_ranges=pod_blocks(compile_context)),
        nodes=NodeReading(
            own_accepts=to_own_node(compile_context),
            own_setting="defaultEndpointToHostAction: Drop",
            selected=hosts(compile_context),
        ),
        services=ServiceReading(hairpin=Truth.NO),
    )


def _named(name: str) -> Callable[[CompileContext], Dialect]:
    return lambda compile_context: _dialect(name, compile_context)


DIALECTS: Final[Mapping[str, Callable[[CompileContext], Dialect]]] = {
    name: _named(name) for name in ("calico", "canal")
}
