"""HTTP as the API server, the kubelet and worse clients speak it, over real TLS."""

import asyncio
import json
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.patience import PATIENCE
from tests.support.serving import HOST, JSON, Running, eventually, exchange, request_of, review_of, serving
from webhook.api.backend import Check
from webhook.api.concurrency_limits import MIB, ConcurrencyLimit, Limits, OverloadedError
from webhook.api.validate import fail_open
from webhook.model.budget import duration, timeout_of


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    with serving(tmp_path_factory.mktemp("tls")) as running:
        yield running


@pytest.fixture
def server(shared: Running) -> Generator[Running]:
    shared.backend.seen.clear()
    yield shared
    eventually(lambda: shared.metric("admission_in_flight") == 0)


def test_a_review_goes_in_and_out_byte_by_byte(server: Running) -> None:
    body = request_of("a-uid", text="ü\u2028")
    reply = server.post(body)
    assert (reply.status, reply.headers["content-type"], reply.body) == (200, "application/json", review_of("a-uid"))
    assert server.backend.seen == [(body, None)]


def test_one_connection_serves_many_reviews(server: Running) -> None:
    connection = server.connect()
    for number in range(20):
        assert exchange(connection, "POST", "/validate", request_of(str(number)), JSON).uid == str(number)
    connection.close()


@pytest.mark.parametrize("body", [b"", b"null", b"\x00\xff\xfe", b"{" * 10_000, b'{"request":null}', b"[]"])
def test_a_malformed_body_gets_400_and_a_plain_reason(server: Running, body: bytes) -> None:
    reply = server.post(body)
    assert (reply.status, reply.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert reply.body == b"body: expected an AdmissionReview\n"


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "Application/JSON;v=1", "application/json ; a=b"]
)
def test_json_is_accepted_with_parameters(server: Running, kind: str) -> None:
    assert server.post(request_of("1"), {"content-type": kind}).status == 200


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/jsonp", "application/yaml", "json", ";"])
def test_anything_else_than_json_is_refused_unread(server: Running, kind: str | None) -> None:
    reply = server.post(request_of("1"), {} if kind is None else {"content-type": kind})
    assert (reply.status, reply.body) == (415, b"content type: expected application/json\n")
    assert server.backend.seen == []


def test_a_body_of_8_mib_is_reviewed(server: Running) -> None:
    body = request_of("big").ljust(8 * MIB)
    assert server.post(body).uid == "big"
    assert server.backend.seen == [(body, None)]


