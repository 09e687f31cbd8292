"""Calico, and Canal, which is its policy over flannel; how they read policy is said by Calico's policy family."""

from typing import Final

from webhook.enforcers.record import Enforcer, Staged, versioned
from webhook.model.dialect import ADMIN_GROUPS

SERVED: Final = "projectcalico.org"
STORED: Final = "crd.projectcalico.org"
_GROUPS: Final = frozenset({SERVED, STORED})
_IMAGES: Final = frozenset({"calico-node", "calico/node", "hardened-calico", "mirrored-calico-node"})
_VARIABLES: Final = frozenset({"FELIX_DEFAULTENDPOINTTOHOSTACTION"})
RECORDS: Final = (
    Enforcer(
        "calico",
        family="calico",
        groups=_GROUPS | ADMIN_GROUPS,
        stored_as={SERVED: STORED},
        staged=Staged(f"{SERVED}/v3", "StagedKubernetesNetworkPolicy", f"stagedkubernetesnetworkpolicies.{SERVED}"),
        of_files=_GROUPS,
        agents={"calico-node": versioned("calico")},
        namespaces=frozenset({"calico-system"}),
        images=_IMAGES,
        variables=_VARIABLES,
        log="kubectl -n calico-system logs ds/calico-node -c calico-node --tail=100",
        common=True,
    ),
    Enforcer(
        "canal",
        family="calico",
        groups=_GROUPS | ADMIN_GROUPS,
        agents={"canal": versioned("canal"), "rke2-canal": versioned("canal")},
        images=_IMAGES,
        variables=_VARIABLES,
        log="kubectl -n kube-system logs ds/canal -c calico-node --tail=100",
    ),
)
