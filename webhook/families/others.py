"""Enforcers that know no policies but Kubernetes' own, and those of `policy.networking.k8s.io`: what each does its way.

Source: reference, policy semantics, section 6, which names the code and the pages that it was read from. What is
marked there as not verified is neither yes nor no here.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NoReturn

from webhook.families.admin.dialects import BOTH_APIS, FIRST_API
from webhook.families.family import Family
from webhook.families.opaque import EGRESS_FIREWALLS
from webhook.families.surroundings import Surroundings
from webhook.model.dialect import Dialect
from webhook.model.foreign import Foreign
from webhook.model.labels import Labels
from webhook.model.truth import Truth
from webhook.wire.shapes import fail

_WINDOWS: Final = "os=windows"
_NAMES_ON_WINDOWS: Final = "names a port, which Azure NPM does not resolve on the Windows nodes that are here"
_NAMES_IN_WEAVE: Final = "names a port, for which Weave Net rejects the whole policy"
_HOST_NAMESPACE: Final = Labels(  # which OVN-Kubernetes puts the addresses of nodes in
    {
        "kubernetes.io/metadata.name": "openshift-host-network",
        "policy-group.network.openshift.io/host-network": "",
    }
)
_SAID: Final = (
    Dialect(
        "antrea",
        evaluated=FIRST_API,
        blocks_hold_pods=Truth.MAYBE,
        blocks_hold_nodes=Truth.MAYBE,
        hairpin_in=True,
    ),
    Dialect("aws", before_translation=True, host_pods=Truth.MAYBE, pools_names=True),
    Dialect("flannel"),
    Dialect("kindnet"),
    Dialect("kube-network-policies", evaluated=BOTH_APIS, by_name=True, may_skip_baseline=True),
    Dialect("kube-ovn", evaluated=BOTH_APIS, blocks_hold_pods=Truth.MAYBE, blocks_hold_nodes=Truth.MAYBE),
    Dialect("kube-router", refuses=True),
    Dialect("none"),
    Dialect(
        "ovn-kubernetes",
        evaluated=FIRST_API | EGRESS_FIREWALLS,
        blocks_hold_pods=Truth.MAYBE,
        blocks_hold_nodes=Truth.MAYBE,
        host_namespace=_HOST_NAMESPACE,
        openshift=True,
    ),
    Dialect("terway", blocks_hold_pods=Truth.NO, blocks_hold_nodes=Truth.NO, honours_idle=Truth.MAYBE),
    Dialect("weave", port_names=_NAMES_IN_WEAVE, port_ranges=False, past_own_node=Truth.MAYBE),
)


def _azure(around: Surroundings) -> Dialect:
    """Azure NPM: on Linux nodes as the API says, but for IPv6; on Windows nodes less."""
    names = _NAMES_ON_WINDOWS if _WINDOWS in around.nodes else ""
    return Dialect("azure-npm", port_names=names, past_own_node=Truth.YES, families=(4,))


def _saying(dialect: Dialect) -> Callable[[Surroundings], Dialect]:
    return lambda _: dialect


def several(names: Iterable[str]) -> Dialect:
    """Return the dialect of enforcers that must all let a packet pass: nobody's, so that no policy is sure."""
    every = " and ".join(names)
    return Dialect("+".join(names), uncertain=f"{every} enforce policy side by side, and each must let a packet pass")


DIALECTS: Final[Mapping[str, Callable[[Surroundings], Dialect]]] = {
    **{dialect.name: _saying(dialect) for dialect in _SAID},
    "azure-npm": _azure,
}


def _compile(policy: Foreign, _: Surroundings) -> NoReturn:
    fail("kind", f"no kind of policy is this family's, so that {policy.ref.kind} is none of its own")


FAMILY: Final = Family("others", policies=frozenset(), compile=_compile, dialects=DIALECTS)
