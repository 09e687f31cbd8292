"""One listener: sockets are accepted here, with a certificate that is replaced while connections are open.

uvicorn would take any number of connections, and let each take a minute for TLS.
"""

import asyncio
import contextlib
import hashlib
import logging
import socket
import ssl
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Final

import uvicorn
from msgspec import Struct

from webhook.api.concurrency_limits import Bounds, Connections, Member
from webhook.api.protocol import BoundedProtocol

_log: Final = logging.getLogger(__name__)


class TlsPaths(Struct, frozen=True):
    """PEM files: a certificate with its chain, its private key, and the CAs of clients' certificates, if asked for."""

    cert: Path
    key: Path
    client_ca: Path | None = None


class CertificateError(ValueError):
    """Files that cannot be served from. The message names them."""


class Certificate:
    """The context of the next handshake: of the newest good files.

    New files are loaded into a context of their own, which is taken only when that worked: a pair that is half
    written, or does not belong together, never replaces one that works, and neither does a file of CAs.
    """

    def __init__(self, paths: TlsPaths) -> None:
        """Load the files. Raises CertificateError."""
        self._paths = paths
        self._complaint = ""
        self._seen = _fingerprint(paths)
        self._authorities = _authorities(paths.client_ca) if paths.client_ca else ""
        self.context = _context(paths, self._authorities)

    def reload(self) -> bool:
        """Take up changed files and say whether it did. What cannot be used is logged once, and the old kept."""
        complaint = ""
        try:
            seen = _fingerprint(self._paths)
            if seen == self._seen:
                return False
            self._seen = seen
            complaint = self._renew_authorities()
            self.context = _context(self._paths, self._authorities)
        except CertificateError as error:
            self._complain(str(error))
            return False
        self._complain(complaint)
        _log.info("certificate reloaded from `%s`", self._paths.cert)
        return True

    def _renew_authorities(self) -> str:
        """Take up the clients' CAs; where they are no good, keep the old ones, lest a renewed certificate wait."""
        if self._paths.client_ca:
            try:
                self._authorities = _authorities(self._paths.client_ca)
            except CertificateError as error:
                return str(error)
        return ""

    def _complain(self, complaint: str) -> None:
        if complaint and complaint != self._complaint:
            _log.error("certificate not reloaded: %s", complaint)
        self._complaint = complaint


def _fingerprint(paths: TlsPaths) -> bytes:
    digest = hashlib.sha256()
    for path in (paths.cert, paths.key):
        digest.update(hashlib.sha256(_read(path)).digest())
    if paths.client_ca:
        with contextlib.suppress(CertificateError):  # told when it is loaded
            digest.update(hashlib.sha256(_read(paths.client_ca)).digest())
    return digest.digest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"`{path}`: {error.strerror or error}") from error


def _authorities(path: Path) -> str:
    """Return PEM of which every certificate is whole, and at least one is a CA's."""
    trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        text = _read(path).decode()
        trial.load_verify_locations(cadata=text)
        whole = text.count("-----BEGIN ") == text.count("-----END ") and trial.cert_store_stats()["x509_ca"] > 0
    except ValueError as error:
        if isinstance(error, CertificateError):
            raise
        raise CertificateError(f"`{path}`: expected PEM") from error
    except OSError as error:  # ssl.SSLError is one
        raise CertificateError(f"`{path}`: expected PEM certificates of CAs ({error})") from error
    if not whole:
        raise CertificateError(f"`{path}`: expected PEM certificates of CAs, each of them whole")
    return text


