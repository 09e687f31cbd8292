"""What the official client is configured with: where the API server is and who we are to it, the proxy, the sockets."""

import asyncio
import ipaddress
import os
import socket
import sys
import weakref
from contextlib import suppress
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit
from urllib.request import getproxies_environment

from msgspec import Struct

from webhook.cluster.errors import BadConfigError, cleaned

if TYPE_CHECKING:
    from kubernetes.aio.client import Configuration

# kubernetes.aio.config.incluster_config.SERVICE_TOKEN_FILENAME, known without the import
SERVICE_ACCOUNT_TOKEN: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a path


def in_cluster() -> bool:
    """Say whether this process runs in a pod that has a service account's token."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST")) and Path(SERVICE_ACCOUNT_TOKEN).is_file()


async def configuration(kubeconfig: str | None, context: str | None) -> "Configuration":
    """Load what to connect to, in kubectl's order. Raises BadConfigError.

    In a pod the client reads the token file again every minute.
    """
    defer_packages()
    from kubernetes.aio.client import Configuration  # noqa: PLC0415 - takes its time, and only who connects pays

    settings = Configuration()
    files = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube/config")
    if _any_exists(files):
        await _from_kubeconfig(settings, files, context)
    elif kubeconfig or context or not in_cluster():
        raise BadConfigError(f"no kubeconfig at `{files}`, and this is no pod with a service account")
    else:
        _from_service_account(settings)
    return settings


def defer_packages() -> None:
    """Let modules of `kubernetes.aio` be imported without all that its packages import of themselves.

    That is the synchronous client with libraries of its own, 8 MiB of which nothing is used here. Who asks one of the
    packages for anything gets it whole, as ever. Without effect where they are imported already.
    """
    for name in ("kubernetes", "kubernetes.aio"):
        if name not in sys.modules:
            _defer(name)


def _defer(name: str) -> None:
    spec = find_spec(name)
    if spec is None or spec.loader is None:
        return
    module, loader = module_from_spec(spec), spec.loader
    lock, begun = RLock(), False

    def attribute(wanted: str) -> object:
        nonlocal begun
        if wanted == "__version__" or not wanted.startswith("__"):  # for the others import machinery only feels
            with lock:
                if not begun:
                    begun = True
                    loader.exec_module(module)
        if wanted not in vars(module):
            raise AttributeError(f"module {name!r} has no attribute {wanted!r}")
        return vars(module)[wanted]

    vars(module)["__getattr__"] = attribute
    sys.modules[name] = module
    parent, _, own = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], own, module)


def _any_exists(files: str) -> bool:
    return any(part and Path(part).expanduser().is_file() for part in files.split(os.pathsep))


async def _from_kubeconfig(settings: "Configuration", files: str, context: str | None) -> None:
    from kubernetes.aio.config import load_kube_config  # noqa: PLC0415 - see configuration

    try:
        await load_kube_config(  # type: ignore[no-untyped-call]
            config_file=files, context=context, client_configuration=settings, persist_config=False
        )
    except Exception as error:  # whatever is wrong in the file, the loader trips over it in a way of its own
        raise BadConfigError(f"kubeconfig `{files}`: {_why(error)}") from error


def _from_service_account(settings: "Configuration") -> None:
    from kubernetes.aio.config import ConfigException, load_incluster_config  # noqa: PLC0415 - see configuration

    try:
        load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError) as error:
        raise BadConfigError(f"the pod's service account: {_why(error)}") from error


def _why(error: Exception) -> str:
    """Say what is wrong, where the loader itself knows; what it merely trips over would be said in Python's terms."""
    from kubernetes.aio.config import ConfigException  # noqa: PLC0415 - see configuration

    if isinstance(error, OSError):
        return (error.strerror or "cannot be read").lower()
    text = cleaned(str(error)).removeprefix("Invalid kube-config file. ") if isinstance(error, ConfigException) else ""
    return text[:1].lower() + text[1:] if text else "not a kubeconfig that can be used"


# -- the proxy, as Go decides (`http.ProxyFromEnvironment`), and so kubectl --------------------------------------------


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


# -- sockets: a dead peer is noticed, and closing leaves none behind ---------------------------------------------------


# A peer that is silent for 30 s is asked; after three questions without an answer, 10 s apart, it is dead.
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 30, "TCP_KEEPALIVE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
_GOODBYE_SECONDS: Final = 1.0


class Sockets:
    """Makes an HTTP client's sockets, and remembers those that are still there."""

    def __init__(self) -> None:
        self._made: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def make(self, address: tuple[Any, ...]) -> socket.socket:
        """Return a non-blocking socket for one row of `getaddrinfo`."""
        made = socket.socket(address[0], address[1], address[2])
        made.settimeout(0)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, seconds in _KEEPALIVE.items():
            if option := getattr(socket, name, None):  # Linux and macOS name them differently
                made.setsockopt(socket.IPPROTO_TCP, option, seconds)
        self._made.add(made)
        return made

    async def close(self) -> None:
        """End what the HTTP client has let go but TLS still says goodbye to; nobody waits for that answer."""
        for one in self._open():
            with suppress(OSError):  # not connected any more
                one.shutdown(socket.SHUT_RDWR)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                while self._open():  # noqa: ASYNC110 - the transports that close them tell nobody
                    await asyncio.sleep(0.001)

    def _open(self) -> list[socket.socket]:
        return [one for one in self._made if one.fileno() >= 0]


class Access(Struct, frozen=True):
    """Which cluster, None stands for what kubectl would take; and which namespaces of it, all without any.

    `unasked`: kinds, by their names, that are not even asked for.
    """

    kubeconfig: str | None = None
    context: str | None = None
    namespaces: tuple[str, ...] = ()
    unasked: frozenset[str] = frozenset()
