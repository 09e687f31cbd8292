"""A directory with a certificate that can be served, found there or made; and for how long it is good."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509
from msgspec import Struct

from webhook.api.backend import Answer, Backend, Check
from webhook.certificates.issue import (
    CA_NAME,
    Issued,
    certificate,
    general_names,
    is_pair,
    is_signed_by,
    issue,
    issued_at,
    names_of,
    public_part,
)

_SECRET: Final = 0o600
_PUBLIC: Final = 0o644


class TlsError(ValueError):
    """Files that can be neither used nor replaced. The message names one and says what was expected."""


class TlsFiles(Struct, frozen=True):
    """Paths of PEM files. `ca` None: the certificate was brought along without its CA."""

    ca: Path | None
    cert: Path
    key: Path


def read(path: Path) -> bytes | None:
    """Return a file's content, None where there is none. Raises TlsError where it may not be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TlsError(f"`{path}`: {error.strerror or error}") from error


def write(files: TlsFiles, issued: Issued) -> None:
    """Put all three in place, each whole or not at all; the certificate last, because it makes the others count.

    Raises TlsError.
    """
    if files.ca:
        _replace(files.ca, issued.ca, _PUBLIC)
    _replace(files.key, issued.key, _SECRET)
    _replace(files.cert, issued.cert, _PUBLIC)


