"""How Cilium, and Google's Dataplane V2, which is built on it, read policies.

One union of all policies is asked first, then Baseline, then the pod's own node, then the default.
Source: `pkg/policy/{repository,mapstate,resolve}.go`; that the own node comes after the union is measured (1.20.2),
whether before or after Baseline is not.
"""

from typing import Final

from msgspec import structs

from webhook.enforcers.cilium import OWN_POLICIES
from webhook.families import CILIUM_CLUSTERWIDE, CILIUM_POLICY
from webhook.families.cilium.selectors import cluster_hidden
from webhook.families.cilium.settings import CONFIG, NEWEST, Config, config_of
from webhook.model.addresses import parse_address
from webhook.model.crd_policies import CompileContext
from webhook.model.dialect import CNP as CLUSTER_POLICY
from webhook.model.dialect import (
    FIRST_API,
    NETWORK_POLICY,
    BlockReading,
    Certainty,
    Dialect,
    DnsReading,
    Kind,
    NodeReading,
    PeerReading,
    PortReading,
    ServiceReading,
    TierOrder,
)
from webhook.model.policy import Direction
from webhook.model.refs import PolicyRef
from webhook.model.tier import BASELINE, NETWORK_POLICIES, CompiledPolicy, Precedence, Tier, compiled_policy
from webhook.model.truth import Truth

UNION: Final = NETWORK_POLICIES
DENIED: Final[Precedence] = (0.0,)
WITHHELD: Final[Precedence] = (1.0,)
ALLOWED: Final[Precedence] = (2.0,)
AFTER_UNION: Final[Precedence] = (3.0,)
OWN_NODE: Final = Tier(BASELINE.order + 10, "own node")
CLOSING: Final = Tier(BASELINE.order + 20, "default deny")
HOSTS: Final = Tier(float("-inf"), "host firewall")
_HOST_FIREWALL: Final = "Cilium's host firewall is on, and what it lets nodes send is not evaluated"
_OWN: Final = "cilium"  # the others that are built on it have no policies of its own to write
_CLOUD_DNS: Final = parse_address("169.254.169.254")  # the metadata server, which pods ask where Cloud DNS is used


def cilium(around: CompileContext) -> Dialect:
    """Return the dialect of Cilium as its ConfigMap sets it."""
    config = config_of(around)
    counts = {
        NETWORK_POLICY: config.network_policy,
        CILIUM_POLICY: config.namespaced,
        CILIUM_CLUSTERWIDE: config.clusterwide is not False,
        CLUSTER_POLICY: config.cluster_policies,
    }
    return _dialect(_OWN, config, counts, frozenset())


def dataplane_v2(around: CompileContext) -> Dialect:
    """Return the dialect of Dataplane V2: no namespaced policies of Cilium's own, and the others by choice."""
    config = config_of(around)
    counts = {
        NETWORK_POLICY: True,
        CILIUM_POLICY: False,
        CILIUM_CLUSTERWIDE: config.clusterwide is True,
        CLUSTER_POLICY: False,
    }
    doubtful = frozenset({CILIUM_CLUSTERWIDE}) if config.clusterwide is None else frozenset()
    return structs.replace(
        _dialect("gke-dataplane-v2", config, counts, doubtful), dns=DnsReading(addresses=(_CLOUD_DNS,))
    )


def _dialect(name: str, config: Config, counts: dict[Kind, bool], doubtful: frozenset[Kind]) -> Dialect:
    evaluated = frozenset(kind for kind, does in counts.items() if does)
    baseline = CLUSTER_POLICY in evaluated
    places = ((UNION, AFTER_UNION, False), (OWN_NODE, (), True)) if baseline else ((UNION, AFTER_UNION, True),)
    return Dialect(
        name=name,
        evaluated=evaluated,
        inert=FIRST_API | (frozenset(counts) - evaluated - doubtful),
        outside_types=Truth.YES,
        without_policy=_always() if config.always else (),
        tiers=TierOrder(
            network_policies=UNION,
            precedence=ALLOWED,
            default_deny=CLOSING,
            own_node=places if config.local_host else (),
            deny_first=True,
        ),
        peers=_peers(config),
        blocks=BlockReading(
            pods=Truth.of(config.blocks_hold_pods), nodes=Truth.of(config.blocks_hold_nodes), whole_nodes=Truth.NO
        ),
        ports=PortReading(names_by_target=config.version >= NEWEST),
        nodes=NodeReading(own_reaches_pods=False, selected=_HOST_FIREWALL if config.host_firewall else ""),
        services=ServiceReading(hairpin=Truth.YES),
        certainty=Certainty(unenforced=config.unenforced, undecided=config.undecided, doubt=config.doubt),
        own=structs.replace(OWN_POLICIES, fqdn_rules=name == _OWN, entities=name == _OWN),
    )


def _peers(config: Config) -> PeerReading:
    return PeerReading(
        unseen=config.unseen,
        namespace_key="io.kubernetes.pod.namespace",
        pods=cluster_hidden(config).negated(),
        loose_pods=config.local_cluster is False,
        loose_namespaces=True,
        empty_is_all=True,
        refused=frozenset() if config.node_labels else frozenset({"nodes"}),
    )


def _always() -> tuple[CompiledPolicy, ...]:
    """`enable-policy: always` isolates every pod, whether policies select it or not."""
    ref = PolicyRef("kube-system", CONFIG, "ConfigMap")
    return tuple(
        compiled_policy(ref, direction, (), CLOSING, default_deny=True, position="enable-policy: always")
        for direction in Direction
    )
