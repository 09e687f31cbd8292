"""Who may enforce policy: every name that `--cni` takes and that a cluster is recognised by."""

from typing import Final

from msgspec import Struct


class Known(Struct, frozen=True):
    """`decisive`: its semantics are known well enough for a denial to reject. `enforces` False: it drops nothing."""

    decisive: bool = True
    enforces: bool = True


_LESS_SURE: Final = Known(decisive=False)
_IDLE: Final = Known(decisive=False, enforces=False)
ENFORCERS: Final[dict[str, Known]] = {
    "antrea": Known(),
    "aws": Known(),
    "azure-npm": Known(),
    "calico": Known(),
    "canal": Known(),
    "cilium": Known(),
    "flannel": _IDLE,
    "generic": Known(),
    "gke-dataplane-v2": Known(),
    "kindnet": Known(),
    "kube-network-policies": Known(),
    "kube-ovn": _LESS_SURE,  # what its load balancer does to policy has changed between versions
    "kube-router": Known(),
    "none": _IDLE,
    "ovn-kubernetes": Known(),
    "terway": _LESS_SURE,  # one of two engines, and the API does not tell which
    "weave": Known(),
}