def test_a_body_declared_longer_is_refused_before_it_is_sent(server: Running) -> None:
    with server.raw() as connection:
        connection.sendall(
            b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\nexpect: 100-continue\r\n\r\n" % (8 * MIB + 1)
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")
    assert server.backend.seen == []


def test_the_connection_lives_on_after_a_body_too_long(server: Running) -> None:
    connection = server.connect()
    refused = exchange(connection, "POST", "/validate", b" " * (8 * MIB + 1), JSON)
    assert (refused.status, refused.body) == (413, b"body: expected at most 8388608 bytes\n")
    assert server.backend.seen == []
    assert exchange(connection, "POST", "/validate", request_of("next"), JSON).uid == "next"
    connection.close()


def test_a_body_that_grows_too_long_is_refused(server: Running) -> None:
    connection = server.connect()
    chunks = (b" " * MIB for _ in range(9))
    connection.request("POST", "/validate", chunks, JSON, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()
    assert server.backend.seen == []


def test_bytes_that_are_no_http_get_400_and_no_traceback(server: Running) -> None:
    with server.raw() as connection:
        connection.sendall(b"\x16\x03\x01 what is this\r\n\r\n")
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Traceback" not in answer


def test_a_body_may_take_its_time_within_bounds(server: Running) -> None:
    body = request_of("slow")
    connection = begin(server, len(body))
    for byte in body:
        connection.send(bytes([byte]))
    assert connection.getresponse().read() == review_of("slow")
    connection.close()


def begin(server: Running, length: int) -> HTTPSConnection:
    """Send the headers of a review, and nothing of its body."""
    connection = server.connect()
    connection.putrequest("POST", "/validate")
    for name, value in (*JSON.items(), ("content-length", str(length))):
        connection.putheader(name, value)
    connection.endheaders()
    return connection


def test_a_client_that_leaves_early_frees_its_place(server: Running) -> None:
    connection = begin(server, 100)
    connection.send(b"half of it")
    eventually(lambda: server.metric("admission_receiving") == 1)
    connection.close()
    eventually(lambda: server.metric("admission_receiving") == 0)
    assert server.backend.seen == []


def test_a_body_that_never_ends_is_given_up(tmp_path: Path) -> None:
    with serving(tmp_path, limits=Limits(body_seconds=1)) as server:
        connection = begin(server, 100)
        connection.send(b"half of it")
        response = connection.getresponse()
        assert (response.status, response.getheader("connection")) == (408, "close")
        assert response.read() == b"body: expected all of it within 1 s\n"
        connection.close()
        assert server.metric("admission_refused_total", code="408") == 1
        assert server.post(request_of("next")).uid == "next"


def test_too_many_at_once_are_sent_away_with_a_time_to_come_back(tmp_path: Path) -> None:
    with serving(tmp_path, limits=Limits(in_flight=0, retry_after=3)) as server:
        shed = server.post(request_of("first"))
        assert (shed.status, shed.headers["retry-after"], shed.headers.get("connection")) == (503, "3", None)
        assert server.metric("admission_shed_total") == 1
        assert server.get("/livez").status == 200
        assert server.backend.seen == []


def test_concurrent_reviews_each_get_their_own_answer(server: Running) -> None:
    def client(name: int) -> list[str]:
        connection = server.connect()
        uids = [exchange(connection, "POST", "/validate", request_of(f"{name}-{i}"), JSON).uid for i in range(25)]
        connection.close()
        return uids

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(client, range(16)))
    assert answers == [[f"{name}-{i}" for i in range(25)] for name in range(16)]
    assert len(server.backend.seen) == 400


def test_probes_answer_between_reviews(server: Running) -> None:
    over = threading.Event()

    def client(_: int) -> None:
        connection = server.connect()
        while not over.is_set():  # there is never a moment without a review that waits
            assert exchange(connection, "POST", "/validate", request_of("slow", seconds=0.05), JSON).uid == "slow"
        connection.close()

    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(client, range(8))
        try:
            eventually(lambda: server.metric("admission_in_flight") > 4)
            assert server.get("/livez").status == 200
            plain = HTTPConnection(HOST, server.server.plain_ports[0], timeout=PATIENCE)
            assert exchange(plain, "GET", "/readyz").body == b"ok"
            plain.close()
        finally:
            over.set()
        assert len(list(answers)) == 8


def test_one_review_runs_in_each_pass_of_the_loop() -> None:
    order: list[str] = []

    async def review(gate: ConcurrencyLimit, name: str) -> None:
        with gate.pass_through("a"):
            await gate.turn("a")
            order.append(name)
            asyncio.get_running_loop().call_soon(order.append, "other work")

    async def main() -> None:
        gate = ConcurrencyLimit(Limits())
        await asyncio.gather(*(review(gate, name) for name in "abc"))
        await asyncio.sleep(0)
        await review(gate, "d")  # and the gate is open again afterwards
        await asyncio.sleep(0)
        assert gate.inside == 0

    asyncio.run(main())
    assert order == [word for name in "abcd" for word in (name, "other work")]


def test_a_review_given_up_in_the_queue_does_not_stop_the_queue() -> None:
    order: list[str] = []

    async def review(gate: ConcurrencyLimit, name: str) -> None:
        await gate.turn("a")
        order.append(name)

    async def main(passes: int) -> None:
        gate = ConcurrencyLimit(Limits())
        tasks = {name: asyncio.create_task(review(gate, name)) for name in "abc"}
        for _ in range(passes):
            await asyncio.sleep(0)
        tasks["b"].cancel()
        await asyncio.wait(tasks.values())
        await asyncio.wait_for(review(gate, "d"), PATIENCE)

    for passes in range(6):
        order.clear()
        asyncio.run(main(passes))
        assert [name for name in order if name != "b"] == ["a", "c", "d"]


def test_the_gate_counts_what_it_sends_away() -> None:
    gate = ConcurrencyLimit(Limits(in_flight=1))
    with gate.pass_through("a"), pytest.raises(OverloadedError), gate.pass_through("a"):
        pass
    assert gate.inside == 0


def test_an_address_that_fills_the_gate_leaves_others_their_share() -> None:
    gate = ConcurrencyLimit(Limits(in_flight=4))
    with ExitStack() as stack:
        for address in ("many", "many", "many", "many", "one", "one"):
            stack.enter_context(gate.pass_through(address))
        for address in ("many", "one"):
            with pytest.raises(OverloadedError):
                stack.enter_context(gate.pass_through(address))
        stack.enter_context(gate.pass_through("another"))
        assert gate.inside == 7
    assert gate.inside == 0


def test_addresses_take_turns() -> None:
    order: list[str] = []

    async def review(gate: ConcurrencyLimit, name: str) -> None:
        await gate.turn(name[0])
        order.append(name)

    async def main() -> None:
        gate = ConcurrencyLimit(Limits())
        await asyncio.gather(*(review(gate, name) for name in ("m0", "m1", "m2", "m3", "a0", "a1", "b0")))

    asyncio.run(main())
    assert order == ["m0", "m1", "a0", "b0", "m2", "a1", "m3"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3s", 3.0),
        ("1.5s", 1.5),
        ("500ms", 0.5),
        ("1m30s", 90.0),
        ("1h0m0.5s", 3600.5),
        ("250us", 0.00025),
        ("10µs", 0.00001),
        ("7ns", 7e-9),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("+2s", 2.0),
        ("0", 0.0),
        *((text, None) for text in ("", "3", "s", "-1s", "1 s", "1x", "1e3s", "nan", "infs", "1s ", "+-1s", "\u0663s")),
    ],
)
def test_go_durations_are_read(text: str, seconds: float | None) -> None:
    assert duration(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        (b"timeout=10s", 10.0),
        (b"a=b&timeout=1500ms", 1.5),
        (b"timeout=10%C2%B5s", 1e-5),
        (b"timeout=abc", None),
        (b"timeout", None),
        (b"timeout=", None),
        (b"", None),
        (b"\xff=%ff&timeout=%ff", None),
        (b"timeout=" + b"9" * 400 + b"s", None),
    ],
)
def test_the_timeout_is_found_in_the_query(query: bytes, seconds: float | None) -> None:
    assert timeout_of(query) == (None if seconds is None else pytest.approx(seconds))


