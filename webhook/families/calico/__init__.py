"""Calico (`projectcalico.org/v3`, stored as `crd.projectcalico.org/v1`): NetworkPolicy and GlobalNetworkPolicy.

Ordered rules in ordered tiers, in one of which are Kubernetes' NetworkPolicies, too. Staged kinds are never enforced,
and so not read.
Source: the API types' comments (`projectcalico/api`), `projectcalico/calico` (felix, libcalico-go), and what Felix
3.32.1 does to packets (tests/conformance/calico.jsonl.xz).
"""

from typing import Final

from webhook.families import Family
from webhook.families.calico.dialects import DIALECTS
from webhook.families.calico.policies import compile_policy, scope

FAMILY: Final = Family(
    "calico",
    compile=compile_policy,
    scope=scope,
    dialects=DIALECTS,
)
