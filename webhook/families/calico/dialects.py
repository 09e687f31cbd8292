"""How Calico, and Canal, which is its policy over flannel, read policies.

Policies on host endpoints may hold up what pods send and receive, and are not evaluated.
Source: `tigera/docs` reference/host-endpoints, `projectcalico/calico` felix/rules.
"""

from collections.abc import Callable, Iterator, Mapping
from math import inf
from typing import Final

from webhook.families.calico.addresses import of_namespaces, of_no_namespace, pod_blocks
from webhook.families.calico.tiers import (
    DAEMON_SETS,
    DEFAULT,
    OF_KUBERNETES,
    SINCE_FIRST_API,
    SINCE_SECOND_API,
    TO_HOST,
    admin_tiers,
    flags,
    ties_of_kubernetes,
    version,
)
from webhook.families.family import CALICO_POLICIES, FELIX, HOSTS
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
from webhook.model.policy import Direction
from webhook.model.tier import Action, CompiledPolicy, CompiledRule, Place, PlacePeer, Tier, compiled_policy
from webhook.model.truth import Truth
from webhook.wire.shapes import Malformed, Raw, flag, mapping, string, strings

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