@given(st.binary(max_size=300))
def test_no_query_raises(query: bytes) -> None:
    timeout = timeout_of(query)
    assert timeout is None or timeout >= 0


def test_the_backend_is_told_what_is_left_of_the_timeout(server: Running) -> None:
    server.post(request_of("1"), query="?timeout=10s")
    server.post(request_of("2"), query="?timeout=0s")
    server.post(request_of("3"), query="?timeout=soon")
    first, second, third = (timeout for _, timeout in server.backend.seen)
    assert first is not None
    assert 0 < first < 10
    assert (second, third) == (0.0, None)


def test_a_failed_review_allows_and_says_so_in_the_audit_log(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    reply = server.post(request_of("a-uid", fail=True))
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert json.loads(reply.body) == {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": "a-uid", "allowed": True, "auditAnnotations": {"not-evaluated": "internal error"}},
    }
    assert "RuntimeError: secret detail" in caplog.text


def test_a_failed_review_without_a_uid_tells_nothing(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    server.backend.broken = True
    try:
        reply = server.post(b'{"request": {}}')
    finally:
        server.backend.broken = False
    assert (reply.status, reply.body) == (500, b"internal error\n")
    assert "review failed" in caplog.text


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["request", "uid", "x"]), inner),
    max_leaves=8,
)


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
@example(b'{"request":{"uid":"\xff"}}')
@example(b'{"request":{"uid":"\\ud800"}}')
@example(b'{"x":' + b"[" * 100_000)
@example(b'{"request":{"uid":""}}')
def test_the_last_resort_takes_any_bytes(body: bytes) -> None:
    answer = fail_open(body)
    if answer.status == 200:
        assert json.loads(answer.body)["response"]["uid"] == json.loads(body)["request"]["uid"]
    else:
        assert (answer.status, answer.body) == (500, b"internal error\n")


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc", "/openapi.json", "/validate/", "/metrics/", "/debug", "/%00"])
def test_nothing_else_answers(server: Running, path: str) -> None:
    assert server.get(path).status == 404
    assert server.ask("POST", path, b"{}", JSON).status == 404


