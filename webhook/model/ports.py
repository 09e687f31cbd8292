"""Protocols, ports and the names that containers give them."""

from typing import Final, Literal, get_args

from msgspec import Struct

Protocol = Literal["TCP", "UDP", "SCTP"]
PROTOCOLS: Final[tuple[Protocol, ...]] = get_args(Protocol)
FIRST_PORT: Final = 1
LAST_PORT: Final = 65_535


class ContainerPort(Struct, frozen=True, order=True, gc=False):
    """One `containerPort` that a container, or a restartable init container, declares."""

    number: int
    protocol: Protocol = "TCP"
    name: str = ""


class PortRange(Struct, frozen=True, order=True, gc=False):
    """Ports `first` to `last`, both included, of one protocol."""

    protocol: Protocol
    first: int = FIRST_PORT
    last: int = LAST_PORT

    def __str__(self) -> str:
        if (self.first, self.last) == (FIRST_PORT, LAST_PORT):
            return f"*/{self.protocol}"
        numbers = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{numbers}/{self.protocol}"


class NamedPort(Struct, frozen=True, order=True, gc=False):
    """A port name, resolved on the pod that the packet goes to, by name and protocol."""

    protocol: Protocol
    name: str

    def __str__(self) -> str:
        return f"{self.name}/{self.protocol}"


PortMatch = PortRange | NamedPort
Served = frozenset[tuple[Protocol, int | None]]  # the ports of an endpoint; None: every port of the protocol
