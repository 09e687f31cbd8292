"""Every form of `netpol-preflight.io/connects-to` (design.md §5), and what becomes of everything else."""

import string
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from webhook.dependencies.grammar import FORM, MOST_HOSTS, MOST_ITEMS, SHOWN, items, parse
from webhook.model.addresses import PROTOCOLS, SCHEMES, Protocol, parse_address, parse_block
from webhook.model.answers import Declared, Dependency, Malformed, NameTarget, Target, WorkloadTarget
from webhook.model.refs import SHORT_KINDS, WORKLOAD_KINDS


def name(host: str, port: int | str | None = None, protocol: Protocol = "TCP", *, scheme: bool = False) -> Dependency:
    return Dependency(NameTarget(host, scheme), port, protocol)


def address(text: str, port: int, protocol: Protocol = "TCP") -> Dependency:
    return Dependency(parse_block(text) if "/" in text else parse_address(text), port, protocol)


def only(text: str) -> Declared:
    (item,) = parse(text)
    return item


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "db",
        "db.data",
        "db-0.db.data",
        "db.data.svc",
        "db.data.svc.cluster.local",
        "db-0.db.data.svc.cluster.local",
        "db.data.svc.corp.example",
        "api.example.com",
        "a.b.c.d.e.example.com",
        "api.example.com.",
        "db.",
        "*.example.com",
        "*.example.com.",
        "_sip.example.com",
        "1password.com",
        "x",
        "a" * 63 + ".data",
    ],
)
def test_a_name_is_kept_as_it_is_for_the_resolver(host: str) -> None:
    assert only(host) == name(host)


def test_names_protocols_kinds_and_port_names_may_be_in_upper_case() -> None:
    assert only("DB.Data.SVC.Cluster.Local:PG/tcp") == name("db.data.svc.cluster.local", "pg")
    assert only("Deploy/API.Shop:8080/Udp") == Dependency(WorkloadTarget("Deployment", "api", "shop"), 8080, "UDP")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_port_may_have_a_protocol(protocol: Protocol) -> None:
    assert only(f"db.data:53/{protocol}") == name("db.data", 53, protocol)
    assert only(f"db.data:dns/{protocol}") == name("db.data", "dns", protocol)


@pytest.mark.parametrize(("text", "port"), [("1", 1), ("65535", 65535), ("5432", 5432), ("00080", 80)])
def test_a_port_is_a_number_from_1_to_65535(text: str, port: int) -> None:
    assert only(f"db:{text}") == name("db", port)


@pytest.mark.parametrize("port", ["pg", "http-metrics", "8080-tcp", "a", "p" * 63])
def test_a_port_may_be_a_name(port: str) -> None:
    assert only(f"db:{port}") == name("db", port)


def test_spaces_around_a_port_are_ignored() -> None:
    assert only("db.data : 5432 / udp") == name("db.data", 5432, "UDP")


# -- workloads ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WORKLOAD_KINDS)
def test_a_workload_is_named_as_kubectl_names_it(kind: str) -> None:
    expected = Dependency(WorkloadTarget(kind, "api"), 8080)
    for word in (SHORT_KINDS[kind], kind, kind.lower(), kind.lower() + "s"):
        assert only(f"{word}/api:8080") == expected, word


def test_a_workload_may_have_a_namespace_a_protocol_and_a_port_by_name() -> None:
    assert only("sts/db.data:pg/UDP") == Dependency(WorkloadTarget("StatefulSet", "db", "data"), "pg", "UDP")


def test_a_workload_without_a_port_stands_for_every_port_that_it_declares() -> None:
    assert only("deploy/api") == Dependency(WorkloadTarget("Deployment", "api"), None)


def test_a_trailing_dot_changes_nothing_about_a_workload() -> None:
    assert only("deploy/api.:80") == only("deploy/api:80")
    assert only("deploy/api.shop.:80") == only("deploy/api.shop:80")


