"""Cilium, and those that are built on it: Google's Dataplane V2, and Alibaba's Terway with one of its two engines."""

from typing import Final

from webhook.enforcers.record import Enforcer, reads, runs, versioned
from webhook.model.dialect import ADMIN_GROUPS, BlockReading, Dialect, OwnPolicies
from webhook.model.truth import Truth

_GROUPS: Final = frozenset({"cilium.io"})
OWN_POLICIES: Final = OwnPolicies(
    group="cilium.io",
    kind="CiliumNetworkPolicy",
    other_namespace="add k8s:io.kubernetes.pod.namespace: {other} to {key}",
    nodes_in_blocks="policy-cidr-match-mode to nodes",
)
_GKE: Final = "networking.gke.io"
_SETTINGS: Final = {
    "cilium-config": (
        "allow-localhost",
        "cluster-name",
        "enable-cilium-clusterwide-network-policy",
        "enable-cilium-network-policy",
        "enable-host-firewall",
        "enable-ipv4",
        "enable-ipv6",
        "enable-k8s-cluster-network-policy",
        "enable-k8s-networkpolicy",
        "enable-l7-proxy",
        "enable-node-selector-labels",
        "enable-non-default-deny-policies",
        "enable-policy",
        "enable-sctp",
        "labels",
        "node-labels",
        "policy-audit-mode",
        "policy-cidr-match-mode",
        "policy-default-local-cluster",
    )
}
RECORDS: Final = (
    Enforcer(
        "cilium",
        family="cilium",
        groups=_GROUPS | ADMIN_GROUPS,
        of_files=_GROUPS,
        agents={"cilium": versioned("cilium")},
        namespaces=frozenset({"cilium"}),
        images=frozenset({"cilium", "mirrored-cilium-cilium"}),
        settings=_SETTINGS,
        log="kubectl -n kube-system exec ds/cilium -- cilium-dbg monitor --type drop",
        common=True,
    ),
    Enforcer(
        "gke-dataplane-v2",
        family="cilium",
        groups=_GROUPS | ADMIN_GROUPS | {_GKE},
        unread=frozenset({(_GKE, "FQDNNetworkPolicy")}),
        agents={"anetd": runs("gke-dataplane-v2")},
    ),
    Enforcer(
        "terway",  # the API does not tell which of its engines runs
        decisive=False,
        groups=_GROUPS,
        agents={"terway-eniip": runs("terway")},
        dialect=reads(
            Dialect(
                "terway",
                blocks=BlockReading(pods=Truth.NO, nodes=Truth.NO),
                outside_types=Truth.MAYBE,
                own=OWN_POLICIES,
            )
        ),
    ),
)
