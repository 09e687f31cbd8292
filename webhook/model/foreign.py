"""Policies of families that are not evaluated: known only by name and by whom they may select."""

from typing import Final

from msgspec import Struct

from webhook.model.labels import EVERYTHING, Selector
from webhook.model.refs import PolicyRef


class Foreign(Struct, frozen=True, gc=False):
    """A policy that may let through or drop what it may select; what it says is not evaluated.

    `namespace` None: cluster-wide, of the namespaces that `namespaces` selects. `pods` None: the selector is not
    understood, so any pod in scope may be meant. `group`: the API group, which tells kinds of one name apart.
    """

    ref: PolicyRef
    group: str
    namespace: str | None = None
    namespaces: Selector = EVERYTHING
    pods: Selector | None = None


class Gap(Struct, frozen=True, gc=False):
    """A kind of policy that may not be read: whatever it may select cannot be judged."""

    kind: str
    group: str
    reason: str


# Who enforces which family (policy-semantics: a family's objects do nothing where nobody implements it).
CALICO: Final = frozenset({"projectcalico.org", "crd.projectcalico.org"})
CILIUM: Final = frozenset({"cilium.io"})
ADMIN: Final = frozenset({"policy.networking.k8s.io"})
ANTREA: Final = frozenset({"crd.antrea.io"})
AWS: Final = frozenset({"networking.k8s.aws"})
GKE: Final = frozenset({"networking.gke.io"})
ENFORCED_BY: Final[dict[str, frozenset[str]]] = {
    "antrea": ADMIN | ANTREA,
    "aws": AWS,
    "azure-npm": frozenset(),
    "calico": CALICO | ADMIN,
    "canal": CALICO | ADMIN,
    "cilium": CILIUM | ADMIN,
    "gke-dataplane-v2": CILIUM | ADMIN | GKE,
    "kindnet": ADMIN,
    "kube-network-policies": ADMIN,
    "kube-ovn": ADMIN,
    "kube-router": frozenset(),
    "ovn-kubernetes": ADMIN,
    "weave": frozenset(),
    "none": frozenset(),
}


def in_force(group: str, enforcer: str) -> bool:
    """Say whether `enforcer` may enforce objects of an API group; one that is not known may enforce all."""
    known = ENFORCED_BY.get(enforcer)
    return known is None or group in known
