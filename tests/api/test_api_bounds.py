"""Whoever reaches a port sends too much, too slowly, or too often: it costs little, and honest calls are answered."""

import socket
import ssl
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE
from tests.support.serving import HOST, JSON, Running, eventually, exchange, request_of, review_of, serving
from webhook.api.concurrency_limits import MIB, Bounds, Connections, Limits, Member, Phase
from webhook.api.server import Timing

KIB = 1024
OTHER_HOST = "127.0.0.2"  # the same machine, from another address
BODY_BEGINS = b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n{"


@contextmanager
def plain(server: Running, source: str = HOST) -> Generator[socket.socket]:
    place = (HOST, server.server.plain_ports[0])
    with socket.create_connection(place, PATIENCE, source_address=(source, 0)) as connection:
        yield connection


@contextmanager
def tls(server: Running, source: str = HOST) -> Generator[socket.socket]:
    place = (HOST, server.port)
    with (
        socket.create_connection(place, PATIENCE, source_address=(source, 0)) as raw,
        server.context().wrap_socket(raw, server_hostname=HOST) as connection,
    ):
        yield connection


Way = Callable[[Running], AbstractContextManager[socket.socket]]
each_listener = pytest.mark.parametrize(("way", "listener"), [(plain, "health"), (tls, "webhook")])


def rest_of(connection: socket.socket) -> bytes:
    """Return all that comes until the server closes."""
    read = b""
    try:
        while more := connection.recv(65536):
            read += more
    except (ConnectionError, ssl.SSLError):  # it was closed while we were sending
        pass
    return read


def flood(connection: socket.socket, data: bytes) -> None:
    """Send until the server has closed."""
    with suppress(ConnectionError, ssl.SSLError):
        for _ in range(1_000_000_000 // len(data)):
            connection.sendall(data)
        pytest.fail("still open")


def answer_of(connection: socket.socket, end: bytes) -> bytes:
    """Return an answer on a connection that stays open."""
    read = b""
    while not read.endswith(end):
        more = connection.recv(65536)
        assert more, read
        read += more
    return read


def head_of(size: int) -> bytes:
    begin, end = b"GET /livez HTTP/1.1\r\nconnection: close\r\nx: ", b"\r\n\r\n"
    return begin + b"a" * (size - len(begin) - len(end)) + end


def cut(server: Running, listener: str, reason: str) -> float:
    return server.metric("http_connections_cut_total", listener=listener, reason=reason)


@each_listener
def test_a_head_of_64_kib_is_read_and_one_more_byte_is_too_much(tmp_path: Path, way: Way, listener: str) -> None:
    with serving(tmp_path) as server:
        with way(server) as connection:
            connection.sendall(head_of(64 * KIB))
            assert rest_of(connection).startswith(b"HTTP/1.1 200 ")
        with way(server) as connection:
            connection.sendall(head_of(64 * KIB + 1))
            assert rest_of(connection).startswith(b"HTTP/1.1 431 ")
        assert cut(server, listener, "head-size") == 1


@each_listener
def test_an_endless_head_ends_and_an_honest_review_is_answered_beside_it(
    tmp_path: Path, way: Way, listener: str
) -> None:
    with serving(tmp_path) as server, ExitStack() as stack:
        heads = [stack.enter_context(way(server)) for _ in range(3)]
        for head in heads:
            head.sendall(b"GET /livez HTTP/1.1\r\nx: " + b"a" * (60 * KIB))
        assert server.post(request_of("honest")).uid == "honest"
        for head in heads:
            flood(head, b"a" * 64 * KIB)
        eventually(lambda: cut(server, listener, "head-size") == 3)
        assert server.post(request_of("honest")).uid == "honest"


@each_listener
def test_half_a_head_is_waited_for_and_then_closed(tmp_path: Path, way: Way, listener: str) -> None:
    with serving(tmp_path, bounds=Bounds(head_seconds=0.2)) as server, way(server) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nhost:")
        assert rest_of(connection).startswith(b"HTTP/1.1 408 ")
        eventually(lambda: cut(server, listener, "head-time") == 1)


@each_listener
def test_a_second_head_has_no_more_time_than_the_first(tmp_path: Path, way: Way, listener: str) -> None:
    with serving(tmp_path, bounds=Bounds(head_seconds=0.2)) as server, way(server) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        assert answer_of(connection, b"ok").startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET /livez")
        assert rest_of(connection).startswith(b"HTTP/1.1 408 ")
        eventually(lambda: cut(server, listener, "head-time") == 1)


def test_a_body_may_take_longer_than_a_head(tmp_path: Path) -> None:
    body = request_of("honest")
    with serving(tmp_path, bounds=Bounds(head_seconds=0.1)) as server, tls(server) as connection:
        for _ in range(2):
            connection.sendall(BODY_BEGINS % len(body))
            eventually(lambda: server.metric("admission_receiving") == 1)
            time.sleep(0.3)  # past the time that the head had
            connection.sendall(body[1:])
            answer_of(connection, review_of("honest"))
        time.sleep(0.3)
        connection.sendall(b"GET /livez")  # the time that this head has is less than what was left to be idle
        answer_of(connection, b"content-length: 0\r\nconnection: close\r\n\r\n")
        assert cut(server, "webhook", "head-time") == 1


@each_listener
def test_a_client_that_never_says_a_word_is_closed(tmp_path: Path, way: Way, listener: str) -> None:
    with serving(tmp_path, timing=Timing(keep_alive=1)) as server, way(server) as connection:
        assert rest_of(connection) == b""
        eventually(lambda: server.metric("http_connections", listener=listener) == 0)


def test_a_handshake_is_not_waited_for_without_end(tmp_path: Path) -> None:
    with serving(tmp_path, bounds=Bounds(handshake_seconds=0.2)) as server:
        with socket.create_connection((HOST, server.port), PATIENCE) as connection:
            assert rest_of(connection) == b""
        eventually(lambda: cut(server, "webhook", "handshake") == 1)
        assert server.metric("http_connections", listener="webhook") == 0


def test_a_hundred_slow_bodies_hold_up_nobody(tmp_path: Path) -> None:
    with serving(tmp_path, limits=Limits(receiving=100)) as server, ExitStack() as stack:
        honest = stack.enter_context(tls(server))
        body = request_of("honest")
        honest.sendall(BODY_BEGINS % len(body))  # the oldest of all, and yet not the one that goes
        eventually(lambda: server.metric("admission_receiving") == 1)
        slow = [stack.enter_context(tls(server, OTHER_HOST)) for _ in range(120)]
        for connection in slow:
            connection.sendall(BODY_BEGINS % 1000)
        eventually(lambda: server.metric("admission_bodies_shed_total") == 21)
        assert server.metric("admission_receiving") == 100
        assert server.metric("admission_in_flight") == 0
        assert server.post(request_of("another")).uid == "another"
        honest.sendall(body[1:])
        answer_of(honest, review_of("honest"))
        given_up = rest_of(slow[0])
        assert given_up.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in given_up
        assert b"connection: close" in given_up


def test_a_few_great_bodies_do_not_take_the_room_of_others(tmp_path: Path) -> None:
    with serving(tmp_path, limits=Limits(buffered_bytes=MIB)) as server, tls(server, OTHER_HOST) as great:
        great.sendall(BODY_BEGINS % (2 * MIB) + b" " * (MIB - 1000))
        body = request_of("honest").ljust(300_000)
        assert server.post(body).uid == "honest"
        assert rest_of(great).startswith(b"HTTP/1.1 503 ")
        assert server.metric("admission_bodies_shed_total") == 1
        assert server.post(request_of("next").ljust(900_000)).uid == "next"  # nothing of it is still counted


def test_a_newcomer_gets_in_among_any_number_of_idle_ones(tmp_path: Path) -> None:
    with serving(tmp_path, bounds=Bounds(connections=20)) as server, ExitStack() as stack:
        honest = server.connect()
        assert exchange(honest, "POST", "/validate", request_of("1"), JSON).uid == "1"
        idle = [stack.enter_context(tls(server, OTHER_HOST)) for _ in range(60)]
        assert server.metric("http_connections", listener="webhook") <= 20
        assert server.post(request_of("2")).uid == "2"
        assert exchange(honest, "POST", "/validate", request_of("3"), JSON).uid == "3"  # over the same connection
        honest.close()
        assert rest_of(idle[0]) == b""
        eventually(lambda: cut(server, "webhook", "shed") >= 40)


def test_half_open_handshakes_leave_room_for_whole_ones(tmp_path: Path) -> None:
    with serving(tmp_path, bounds=Bounds(connections=20)) as server, ExitStack() as stack:
        place = (HOST, server.port)
        for _ in range(60):
            stack.enter_context(socket.create_connection(place, PATIENCE, source_address=(OTHER_HOST, 0)))
        assert server.post(request_of("honest")).uid == "honest"
        eventually(lambda: server.metric("http_connections", listener="webhook") <= 20)


def test_probes_are_answered_among_idle_connections_to_their_own_port(tmp_path: Path) -> None:
    with serving(tmp_path, plain_connections=10) as server, ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(plain(server, OTHER_HOST))
        with plain(server) as probe:
            probe.sendall(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert rest_of(probe).endswith(b"ok")


def joined(connections: Connections, address: str, phase: Phase, *, known: bool = False) -> tuple[Member, list[str]]:
    dropped: list[str] = []
    member = Member(address)
    member.phase, member.known = phase, known
    member.abort = lambda: dropped.append(address)
    assert connections.join(member)
    return member, dropped


def test_who_has_most_connections_loses_the_one_that_has_asked_for_least() -> None:
    connections = Connections(4)
    one, one_dropped = joined(connections, "one", Phase.HEAD)
    joined(connections, "many", Phase.ANSWER)
    _, busy_dropped = joined(connections, "many", Phase.IDLE)
    _, silent_dropped = joined(connections, "many", Phase.SILENT)
    joined(connections, "new", Phase.HANDSHAKE)
    assert (one_dropped, busy_dropped, silent_dropped) == ([], [], ["many"])
    connections.leave(one)
    connections.leave(one)
    assert len(connections) == 3


def test_nobody_is_closed_who_is_owed_an_answer() -> None:
    connections = Connections(2)
    first, second = (joined(connections, "many", Phase.ANSWER) for _ in range(2))
    assert not connections.join(Member("new"))
    assert (first[1], second[1], len(connections)) == ([], [], 2)


def test_who_shows_a_known_certificate_goes_after_all_others() -> None:
    connections = Connections(3)
    known = [joined(connections, "api server", Phase.IDLE, known=True) for _ in range(2)]
    _, dropped = joined(connections, "a pod", Phase.BODY)
    joined(connections, "new", Phase.HANDSHAKE)
    assert (dropped, [was for _, was in known]) == (["a pod"], [[], []])


# -- what is neither a head nor a body


@each_listener
def test_a_hundred_headers_are_read_and_one_more_is_too_many(tmp_path: Path, way: Way, listener: str) -> None:
    with serving(tmp_path) as server:
        for number, status in ((99, b"200"), (100, b"431")):
            with way(server) as connection:
                connection.sendall(b"GET /livez HTTP/1.1\r\nconnection: close\r\n" + b"a:b\r\n" * number + b"\r\n")
                assert rest_of(connection).startswith(b"HTTP/1.1 " + status)
        assert cut(server, listener, "head-size") == 1


CHUNKED = b"POST /validate HTTP/1.1\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"


def test_a_trailer_is_no_header(tmp_path: Path) -> None:
    body = request_of("1")
    with serving(tmp_path) as server, tls(server) as connection:
        connection.sendall(CHUNKED + b"%x\r\n%s\r\n0\r\ncontent-type: text/plain\r\nx: y\r\n\r\n" % (len(body), body))
        answer_of(connection, review_of("1"))


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (CHUNKED + b"1;", b"extension=" + b"a" * 1000),
        (CHUNKED + b"1\r\n{\r\n0\r\nx: ", b"a" * 1000),
        (CHUNKED, b"1;%s\r\n \r\n" % (b"a" * 1000)),
        (CHUNKED.replace(b"json", b"yaml"), b"3e8\r\n%s\r\n" % (b"a" * 1000)),
        (b"POST /livez HTTP/1.1\r\ncontent-length: 1%018d\r\n\r\n" % 0, b"a" * 1000),
        (b"GET /livez HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", b"3e8\r\n%s\r\n" % (b"a" * 1000)),
        (b"", b"\r\n" * 1000),
    ],
    ids=[
        "an extension",
        "a trailer",
        "many extensions",
        "a refused body",
        "a body of nobody",
        "a chunked one",
        "no head",
    ],
)
def test_nothing_is_taken_without_end(tmp_path: Path, begin: bytes, more: bytes) -> None:
    with serving(tmp_path, bounds=Bounds(body_bytes=2 * MIB)) as server:
        with tls(server) as connection:
            connection.sendall(begin)
            flood(connection, more * 100)
        assert server.post(request_of("honest")).uid == "honest"


def test_a_request_before_its_turn_is_not_read_and_the_first_is_answered(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        for second in (b"GET /livez HTTP/1.1\r\n\r\n" * 1000, b"\x00 garbage"):
            body = request_of("first")
            with tls(server) as connection:
                connection.sendall(BODY_BEGINS % len(body) + body[1:] + second)
                answer = rest_of(connection)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert answer.count(b"HTTP/1.1 ") == 1
            assert b"connection: close" in answer
            assert answer.endswith(review_of("first"))
        assert cut(server, "webhook", "pipelined") == 2


def test_an_upgrade_is_answered_as_if_it_were_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ask = b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
    with serving(tmp_path) as server, tls(server) as connection:
        connection.sendall(ask + b"\x00" * 100)
        assert rest_of(connection).startswith(b"HTTP/1.1 200 ")
    assert "upgrade" not in caplog.text.lower()


def test_a_client_that_does_not_read_its_answers_is_closed(tmp_path: Path) -> None:
    bounds = Bounds(answer_seconds=0.2, close_seconds=0.2)
    with serving(tmp_path, bounds=bounds) as server, plain(server) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        server.metrics.text = lambda: b"a" * 16 * MIB  # type: ignore[method-assign] # more than any kernel keeps
        for _ in range(2):  # the second waits for the first to be read
            connection.sendall(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
            assert connection.recv(1) in {b"H", b"T"}
        eventually(lambda: cut(server, "health", "answer-time") == 1)
        eventually(lambda: server.metric("http_connections", listener="health") == 0)
