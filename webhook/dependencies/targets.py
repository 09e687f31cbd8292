"""What a dependency comes down to: flows to groups of pods or to addresses, or why there are none."""

from typing import Literal

from msgspec import Struct

from webhook.model.addresses import Block, Family
from webhook.model.objects import Service
from webhook.model.ports import Protocol
from webhook.model.verdict import Host
from webhook.world import Group

Target = Group | Block | Host


class Flow(Struct, frozen=True):
    """One (destination, protocol, port) after Service translation. `port` None: every port of an external name.

    `own`: the workload's own pods, through a Service that may hand a pod to itself. `local`: only backends on the
    client's node count. `families`: those that the Service uses; empty: any.
    """

    to: Target
    protocol: Protocol
    port: int | None
    service_port: int | None = None
    families: tuple[Family, ...] = ()
    own: bool = False
    local: bool = False
    declared: bool = True  # a container of the destination declares the port
    through: Service | None = None  # whose own address the client dials; None: it dials the destination itself


class Missing(Struct, frozen=True):
    """Why a dependency has no flows. `what` is the finding, `facts` the words of its message."""

    what: Literal["NP201", "NP202", "NP203", "NP204"]
    facts: tuple[tuple[str, str], ...]


class Found(Struct, frozen=True):
    """What a dependency stands for. `name` is its canonical form without the port, `port` that with the protocol.

    `unsure`: why it cannot be told what it means.
    """

    name: str
    flows: tuple[Flow, ...] = ()
    port: str = "*"
    missing: tuple[Missing, ...] = ()
    unsure: str | None = None
    assumptions: tuple[str, ...] = ()


def port_text(port: int | str | None, protocol: Protocol) -> str:
    """Return a port in its canonical form."""
    return "*" if port is None else f"{port}/{protocol}"
