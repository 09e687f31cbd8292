"""A connection to one API server: the official client's configuration, credentials, proxy and TLS; raw bytes out.

Its deserialised models are not used: they cost many times the decoding itself.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlencode, urlsplit

import aiohttp
from msgspec import Struct

from webhook import __version__
from webhook.cluster.client_configuration import Sockets, configuration, route
from webhook.cluster.errors import BadConfigError, GarbledError, UnauthorizedError, cleaned, refused, unreachable

if TYPE_CHECKING:
    from kubernetes.aio.client import ApiClient, Configuration

Query = Mapping[str, str | int]

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 60.0  # for one page, as the API server's own --request-timeout default
LARGEST_ANSWER: Final = 256 << 20  # bytes: 500 objects of etcd's largest size, each, would be more than we can hold
_BUFFER: Final = 64 << 10  # bytes of an answer that wait to be read: the official client keeps 2 MiB of each stream
_LARGEST_REFUSAL: Final = 64 << 10
_DONE: Final = (HTTPStatus.OK, HTTPStatus.CREATED)
MANAGER: Final = "netpol-preflight"  # whom managedFields names as the writer

# What is asked for; the last is what a server answers that cannot leave anything out.
WHOLE: Final = "application/json"
BARE: Final = f"{WHOLE};as=PartialObjectMetadata;g=meta.k8s.io;v=v1,{WHOLE}"
BARE_LIST: Final = f"{WHOLE};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,{WHOLE}"


class ObjectRef(Struct, frozen=True):
    """Where an object of a namespace is."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Requests(Protocol):
    """What whoever writes asks of a connection. Both raise ClusterError."""

    async def get(self, path: str, query: Query, accept: str = WHOLE, /) -> bytes:
        """Return the body of one answer."""
        ...

    async def send(self, method: str, path: str, value: object, content_type: str = WHOLE, /) -> bytes:
        """Create, replace, patch or delete with a JSON value; return the body of the answer."""
        ...


