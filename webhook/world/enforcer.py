"""Who enforces policy, told by the DaemonSets that run (reference: policy semantics, section 7).

A DaemonSet counts only where it wants pods: resource definitions and settings alone are leftovers.
"""

from collections.abc import Collection, Iterable
from typing import Final

from msgspec import Struct

from webhook.model.foreign import CALICO, CILIUM
from webhook.model.objects import Workload
from webhook.model.settings import GENERIC, UNRECOGNISED, Enforcer

NOBODY: Final = Enforcer("none", decisive=False, enforces=False)


class _Sign(Struct, frozen=True):
    """What a DaemonSet's name tells. `flag`: an argument that it must have; without it, it enforces nothing."""

    enforcer: str
    decisive: bool = True
    flag: str = ""
    enforces: bool = True


_SIGNS: Final = {
    "calico-node": _Sign("calico"),
    "canal": _Sign("canal"),
    "rke2-canal": _Sign("canal"),
    "cilium": _Sign("cilium"),
    "anetd": _Sign("gke-dataplane-v2"),
    "aws-node": _Sign("aws", flag="--enable-network-policy=true"),
    "azure-npm": _Sign("azure-npm"),
    "weave-net": _Sign("weave", decisive=False),  # rejects whole policies that name a port
    "kube-flannel-ds": _Sign("flannel", enforces=False),
    "kube-router": _Sign("kube-router"),
    "antrea-agent": _Sign("antrea"),
    "ovnkube-node": _Sign("ovn-kubernetes"),
    "kindnet": _Sign("kindnet", decisive=False),  # enforces from kind 0.24 on; its version is not known
    "kube-network-policies": _Sign("kube-network-policies"),
    "kube-ovn-cni": _Sign("kube-ovn", decisive=False),
}
NAMESPACES: Final = frozenset(
    {"kube-system", "calico-system", "openshift-ovn-kubernetes", "ovn-kubernetes", "kube-flannel", "cilium", "antrea"}
)


def from_cluster(workloads: Iterable[Workload]) -> Enforcer:
    """Return who enforces; several, or nobody known: not decisive. Only what is known not to enforce: nobody."""
    signs = {
        w.ref.name: sign
        for w in workloads
        if w.ref.kind == "DaemonSet" and w.ref.namespace in NAMESPACES and w.replicas
        if (sign := _SIGNS.get(w.ref.name)) is not None
        if not sign.flag or any(flag == sign.flag for flag in w.flags) or not sign.enforces
    }
    active = sorted({s.enforcer: s for s in signs.values() if s.enforces}.items())
    if len(active) == 1:
        name, sign = active[0]
        return Enforcer(name, decisive=sign.decisive)
    if active:
        return Enforcer("+".join(name for name, _ in active), decisive=False)
    return NOBODY if signs else UNRECOGNISED


def from_files(groups: Collection[str]) -> Enforcer:
    """Return the one family of whose API groups objects are there, else the API's own semantics."""
    for name, family in (("calico", CALICO), ("cilium", CILIUM)):
        if groups and family.issuperset(groups):
            return Enforcer(name)
    return GENERIC
