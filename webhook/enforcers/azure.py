"""Azure NPM: on Linux nodes as the API says, but for IPv6; on Windows nodes less."""

from typing import Final

from webhook.enforcers.record import Enforcer, idle, runs
from webhook.model.crd_policies import CompileContext
from webhook.model.dialect import Dialect, NodeReading, PortReading
from webhook.model.truth import Truth

_WINDOWS: Final = "os=windows"
_NAMES_ON_WINDOWS: Final = "names a port, which Azure NPM does not resolve on the Windows nodes that are here"


def _dialect(context: CompileContext) -> Dialect:
    names = _NAMES_ON_WINDOWS if _WINDOWS in context.nodes else ""
    return Dialect(
        "azure-npm",
        ports=PortReading(names_refused=names),
        nodes=NodeReading(pods_reach_own=Truth.YES),
        families=(4,),
    )


RECORDS: Final = (
    Enforcer(
        "azure-npm",
        agents={
            "azure-cns": idle("azure", "Azure CNI enforces no policy without azure-npm or cilium"),
            "azure-npm": runs("azure-npm"),
        },
        images=frozenset({"azure-npm"}),
        dialect=_dialect,
        log="kubectl -n kube-system logs ds/azure-npm --tail=100",
    ),
)
