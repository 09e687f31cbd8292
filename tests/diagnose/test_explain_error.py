"""Pasted texts, read: real samples by family of client, any text at all, and no secret out of any of them."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from string import ascii_lowercase, digits
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import webhook
from webhook.cli.main import main
from webhook.diagnose.error_kinds import Caller, Kind
from webhook.diagnose.errors import MOST_TEXT, ConnectionFailure, read_error

SAMPLES: Final = Path(__file__).parent / "errors"
STORY: Final = Path(webhook.__file__).parent / "story"
FIELDS: Final = ("kind", "name", "address", "port", "protocol", "resolver")
FAMILIES: Final = {
    "curl", "databases", "go", "grpc", "java", "kafka", "languages", "mysql", "node", "nothing", "others", "postgres",
    "proxies", "python", "ruby", "tools",
}  # fmt: skip


def samples() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(SAMPLES.glob("*.yaml")):
        for sample in yaml.safe_load(path.read_text(encoding="utf-8")):
            yield f"{path.stem}: {sample['about']}", sample


ALL: Final = dict(samples())
READABLE: Final = {name: sample for name, sample in ALL.items() if sample["kind"]}


def shown(failure: ConnectionFailure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    values = (failure.kind.value, failure.name, failure.address, failure.port, failure.protocol, failure.resolver)
    return {key: str(v) if key in ("address", "resolver") and v else v for key, v in zip(FIELDS, values, strict=True)}


def wanted(sample: dict[str, Any]) -> dict[str, Any] | None:
    return {key: sample.get(key, "TCP" if key == "protocol" else None) for key in FIELDS} if sample["kind"] else None


def test_the_samples_cover_every_kind_and_every_family() -> None:
    assert {sample["kind"] for sample in READABLE.values()} == {kind.value for kind in Kind}
    assert {name.partition(":")[0] for name in ALL} == FAMILIES
    assert all(set(sample) <= {*FIELDS, "about", "text", "secrets"} for sample in ALL.values())


@pytest.mark.parametrize("name", ALL, ids=lambda name: name[:90])
def test_the_sample_is_read_as_it_says(name: str) -> None:
    assert shown(read_error(ALL[name]["text"])) == wanted(ALL[name])


@pytest.mark.parametrize("name", READABLE, ids=lambda name: name[:90])
def test_a_log_around_it_changes_nothing(name: str) -> None:
    """A good line before it, one after it, colours, line ends of another system."""
    text = f"\x1b[32m10:00:00 INFO listening on :8080\x1b[0m\r\n{READABLE[name]['text']}\r\n10:00:09 INFO bye\r\n"
    assert shown(read_error(text)) == wanted(READABLE[name])


@pytest.mark.parametrize("name", READABLE, ids=lambda name: name[:90])
def test_case_does_not_matter(name: str) -> None:
    assert shown(read_error(READABLE[name]["text"].upper())) == wanted(READABLE[name])


# -- any text ------------------------------------------------------------------------------------------------------


PIECES: Final = st.sampled_from(
    [
        *(piece for sample in ALL.values() for piece in re.split(r"(?<=[ :/@\"'(])", sample["text"]) if piece),
        "://", "@", "->", "[::1]:", ":99999", ":0 ", "lookup ", "dial tcp ", "\\n", '\\"', "\\u003e", "\x1b[31m",
        "\n\tat ",
    ]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join)))
def test_any_text_is_read_or_is_not(text: str) -> None:
    failure = read_error(text)
    if failure is not None:
        assert failure.port is None or 1 <= failure.port <= 65_535
        assert failure.name is None or re.fullmatch(r"[a-z0-9_.-]{1,253}", failure.name)


HOSTILE: Final = (
    "i/o timeout ", "lookup a", "lookup a on b:: ", "read tcp ->->->", " ", "a", "\\", "\n", "\t at", "http://", "@",
    "[errno 111] ", "connection to ", "a:1 timed out ", "mysql server on '", "host=", "(a:", ":1:1", "connect to a ",
    "dial tcp 1.1.1.1:1: ", 'on host "a" and accepting', "ipv4:", "\x1b[", "timed out /a:1", "1.1.1.1:1 (", "a-",
    "httpsconnection ", "brokerconnection host=a:1 [", "bootstrap broker ", "failed to connect to /a (port 1) from ",
    "connection #1 to ", "{'a", "connection to server ", "[thrd:a:1/", "telnet -a ", "503 uf,",
    "see https://a ", ": try again",
)  # fmt: skip
READ_THEM_ALL: Final = (
    "import ast, sys; from webhook.diagnose.errors import read_error\n"
    "for piece in ast.literal_eval(sys.argv[1]): read_error(piece * (1_000_000 // len(piece)))"
)


def test_a_megabyte_of_anything_ends() -> None:
    """A pattern that backtracks would take hours for one of these, so that the limit for all measures no speed."""
    subprocess.run([sys.executable, "-c", READ_THEM_ALL, repr(HOSTILE)], check=True, timeout=120)


def test_of_a_long_log_the_end_counts() -> None:
    last = "dial tcp 10.244.1.45:5432: i/o timeout"
    assert shown(read_error("dial tcp 10.0.0.1:80: connection refused\n" + "." * MOST_TEXT + last)) == {
        "kind": "timedOut",
        "name": None,
        "address": "10.244.1.45",
        "port": 5432,
        "protocol": "TCP",
        "resolver": None,
    }


def test_two_errors_do_not_mix() -> None:
    text = "dial tcp 10.0.0.1:80: connect: connection refused\nTimeoutError: Timeout connecting to server\n"
    assert shown(read_error(text)) == wanted({"kind": "refused", "address": "10.0.0.1", "port": 80})


def test_of_two_links_the_one_that_is_known_is_the_target() -> None:
    text = "timed out: https://status.example.net/incidents http://api.shop:8080/v1"
    found = read_error(text, lambda place: place.name == "api.shop")
    assert shown(found) == wanted({"kind": "unclear", "name": "api.shop", "port": 8080})


@pytest.mark.parametrize(
    ("text", "caller"),
    [
        ("Startup probe failed: dial tcp 10.244.2.8:8080: i/o timeout", Caller.KUBELET),
        ('failed calling webhook "x": Post "https://x.y.svc:443/": context deadline exceeded', Caller.API_SERVER),
        ("conversion webhook for a.b/v1, Kind=C failed: dial tcp 10.96.1.1:443: i/o timeout", Caller.API_SERVER),
        ("failing or missing response from https://10.96.1.1:443/apis: dial tcp: i/o timeout", Caller.API_SERVER),
        ("Readiness probe failed: x\n10:00 dial tcp 10.96.1.1:443: i/o timeout", Caller.WORKLOAD),
    ],
)
def test_whose_error_it_is_is_told_by_its_line(text: str, caller: Caller) -> None:
    failure = read_error(text)
    assert failure is not None
    assert failure.caller is caller


# -- no secret -----------------------------------------------------------------------------------------------------

SECRET: Final = st.text(ascii_lowercase + digits + "@:/?#%!$&*+,;=.-_~[]()'\"`<>", max_size=20).map("zq{}qz".format)
AROUND: Final = st.sampled_from(
    [
        "{}: connection refused",
        "error connecting to {}: timed out",
        'Get "{}": context deadline exceeded',
        "connect ECONNREFUSED {}",
        'upstream: "{}" timed out',
        "dial tcp {}: i/o timeout",
        "Connection to {} refused.",
        "cannot connect to host {}",
        '{{"msg":"\\"{}\\": connection refused"}}',
    ]
)


@given(
    AROUND,
    st.sampled_from(["postgres://", "amqp://", "https://", ""]),
    SECRET,
    st.sampled_from(["app:", "app:123", ""]),
)
def test_no_user_info_is_ever_taken_for_a_target(around: str, scheme: str, secret: str, user: str) -> None:
    failure = read_error(around.format(f"{scheme}{user}{secret}@db.data:5432/orders"))
    assert failure is not None
    assert "zq" not in repr(shown(failure))
    assert failure.name in (None, "db.data", "db")
    assert failure.port in (None, 5432)


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: object) -> tuple[int, str]:
        try:
            code = main(["explain", "-f", str(STORY), "--from", "web-api", *map(str, arguments)])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out + err

    return command


@pytest.mark.parametrize("name", [n for n, sample in ALL.items() if "secrets" in sample], ids=lambda name: name[:90])
@pytest.mark.parametrize("format_", ["text", "json"])
def test_no_secret_of_a_sample_is_printed(run: Run, name: str, format_: str) -> None:
    _, printed = run("--error", ALL[name]["text"], "--format", format_)
    assert [s for s in ALL[name]["secrets"] if re.search(rf"(?<![a-z]){re.escape(s)}(?![a-z])", printed.lower())] == []


# -- the command ---------------------------------------------------------------------------------------------------


def test_an_unreadable_text_ends_with_2_and_says_what_is_recognised(run: Run) -> None:
    code, printed = run("--error", "all is well")
    assert code == 2
    assert "--error: no failed connection is told in it: expected what Go, curl, libpq" in printed


def test_a_denied_connection_ends_with_1(run: Run) -> None:
    assert run("--error", "dial tcp 10.244.1.45:5432: i/o timeout")[0] == 1


def test_an_innocent_policy_ends_with_0(run: Run) -> None:
    assert run("--error", "dial tcp 127.0.0.1:5432: connect: connection refused")[0] == 0


def test_a_malformed_target_ends_with_2(run: Run) -> None:
    code, printed = run("--error", "dial tcp 10.244.1.45:5432: i/o timeout", "--to", "postgres:0")
    assert code == 2
    assert "--to: expected a port from 1 to 65535" in printed


def test_a_pipe_of_logs_is_read_from_standard_input() -> None:
    command = [sys.executable, "-m", "webhook", "explain", "-f", str(STORY), "--from", "web-api", "--error", "-"]
    log = b"\xff\xfe 10:00 start\n10:01 dial tcp 10.244.1.45:5432: i/o timeout\n"
    done = subprocess.run(command, input=log, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"timed out" in done.stdout


def test_standard_input_is_read_once(run: Run) -> None:
    code, printed = run("--error", "-", "--against", "-")
    assert code == 2
    assert "standard input can be read once" in printed
