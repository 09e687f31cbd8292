"""Cilium: CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy (`cilium.io/v2`), and how it reads the others.

Measured against the policy engine of 1.20.2 (tests/conformance); `docs/cni/cilium.md` says what stays unknown.
"""

from typing import Final

from webhook.families import Family
from webhook.families.cilium.dialect import cilium, dataplane_v2
from webhook.families.cilium.policy import compile_policy, scope_of

FAMILY: Final = Family(
    "cilium",
    compile=compile_policy,
    scope=scope_of,
    dialects={"cilium": cilium, "gke-dataplane-v2": dataplane_v2},
)