@pytest.mark.parametrize("item", ["svc/db:5432", "service/db.data:5432", "deployy/api:80", "node/n1:22", "/api:80"])
def test_what_is_no_workload_s_kind_is_refused_before_a_slash(item: str) -> None:
    found = only(item)
    assert isinstance(found, Malformed)
    assert found.item == item
    assert found.expected.startswith("a workload's kind before the slash: deploy, sts, ds,") or item.startswith("/")


@pytest.mark.parametrize(
    "item", ["deploy/:80", "deploy/*:80", "deploy/*.x:80", "deploy/a..b:80", "po/a b:80", "deploy/"]
)
def test_a_workload_needs_a_name(item: str) -> None:
    assert only(item) == Malformed(1, item, "KIND/NAME[.NAMESPACE][:PORT[/TCP|UDP|SCTP]]")


# -- addresses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.5:443", address("10.0.0.5", 443)),
        ("10.0.0.5:53/UDP", address("10.0.0.5", 53, "UDP")),
        ("10.0.0.0/24:443", address("10.0.0.0/24", 443)),
        ("10.0.0.0/24:443/SCTP", address("10.0.0.0/24", 443, "SCTP")),
        ("10.0.0.5/24:443", address("10.0.0.0/24", 443)),
        ("0.0.0.0/0:443", address("0.0.0.0/0", 443)),
        ("[2001:db8::5]:443", address("2001:db8::5", 443)),
        ("[2001:DB8:0::5]:443/udp", address("2001:db8::5", 443, "UDP")),
        ("[2001:db8::/32]:443", address("2001:db8::/32", 443)),
        ("[2001:db8::]/32:443/TCP", address("2001:db8::/32", 443)),
        ("[::]/0:443", address("::/0", 443)),
        ("[::ffff:10.0.0.5]:443", address("10.0.0.5", 443)),
        ("[::ffff:10.0.0.0/120]:443", address("10.0.0.0/24", 443)),
    ],
)
def test_an_address_or_a_block_is_read(text: str, expected: Dependency) -> None:
    assert only(text) == expected


@pytest.mark.parametrize("item", ["10.0.0.5", "10.0.0.0/24", "[2001:db8::5]", "[2001:db8::/32]", "[2001:db8::]/32"])
def test_an_address_needs_a_port(item: str) -> None:
    assert only(item) == Malformed(1, item, "a port behind the address: ADDRESS:PORT")


@pytest.mark.parametrize("item", ["2001:db8::5", "::1:80", "2001:db8::/32:443", "a:b:c", "db:80:90", "db:5432/TCP:x"])
def test_several_colons_want_brackets(item: str) -> None:
    assert only(item) == Malformed(1, item, "an IPv6 address in brackets: [ADDRESS]:PORT")


@pytest.mark.parametrize("item", ["[db.data]:80", "[10.0.0.5]:80", "[]:80", "deploy/[api]:80"])
def test_brackets_hold_nothing_but_ipv6(item: str) -> None:
    assert only(item) == Malformed(1, item, "an IPv6 address in the brackets: [ADDRESS]:PORT")


@pytest.mark.parametrize(
    "item",
    [
        "10.0.0.256:443",
        "10.0.0:443",
        "010.0.0.1:443",
        "10.0.0.0/33:443",
        "10.0.0.0/024:443",
        "10.0.0.0/:443",
        "10.0.0.0/x:443",
        "1234:80",
        "[2001:db8::g]:443",
        "[fe80::1%eth0]:443",
        "[2001:db8::/129]:443",
        "[2001:db8::/-1]:443",
    ],
)
def test_what_only_looks_like_an_address_is_refused(item: str) -> None:
    assert only(item) == Malformed(1, item, "an address, or a block as ADDRESS/PREFIX")


