"""Certificates: what is made can be verified, what is good is kept, what is not ours is never overwritten."""

import socket
import ssl
import stat
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from tests.support.patience import PATIENCE
from webhook.certificates.directory import TlsError, TlsFiles, ensure, life

NOW = datetime(2026, 11, 20, 12, 30, 15, 123456, tzinfo=UTC)
DAY = timedelta(days=1)


def load(path: Path | None) -> x509.Certificate:
    assert path is not None
    return x509.load_pem_x509_certificate(path.read_bytes())


def verify(files: TlsFiles, name: str, at: datetime = NOW) -> None:
    try:
        subject: x509.DNSName | x509.IPAddress = x509.IPAddress(ip_address(name))
    except ValueError:
        subject = x509.DNSName(name)
    verifier = PolicyBuilder().store(Store([load(files.ca)])).time(at).build_server_verifier(subject)
    verifier.verify(load(files.cert), [])


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.fixture
def made(tmp_path: Path) -> TlsFiles:
    return ensure(tmp_path, [], NOW)


@pytest.mark.parametrize(
    "name", ["localhost", "127.0.0.1", "::1", "webhook.ns.svc", "10.1.2.3", "2001:db8::1", "a.example.com"]
)
def test_the_leaf_verifies_against_the_ca_for_every_name(tmp_path: Path, name: str) -> None:
    files = ensure(tmp_path, ["webhook.ns.svc", "10.1.2.3", "[2001:db8::1]", "*.Example.com"], NOW)
    verify(files, name)


def test_the_leaf_does_not_verify_for_another_name(made: TlsFiles) -> None:
    with pytest.raises(VerificationError):
        verify(made, "example.org")


@pytest.mark.parametrize("at", [NOW - timedelta(minutes=4), NOW + 1824 * DAY])
def test_it_is_valid_a_little_before_and_five_years_after(made: TlsFiles, at: datetime) -> None:
    verify(made, "localhost", at)


def test_the_ca_may_sign_certificates_and_nothing_else(made: TlsFiles) -> None:
    ca = load(made.ca).extensions
    constraints = ca.get_extension_for_class(x509.BasicConstraints)
    usage = ca.get_extension_for_class(x509.KeyUsage)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    assert usage.critical
    assert (usage.value.key_cert_sign, usage.value.crl_sign, usage.value.digital_signature) == (True, True, False)


def test_the_leaf_is_a_server_and_nothing_else(made: TlsFiles) -> None:
    leaf, ca = load(made.cert), load(made.ca)
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert usage.critical
    assert (usage.value.key_cert_sign, usage.value.digital_signature) == (False, True)
    extended = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(extended) == [ExtendedKeyUsageOID.SERVER_AUTH]
    authority = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert authority == ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert isinstance(leaf.public_key(), ec.EllipticCurvePublicKey)


def test_serial_numbers_are_positive_and_differ(made: TlsFiles) -> None:
    serials = {load(made.ca).serial_number, load(made.cert).serial_number}
    assert len(serials) == 2
    assert min(serials) > 0


def test_only_the_owner_reads_the_key_and_the_cas_key_is_nowhere(made: TlsFiles, tmp_path: Path) -> None:
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    assert sorted(contents(tmp_path)) == ["ca.crt", "tls.crt", "tls.key"]
    key = load_pem_private_key(made.key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.public_key() != load(made.ca).public_key()


def test_python_strictest_client_shakes_hands(tmp_path: Path) -> None:
    files = ensure(tmp_path, [], datetime.now(UTC))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.cert, files.key)
    client = ssl.create_default_context(cafile=str(files.ca))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    ours, theirs = socket.socketpair()

    def answer() -> None:
        with server.wrap_socket(theirs, server_side=True) as tls:
            tls.sendall(tls.recv(4))

    thread = threading.Thread(target=answer)
    thread.start()
    with client.wrap_socket(ours, server_hostname="localhost") as tls:
        tls.sendall(b"ping")
        assert tls.recv(4) == b"ping"
    thread.join(PATIENCE)


def test_good_files_are_kept(made: TlsFiles, tmp_path: Path) -> None:
    before = contents(tmp_path)
    assert ensure(tmp_path, ["LOCALHOST"], NOW + 30 * DAY) == made
    assert contents(tmp_path) == before


def damage_ca(directory: Path) -> None:
    (directory / "ca.crt").unlink()


def damage_cert(directory: Path) -> None:
    (directory / "tls.crt").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


def damage_key(directory: Path) -> None:
    (directory / "tls.key").write_bytes(b"\x00\xff")


def lose_key(directory: Path) -> None:
    (directory / "tls.key").unlink()


def lose_cert(directory: Path) -> None:
    (directory / "tls.crt").unlink()


def mix(directory: Path) -> None:
    other = directory / "other"
    ensure(other, [], NOW)
    for name in ("ca.crt", "tls.crt", "tls.key"):
        if name == "ca.crt":
            (directory / name).write_bytes((other / name).read_bytes())
        (other / name).unlink()
    other.rmdir()


