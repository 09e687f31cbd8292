"""OVN-Kubernetes and Kube-OVN, which keep addresses of pods and of nodes in sets of their own."""

from typing import Final

from webhook.enforcers.record import Enforcer, reads, runs
from webhook.model.dialect import (
    ADMIN_GROUPS,
    BOTH_APIS,
    FIRST_API,
    BlockReading,
    Dialect,
    DnsReading,
    Kind,
    NodeReading,
)
from webhook.model.labels import Labels
from webhook.model.truth import Truth

_HOST_NAMESPACE: Final = Labels(  # which OVN-Kubernetes puts the addresses of nodes in
    {
        "kubernetes.io/metadata.name": "openshift-host-network",
        "policy-group.network.openshift.io/host-network": "",
    }
)
_GROUP: Final = "k8s.ovn.org"
EGRESS_FIREWALL: Final[Kind] = (_GROUP, "EgressFirewall")
RECORDS: Final = (
    Enforcer(
        "ovn-kubernetes",
        groups=ADMIN_GROUPS | {_GROUP},
        unread=frozenset({EGRESS_FIREWALL}),
        agents={"ovnkube-node": runs("ovn-kubernetes")},
        namespaces=frozenset({"openshift-ovn-kubernetes", "ovn-kubernetes"}),
        dialect=reads(
            Dialect(
                "ovn-kubernetes",
                evaluated=FIRST_API | {EGRESS_FIREWALL},
                blocks=BlockReading(pods=Truth.MAYBE, nodes=Truth.MAYBE),
                nodes=NodeReading(host_namespace=_HOST_NAMESPACE),
                dns=DnsReading(openshift=True),
            )
        ),
        log="kubectl -n ovn-kubernetes logs ds/ovnkube-node --all-containers --tail=100",
    ),
    Enforcer(
        "kube-ovn",  # what its load balancer does to policy has changed between versions
        decisive=False,
        groups=ADMIN_GROUPS,
        agents={"kube-ovn-cni": runs("kube-ovn")},
        images=frozenset({"kube-ovn"}),
        dialect=reads(
            Dialect("kube-ovn", evaluated=BOTH_APIS, blocks=BlockReading(pods=Truth.MAYBE, nodes=Truth.MAYBE))
        ),
        log="kubectl -n kube-system logs ds/kube-ovn-cni --tail=100",
    ),
)