# -- URLs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", [s for s, (_, port) in SCHEMES.items() if port is not None])
def test_a_scheme_gives_protocol_and_port(scheme: str) -> None:
    protocol, port = SCHEMES[scheme]
    assert only(f"{scheme}://db.data") == name("db.data", port, protocol, scheme=True)
    assert only(f"{scheme}://db.data:4242") == name("db.data", 4242, protocol, scheme=True)


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("postgres", ("TCP", 5432)),
        ("postgresql", ("TCP", 5432)),
        ("mysql", ("TCP", 3306)),
        ("redis", ("TCP", 6379)),
        ("amqp", ("TCP", 5672)),
        ("mongodb", ("TCP", 27017)),
        ("http", ("TCP", 80)),
        ("https", ("TCP", 443)),
        ("kafka", ("TCP", 9092)),
        ("nats", ("TCP", 4222)),
        ("dns", ("UDP", 53)),
        ("ldaps", ("TCP", 636)),
        ("udp", ("UDP", None)),
        ("sctp", ("SCTP", None)),
        ("grpc", ("TCP", None)),
        ("wat", ("TCP", None)),
    ],
)
def test_the_well_known_schemes_are_known(scheme: str, expected: tuple[Protocol, int | None]) -> None:
    protocol, port = expected
    assert only(f"{scheme}://db.data") == name("db.data", port, protocol, scheme=True)


@pytest.mark.parametrize(
    "url",
    [
        "postgres://db.data",
        "POSTGRES://DB.Data",
        "postgres://db.data/",
        "postgres://db.data:5432/app",
        "postgres://db.data/app?sslmode=disable",
        "postgres://db.data?sslmode=disable",
        "postgres://db.data#top",
        "postgres://user@db.data",
        "postgres://user:secret@db.data",
        "postgres://:secret@db.data",
        "postgres://user:@db.data",
        "postgres://@db.data",
        "postgres://user:se,cr,et@db.data/app?x=1",
        "postgres://user:se@cret@db.data/app",
        "postgres://user:se:cr:et@db.data/app",
        "postgres://user:s%2Fe%3Fc%23r%40e%2Ct@db.data/app",
        "postgresql+asyncpg://user:secret@db.data/app",
        "jdbc:postgresql://db.data/app",
        "jdbc:postgresql://db.data:5432/app?user=u&password=secret",
        "JDBC:PostgreSQL://db.data/app",
        "jdbc:postgresql://db.data;user=u;password=secret",
    ],
)
def test_user_info_path_and_query_are_dropped(url: str) -> None:
    assert only(url) == name("db.data", 5432, scheme=True)


def test_a_url_may_have_an_address() -> None:
    assert only("https://10.0.0.5/x") == address("10.0.0.5", 443)
    assert only("http://u:p@[2001:db8::5]:8080/x") == address("2001:db8::5", 8080)
    assert only("https://[2001:db8::5]") == address("2001:db8::5", 443)


def test_an_address_in_a_url_needs_a_port_where_its_scheme_has_none() -> None:
    assert only("grpc://10.0.0.5") == Malformed(1, "grpc://…", "a port: this scheme has no default")
    assert only("grpc://10.0.0.5:50051") == address("10.0.0.5", 50051)


def test_a_url_with_several_hosts_is_one_item_and_several_dependencies() -> None:
    hosts = parse("mongodb://u:p,w@h1.data:27018,h2.data,[2001:db8::5]/app?replicaSet=rs0, db.data")
    assert hosts == (
        name("h1.data", 27018, scheme=True),
        name("h2.data", 27017, scheme=True),
        address("2001:db8::5", 27017),
        name("db.data"),
    )
    assert parse("postgresql://a,b?target_session_attrs=any") == (
        name("a", 5432, scheme=True),
        name("b", 5432, scheme=True),
    )


