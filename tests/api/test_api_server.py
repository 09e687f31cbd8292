"""The server's life: listening, changing certificates, and going away without dropping a call."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import BadStatusLine, HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from tests.support.patience import PATIENCE
from tests.support.serving import HOST, JSON, Running, eventually, exchange, request_of, serving
from webhook.api.app import build_app
from webhook.api.asgi import Drain
from webhook.api.backend import Answer
from webhook.api.listener import Certificate, CertificateError, TlsPaths, listen, port_of
from webhook.api.server import Server, Timing
from webhook.certificates.directory import TlsFiles, ensure

ROOT = Path(__file__).parents[2]


def serial_of(files: TlsFiles) -> int:
    return x509.load_pem_x509_certificate(files.cert.read_bytes()).serial_number


def served_serial(server: Running, context: ssl.SSLContext, name: str = HOST) -> int:
    with context.wrap_socket(socket.create_connection((HOST, server.port), PATIENCE), server_hostname=name) as tls:
        der = tls.getpeercert(binary_form=True)
        assert der is not None
        return x509.load_der_x509_certificate(der).serial_number


def replace(files: TlsFiles, by: TlsFiles, *, key: bool = True, cert: bool = True) -> None:
    for wanted, source, target in ((key, by.key, files.key), (cert, by.cert, files.cert)):
        if wanted:
            new = target.with_suffix(".new")
            shutil.copy(source, new)
            new.replace(target)


def test_port_0_is_any_free_port_and_a_taken_one_is_an_error(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        assert server.port > 0
        with pytest.raises(OSError, match="in use"), serving(tmp_path, port=server.port):
            pass
        assert server.post(request_of("1")).uid == "1"


@pytest.mark.parametrize("host", ["localhost", "::1", "::", "0.0.0.0"])  # noqa: S104 (what is tested)
def test_it_listens_where_it_is_told(tmp_path: Path, host: str) -> None:
    if ":" in host and not socket.has_ipv6:
        pytest.skip("no IPv6 on this machine")
    with serving(tmp_path, host=host) as server:
        address = "::1" if host == "::1" else HOST
        connection = HTTPSConnection(address, server.port, context=server.context(), timeout=PATIENCE)
        assert exchange(connection, "GET", "/livez").body == b"ok"
        connection.close()


def test_everywhere_is_ipv4_on_a_machine_without_ipv6() -> None:
    with listen("::", 0, dual_stack=lambda: False) as listener:
        assert listener.family == socket.AF_INET
        socket.create_connection((HOST, port_of(listener)), PATIENCE).close()


def test_a_name_without_an_address_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(socket.gaierror), serving(tmp_path, host="no such host"):
        pass


def test_tls_is_1_2_or_newer_and_speaks_http_1_1(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        context = server.context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["h2", "http/1.1"])
        with context.wrap_socket(socket.create_connection((HOST, server.port), PATIENCE), server_hostname=HOST) as tls:
            assert (tls.version(), tls.selected_alpn_protocol()) == ("TLSv1.2", "http/1.1")
    paths = TlsPaths(tmp_path / "tls.crt", tmp_path / "tls.key")
    assert Certificate(paths).context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_client_that_does_not_trust_the_ca_harms_nobody(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            served_serial(server, ssl.create_default_context())
        plain = HTTPConnection(HOST, server.port, timeout=PATIENCE)
        plain.request("GET", "/livez")
        with pytest.raises((ConnectionError, BadStatusLine)):  # TLS was expected
            plain.getresponse()
        plain.close()
        assert server.post(request_of("1")).uid == "1"


def test_idle_connections_are_closed_only_after_the_api_server_has(tmp_path: Path) -> None:
    assert Timing().keep_alive > 90  # client-go's IdleConnTimeout, in seconds
    with serving(tmp_path, timing=Timing(keep_alive=1)) as server, server.raw() as connection:
        started = time.monotonic()
        connection.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        with connection.makefile("rb") as stream:
            answer = stream.read()  # to the end of the connection
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" not in answer
        assert time.monotonic() - started > 0.9  # it was the idle time that ended it


def test_the_plain_listener_has_probes_and_no_reviews(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        assert server.server.plain_ports[0] not in {None, server.port}
        plain = HTTPConnection(HOST, server.server.plain_ports[0], timeout=PATIENCE)
        assert exchange(plain, "GET", "/livez").body == b"ok"
        assert exchange(plain, "GET", "/readyz").body == b"ok"
        assert b"netpol_preflight_admission_in_flight" in exchange(plain, "GET", "/metrics").body
        assert exchange(plain, "POST", "/validate", request_of("1"), JSON).status == 404
        plain.close()


def test_a_new_certificate_is_served_without_dropping_a_call(tmp_path: Path) -> None:
    second = ensure(tmp_path / "second", [], datetime.now(UTC))
    with serving(tmp_path / "first", timing=Timing(reload=0.05)) as server:
        context = server.context()
        context.load_verify_locations(second.ca)
        first_serial, second_serial = serial_of(server.files), serial_of(second)
        with calling(server, context) as calls:
            eventually(lambda: len(calls) > 20)
            assert served_serial(server, context) == first_serial
            replace(server.files, second)
            eventually(lambda: served_serial(server, context) == second_serial)
            assert served_serial(server, context, "localhost") == second_serial
            after = len(calls)
            eventually(lambda: len(calls) > after + 20)
        assert set(calls) == {"ok"}


@contextmanager
def calling(server: Running, context: ssl.SSLContext) -> Generator[list[str]]:
    """Call all the time: over one connection that stays, and over a new one each time."""
    calls: list[str] = []
    over = threading.Event()

    def call(*, stay: bool) -> None:
        connection = HTTPSConnection(HOST, server.port, context=context, timeout=PATIENCE)
        connection.auto_open = False  # it must never be opened again behind our back
        connection.connect()
        while not over.is_set():
            try:
                calls.append(
                    "ok" if exchange(connection, "POST", "/validate", request_of("x"), JSON).uid == "x" else "?"
                )
                if not stay:
                    connection.close()
                    connection.connect()
            except OSError as error:
                calls.append(repr(error))
                return
            time.sleep(0.002)
        connection.close()

    threads = [threading.Thread(target=call, kwargs={"stay": stay}) for stay in (True, True, False, False)]
    for thread in threads:
        thread.start()
    try:
        yield calls
    finally:
        over.set()
        for thread in threads:
            thread.join(PATIENCE)


def test_a_pair_that_does_not_match_never_replaces_one_that_works(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    second = ensure(tmp_path / "second", [], datetime.now(UTC))
    with serving(tmp_path / "first", timing=Timing(reload=0.02)) as server:
        context = server.context()
        context.load_verify_locations(second.ca)
        first_serial = serial_of(server.files)
        replace(server.files, second, cert=False)
        eventually(lambda: "certificate not reloaded" in caplog.text)
        time.sleep(0.2)  # ten more looks
        assert caplog.text.count("certificate not reloaded") == 1
        assert served_serial(server, context) == first_serial
        server.files.cert.unlink()
        eventually(lambda: caplog.text.count("certificate not reloaded") == 2)
        assert served_serial(server, context) == first_serial
        replace(server.files, second)
        eventually(lambda: served_serial(server, context) == serial_of(second))


def test_whoever_watches_the_certificate_is_told_of_each_and_cannot_stop_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[int] = []

    def watcher() -> None:
        told.append(1)
        raise RuntimeError("a watcher's own fault")

    second = ensure(tmp_path / "second", [], datetime.now(UTC))
    with serving(tmp_path / "first", timing=Timing(reload=0.02), on_certificate=watcher) as server:
        eventually(lambda: len(told) == 1)
        replace(server.files, second)
        eventually(lambda: len(told) == 2)
        context = ssl.create_default_context(cafile=str(second.ca))
        assert served_serial(server, context) == serial_of(second)
    assert "a watcher's own fault" in caplog.text


def lose(files: TlsFiles) -> None:
    files.cert.unlink()


def garble(files: TlsFiles) -> None:
    files.cert.write_bytes(b"\x00\xff")


def encrypt(files: TlsFiles) -> None:
    key = load_pem_private_key(files.key.read_bytes(), None)
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))


@pytest.mark.parametrize("harm", [lose, garble, encrypt])
def test_a_certificate_that_cannot_be_served_is_one_error_that_names_it(
    tmp_path: Path, harm: Callable[[TlsFiles], None]
) -> None:
    files = ensure(tmp_path, [], datetime.now(UTC))
    harm(files)
    with pytest.raises(CertificateError, match=r"tls\.crt"):
        Server(build_app(NoBackend()), HOST, 0, tls=TlsPaths(files.cert, files.key), drain=Drain())


class NoBackend:
    """Never asked."""

    def review(self, body: bytes, *, timeout: float | None) -> Answer:
        raise NotImplementedError

    def version(self) -> None:
        raise NotImplementedError

    def readiness(self) -> tuple[()]:
        return ()


class Program:
    """The server as a process."""

    def __init__(self, directory: Path, drain: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.serving", str(directory), str(drain)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        _, port, probes_port = self.process.stdout.readline().split()
        self.port, self.probes_port = int(port), int(probes_port)
        self._context = ssl.create_default_context(cafile=str(directory / "ca.crt"))

    def connect(self) -> HTTPSConnection:
        return HTTPSConnection(HOST, self.port, context=self._context, timeout=PATIENCE)

    def ready(self) -> int:
        plain = HTTPConnection(HOST, self.probes_port, timeout=PATIENCE)
        try:
            return exchange(plain, "GET", "/readyz").status
        finally:
            plain.close()

    def receiving(self) -> float:
        plain = HTTPConnection(HOST, self.probes_port, timeout=PATIENCE)
        try:
            lines = exchange(plain, "GET", "/metrics").body.decode().splitlines()
        finally:
            plain.close()
        (value,) = [line.split()[1] for line in lines if line.startswith("netpol_preflight_admission_receiving ")]
        return float(value)

    def finish(self) -> tuple[int, str]:
        _, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors


@pytest.fixture
def programs() -> Generator[list[Program]]:
    started: list[Program] = []
    yield started
    for program in started:
        program.process.kill()
        program.process.communicate(timeout=PATIENCE)


def test_sigterm_makes_it_unready_and_it_serves_on_until_drained(tmp_path: Path, programs: list[Program]) -> None:
    programs.append(program := Program(tmp_path, drain=600))
    connection = program.connect()
    before = exchange(connection, "POST", "/validate", request_of("1"), JSON)
    assert (before.uid, "connection" in before.headers, program.ready()) == ("1", False, 200)
    os.kill(program.process.pid, signal.SIGTERM)
    eventually(lambda: program.ready() == 503)
    last = exchange(connection, "POST", "/validate", request_of("2"), JSON)
    assert (last.uid, last.headers["connection"]) == ("2", "close")
    fresh = program.connect()
    assert exchange(fresh, "POST", "/validate", request_of("3"), JSON).uid == "3"
    fresh.close()
    connection.close()
    os.kill(program.process.pid, signal.SIGTERM)  # once more, so that it does not wait for ten minutes
    assert program.finish() == (0, "")


def test_the_drain_takes_its_time_and_ends_by_itself(tmp_path: Path, programs: list[Program]) -> None:
    programs.append(program := Program(tmp_path, drain=1))
    begun = time.monotonic()
    os.kill(program.process.pid, signal.SIGTERM)
    assert program.finish() == (0, "")
    assert time.monotonic() - begun >= 1


def test_sigterm_lets_a_begun_request_end(tmp_path: Path, programs: list[Program]) -> None:
    programs.append(program := Program(tmp_path, drain=0))
    body = request_of("begun")
    connection = program.connect()
    connection.putrequest("POST", "/validate")
    for name, value in (*JSON.items(), ("content-length", str(len(body)))):
        connection.putheader(name, value)
    connection.endheaders()
    idle = program.connect()
    idle.connect()
    connection.send(body[:5])
    eventually(lambda: program.receiving() == 1)
    os.kill(program.process.pid, signal.SIGTERM)
    eventually(lambda: refuses(program.port))
    time.sleep(1.3)  # longer than idle connections are waited for
    connection.send(body[5:])
    response = connection.getresponse()
    assert (response.status, response.getheader("connection")) == (200, "close")
    assert b"begun" in response.read()
    connection.close()
    idle.close()
    assert program.finish() == (0, "")


def refuses(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), PATIENCE).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_drain(tmp_path: Path, programs: list[Program], second: signal.Signals) -> None:
    programs.append(program := Program(tmp_path, drain=600))
    os.kill(program.process.pid, signal.SIGTERM)
    eventually(lambda: program.ready() == 503)
    os.kill(program.process.pid, second)
    assert program.finish() == (0, "")
