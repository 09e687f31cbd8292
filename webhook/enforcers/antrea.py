"""Antrea: cluster-wide policies of the first API, and its own, which are known by name only."""

from typing import Final

from webhook.enforcers.record import Enforcer, reads, runs
from webhook.model.dialect import FIRST_API, BlockReading, Dialect, ServiceReading
from webhook.model.foreign import ADMIN, ANTREA
from webhook.model.truth import Truth

RECORDS: Final = (
    Enforcer(
        "antrea",
        groups=ADMIN | ANTREA,
        agents={"antrea-agent": runs("antrea")},
        namespaces=frozenset({"antrea"}),
        images=frozenset({"antrea-agent-ubuntu", "antrea-ubuntu"}),
        dialect=reads(
            Dialect(
                "antrea",
                evaluated=FIRST_API,
                blocks=BlockReading(pods=Truth.MAYBE, nodes=Truth.MAYBE),
                services=ServiceReading(hairpin_ingress=True),
            )
        ),
        log="kubectl -n kube-system logs ds/antrea-agent -c antrea-agent --tail=100",
    ),
)
