"""Calico, and Canal, which is its policy over flannel; how they read policy is said by Calico's policy family."""

from typing import Final

from webhook.enforcers.record import Enforcer, versioned
from webhook.model.foreign import ADMIN, CALICO

_IMAGES: Final = frozenset({"calico-node", "calico/node", "hardened-calico", "mirrored-calico-node"})
_VARIABLES: Final = frozenset({"FELIX_DEFAULTENDPOINTTOHOSTACTION"})
RECORDS: Final = (
    Enforcer(
        "calico",
        family="calico",
        groups=CALICO | ADMIN,
        of_files=CALICO,
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
        groups=CALICO | ADMIN,
        agents={"canal": versioned("canal"), "rke2-canal": versioned("canal")},
        images=_IMAGES,
        variables=_VARIABLES,
        log="kubectl -n kube-system logs ds/canal -c calico-node --tail=100",
    ),
)
