"""Where Cilium asks what: one union of all policies, then Baseline, then the pod's own node, then the default.

Source: `pkg/policy/{repository,mapstate,resolve}.go`; that the own node comes after the union is measured (1.20.2),
whether before or after Baseline is not.
"""

from typing import Final

from webhook.model.tier import BASELINE, NETWORK_POLICIES, Rank, Tier

UNION: Final = NETWORK_POLICIES
DENIED: Final[Rank] = (0.0,)
WITHHELD: Final[Rank] = (1.0,)
ALLOWED: Final[Rank] = (2.0,)
AFTER_UNION: Final[Rank] = (3.0,)
OWN_NODE: Final = Tier(BASELINE.order + 10, "own node")
CLOSING: Final = Tier(BASELINE.order + 20, "default deny")
HOSTS: Final = Tier(float("-inf"), "host firewall")
