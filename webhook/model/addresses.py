"""IP addresses and blocks as plain integers; protocols, ports and their names; URL schemes with their default ports."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Literal, get_args

from msgspec import Struct

Family = Literal[4, 6]
FAMILIES: tuple[Family, ...] = (4, 6)
IPV4: Family = 4
IPV6: Family = 6
MAPPED_BITS = 96  # before the IPv4 address in ::ffff:0:0/96
BITS: dict[Family, int] = {4: 32, 6: 128}
FAMILY_NAME: dict[Family, str] = {4: "IPv4", 6: "IPv6"}
_PARSED = 2_048  # distinct addresses remembered, at 250 bytes each: an object says its own twice, others say a node's
_OCTETS = {str(number): number for number in range(256)}


class Address(Struct, frozen=True, order=True, gc=False):
    """One IPv4 or IPv6 address; an IPv4-mapped IPv6 address is its IPv4 address."""

    family: Family
    value: int

    def __str__(self) -> str:
        return str(ipaddress.IPv4Address(self.value) if self.family == IPV4 else ipaddress.IPv6Address(self.value))

    @property
    def block(self) -> "Block":
        """The /32 or /128 that holds just this address."""
        return Block(self.family, self.value, BITS[self.family])


class Block(Struct, frozen=True, order=True, gc=False):
    """A CIDR block: `first` is the network address, `prefix` its length in bits."""

    family: Family
    first: int
    prefix: int

    @property
    def last(self) -> int:
        """The highest address of the block, as an integer."""
        return self.first | ((1 << (BITS[self.family] - self.prefix)) - 1)

    @property
    def size(self) -> int:
        """How many addresses the block has."""
        return 1 << (BITS[self.family] - self.prefix)

    def covers(self, other: "Block") -> bool:
        """Say whether every address of `other` is in this block."""
        return self.family == other.family and self.prefix <= other.prefix and self.first <= other.first <= self.last

    def overlaps(self, other: "Block") -> bool:
        """Say whether the two share an address."""
        return self.covers(other) or other.covers(self)

    def holds(self, address: Address) -> bool:
        """Say whether `address` is in this block."""
        return self.family == address.family and self.first <= address.value <= self.last

    def __str__(self) -> str:
        return f"{Address(self.family, self.first)}/{self.prefix}"


def merged(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Return the fewest blocks that hold the addresses of `blocks` and no other, sorted."""
    found: list[Block] = []
    for block in sorted(set(blocks)):
        if found and found[-1].covers(block):
            continue
        found.append(block)
        while len(found) > 1 and (whole := _whole(*found[-2:])) is not None:
            found[-2:] = [whole]
    return tuple(found)


def _whole(low: Block, high: Block) -> Block | None:
    """Return the block that has these two halves, None where there is none."""
    if low.family != high.family or low.prefix != high.prefix or high.first != low.last + 1:
        return None
    whole = Block(low.family, low.first, low.prefix - 1)
    return whole if whole.covers(high) and low.first % whole.size == 0 else None


@lru_cache(maxsize=_PARSED)
def parse_address(text: str) -> Address:
    """Read an address without a zone.

    Raises ValueError for anything else, leading zeros included: they are octal to some readers and decimal to others.
    """
    try:
        first, second, third, fourth = map(_OCTETS.__getitem__, text.split("."))
    except (KeyError, ValueError):  # most addresses pass by what is slow and words errors
        parsed = ipaddress.ip_address(text)
    else:
        return Address(4, first << 24 | second << 16 | third << 8 | fourth)
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.scope_id is not None:
            message = f"`{text}` has a zone"
            raise ValueError(message)
        if parsed.ipv4_mapped is not None:
            return Address(4, int(parsed.ipv4_mapped))
        return Address(6, int(parsed))
    return Address(4, int(parsed))


def parse_block(text: str) -> Block:
    """Read `address/prefix`; host bits are dropped (see `has_host_bits`). Raises ValueError for anything else."""
    address_text, slash, prefix_text = text.partition("/")
    if not slash or not prefix_text.isascii() or not prefix_text.isdigit() or prefix_text != str(int(prefix_text)):
        message = f"`{text}` is not an address block: expected ADDRESS/PREFIX"
        raise ValueError(message)
    address = parse_address(address_text)
    prefix = int(prefix_text) - (MAPPED_BITS if ":" in address_text and address.family == IPV4 else 0)
    if not 0 <= prefix <= BITS[address.family]:
        message = f"`{text}` has a prefix out of range"
        raise ValueError(message)
    host = BITS[address.family] - prefix
    return Block(address.family, address.value >> host << host, prefix)


LOOPBACK: Final = tuple(map(parse_block, ("127.0.0.0/8", "::1/128", "0.0.0.0/32", "::/128")))
LINK_LOCAL: Final = tuple(map(parse_block, ("169.254.0.0/16", "fe80::/10")))


def is_loopback(block: Block) -> bool:
    """Say whether the host itself has every address of `block`: what is sent there never leaves it.

    Linux takes the unspecified address of a destination for the host itself.
    """
    return any(own.covers(block) for own in LOOPBACK)


def is_link_local(block: Block) -> bool:
    """Say whether every address of `block` is one that means something else on each link."""
    return any(link.covers(block) for link in LINK_LOCAL)


def has_host_bits(text: str) -> bool:
    """Say whether the address of a readable block is not its network address (`10.0.0.5/24`)."""
    return parse_address(text.partition("/")[0]).value != parse_block(text).first


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


SCHEMES: Final[dict[str, tuple[Protocol, int | None]]] = {
    "amqp": ("TCP", 5672),
    "amqps": ("TCP", 5671),
    "cassandra": ("TCP", 9042),
    "clickhouse": ("TCP", 9000),
    "couchdb": ("TCP", 5984),
    "dns": ("UDP", 53),
    "elasticsearch": ("TCP", 9200),
    "etcd": ("TCP", 2379),
    "ftp": ("TCP", 21),
    "grpc": ("TCP", None),
    "grpcs": ("TCP", 443),
    "http": ("TCP", 80),
    "https": ("TCP", 443),
    "kafka": ("TCP", 9092),
    "ldap": ("TCP", 389),
    "ldaps": ("TCP", 636),
    "mariadb": ("TCP", 3306),
    "memcached": ("TCP", 11211),
    "mongodb": ("TCP", 27017),
    "mqtt": ("TCP", 1883),
    "mqtts": ("TCP", 8883),
    "mssql": ("TCP", 1433),
    "mysql": ("TCP", 3306),
    "nats": ("TCP", 4222),
    "ntp": ("UDP", 123),
    "oracle": ("TCP", 1521),
    "postgres": ("TCP", 5432),
    "postgresql": ("TCP", 5432),
    "pulsar": ("TCP", 6650),
    "redis": ("TCP", 6379),
    "rediss": ("TCP", 6379),
    "sctp": ("SCTP", None),
    "smtp": ("TCP", 25),
    "smtps": ("TCP", 465),
    "sqlserver": ("TCP", 1433),
    "ssh": ("TCP", 22),
    "statsd": ("UDP", 8125),
    "syslog": ("UDP", 514),
    "tcp": ("TCP", None),
    "tls": ("TCP", None),
    "udp": ("UDP", None),
    "ws": ("TCP", 80),
    "wss": ("TCP", 443),
    "zookeeper": ("TCP", 2181),
}