def test_a_wrong_method_is_told_the_right_one(server: Running) -> None:
    reply = server.get("/validate")
    assert (reply.status, reply.headers["allow"]) == (405, "POST")
    assert server.ask("POST", "/readyz", b"{}", JSON).status == 405


def test_the_probes_are_plain_words(server: Running) -> None:
    assert (server.get("/livez").status, server.get("/livez").body) == (200, b"ok")
    assert (server.get("/readyz").status, server.get("/readyz").body) == (200, b"ok")
    assert server.ask("HEAD", "/readyz").status == 200


def test_verbose_readiness_lists_every_condition(server: Running) -> None:
    before = server.backend.checks
    server.backend.checks = (
        Check("pods-synced", ok=True),
        Check("certificate", ok=True, detail="expires in 9 days"),
        Check("networkpolicies-synced", ok=False, detail="forbidden\n[+]forged ok"),
        Check("nodes-synced", ok=False),
    )
    try:
        plain, verbose = server.get("/readyz"), server.get("/readyz?verbose")
    finally:
        server.backend.checks = before
    assert (plain.status, plain.body) == (503, b"not ready")
    assert verbose.status == 503
    assert verbose.body.decode().splitlines() == [
        "[+]serving ok",
        "[+]pods-synced ok",
        "[+]certificate ok: expires in 9 days",
        "[-]networkpolicies-synced forbidden [+]forged ok",
        "[-]nodes-synced failed",
        "readyz check failed",
    ]
    assert server.get("/readyz?verbose").body.endswith(b"readyz check passed\n")


def test_readiness_that_fails_is_not_ready(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    server.backend.broken = True
    try:
        reply = server.get("/readyz?verbose")
    finally:
        server.backend.broken = False
    assert (reply.status, reply.body) == (
        503,
        b"[+]serving ok\n[-]readiness internal error\nreadyz check failed\n",
    )
    assert "readiness failed" in caplog.text


def test_metrics_count_by_outcome_mode_and_dry_run(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        server.post(request_of("1"))
        server.post(request_of("1", dryRun=True))
        server.post(request_of("2", outcome="denied", mode="enforce"))
        server.post(request_of("3", outcome="made up", mode="by a bug"))
        server.post(b"no json")
        server.post(b"x", {"content-type": "text/plain"})
        reply = server.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = reply.body.decode().splitlines()
    for labels in (
        'dry_run="false",mode="warn",outcome="allowed"',
        'dry_run="true",mode="warn",outcome="allowed"',
        'dry_run="false",mode="enforce",outcome="denied"',
        'dry_run="false",mode="other",outcome="other"',
        'dry_run="false",mode="",outcome="malformed"',
    ):
        assert any(line_of(line, labels, "netpol_preflight_admission_requests_total", 1.0) for line in lines)
        assert any(line_of(line, labels, "netpol_preflight_admission_duration_seconds_count", 1.0) for line in lines)
    assert 'netpol_preflight_admission_refused_total{code="415"} 1.0' in lines
    assert "netpol_preflight_admission_in_flight 0.0" in lines
    assert "netpol_preflight_admission_shed_total 0.0" in lines


def line_of(line: str, labels: str, name: str, value: float) -> bool:
    found, _, rest = line.partition("{")
    inside, _, number = rest.partition("} ")
    return found == name and sorted(inside.split(",")) == labels.split(",") and float(number) == value
