"""Weave Net, whose policy controller is a container of its own: no port names, and of a range the first port only."""

from typing import Final

from webhook.enforcers.record import Data, Enforcer, Flags, Found, reads
from webhook.model.dialect import Dialect, NodeReading, PortReading
from webhook.model.truth import Truth

_NO_NPC: Final = "weave-net runs without its policy controller, weave-npc"
_NAMES: Final = "names a port, for which Weave Net rejects the whole policy"


def _found(flags: Flags, _data: Data) -> Found:
    on = "container=weave-npc" in flags and "EXPECT_NPC=0" not in flags
    return Found("weave") if on else Found("weave", enforces=False, why=_NO_NPC)


RECORDS: Final = (
    Enforcer(
        "weave",
        agents={"weave-net": _found},
        images=frozenset({"weave-npc"}),
        variables=frozenset({"EXPECT_NPC"}),
        containers=frozenset({"weave-npc"}),
        dialect=reads(
            Dialect(
                "weave",
                ports=PortReading(names_refused=_NAMES, ranges=False),
                nodes=NodeReading(pods_reach_own=Truth.MAYBE),
            )
        ),
        log="kubectl -n kube-system logs ds/weave-net -c weave-npc --tail=100",
    ),
)