def _context(paths: TlsPaths, authorities: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if authorities:
        context.verify_mode = ssl.CERT_OPTIONAL  # the kubelet's probes show none
        context.load_verify_locations(cadata=authorities)
    try:
        context.load_cert_chain(paths.cert, paths.key, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise CertificateError(
            f"`{paths.cert}` and `{paths.key}`: expected a PEM certificate and its unencrypted private key ({error})"
        ) from error
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")  # without this OpenSSL asks for it on the terminal


_GOOD_BYE: Final = 1.0  # seconds
_LOOK: Final = 0.1  # seconds
_BREATH: Final = 1.0  # seconds, after which there may be descriptors again

Context = Callable[[], ssl.SSLContext]


class Listener(uvicorn.Server):
    """uvicorn on a socket that listens; signals belong to the `Server` that runs several."""

    def __init__(
        self,
        config: uvicorn.Config,
        listening: socket.socket,
        *,
        bounds: Bounds,
        cut: Callable[[str], object],
        context: Context | None = None,
        known: frozenset[str] = frozenset(),
    ) -> None:
        """`context`: of the next handshake, for TLS; `known`: names of which a client's certificate may have one.

        `cut` is told, in a few fixed words, why a connection was ended that its client had not ended.
        """
        super().__init__(config)
        self.serving = asyncio.Event()
        self.connections = Connections(bounds.connections, lambda: cut("shed"))
        self._listening, self._context, self._known = listening, context, known
        self._bounds, self._cut_for = bounds, cut
        self._accepting: asyncio.Task[None] | None = None
        self._welcoming: dict[asyncio.Task[None], Member] = {}

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 (uvicorn's signature)
        """Begin to accept."""
        await self.lifespan.startup()
        self.servers = []  # uvicorn's own ways to accept
        self._listening.setblocking(False)  # noqa: FBT003 (its only parameter)
        self._accepting = asyncio.create_task(self._accept())
        self.started = True
        self.serving.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, and wait for requests that have begun."""
        if self._accepting:
            self._accepting.cancel()
            await asyncio.wait([self._accepting])
        self._listening.close()
        for member in tuple(self._welcoming.values()):
            member.drop()
        cutting = asyncio.create_task(self._cut_idle())
        try:
            await super().shutdown(sockets)
        finally:
            cutting.cancel()
            self._cut(lambda _: True)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(self._listening)
            except OSError as error:  # no descriptors left, or a client that was gone before we came
                _log.warning("cannot accept: %s", error.strerror or error)
                await asyncio.sleep(_BREATH)
                continue
            self._welcome(connection, str(address[0]))

    def _welcome(self, connection: socket.socket, address: str) -> None:
        member = Member(address)
        if not self.connections.join(member):
            self._cut_for("full")
            connection.close()
            return
        task = asyncio.create_task(self._shake_hands(connection, member))
        if self._context:  # else there will be a transport in no time, which must not be left half made
            member.abort = task.cancel
        self._welcoming[task] = member
        task.add_done_callback(partial(self._welcomed, connection, member))

    def _welcomed(self, connection: socket.socket, member: Member, task: asyncio.Task[None]) -> None:
        del self._welcoming[task]
        if not task.cancelled():
            error = task.exception()
            if error is None:
                return  # the protocol tells when it is over
            self._cut_for("handshake")
            _log.debug("handshake with %s failed: %r", member.address, error)
        self.connections.leave(member)
        connection.close()

    async def _shake_hands(self, connection: socket.socket, member: Member) -> None:
        loop = asyncio.get_running_loop()
        protocol = partial(
            BoundedProtocol,
            self.config,
            self.server_state,
            bounds=self._bounds,
            member=member,
            known=self._known,
            leave=self.connections.leave,
            cut=self._cut_for,
        )
        if self._context is None:
            await loop.connect_accepted_socket(protocol, connection)
        else:
            await loop.connect_accepted_socket(
                protocol,
                connection,
                ssl=self._context(),
                ssl_handshake_timeout=self._bounds.handshake_seconds,
                ssl_shutdown_timeout=self._bounds.close_seconds,
            )

    async def _cut_idle(self) -> None:
        """Wait a little, not 30 s, for clients that do not answer TLS' good-bye; requests have `Timing.finish`."""
        await asyncio.sleep(_GOOD_BYE)
        while True:
            self._cut(lambda protocol: getattr(protocol.cycle, "response_complete", True))  # None: it never asked
            await asyncio.sleep(_LOOK)

    def _cut(self, which: Callable[[BoundedProtocol], bool]) -> None:
        for protocol in tuple(self.server_state.connections):
            if isinstance(protocol, BoundedProtocol) and which(protocol):
                protocol.transport.abort()


# -- sockets, bound before anything is started: a port in use is an error of the caller -------------------------------


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
