"""Protocols and ports of a rule.

Source: `projectcalico/api` pkg/lib/numorstring, `projectcalico/calico` libcalico-go/lib/validator.
"""

import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from webhook.model.ports import FIRST_PORT, LAST_PORT, PROTOCOLS, NamedPort, PortMatch, PortRange, Protocol
from webhook.wire.shapes import Raw, fail, sequence, shown

Protocols = tuple[Protocol, ...]
_NUMBERS: Final[dict[int, Protocol]] = {6: "TCP", 17: "UDP", 132: "SCTP"}
_WITHOUT_PORTS: Final = ("ICMP", "ICMPv6", "UDPLite")
_NAMES: Final = {name.lower(): name for name in (*PROTOCOLS, *_WITHOUT_PORTS)}
_LAST_PROTOCOL: Final = 255
_RANGE: Final = re.compile(r"(\d{1,9}):(\d{1,9})", re.ASCII)
_NUMBER: Final = re.compile(r"\d{1,9}", re.ASCII)
_LONGEST_NAME: Final = 15
_NAME: Final = re.compile(r"(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")  # IsValidPortName of k8s.io/apimachinery


class Ports(Struct, frozen=True):
    """What `ports` or `notPorts` lists: ranges and names."""

    ranges: tuple[tuple[int, int], ...] = ()
    names: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.ranges or self.names)

    @property
    def whole(self) -> bool:
        """Whether every port is among them."""
        return any(first <= FIRST_PORT and last >= LAST_PORT for first, last in self.ranges)

    def matches(self, protocols: Protocols, *, named: bool) -> tuple[PortMatch, ...]:
        """Return the ranges, with `named` the names too, of some protocols."""
        ranges: Iterable[PortMatch] = (PortRange(p, *ends) for p in protocols for ends in self.ranges)
        names: Iterable[PortMatch] = (NamedPort(p, name) for p in protocols for name in self.names if named)
        return (*ranges, *names)


def protocol(raw: Raw, key: str, path: str, problems: list[str]) -> str | None:
    """Read `protocol` or `notProtocol` as one of PROTOCOLS or any other text; None when absent. Raises Malformed."""
    value, path = raw.get(key), f"{path}.{key}"
    if value is None:
        return None
    number = int(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value
    if isinstance(number, int) and not isinstance(number, bool):
        if not 1 <= number <= _LAST_PROTOCOL:
            fail(path, f"expected a protocol from 1 to {_LAST_PROTOCOL}, not {shown(value)}")
        return _NUMBERS.get(number, str(number))
    name = _NAMES.get(value.lower()) if isinstance(value, str) else None
    if name is None:
        fail(path, f"expected {', '.join(_NAMES.values())} or a number, not {shown(value)}")
    if name != value:
        problems.append(f"{path}: expected `{name}`: API servers may refuse {shown(value)}")
    return name


def carried(spoken: str | None, excluded: str | None) -> Protocols:
    """Return the protocols that a rule may be about."""
    return tuple(p for p in PROTOCOLS if spoken in (None, p) and excluded != p)


def ports(raw: Raw, key: str, path: str) -> Ports:
    """Read `ports` or `notPorts`. Raises Malformed."""
    ranges: list[tuple[int, int]] = []
    names: list[str] = []
    for index, value in enumerate(sequence(raw, key, path)):
        where = f"{path}.{key}[{index}]"
        if isinstance(value, int) and not isinstance(value, bool):
            ranges.append(_ends(value, value, where))
        elif not isinstance(value, str):
            fail(where, f"expected a port, FIRST:LAST or a port's name, not {shown(value)}")
        elif _NUMBER.fullmatch(value):
            ranges.append(_ends(int(value), int(value), where))
        elif (found := _RANGE.fullmatch(value)) is not None:
            ranges.append(_ends(int(found[1]), int(found[2]), where))
        elif len(value) > _LONGEST_NAME or not _NAME.fullmatch(value):
            fail(where, f"expected a port, FIRST:LAST or a port's name, not {shown(value)}")
        else:
            names.append(value)
    return Ports(tuple(ranges), tuple(names))


def _ends(first: int, last: int, path: str) -> tuple[int, int]:
    if not FIRST_PORT <= first <= last <= LAST_PORT:
        fail(path, f"expected ports from {FIRST_PORT} to {LAST_PORT}, the lower one first, not {first}:{last}")
    return first, last