def test_one_bad_host_spoils_its_url_and_nothing_else() -> None:
    assert parse("mongodb://h1,h_2-/app, db") == (Malformed(1, "mongodb://…", FORM), name("db"))


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("http://api,db.data", name("db.data")),
        ("http://api,db.data:5432", name("db.data", 5432)),
        ("http://api,db.data:5432/TCP", name("db.data", 5432)),
        ("http://api,db.data:dns/udp", name("db.data", "dns", "UDP")),
        ("http://api,deploy/web:8080", Dependency(WorkloadTarget("Deployment", "web"), 8080)),
        ("http://api,Pods/web", Dependency(WorkloadTarget("Pod", "web"))),
        ("http://api,10.0.0.0/24:443", address("10.0.0.0/24", 443)),
        ("http://api,[2001:db8::]/32:443", address("2001:db8::/32", 443)),
        ("http://api,http://db:80/x,y", name("db", 80, scheme=True)),
        ("http://api/,db.data:5432", name("db.data", 5432)),
        ("http://api/v1,db.data:5432", name("db.data", 5432)),
        ("http://api?a=1, db.data:5432", name("db.data", 5432)),
        ("http://api?a=1\ndb.data:5432", name("db.data", 5432)),
        ("http://api?a=1,http://db", name("db", 80, scheme=True)),
        ("http://u:p@api,db.data:5432", name("db.data", 5432)),
    ],
)
def test_what_follows_a_url_is_an_item_of_its_own(text: str, second: Dependency) -> None:
    assert parse(text)[:2] == (name("api", 80, scheme=True), second)


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:se/cret@db.data",
        "postgres://u:123/cret@db.data",
        "postgres://u:se?cret@db.data",
        "postgres://u:se#cret@db.data",
        "postgres://u:se/cr,et@db.data",
        "postgres://u:123#c,ret@db.data",
        "postgres://u:12@34/cret@db.data",
        "postgres://se/cret@db.data",
    ],
)
def test_special_characters_in_user_info_that_are_not_encoded_are_told_and_not_guessed_at(url: str) -> None:
    expected = "no `@` but behind user info, whose special characters are percent-encoded"
    assert only(url) == Malformed(1, "postgres://…", expected)


@pytest.mark.parametrize(
    "url", ["https://a/x?y=1,2", "jdbc:sqlserver://a:1433;user=u;password=se,cret", "https://a#x,y"]
)
def test_a_comma_in_a_query_is_told_and_not_taken_for_the_next_item(url: str) -> None:
    found = only(url)
    assert isinstance(found, Malformed)
    assert found.expected == "no `,` in a query: write %2C, or the next item on its own line"


@pytest.mark.parametrize(
    ("url", "shown", "expected"),
    [
        ("http://", "http://…", FORM),
        ("http:///etc/passwd", "http://…", FORM),
        ("http://u:secret@/x", "http://…", FORM),
        ("http://db.data:pg", "http://…", "a number as the port of a URL"),
        ("http://db.data:0", "http://…", "a port from 1 to 65535"),
        ("http://db.data:99999/x", "http://…", "a port from 1 to 65535"),
        ("http://2001:db8::5/x", "http://…", "an IPv6 address in brackets: [ADDRESS]:PORT"),
        ("http://%64b/x", "http://…", FORM),
        ("HTTP://a b/x", "http://…", FORM),
        ("jdbc:oracle:thin:u/se,cret@//db:1521/x", "…", "a URL as SCHEME://HOST[:PORT]"),
        ("'postgres://u:se,cret@db.data'", "…", "a URL as SCHEME://HOST[:PORT]"),
        ("url=https://u:p@db.data/se,cret?x=se,cret", "…", "a URL as SCHEME://HOST[:PORT]"),
        ("see https://db.data/x", "…", "a URL as SCHEME://HOST[:PORT]"),
        ("://db.data/x", "…", "a URL as SCHEME://HOST[:PORT]"),
        ("jdbc:h2:mem:test", "…", "a URL as SCHEME://HOST[:PORT]"),
    ],
)
def test_a_wrong_url_is_shown_by_its_scheme_alone(url: str, shown: str, expected: str) -> None:
    found = only(url)
    if "a b" in url:  # a space ends the host: what is left is a name
        assert found == name("a", 80, scheme=True)
    else:
        assert found == Malformed(1, shown, expected)


