"""Who enforces policy, told by what runs (reference: policy semantics, section 7).

A DaemonSet counts only where it wants pods: resource definitions, settings and annotations alone are leftovers.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct, structs

from webhook.model.enforcers import ENFORCERS
from webhook.model.foreign import CALICO, CILIUM
from webhook.model.objects import Workload
from webhook.model.settings import GENERIC, UNRECOGNISED, Enforcer

Flags = tuple[str, ...]
Data = Mapping[str, str]
NAMESPACES: Final = frozenset(
    {
        "antrea",
        "calico-system",
        "cilium",
        "kube-flannel",
        "kube-router",
        "kube-system",
        "openshift-ovn-kubernetes",
        "ovn-kubernetes",
    }
)
AWS_SETTINGS: Final = ("kube-system", "amazon-vpc-cni")  # a ConfigMap
_FEW: Final = "ready=few"
_TAG: Final = re.compile(r"image=[^:]*(?::\d+/[^:]*)?:v?(\d{1,8})")  # whose first number tells a version apart
_OFF: Final = "k3s--disable-network-policy=true"
_NO_AGENT: Final = "aws-node runs without --enable-network-policy=true"
_NO_NPC: Final = "weave-net runs without its policy controller, weave-npc"
_NO_FIREWALL: Final = "kube-router runs with --run-firewall=false"
_POLICES_SINCE: Final = 20240813  # the tag of kindnet's image in kind 0.24, the first release that enforces
_NOT_YET: Final = 20240701  # the project that it enforces with was taken in after this day


class Found(Struct, frozen=True):
    """What one sign tells. `enforces` None: it may or may not. `why`: what makes it less than sure, or idle."""

    enforcer: str
    enforces: bool | None = True
    why: str = ""


def _always(name: str) -> Callable[[Flags], Found]:
    return lambda _: Found(name)


def _idle(name: str, why: str) -> Callable[[Flags], Found]:
    return lambda _: Found(name, enforces=False, why=why)


def _versioned(name: str) -> Callable[[Flags], Found]:
    """Return a reader for an agent whose image should tell the version: a digest alone does not."""

    def read(flags: Flags) -> Found:
        told = any(map(_TAG.match, flags))
        return Found(name, why="" if told else f"the version of {name} is not known, the newest is assumed")

    return read


def _aws(flags: Flags) -> Found:
    on = any(flag.partition("=")[2].lower() in ("true", "") for flag in flags if flag.startswith("--enable-network"))
    return Found("aws") if on else Found("aws", enforces=False, why=_NO_AGENT)


def _weave(flags: Flags) -> Found:
    on = "container=weave-npc" in flags and "EXPECT_NPC=0" not in flags
    return Found("weave") if on else Found("weave", enforces=False, why=_NO_NPC)


def _kube_router(flags: Flags) -> Found:
    off = "--run-firewall=false" in flags
    return Found("kube-router", enforces=False, why=_NO_FIREWALL) if off else Found("kube-router")


def _kindnet(flags: Flags) -> Found:
    tags = [int(found[1]) for flag in flags if "kindnetd" in flag and (found := _TAG.match(flag))]
    if tags and min(tags) >= _POLICES_SINCE:
        return Found("kindnet")
    if tags and max(tags) < _NOT_YET:
        return Found("kindnet", enforces=False, why="kindnet of kind before 0.24 enforces no policy")
    return Found("kindnet", None, "kindnet enforces policy from kind 0.24 on, and its version is not known")


_SIGNS: Final[dict[str, Callable[[Flags], Found]]] = {
    "anetd": _always("gke-dataplane-v2"),
    "antrea-agent": _always("antrea"),
    "aws-node": _aws,
    "azure-cns": _idle("azure", "Azure CNI enforces no policy without azure-npm or cilium"),
    "azure-npm": _always("azure-npm"),
    "calico-node": _versioned("calico"),
    "canal": _versioned("canal"),
    "cilium": _versioned("cilium"),
    "kindnet": _kindnet,
    "kube-flannel-ds": _idle("flannel", "flannel enforces no policy"),
    "kube-network-policies": _always("kube-network-policies"),
    "kube-ovn-cni": _always("kube-ovn"),
    "kube-router": _kube_router,
    "ovnkube-node": _always("ovn-kubernetes"),
    "rke2-canal": _versioned("canal"),
    "terway-eniip": _always("terway"),
    "weave-net": _weave,
}


def from_cluster(
    workloads: Iterable[Workload], nodes: Collection[Flags] = (), settings: Data | None = None
) -> Enforcer:
    """Return who enforces. Only what is known not to enforce: nobody.

    `nodes`: the flags of each node, or the different ones among them; `settings`: ConfigMap amazon-vpc-cni, where
    there is one.
    """
    found = [*_daemon_sets(workloads, settings or {}), *_distribution(nodes)]
    active = {one.enforcer: one for one in sorted(found, key=lambda one: bool(one.why)) if one.enforces is not False}
    if len(active) == 1:
        return _single(next(iter(active.values())))
    if active:
        names = sorted(active)
        return Enforcer("+".join(names), decisive=False, why=f"{' and '.join(names)} run here, and each must allow")
    if found:
        return Enforcer("none", decisive=False, enforces=False, why=found[0].why)
    return UNRECOGNISED


def _single(one: Found) -> Enforcer:
    return Enforcer(one.enforcer, decisive=ENFORCERS[one.enforcer].decisive and not one.why, why=one.why)


def _daemon_sets(workloads: Iterable[Workload], settings: Data) -> Iterator[Found]:
    for one in sorted(workloads, key=lambda workload: workload.ref):
        read = _SIGNS.get(one.ref.name) if one.ref.kind == "DaemonSet" and one.ref.namespace in NAMESPACES else None
        if read is None or not one.replicas:
            continue
        found = read(one.flags)
        if found.enforces and found.enforcer == "aws" and settings.get("enable-network-policy-controller") == "false":
            found = Found("aws", None, "ConfigMap amazon-vpc-cni switches the policy controller off, not the agent")
        if found.enforces is not False and _FEW in one.flags:
            found = structs.replace(found, why=f"most pods of {one.ref.name} are not ready")
        yield found


def _distribution(nodes: Collection[Flags]) -> Iterator[Found]:
    """K3s has a policy controller built in, that of kube-router, whatever network it has."""
    members = [flags for flags in nodes if any(flag.startswith("k3s=") for flag in flags)]
    servers = [flags for flags in members if "k3s=server" in flags]
    off = [flags for flags in servers if _OFF in flags]
    if members and not servers:
        yield Found("kube-router", None, "no server of k3s is among the nodes, which tells whether policy is enforced")
    elif len(off) < len(servers):
        yield Found("kube-router", why="only some servers of k3s run with --disable-network-policy" if off else "")
    elif servers and not any("k3s--flannel-backend=none" in flags for flags in servers):
        yield Found("flannel", enforces=False, why="k3s runs with --disable-network-policy")


def from_files(groups: Collection[str]) -> Enforcer:
    """Return the one family of whose API groups objects are there, else the API's own semantics."""
    for name, family in (("calico", CALICO), ("cilium", CILIUM)):
        if groups and family.issuperset(groups):
            return Enforcer(name)
    return GENERIC