@pytest.mark.parametrize("damage", [damage_ca, damage_cert, damage_key, lose_key, lose_cert, mix])
def test_our_own_damaged_files_are_made_again(made: TlsFiles, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    before = load(made.cert).serial_number
    damage(tmp_path)
    files = ensure(tmp_path, [], NOW)
    verify(files, "localhost")
    assert load(files.cert).serial_number != before
    assert sorted(contents(tmp_path)) == ["ca.crt", "tls.crt", "tls.key"]


@pytest.mark.parametrize(
    ("sans", "at"),
    [
        ([], NOW + 1826 * DAY),  # expired
        ([], NOW + 1800 * DAY),  # about to
        ([], NOW - DAY),  # not valid yet: a clock that jumped
        (["new.example.com"], NOW),  # lacks a name
    ],
)
def test_our_own_outdated_files_are_made_again(made: TlsFiles, tmp_path: Path, sans: list[str], at: datetime) -> None:
    before = load(made.ca).serial_number
    files = ensure(tmp_path, sans, at)
    verify(files, sans[0] if sans else "localhost", at)
    assert load(files.ca).serial_number != before


def test_a_short_life_is_renewed_in_its_last_third(tmp_path: Path) -> None:
    minute = timedelta(minutes=1)
    first = load(ensure(tmp_path, [], NOW, lifetime=25 * minute).cert).serial_number
    assert load(ensure(tmp_path, [], NOW + 14 * minute).cert).serial_number == first
    assert load(ensure(tmp_path, [], NOW + 16 * minute).cert).serial_number != first


def bring(directory: Path, *, end: datetime = NOW + DAY, ca: bool = False) -> rsa.RSAPrivateKey:
    """Put a certificate there as somebody else would."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "webhook.ns.svc")])
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - 30 * DAY)
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    ).public_bytes(Encoding.PEM)
    (directory / "tls.crt").write_bytes(cert)
    (directory / "tls.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    if ca:
        (directory / "ca.crt").write_bytes(cert)
    return key


@pytest.mark.parametrize("ca", [True, False])
def test_somebody_elses_pair_is_used_as_it_is(tmp_path: Path, ca: bool) -> None:
    bring(tmp_path, ca=ca)
    before = contents(tmp_path)
    expected = TlsFiles(tmp_path / "ca.crt" if ca else None, tmp_path / "tls.crt", tmp_path / "tls.key")
    assert ensure(tmp_path, ["not.in.it"], NOW) == expected
    assert contents(tmp_path) == before


def test_somebody_elses_expired_certificate_is_refused(tmp_path: Path) -> None:
    bring(tmp_path, end=NOW - DAY)
    assert refusal(tmp_path).endswith("tls.crt`: expired on 2026-11-19, and was not issued here: replace it")


def test_somebody_elses_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    key = bring(tmp_path)
    path = tmp_path / "tls.key"
    other = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert refusal(tmp_path).endswith("tls.key`: expected the private key of `tls.crt`, found another one")
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    assert refusal(tmp_path).endswith("tls.key`: expected the unencrypted private key of `tls.crt`")
    path.unlink()
    assert refusal(tmp_path).endswith("tls.key`: expected the unencrypted private key of `tls.crt`")


@pytest.mark.parametrize("name", ["ca.crt", "tls.crt", "tls.key"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff not pem", b"-----BEGIN CERTIFICATE-----\n"])
def test_a_lone_file_that_cannot_be_told_apart_is_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path).startswith(f"`{tmp_path / name}`: expected")


def test_a_lone_ca_of_somebody_else_is_refused(tmp_path: Path) -> None:
    bring(tmp_path, ca=True)
    (tmp_path / "tls.crt").unlink()
    assert refusal(tmp_path) == f"`{tmp_path / 'tls.crt'}`: expected a PEM certificate beside `ca.crt`"


def refusal(directory: Path) -> str:
    before = contents(directory)
    with pytest.raises(TlsError) as caught:
        ensure(directory, [], NOW)
    assert contents(directory) == before
    return str(caught.value)


def test_a_file_in_the_directorys_place_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TlsError, match="file"):
        ensure(tmp_path / "file", [], NOW)


def test_the_directory_is_made(tmp_path: Path) -> None:
    verify(ensure(tmp_path / "a" / "b", [], NOW), "localhost")


@pytest.mark.parametrize(
    "san", ["", "a b", "-a.example", "a..b", "x" * 64, "*.*.example", "exämple.org", "a\n", "[::1"]
)
def test_a_name_that_is_none_is_refused(tmp_path: Path, san: str) -> None:
    with pytest.raises(ValueError, match="expected a DNS name or an IP address"):
        ensure(tmp_path, [san], NOW)
    assert contents(tmp_path) == {}


def test_many_at_once_agree_on_one_certificate(tmp_path: Path) -> None:
    start = threading.Barrier(8)

    def together() -> None:
        start.wait(PATIENCE)
        ensure(tmp_path, [], NOW)

    threads = [threading.Thread(target=together) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    files = ensure(tmp_path, [], NOW)
    verify(files, "localhost")
    assert sorted(contents(tmp_path)) == ["ca.crt", "tls.crt", "tls.key"]


def test_the_end_of_life_is_the_certificates(made: TlsFiles) -> None:
    assert life(made.cert)[1] == (NOW + 5 * 365 * DAY).replace(microsecond=0)
    with pytest.raises(TlsError, match="expected a PEM certificate"):
        life(made.key)
