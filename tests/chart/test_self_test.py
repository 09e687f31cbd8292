"""`helm test`: what the chart's own program sends, and what it says of answers."""

import importlib.util
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.chart.rendering import CHART
from tests.testbed.certificates import CertificateAuthority
from tests.testbed.processes import free_port
from webhook.wire.admission import admission_request

SOURCE = CHART / "files/review.py"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("review", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answer(program: ModuleType, **response: Any) -> bytes:  # noqa: ANN401 any JSON
    whole = {"uid": program.UID, "allowed": True, **response}
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": whole}).encode()


def test_a_good_answer_is_good(program: ModuleType) -> None:
    assert program.problem(200, answer(program, warnings=["netpol-preflight: NP201"])) == ""
    off = {"mode": "off", "not-evaluated": "mode off"}
    assert program.problem(200, answer(program, auditAnnotations=off)) == ""


def test_being_refused_is_good_where_only_the_api_server_is_answered(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert program.problem(403, b"client certificate").startswith("answer: HTTP 403")
    monkeypatch.setenv("ONLY_THE_API_SERVER", "1")
    assert program.problem(403, b"client certificate") == ""
    assert program.problem(503, b"").startswith("answer: HTTP 503")


@pytest.mark.parametrize(
    ("status", "response", "said"),
    [
        (500, {}, "answer: HTTP 500"),
        (200, {"uid": "another"}, "answer: not the AdmissionReview that was asked for"),
        (200, {"allowed": "yes"}, "answer: neither yes nor no"),
        (200, {"auditAnnotations": {"not-evaluated": "not synced"}}, "cluster: allowed, but not evaluated: not synced"),
    ],
)
def test_a_wrong_answer_is_told_with_its_phase(
    program: ModuleType, status: int, response: dict[str, Any], said: str
) -> None:
    assert program.problem(status, answer(program, **response)).startswith(said)


def test_what_is_no_json_is_told(program: ModuleType) -> None:
    assert program.problem(200, b"<html>").startswith("answer: not JSON")


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the URL of a TLS server that knows nothing, and its CA."""
    authority = CertificateAuthority()
    for name, content in zip(("crt", "key"), authority.issue(["127.0.0.1"]), strict=True):
        (tmp_path / name).write_bytes(content)
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}/validate", authority.pem
    server.shutdown()
    server.server_close()
    thread.join()


def test_each_phase_before_the_answer_is_named(
    program: ModuleType, listening: tuple[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, authority = listening
    monkeypatch.setenv("CA_BUNDLE", CertificateAuthority().pem.decode())
    assert program.attempt(url).startswith("TLS: ")
    monkeypatch.setenv("CA_BUNDLE", authority.decode())
    assert program.attempt(url).startswith("answer: HTTP 501")
    assert program.attempt(f"https://127.0.0.1:{free_port()}/validate").startswith("connect: ")
    assert program.attempt("https://no-such-name.invalid:443/validate").startswith("DNS: no-such-name.invalid: ")


def test_what_it_sends_is_an_admission_review_of_a_workload(program: ModuleType) -> None:
    read = admission_request(json.dumps(program.request()).encode())
    assert read.workload is not None
    assert read.workload.ref.name == "helm-test"
    assert read.dry_run
