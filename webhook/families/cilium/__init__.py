"""Cilium: CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy (`cilium.io/v2`), and how it reads the others.

Measured against the policy engine of 1.20.2 (tests/conformance); `docs/cni/cilium.md` says what stays unknown.
"""

from typing import Final

from webhook.families.cilium.blocks import GROUPS
from webhook.families.cilium.dialect import CCNP, CNP, cilium, dataplane_v2
from webhook.families.cilium.policy import compile_policy, scope_of
from webhook.families.cilium.settings import NODE_CONFIG
from webhook.families.family import Family

FAMILY: Final = Family(
    "cilium",
    policies=frozenset({CNP, CCNP}),
    compile=compile_policy,
    scope=scope_of,
    references=frozenset({*GROUPS, NODE_CONFIG}),
    wide=frozenset({CCNP, *GROUPS}),
    dialects={"cilium": cilium, "gke-dataplane-v2": dataplane_v2},
)