def _replace(path: Path, content: bytes, mode: int) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123 (a mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise TlsError(f"`{path}`: {error.strerror or error}") from error


# -- found there, or made ----------------------------------------------------------------------------------------------


LIFETIME: Final = timedelta(days=5 * 365)
_RENEW_BEFORE: Final = timedelta(days=30)


class _Found(Struct, frozen=True):
    """What the directory holds: None where a file is missing, or is no certificate."""

    ca_pem: bytes | None
    cert_pem: bytes | None
    key_pem: bytes | None
    ca: x509.Certificate | None
    cert: x509.Certificate | None


def ensure(directory: Path, sans: Iterable[str], now: datetime, lifetime: timedelta = LIFETIME) -> TlsFiles:
    """Return `ca.crt`, `tls.crt` and `tls.key` of `directory`, made or made again where that is needed.

    What this function made is made again, CA and all, when it is damaged, lacks one of `sans`, is not valid at `now`
    (with a time zone), or has less than 30 days, or a third of its lifetime, left. Anybody else's files are used as
    they are, or refused. Raises TlsError, and ValueError for a name in `sans` that cannot be one.
    """
    names = general_names(sans)
    usable = _usable(directory, names, now)
    if usable is None:
        with _locked(directory):
            usable = _usable(directory, names, now)  # another process may have been at it
            if usable is None:
                usable = _files(directory)
                write(usable, issue(names, now, lifetime))
    return usable


def life(path: Path) -> tuple[datetime, datetime]:
    """Return when the first certificate in `path` was issued and when it ends to be valid, in UTC. Raises TlsError."""
    cert = certificate(read(path))
    if cert is None:
        raise TlsError(f"`{path}`: expected a PEM certificate")
    return issued_at(cert), cert.not_valid_after_utc


def _files(directory: Path, *, ca: bool = True) -> TlsFiles:
    return TlsFiles(directory / "ca.crt" if ca else None, directory / "tls.crt", directory / "tls.key")


def _look(directory: Path) -> _Found:
    # In the opposite order of writing: a key is never seen without the CA that makes it ours.
    cert, key, ca = (read(directory / name) for name in ("tls.crt", "tls.key", "ca.crt"))
    return _Found(ca, cert, key, certificate(ca), certificate(cert))


def _usable(directory: Path, names: Sequence[x509.GeneralName], now: datetime) -> TlsFiles | None:
    found = _look(directory)
    if _is_foreign(directory, found):
        return _foreign(directory, found, now)
    return _files(directory) if _is_good(found, names, now) else None


def _is_foreign(directory: Path, found: _Found) -> bool:
    """Whether somebody else put something there. What cannot be told apart is never overwritten: TlsError."""
    issuers = {cert.issuer for cert in (found.ca, found.cert) if cert}
    if issuers == {CA_NAME}:
        return False
    if issuers:
        return True
    for name, content in (("tls.crt", found.cert_pem), ("tls.key", found.key_pem), ("ca.crt", found.ca_pem)):
        if content is not None:
            raise TlsError(f"`{directory / name}`: expected a certificate `tls.crt` with its key `tls.key`, or neither")
    return False


def _foreign(directory: Path, found: _Found, now: datetime) -> TlsFiles:
    cert_path, key_path = directory / "tls.crt", directory / "tls.key"
    if found.cert is None:
        raise TlsError(f"`{cert_path}`: expected a PEM certificate beside `ca.crt`")
    if public_part(found.key_pem) is None:
        raise TlsError(f"`{key_path}`: expected the unencrypted private key of `tls.crt`")
    if not is_pair(found.cert, found.key_pem):
        raise TlsError(f"`{key_path}`: expected the private key of `tls.crt`, found another one")
    if now > found.cert.not_valid_after_utc:
        ended = found.cert.not_valid_after_utc
        raise TlsError(f"`{cert_path}`: expired on {ended:%Y-%m-%d}, and was not issued here: replace it")
    return _files(directory, ca=found.ca is not None)


def _is_good(found: _Found, names: Sequence[x509.GeneralName], now: datetime) -> bool:
    if found.ca is None or found.cert is None:
        return False
    return (
        all(_is_current(cert, now) for cert in (found.ca, found.cert))
        and is_pair(found.cert, found.key_pem)
        and is_signed_by(found.cert, found.ca)
        and set(names) <= set(names_of(found.cert))
    )


def _is_current(cert: x509.Certificate, now: datetime) -> bool:
    start, end = cert.not_valid_before_utc, cert.not_valid_after_utc
    return start <= now < end - min(_RENEW_BEFORE, (end - start) / 3)


@contextmanager
def _locked(directory: Path) -> Generator[None]:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(directory, os.O_RDONLY)
    except OSError as error:
        raise TlsError(f"`{directory}`: {error.strerror or error}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # let go when the handle is closed, also by a crash
        yield
    finally:
        os.close(handle)


_SOON: Final = timedelta(days=14)
_UNITS: Final = ((86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "seconds"))


class Gauge(Protocol):
    """Prometheus' gauge."""

    def set(self, value: float) -> None:
        """Set it."""
        ...


class Expiry:
    """The life of the certificate in `path`, noted whenever the server loads it."""

    def __init__(
        self,
        path: Path,
        gauge: Gauge,
        now: Callable[[], datetime],
        there: Callable[[], bool] = lambda: True,
        troubles: Callable[[], tuple[str, ...]] = lambda: (),
    ) -> None:
        """`there`: whether the file holds what API servers may trust; `troubles`: what to say besides."""
        self._path = path
        self._gauge = gauge
        self._now = now
        self._there = there
        self._troubles = troubles
        self._life: tuple[datetime, datetime] | None = None

    def loaded(self) -> None:
        """Note what the server has loaded. Raises TlsError."""
        if self._there():
            self._life = life(self._path)
            self._gauge.set(self._life[1].timestamp())

    def check(self) -> Check:
        """Return the condition: met as soon as there is a certificate, for an old one is better than none."""
        words = (_words(*self._life, self._now()),) if self._life else ("there is none yet",)
        return Check("certificate", self._life is not None, "; ".join((*words, *self._troubles())))


class WithCertificate:
    """A backend that is ready when its certificate is."""

    def __init__(self, backend: Backend, expiry: Expiry) -> None:
        self._backend = backend
        self._expiry = expiry

    def review(self, body: bytes, *, timeout: float | None) -> Answer:
        """Answer as the backend does."""
        return self._backend.review(body, timeout=timeout)

    def version(self) -> int | None:
        """Return the backend's."""
        return self._backend.version()

    def readiness(self) -> tuple[Check, ...]:
        """Return the backend's conditions, and the certificate's."""
        return (*self._backend.readiness(), self._expiry.check())


def _words(issued: datetime, end: datetime, now: datetime) -> str:
    if now >= end:
        return f"warning: expired on {end:%Y-%m-%d %H:%M:%S} UTC, {spoken(now - end)} ago"
    if end - now < min(_SOON, (end - issued) / 3):
        return f"warning: expires in {spoken(end - now)}, on {end:%Y-%m-%d %H:%M:%S} UTC"
    return f"expires on {end:%Y-%m-%d}"


def spoken(span: timedelta) -> str:
    """Return a time span in the largest unit of which it has two, rounded down: `13 days`, `30 hours`."""
    seconds = int(span.total_seconds())
    size, unit = next((pair for pair in _UNITS if seconds >= 2 * pair[0]), _UNITS[-1])
    return f"{seconds // size} {unit}"
