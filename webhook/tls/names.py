"""Subject alternative names: what a client may call this server."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

from cryptography import x509

LOCAL: Final = ("localhost", "127.0.0.1", "::1")
_LONGEST: Final = 253
_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DNS_NAME: Final = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")  # RFC 1123, and RFC 6125's wildcard


def general_names(sans: Iterable[str]) -> tuple[x509.GeneralName, ...]:
    """Return `sans`, and the loopback names before them, without repetition.

    Raises ValueError for one that is neither a DNS name nor an IP address.
    """
    return tuple(dict.fromkeys(general_name(san) for san in (*LOCAL, *sans)))


def general_name(san: str) -> x509.GeneralName:
    """Return one name; an IPv6 address may stand in brackets. Raises ValueError."""
    bare = san[1:-1] if san.startswith("[") and san.endswith("]") else san
    try:
        return x509.IPAddress(ipaddress.ip_address(bare))
    except ValueError:
        name = san.lower().removesuffix(".")
    if len(name) > _LONGEST or not _DNS_NAME.fullmatch(name):
        raise ValueError(f"`{san}`: expected a DNS name or an IP address") from None
    return x509.DNSName(name)
