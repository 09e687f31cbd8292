"""Reviews for the API server's certificate alone, over real TLS; probes for everybody."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from http.client import HTTPSConnection
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.support.patience import PATIENCE
from tests.support.serving import HOST, JSON, Reply, Running, eventually, exchange, request_of, serving
from tests.testbed.certificates import CertificateAuthority
from webhook.api.listener import Certificate, CertificateError, TlsPaths
from webhook.api.protocol import names_in
from webhook.api.server import Timing
from webhook.certificates.directory import ensure
from webhook.cli.main import main

API_SERVER = "kube-apiserver"
KNOWN = frozenset({API_SERVER, "webhook-client.example"})
OURS, OTHERS = CertificateAuthority("clients"), CertificateAuthority("others")
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


def shown(server: Running, directory: Path, pair: tuple[bytes, bytes] | None) -> HTTPSConnection:
    """Return a connection on which that certificate is shown."""
    context = server.context()
    if pair:
        files = directory / "client.crt", directory / "client.key"
        for file, content in zip(files, pair, strict=True):
            file.write_bytes(content)
        context.load_cert_chain(*files)
    return HTTPSConnection(HOST, server.port, context=context, timeout=PATIENCE)


def review(server: Running, directory: Path, pair: tuple[bytes, bytes] | None) -> Reply:
    connection = shown(server, directory, pair)
    try:
        return exchange(connection, "POST", "/validate", request_of("1"), JSON)
    finally:
        connection.close()


@pytest.fixture
def client_ca(tmp_path: Path) -> Path:
    path = tmp_path / "client-ca.crt"
    path.write_bytes(OURS.pem)
    return path


@pytest.mark.parametrize("names", [[API_SERVER], ["webhook-client.example"], ["x", "webhook-client.example"]])
def test_a_known_name_of_the_known_ca_is_answered(tmp_path: Path, client_ca: Path, names: list[str]) -> None:
    with serving(tmp_path, client_ca=client_ca, known=KNOWN) as server:
        assert review(server, tmp_path, OURS.issue(names, CLIENT)).uid == "1"


@pytest.mark.parametrize("pair", [None, OURS.issue(["system:node:a"], CLIENT), OURS.issue(["kube-apiserver."], CLIENT)])
def test_nobody_else_is_and_probes_are_everybodys(
    tmp_path: Path, client_ca: Path, pair: tuple[bytes, bytes] | None
) -> None:
    with serving(tmp_path, client_ca=client_ca, known=KNOWN) as server:
        refused = review(server, tmp_path, pair)
        assert (refused.status, refused.headers["connection"]) == (403, "close")
        assert refused.body == b"client certificate: expected the API server's\n"
        assert server.metric("admission_refused_total", code="403") == 1
        for path in ("/livez", "/readyz"):
            probe = shown(server, tmp_path, pair)
            assert exchange(probe, "GET", path).status == 200
            probe.close()
        assert server.backend.seen == []


@pytest.mark.parametrize("pair", [OTHERS.issue([API_SERVER], CLIENT), OURS.issue([API_SERVER], SERVER)])
def test_the_handshake_of_what_is_not_trusted_ends(tmp_path: Path, client_ca: Path, pair: tuple[bytes, bytes]) -> None:
    with serving(tmp_path, client_ca=client_ca, known=KNOWN) as server:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            review(server, tmp_path, pair)
        eventually(lambda: server.metric("http_connections_cut_total", listener="webhook", reason="handshake") == 1)
        assert server.backend.seen == []


def test_a_new_ca_is_taken_up_and_broken_files_change_nothing(
    tmp_path: Path, client_ca: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = OURS.issue([API_SERVER], CLIENT), OTHERS.issue([API_SERVER], CLIENT)

    def answered(pair: tuple[bytes, bytes]) -> bool:
        try:
            return review(server, tmp_path, pair).status == 200
        except (ssl.SSLError, ConnectionError):
            return False

    with serving(tmp_path, client_ca=client_ca, known=KNOWN, timing=Timing(reload=0.05)) as server:
        for number, broken in enumerate((b"", OTHERS.pem[:-40], OURS.pem + OTHERS.pem[:200], new[0], b"\xff", None)):
            if broken is None:
                client_ca.unlink()
            else:
                client_ca.write_bytes(broken)
            eventually(lambda: caplog.text.count("certificate not reloaded") > number)  # noqa: B023 (called at once)
            assert (answered(old), answered(new)) == (True, False)
        client_ca.write_bytes(OURS.pem + OTHERS.pem)
        eventually(lambda: answered(new))
        assert answered(old)
        client_ca.write_bytes(OTHERS.pem)
        eventually(lambda: not answered(old))
        assert answered(new)


def test_a_broken_ca_does_not_keep_a_renewed_certificate_waiting(tmp_path: Path, client_ca: Path) -> None:
    files = ensure(tmp_path / "first", [], datetime.now(UTC))
    second = ensure(tmp_path / "second", [], datetime.now(UTC))
    certificate = Certificate(TlsPaths(files.cert, files.key, client_ca))
    before = certificate.context
    client_ca.write_bytes(b"half of")
    files.cert.write_bytes(second.cert.read_bytes())
    files.key.write_bytes(second.key.read_bytes())
    assert certificate.reload()
    assert certificate.context is not before
    assert certificate.context.verify_mode == ssl.CERT_OPTIONAL
    assert certificate.context.cert_store_stats()["x509_ca"] == 1


def lose(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [lose, empty])
def test_a_ca_that_cannot_be_used_is_an_error_at_the_start(
    tmp_path: Path, client_ca: Path, harm: Callable[[Path], None]
) -> None:
    files = ensure(tmp_path, [], datetime.now(UTC))
    harm(client_ca)
    with pytest.raises(CertificateError, match=r"client-ca\.crt"):
        Certificate(TlsPaths(files.cert, files.key, client_ca))


def test_a_certificate_without_names_has_none() -> None:
    assert names_in(None) == names_in({}) == frozenset()
    told = {
        "subject": ((("organizationName", "o"),), (("commonName", "a"),)),
        "subjectAltName": (("IP Address", "::1"),),
    }
    assert names_in(told) == names_in({"subject": ((("commonName", "a"), ("commonName", "a")),)}) == {"a"}


def test_a_name_without_a_ca_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--source", ".", "--client-name", "a"]) == 2
    assert "expected `--client-ca` with it" in capsys.readouterr().err
