"""What can go wrong between us and an API server, in a person's words; whose fault it is shows in the type."""

import ssl
from typing import Final

import aiohttp
import msgspec

CONFLICT: Final = 409  # it exists, or is not of the version any more that was read
_LONGEST: Final = 300  # characters of somebody else's message: enough for any Status the API server writes


UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # what decoding may raise


class ClusterError(Exception):
    """Base of all; str() is fit to print."""


class BadConfigError(ClusterError):
    """Our side: there is no usable kubeconfig or service account."""


class UnreachableError(ClusterError):
    """Between us: no connection, no trust, no answer in time, or one that was cut off."""


class SilentError(UnreachableError):
    """Nothing was heard for longer than was waited for; a quiet kind and a dead connection look the same."""


class GarbledError(ClusterError):
    """Their side: an answer that is not what the API promises."""


class RefusedError(ClusterError):
    """Their side: an HTTP status; `retry_after` in seconds, 0 where the server names none."""

    def __init__(self, message: str, status: int, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class UnauthorizedError(RefusedError):
    """401: the credentials are missing, wrong or out of date."""


class ForbiddenError(RefusedError):
    """403: these credentials may not read this."""


class NotServedError(RefusedError):
    """404: the server has no such resource."""


class OvertakenError(ClusterError):
    """Somebody else wrote in between: what was read does not hold any more."""


class ExpiredError(RefusedError):
    """410: the version or continue token is too old; only a new list helps."""


_BY_STATUS: Final = {401: UnauthorizedError, 403: ForbiddenError, 404: NotServedError, 410: ExpiredError}


class _Status(msgspec.Struct):
    """`metav1.Status`, as far as it is read."""

    message: str = ""
    reason: str = ""
    code: int = 0


def refused(status: int, body: bytes, retry_after: str = "") -> RefusedError:
    """Read an answer that is no 200: the API's Status object, or whatever a proxy made of it."""
    try:
        said = msgspec.json.decode(body, type=_Status)
        text = said.message or said.reason
    except UNREADABLE:
        text = body[:_LONGEST].decode(errors="replace")
    seconds = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
    message = f"HTTP {status}: {cleaned(text)}" if text.strip() else f"HTTP {status}"
    return _BY_STATUS.get(status, RefusedError)(message, status, seconds)


def refused_in_stream(event: bytes) -> ClusterError:
    """Read the object of an `ERROR` event: a Status whose code says what the HTTP status could not say any more."""
    try:
        said = msgspec.json.decode(event, type=_Status)
    except UNREADABLE as error:
        return GarbledError(f"an error event that cannot be read: {cleaned(str(error))}")
    return refused(said.code or 500, event)


def unreachable(error: Exception, server: str) -> UnreachableError:
    """Say in words why there is no answer from `server`; for aiohttp's errors, timeouts and OSErrors."""
    kind = SilentError if isinstance(error, aiohttp.SocketTimeoutError) else UnreachableError
    return kind(f"cannot reach `{server}`: {_why(error)}")


def _why(error: Exception) -> str:
    return next((words for kind, words in _WORDS if isinstance(error, kind)), None) or _detail(error)


# The first that fits. Of an address that is none, its own text would show a password in it.
_WORDS: Final[tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...]] = (
    (aiohttp.ClientConnectorDNSError, "no such host"),
    (TimeoutError, "no answer in time"),
    ((aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, ConnectionResetError), "the connection was cut"),
    ((aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError), "not an address that can be connected to"),
)


def _detail(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"its certificate is not trusted: {_trust(error.certificate_error)}"
        case aiohttp.ClientProxyConnectionError():
            return f"the proxy does not answer: {_system(error.os_error)}"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy answers HTTP {error.status}"
        case aiohttp.ClientConnectorSSLError():
            return f"TLS failed: {_trust(error.os_error)}"
        case aiohttp.ClientConnectorError():
            return _system(error.os_error)
        case OSError():
            return _system(error)
        case _:
            return cleaned(str(error)) or "the connection failed"


def _system(error: OSError) -> str:
    return cleaned((error.strerror or str(error)).lower())


def _trust(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return cleaned(error.verify_message)
    return cleaned(str(getattr(error, "reason", None) or error))


def cleaned(text: str) -> str:
    """Make somebody else's text one short printable line."""
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else "\ufffd" for c in line[:_LONGEST])