# -- items, positions, what is expected --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["a,b,c", "a, b, c", "a\nb\nc", "a\r\nb\r\nc\r\n", ",,a,,\n\n ,b,\t\nc,", "\n  a,\n  b,\n  c\n", "a ,b ,c "]
)
def test_commas_and_newlines_separate_items(text: str) -> None:
    assert parse(text) == (name("a"), name("b"), name("c"))


@pytest.mark.parametrize("text", ["", " ", ",", "\n", ",,,\n , \t\r\n"])
def test_nothing_declares_nothing(text: str) -> None:
    assert parse(text) == ()


def test_an_item_that_is_said_twice_counts_once() -> None:
    assert parse("db:80, DB:80/TCP, db:80/UDP") == (name("db", 80), name("db", 80, "UDP"))


def test_a_malformed_item_has_its_position_and_the_others_still_count() -> None:
    assert parse("a, b c,, db:80\n!,\nd/e") == (
        name("a"),
        Malformed(2, "b c", FORM),
        name("db", 80),
        Malformed(4, "!", FORM),
        Malformed(5, "d/e", "a workload's kind before the slash: " + ", ".join(SHORT_KINDS.values())),
    )


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("db:", f"a port's number or name: {FORM}"),
        ("db:_", f"a port's number or name: {FORM}"),
        ("db:a_b", f"a port's number or name: {FORM}"),
        ("db:-a", f"a port's number or name: {FORM}"),
        ("db:" + "p" * 64, f"a port's number or name: {FORM}"),
        ("db:80-90", None),
        ("db:0", "a port from 1 to 65535"),
        ("db:65536", "a port from 1 to 65535"),
        ("db:" + "9" * 5000, "a port from 1 to 65535"),
        ("db:80/", "TCP, UDP or SCTP behind the port"),
        ("db:80/ICMP", "TCP, UDP or SCTP behind the port"),
        ("db:80/TCP/x", "TCP, UDP or SCTP behind the port"),
        ("[2001:db8::5]443", "`:PORT` behind the address"),
        ("[2001:db8::5]x:443", "`:PORT` behind the address"),
        ("[2001:db8::5", "an IPv6 address in brackets: [ADDRESS]:PORT"),
        ("a..b", FORM),
        (".a", FORM),
        ("-a", FORM),
        ("a-", FORM),
        ("*", FORM),
        ("*.", FORM),
        ("a.*.b", FORM),
        ("**.b", FORM),
        ("a b", FORM),
        ("a" * 254, FORM),
        ("café.example.com", FORM),
        ("\N{KELVIN SIGN}afka", FORM),
        ("\N{CYRILLIC SMALL LETTER A}pi", FORM),
        ("db\N{RIGHT-TO-LEFT OVERRIDE}.data", FORM),
        ("db\x00", FORM),
        ("hooks.example.com/services", FORM),
    ],
)
def test_what_was_expected_is_said(item: str, expected: str | None) -> None:
    found = only(item)
    if expected is None:
        assert found == name("db", "80-90")
    else:
        assert isinstance(found, Malformed)
        assert found.expected == expected


def test_arabic_digits_are_no_port() -> None:
    assert isinstance(only("db:\N{ARABIC-INDIC DIGIT FIVE}"), Malformed)
    assert isinstance(only("10.0.0.0/\N{ARABIC-INDIC DIGIT EIGHT}:80"), Malformed)


def test_what_is_shown_of_an_item_is_printable_and_short() -> None:
    found = only("a\x1b[31m\N{RIGHT-TO-LEFT OVERRIDE}" + "b" * 300)
    assert isinstance(found, Malformed)
    assert found.item.isprintable()
    assert found.item.startswith("a?[31m?b")
    assert len(found.item) == SHOWN + 1


