"""Antrea: cluster-wide policies of the first API, and its own, which are known by name only."""

from typing import Final

from webhook.enforcers.record import Enforcer, reads, runs
from webhook.model.dialect import ADMIN_GROUPS, FIRST_API, BlockReading, Dialect, ServiceReading
from webhook.model.truth import Truth

_GROUP: Final = "crd.antrea.io"
RECORDS: Final = (
    Enforcer(
        "antrea",
        title="Antrea",
        groups=ADMIN_GROUPS | {_GROUP},
        unread=frozenset({(_GROUP, "NetworkPolicy")}),
        unread_wide=frozenset({(_GROUP, "ClusterNetworkPolicy")}),
        agents={"antrea-agent": runs("antrea")},
        namespaces=frozenset({"antrea"}),
        images=frozenset({"antrea-agent-ubuntu", "antrea-ubuntu"}),
        dialect=reads(
            Dialect(
                "antrea",
                evaluated=FIRST_API,
                rejects=Truth.MAYBE,
                blocks=BlockReading(pods=Truth.MAYBE, nodes=Truth.MAYBE),
                services=ServiceReading(hairpin_ingress=True),
            )
        ),
        log="kubectl -n kube-system logs ds/antrea-agent -c antrea-agent --tail=100",
    ),
)