class Connection:
    """Requests to one API server. Credentials that it rejects are loaded anew once, as kubectl does."""

    def __init__(self, load: Callable[[], Awaitable["_Client"]], client: "_Client") -> None:
        self._load = load
        self._client = client
        self._renewal = asyncio.Lock()
        self._lent: Counter[_Client] = Counter()
        self.date: datetime | None = None
        """The API server's clock when it last answered, whatever it answered; to the second."""

    @property
    def server(self) -> str:
        """The API server's address, without user information."""
        parts = urlsplit(self._client.api.configuration.host)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    async def get(self, path: str, query: Query, accept: str = WHOLE) -> bytes:
        """Return the body of one answer. Raises ClusterError."""
        limits = aiohttp.ClientTimeout(total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS)
        async with self._answer(path, query, accept, limits) as response:
            return await _body(response, LARGEST_ANSWER, self.server)

    async def send(self, method: str, path: str, value: object, content_type: str = WHOLE) -> bytes:
        """Create, replace, patch or delete with a JSON value; return the body of the answer. Raises ClusterError."""
        limits = aiohttp.ClientTimeout(total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS)
        query = {"fieldManager": MANAGER}
        async with self._answer(path, query, WHOLE, limits, _Sent(method, value, content_type)) as response:
            return await _body(response, LARGEST_ANSWER, self.server)

    @asynccontextmanager
    async def stream(
        self, path: str, query: Query, silence: float, accept: str = WHOLE
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open an answer that is read as it comes, in chunks of any size.

        Raises ClusterError, also out of the chunks: UnreachableError where none comes for `silence` seconds.
        """
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silence)
        async with self._answer(path, query, accept, limits) as response:
            yield _chunks(response, self.server)

    @asynccontextmanager
    async def _answer(
        self, path: str, query: Query, accept: str, limits: aiohttp.ClientTimeout, sent: "_Sent | None" = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(self._borrowed())
            try:
                response = await self._request(client.api, path, query, accept, limits, sent)
            except UnauthorizedError:
                await self._renew(client)
                client = await stack.enter_async_context(self._borrowed())
                response = await self._request(client.api, path, query, accept, limits, sent)
            try:
                yield response
            finally:
                _leave(response)

    async def _request(
        self,
        api: "ApiClient",
        path: str,
        query: Query,
        accept: str,
        limits: aiohttp.ClientTimeout,
        sent: "_Sent | None",
    ) -> aiohttp.ClientResponse:
        url = f"{path}?{urlencode(query)}"
        headers = {"Accept": accept, "Content-Type": sent.content_type if sent else WHOLE}
        try:
            method, url, headers, *_ = await api.param_serialize(
                sent.method if sent else "GET", url, header_params=headers, auth_settings=["BearerToken"]
            )
        except Exception as error:  # a token file or a plugin fails in whatever way it likes
            raise BadConfigError(f"the credentials cannot be read: {cleaned(str(error))}") from error
        try:
            answer = await api.call_api(method, url, headers, sent and sent.value, _request_timeout=limits)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise unreachable(error, self.server) from error
        response: aiohttp.ClientResponse = answer.response
        self.date = _date(response.headers.get("Date", "")) or self.date
        if response.status not in _DONE:
            try:
                body = await _body(response, _LARGEST_REFUSAL, self.server)
            finally:
                _leave(response)
            raise refused(response.status, body, response.headers.get("Retry-After", ""))
        return response

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator["_Client"]:
        """Lend the client of the day; one that was replaced is closed when its last stream has ended."""
        client = self._client
        self._lent[client] += 1
        try:
            yield client
        finally:
            self._lent[client] -= 1
            if client is not self._client and not self._lent[client]:
                del self._lent[client]
                await client.close()

    async def _renew(self, rejected: "_Client") -> None:
        """Load the credentials anew, unless another request already has."""
        async with self._renewal:
            if self._client is rejected:
                self._client = await self._load()

    async def close(self) -> None:
        """Close every connection."""
        for client in {*self._lent, self._client}:
            await client.close()


@asynccontextmanager
async def connect(kubeconfig: str | None = None, context: str | None = None) -> AsyncIterator[Connection]:
    """Connect as kubectl would: the given file, `$KUBECONFIG`, `~/.kube/config`, else the pod's service account.

    Nothing is sent yet. Raises BadConfigError.
    """

    async def load() -> _Client:
        return _Client(await configuration(kubeconfig, context))

    connection = Connection(load, await load())
    try:
        yield connection
    finally:
        await connection.close()


class _Sent(Struct, frozen=True):
    """What a request carries, as JSON."""

    method: str
    value: object
    content_type: str


class _Client:
    """The official client with sockets of our making."""

    def __init__(self, settings: "Configuration") -> None:
        from kubernetes.aio.client import ApiClient  # noqa: PLC0415 - takes a second, and only who connects pays

        route(settings)
        try:
            self.api = ApiClient(settings)
        except (OSError, ValueError) as error:
            raise BadConfigError(f"the certificates cannot be loaded: {cleaned(str(error))}") from error
        self.api.user_agent = f"netpol-preflight/{__version__}"
        self._sockets = Sockets()
        self._connector = aiohttp.TCPConnector(
            ssl=self.api.rest_client.ssl_context, limit=0, socket_factory=self._sockets.make
        )
        more = {"connector": self._connector, "read_bufsize": _BUFFER}
        settings.client_session_kwargs = {**(settings.client_session_kwargs or {}), **more}

    async def close(self) -> None:
        await self.api.close()  # type: ignore[no-untyped-call] # generated code
        await self._connector.close()
        await self._sockets.close()


def _leave(response: aiohttp.ClientResponse) -> None:
    """Close a connection that was not read to its end; one that was is back in the pool already.

    At once, not by TLS's goodbye: the server may go on sending, and nobody is left to wait for its answer.
    """
    if response.connection and response.connection.protocol:
        response.connection.protocol.abort()
    response.close()


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)  # RFC 9110 §6.6.1: always GMT
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


async def _body(response: aiohttp.ClientResponse, limit: int, server: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for chunk in _chunks(response, server):
        size += len(chunk)
        if size > limit:
            raise GarbledError(f"an answer of more than {limit >> 20 or 1} MiB")
        parts.append(chunk)
    return b"".join(parts)


async def _chunks(response: aiohttp.ClientResponse, server: str) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise unreachable(error, server) from error