@pytest.mark.parametrize("item", ["u:secret@tcp(db)/x", "host=db;pw", "x=secret", "x?secret", "x;secret", "u@secret"])
def test_an_item_that_may_hold_a_secret_is_not_shown_at_all(item: str) -> None:
    found = only(item)
    assert isinstance(found, Malformed)
    assert found.item == "…"


def test_a_path_without_a_scheme_is_shown_no_further_than_a_kind_and_a_name() -> None:
    found = only("hooks.example.com/services/SECRET/OTHER")
    assert isinstance(found, Malformed)
    assert found.item == "hooks.example.com/services/…"


def test_no_more_than_the_most_items_are_read() -> None:
    found = parse(",".join(f"n{i}" for i in range(MOST_ITEMS + 50)))
    assert found[:MOST_ITEMS] == tuple(name(f"n{i}") for i in range(MOST_ITEMS))
    assert found[MOST_ITEMS:] == (Malformed(MOST_ITEMS + 1, "…", f"at most {MOST_ITEMS} items, each host counted"),)


def test_no_more_than_the_most_hosts_of_one_url_are_read() -> None:
    most = parse("http://" + ",".join(f"n{i}" for i in range(MOST_HOSTS)) + "/")
    assert most == tuple(name(f"n{i}", 80, scheme=True) for i in range(MOST_HOSTS))
    assert parse("http://" + "n," * MOST_HOSTS + "n/") == (Malformed(1, "http://…", f"at most {MOST_HOSTS} hosts"),)


def test_the_source_is_kept() -> None:
    assert parse("db:80, !", "config") == (
        Dependency(NameTarget("db"), 80, source="config"),
        Malformed(2, "!", FORM, "config"),
    )


# -- any text ----------------------------------------------------------------------------------------------------------

PIECES = ["db", "data", ".", ":", "/", ",", "\n", " ", "@", "[", "]", "*", "80", "TCP", "http://", "jdbc:", "deploy/"]
PIECES += ["10.0.0.1", "/24", "::1", "?", "#", ";", "=", "%41", "\\", "\x00", "\N{RIGHT-TO-LEFT OVERRIDE}", "é", "💥"]
texts = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=16).map("".join))


@given(texts)
@example("http://\\u@x")
@example("jdbc:jdbc:http://x")
@example("http://a,b/")
@example("[" * 40)
def test_any_text_becomes_dependencies_and_malformed_items_that_are_safe_to_print(text: str) -> None:
    for item in parse(text):
        if isinstance(item, Malformed):
            assert item.item.isprintable()
            assert len(item.item) <= SHOWN + 1
            assert item.expected.isprintable()
            assert len(item.expected) < 120
            assert 1 <= item.position <= MOST_ITEMS + 1
        else:
            assert sound(item.target)
            assert item.protocol in PROTOCOLS
            assert item.port is None or isinstance(item.port, str) or 1 <= item.port <= 65535


def sound(target: Target) -> bool:
    match target:
        case NameTarget(host):
            return set(host) <= set(string.ascii_lowercase + string.digits + "-_.*") and 0 < len(host) <= 253
        case WorkloadTarget(kind, own, space):
            return kind in WORKLOAD_KINDS and own.isascii() and own != "" and space != ""
        case _:
            return True


@given(texts, texts)
def test_what_stands_on_one_line_says_nothing_about_another(one: str, two: str) -> None:
    both = parse(f"{one}\n{two}")
    assert {i for i in both if isinstance(i, Dependency)} == {
        i for text in (one, two) for i in parse(text) if isinstance(i, Dependency)
    }


@given(
    st.lists(st.sampled_from(["a", "b.c:80", "deploy/x:1", "10.0.0.0/8:1", "http://h/p?q=1", "!", "x@y"]), max_size=9)
)
def test_items_are_told_apart_and_counted_whatever_they_say(parts: list[str]) -> None:
    assert list(items(", ".join(parts))) == parts
    assert list(items("\n".join(parts))) == parts


