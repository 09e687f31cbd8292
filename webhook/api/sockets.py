"""Listening sockets, bound before anything is started so that a port in use is the caller's error to tell."""

import socket
from typing import Final

BACKLOG: Final = 2048


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on the first address that `host` has; port 0: any free one.

    `::` takes IPv4 as well where the system can. Raises OSError (socket.gaierror for a name without an address).
    """
    if host == "::" and socket.has_dualstack_ipv6():
        return socket.create_server(("::", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    return socket.create_server((str(address[0]), port), family=family, backlog=BACKLOG)


def port_of(listener: socket.socket) -> int:
    """Return the port that the socket was given."""
    port = listener.getsockname()[1]
    if not isinstance(port, int):
        raise TypeError("expected a TCP socket")
    return port
