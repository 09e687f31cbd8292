"""A small client of the API server, for what a test sets up or looks at; what users do goes through kubectl."""

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any

from tests.support.patience import PATIENCE

TIMEOUT = PATIENCE
UNREACHABLE = (OSError, HTTPException)


class ApiError(Exception):
    """The API server said no: its HTTP status, and the message of its Status object."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Client:
    """JSON requests to one server as one user; every request has a connection of its own."""

    def __init__(self, port: int, ca_file: Path, token: str) -> None:
        self._port = port
        self._token = token
        self._tls = ssl.create_default_context(cafile=str(ca_file))

    def request(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> Any:  # noqa: ANN401 any JSON
        """Return the decoded answer; raises ApiError, or OSError where nobody answers."""
        with closing(self._connection(TIMEOUT)) as connection:
            connection.request(method, path, None if body is None else json.dumps(body), self._headers(content_type))
            response = connection.getresponse()
            return _decode(response.status, response.read())

    def watch(self, path: str) -> Iterator[Any]:
        """Yield the events of a watch until the server ends it; raises as `request` does."""
        with closing(self._connection(timeout=None)) as connection:
            connection.request("GET", path, headers=self._headers("application/json"))
            response: HTTPResponse = connection.getresponse()
            if response.status >= 300:
                _decode(response.status, response.read())
            for line in response:
                yield json.loads(line)

    def _connection(self, timeout: float | None) -> HTTPSConnection:
        return HTTPSConnection("127.0.0.1", self._port, timeout=timeout, context=self._tls)

    def _headers(self, content_type: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}", "Accept": "application/json", "Content-Type": content_type}


class _UnixConnection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(str(self._path))


def ask_unix(path: Path, url: str, body: object) -> Any:  # noqa: ANN401 any JSON
    """POST JSON to who listens on a unix socket, and return the decoded answer; raises as `Client.request` does."""
    with closing(_UnixConnection(path)) as connection:
        connection.request("POST", url, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        return _decode(response.status, response.read())


def _decode(status: int, content: bytes) -> Any:  # noqa: ANN401 any JSON
    try:
        decoded = json.loads(content)
    except ValueError:
        decoded = content.decode(errors="replace")
    if status >= 300:
        raise ApiError(status, decoded.get("message", "") if isinstance(decoded, dict) else str(decoded))
    return decoded