# -- secrets -----------------------------------------------------------------------------------------------------------

AWKWARD = "qxzjQXZJ789" + ",@/#?:;%[]&=+!$~|^{}()<>'\"`\\*.-_"  # no three of these letters are in any message
PLACES = (
    "postgres://user:{}@db.data:5432/app",
    "postgres://{}@db.data",
    "postgres://{}:{}@db.data/app?sslmode=off",
    "jdbc:postgresql://user:{}@db.data/app",
    "amqps://user:{}@[2001:db8::5]:5671/vhost",
    "mongodb://user:{}@h1.data,h2.data/app",
    "http://user:{}@10.0.0.5:99999",
    "http://user:{}@",
    "wat://user:{}@b a d",
    "'postgres://user:{}@db.data'",
    "url=http://{}@db.data",
)
# In a path or a query these end the item, or begin another part.
HARMLESS = str.maketrans(dict.fromkeys(",@/#?\\", "q"))
LATER = (
    "https://db.data/{}",
    "https://db.data/x/{}?y",
    "https://db.data?password={}",
    "https://db.data/x?password={}&y=1",
    "https://db.data#{}",
    "https://db.data:bad?password={}",
    "jdbc:sqlserver://db.data:1433;password={}",
)


def passwords(minimum: int = 6) -> st.SearchStrategy[str]:
    return st.text(AWKWARD, min_size=minimum, max_size=24).map(lambda s: "Z" + s)


def pieces(secret: str) -> set[str]:
    """Return what is left of a secret that is cut at every special character: long enough to be no accident."""
    cut = "".join(c if c.isalnum() else " " for c in secret)
    return {piece for piece in cut.split() if len(piece) >= 3}


def reprs(text: str) -> str:
    return repr([(i, i.item, i.expected) if isinstance(i, Malformed) else i for i in parse(text)])


@given(st.sampled_from(PLACES), passwords(), st.sampled_from(("{}", "a, {}, b", "a\n{}\nb", "http://x,{},http://y")))
@example(PLACES[0], "Z1/2,345,678", "{}")
@example(PLACES[0], "Z,123#456", "{}")
@example(PLACES[0], "999/secret,999", "{}")
@example(PLACES[1], "999,999/999", "{}")
@example(PLACES[5], "a,bcd,efg/hij", "{}")
def test_no_part_of_a_password_survives_in_user_info(place: str, password: str, around: str) -> None:
    assume(not any(f"{c}//" in password for c in ":\\"))  # `x,http://y` is two items to anybody
    url = place.format(password, password)
    found = reprs(around.format(url)).lower()
    spoken = reprs(around.format(place.format("", ""))).lower()
    assert [p for p in {password.lower(), *pieces(password.lower())} if p in found and p not in spoken] == []


@given(st.sampled_from(PLACES), passwords())
def test_a_percent_encoded_password_is_no_hindrance(place: str, password: str) -> None:
    assert parse(place.format(*[quote(password, safe="")] * 2)) == parse(place.format("u", "u"))


@given(st.sampled_from(LATER), passwords())
def test_no_part_of_a_password_survives_in_a_path_or_a_query(place: str, password: str) -> None:
    secret = password.translate(HARMLESS)
    found, spoken = reprs(place.format(secret)).lower(), reprs(place.format("")).lower()
    assert [p for p in {secret.lower(), *pieces(secret.lower())} if p in found and p not in spoken] == []


@given(
    st.sampled_from(("https://db.data?password={}", "https://db.data#{}", "jdbc:x://db.data;password={}")), passwords()
)
def test_no_part_of_a_password_with_commas_survives_in_a_query(place: str, password: str) -> None:
    secret = password.translate(HARMLESS | {ord("x"): ","}) + ",tail"
    found = reprs(place.format(secret)).lower()
    assert [p for p in {secret.lower(), *pieces(secret.lower())} if p in found] == []
