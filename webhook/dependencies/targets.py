"""What a dependency comes down to: flows to groups of pods or to addresses, or why there are none."""

from typing import Literal

from msgspec import Struct

from webhook.evaluate import Flow
from webhook.model.ports import Protocol


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
