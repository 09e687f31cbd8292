"""Which proxy leads to the API server, as Go's `http.ProxyFromEnvironment` and so kubectl decides."""

import ipaddress
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit
from urllib.request import getproxies_environment

if TYPE_CHECKING:
    from kubernetes.aio.client import Configuration


def route(settings: "Configuration") -> None:
    """Set the proxy, unless the kubeconfig names one.

    The HTTP library's own way is switched off: it sends loopback to a proxy, knows no blocks in NO_PROXY, and
    takes passwords out of ~/.netrc, which do not go together with a token.
    """
    settings.client_session_kwargs = {"trust_env": False}
    server = urlsplit(settings.host)
    if settings.proxy is None and not _direct(server.hostname or ""):
        settings.proxy = getproxies_environment().get(server.scheme)
    if server.username is not None and settings.api_key:
        # Go lets the token win over a user in the address; the HTTP library refuses to choose.
        settings.host = urlunsplit(server._replace(netloc=server.netloc.rpartition("@")[2]))


def _direct(host: str) -> bool:
    exempt = [one.strip() for one in (os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or "").split(",")]
    if host == "localhost" or "*" in exempt:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        names = [one.lower().lstrip(".") for one in exempt if one]
        return any(host == name or host.endswith(f".{name}") for name in names)
    return address.is_loopback or any(_holds(one, address) for one in exempt)


def _holds(block: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(block, strict=False)
    except ValueError:
        return False
