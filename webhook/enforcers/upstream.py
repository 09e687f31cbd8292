"""Enforcers of the Kubernetes project, the API's own semantics, and those that enforce nothing."""

from typing import Final

from webhook.enforcers.record import Data, Enforcer, Flags, Found, idle, reads, runs, tags
from webhook.model.dialect import ADMIN_GROUPS, BOTH_APIS, Dialect, TierOrder

_POLICES_SINCE: Final = 20240813  # the tag of kindnet's image in kind 0.24, the first release that enforces
_NOT_YET: Final = 20240701  # the project that it enforces with was taken in after this day


def _kindnet(flags: Flags, _data: Data) -> Found:
    versions = tags(flags, "kindnetd")
    if versions and min(versions) >= _POLICES_SINCE:
        return Found("kindnet")
    if versions and max(versions) < _NOT_YET:
        return Found("kindnet", enforces=False, why="kindnet of kind before 0.24 enforces no policy")
    return Found("kindnet", None, "kindnet enforces policy from kind 0.24 on, and its version is not known")


RECORDS: Final = (
    Enforcer("generic", groups=None),
    Enforcer("none", decisive=False, enforces=False, dialect=reads(Dialect("none"))),
    Enforcer(
        "flannel",
        decisive=False,
        enforces=False,
        agents={"kube-flannel-ds": idle("flannel", "flannel enforces no policy")},
        namespaces=frozenset({"kube-flannel"}),
        dialect=reads(Dialect("flannel")),
    ),
    Enforcer(
        "kindnet",
        groups=ADMIN_GROUPS,
        agents={"kindnet": _kindnet},
        images=frozenset({"kindnetd"}),
        dialect=reads(Dialect("kindnet")),
        log="kubectl -n kube-system logs ds/kindnet --tail=100",
    ),
    Enforcer(
        "kube-network-policies",
        groups=ADMIN_GROUPS,
        agents={"kube-network-policies": runs("kube-network-policies")},
        images=frozenset({"kube-network-policies"}),
        dialect=reads(
            Dialect("kube-network-policies", evaluated=BOTH_APIS, tiers=TierOrder(by_name=True, may_skip_baseline=True))
        ),
        log="kubectl -n kube-system logs ds/kube-network-policies --tail=100",
    ),
)
