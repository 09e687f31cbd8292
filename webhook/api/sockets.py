"""Listening sockets, bound before anything is started so that a port in use is the caller's error to tell."""

import socket
from collections.abc import Callable
from typing import Final

BACKLOG: Final = 2048
_EVERYWHERE: Final = "::"
_EVERYWHERE_WITHOUT_IPV6: Final = "0.0.0.0"  # noqa: S104 - what was asked for


def listen(host: str, port: int, dual_stack: Callable[[], bool] = socket.has_dualstack_ipv6) -> socket.socket:
    """Return a socket that listens on the first address that `host` has; port 0: any free one.

    `::` means every address, as for Go's `net.Listen`: of both families, or of IPv4 on a system without `dual_stack`.
    Raises OSError (socket.gaierror for a name without an address).
    """
    if host == _EVERYWHERE:
        if dual_stack():
            return socket.create_server((host, port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
        host = _EVERYWHERE_WITHOUT_IPV6
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    return socket.create_server((str(address[0]), port), family=family, backlog=BACKLOG)


def port_of(listener: socket.socket) -> int:
    """Return the port that the socket was given."""
    port = listener.getsockname()[1]
    if not isinstance(port, int):
        raise TypeError("expected a TCP socket")
    return port
