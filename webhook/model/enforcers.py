"""Who may enforce policy: every name that `--cni` takes and that a cluster is recognised by."""

from typing import Final

from msgspec import Struct


class ClusterSnapshot(Struct, frozen=True):
    """`decisive`: its semantics are known well enough for a denial to reject. `enforces` False: it drops nothing."""

    decisive: bool = True
    enforces: bool = True


_LESS_SURE: Final = ClusterSnapshot(decisive=False)
_IDLE: Final = ClusterSnapshot(decisive=False, enforces=False)
ENFORCERS: Final[dict[str, ClusterSnapshot]] = {
    "antrea": ClusterSnapshot(),
    "aws": ClusterSnapshot(),
    "azure-npm": ClusterSnapshot(),
    "calico": ClusterSnapshot(),
    "canal": ClusterSnapshot(),
    "cilium": ClusterSnapshot(),
    "flannel": _IDLE,
    "generic": ClusterSnapshot(),
    "gke-dataplane-v2": ClusterSnapshot(),
    "kindnet": ClusterSnapshot(),
    "kube-network-policies": ClusterSnapshot(),
    "kube-ovn": _LESS_SURE,  # what its load balancer does to policy has changed between versions
    "kube-router": ClusterSnapshot(),
    "none": _IDLE,
    "ovn-kubernetes": ClusterSnapshot(),
    "terway": _LESS_SURE,  # one of two engines, and the API does not tell which
    "weave": ClusterSnapshot(),
}
