"""`netpol-preflight.io/exempt` (design.md §6): forms, days, reasons, and what is covered."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.making import deployment, workload
from webhook.families import project
from webhook.model.answers import Finding, Malformed, Severity
from webhook.model.objects import Workload
from webhook.model.refs import WorkloadRef
from webhook.model.settings import EXEMPT
from webhook.review.drafts import FORM, MOST, Exemption, exemptions, without_exempt

TODAY = date(2026, 11, 20)
TOMORROW = TODAY + timedelta(days=1)
WEB = WorkloadRef("Deployment", "shop", "web")


def exempting(text: str, notes: str | None = None) -> Workload:
    value = project(deployment("shop/web", annotations={EXEMPT: text}, notes={EXEMPT: notes} if notes else None))
    assert isinstance(value, Workload)
    return value


def read(text: str) -> tuple[tuple[Exemption, ...], tuple[Malformed, ...]]:
    return exemptions(exempting(text), TODAY)


def finding(id_: str, dependency: str | None = "postgres.production:5432/TCP") -> Finding:
    return Finding(id_, Severity.ERROR, WEB, dependency)


# -- forms -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "NP102@postgres.production until=2026-12-31: ticket OPS-7",
            Exemption("NP102", "postgres.production", date(2026, 12, 31), "ticket OPS-7"),
        ),
        ("NP102@postgres.production: reason", Exemption("NP102", "postgres.production", None, "reason")),
        ("NP102 until=2026-12-31: reason", Exemption("NP102", None, date(2026, 12, 31), "reason")),
        ("NP102: reason", Exemption("NP102", None, None, "reason")),
        ("  NP102 :   reason  ", Exemption("NP102", None, None, "reason")),
        ("NP102@db.data:5432/TCP: reason", Exemption("NP102", "db.data:5432/TCP", None, "reason")),
        (
            "NP101@db.data:5432/TCP until=2026-11-20: reason",
            Exemption("NP101", "db.data:5432/TCP", TODAY, "reason"),
        ),
        (
            "NP101@[2001:db8::5]:443/TCP: IPv6: at last",
            Exemption("NP101", "[2001:db8::5]:443/TCP", None, "IPv6: at last"),
        ),
        ("NP101@10.0.0.0/24:443/TCP: reason", Exemption("NP101", "10.0.0.0/24:443/TCP", None, "reason")),
        (
            "NP101@db.data: see https://wiki/x?y=1: all",
            Exemption("NP101", "db.data", None, "see https://wiki/x?y=1: all"),
        ),
        ("NP303: grün, weil 💚", Exemption("NP303", None, None, "grün, weil 💚")),
    ],
)
def test_a_line_says_what_until_when_and_why(line: str, expected: Exemption) -> None:
    assert read(line) == ((expected,), ())


def test_one_a_line_and_empty_lines_say_nothing() -> None:
    good, bad = read("\n\nNP101: one\r\n\r\n  \nNP102: two\n")
    assert [e.id for e in good] == ["NP101", "NP102"]
    assert bad == ()


@pytest.mark.parametrize("text", ["", "\n", "  \n\t\n"])
def test_nothing_exempts_nothing(text: str) -> None:
    assert read(text) == ((), ())


def test_the_workload_s_own_and_its_template_s_annotation_both_count() -> None:
    good, bad = exemptions(exempting("NP101: one\n!", "NP102: two\n?"), TODAY)
    assert [e.id for e in good] == ["NP101", "NP102"]
    assert [(b.position, b.item) for b in bad] == [(2, "!"), (4, "?")]


def test_a_pod_s_annotation_counts_once() -> None:
    value = project(workload("Pod", "shop/web", annotations={EXEMPT: "NP101: one"}))
    assert value is not None
    bare = getattr(value, "bare", None)
    assert isinstance(bare, Workload)
    assert len(exemptions(bare, TODAY)[0]) == 1


# -- no reason, a past day, anything else ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "NP102",
        "NP102:",
        "NP102:   ",
        "NP102@db.data",
        "NP102@db.data:",
        "NP102@db.data until=2026-12-31",
        "NP102@db.data until=2026-12-31:",
        "NP102@: reason",
        "NP102 @db.data: reason",
        "np102: reason",
        "NP10: reason",
        "NP1020: reason",
        "XX102: reason",
        "102: reason",
        "NP102, NP103: reason",
        "NP102@db.data cache.data: reason",
        "NP102@db.data until 2026-12-31: reason",
        "until=2026-12-31: reason",
        ": reason",
        "reason",
        "NP102@" + "x" * 301 + ": reason",
    ],
)
def test_a_line_of_another_form_exempts_nothing_and_is_np303(line: str) -> None:
    good, (bad,) = read(line)
    assert good == ()
    assert bad == Malformed(1, line.strip()[:60], FORM)


@pytest.mark.parametrize(
    "line", ["NP102@db.data:5432/TCP", "NP102@db.data:5432", "NP102@db.data:5432 until=2026-12-31"]
)
def test_a_port_is_no_reason(line: str) -> None:
    assert read(line) == ((), (Malformed(1, line, FORM),))


def test_a_port_is_a_part_of_the_dependency_whatever_follows() -> None:
    assert read("NP102@db.data:5432 because") == ((), (Malformed(1, "NP102@db.data:5432 because", FORM),))


def test_only_ascii_digits_make_an_id() -> None:
    assert read("NP\N{FULLWIDTH DIGIT ONE}02: reason")[0] == ()


@pytest.mark.parametrize("day", ["2026-13-01", "2026-02-30", "soon", "31.12.2026", "2026-12-31T00:00", "0", "never"])
def test_a_day_is_a_day_of_the_calendar(day: str) -> None:
    good, (bad,) = read(f"NP102 until={day}: reason")
    assert good == ()
    assert bad.expected.endswith(FORM)


@pytest.mark.parametrize("days", [1, 2, 400, 200_000])
def test_a_past_day_exempts_nothing_and_is_np303(days: int) -> None:
    day = TODAY - timedelta(days=days)
    good, (bad,) = read(f"NP102 until={day}: reason")
    assert good == ()
    assert bad.expected == f"a day that is not past: {day} is over"


def test_the_day_itself_is_still_included() -> None:
    workload_ = exempting(f"NP102 until={TODAY}: reason")
    assert len(exemptions(workload_, TODAY)[0]) == 1
    assert exemptions(workload_, TOMORROW)[0] == ()


def test_a_bad_line_has_its_position_and_the_others_still_count() -> None:
    good, bad = read("NP101: a\n\nwat\nNP102: b\nNP103 until=2020-01-01: c")
    assert [e.id for e in good] == ["NP101", "NP102"]
    assert [b.position for b in bad] == [2, 4]


def test_lines_beyond_the_most_are_told() -> None:
    good, bad = read("NP101: x\n" * (MOST + 5))
    assert len(good) == MOST
    assert bad == (Malformed(MOST + 1, "…", f"at most {MOST} lines"),)


def test_what_is_shown_of_a_bad_line_is_printable_and_short() -> None:
    _, (bad,) = read("NP102\x1b[31m\N{RIGHT-TO-LEFT OVERRIDE}" + "x" * 300)
    assert bad.item.isprintable()
    assert len(bad.item) <= 61


def test_no_password_of_a_bad_line_is_shown() -> None:
    for line in ("NP102@postgres://u:hunter2@db.data", "NP102@postgres://u:hunter2@db.data until=2020-01-01: x"):
        _, bad = read(line)
        assert bad
        assert "hunter2" not in repr([(b.item, b.expected) for b in bad])


# -- what is covered ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "dependency", "covered"),
    [
        ("NP102: r", "postgres.production:5432/TCP", True),
        ("NP102: r", None, True),
        ("NP102@postgres.production: r", "postgres.production:5432/TCP", True),
        ("NP102@postgres.production: r", "postgres.production:9187/TCP", True),
        ("NP102@postgres.production: r", "postgres.production:*", True),
        ("NP102@postgres.production: r", "postgres.staging:5432/TCP", False),
        ("NP102@postgres.production: r", "x.postgres.production:5432/TCP", False),
        ("NP102@postgres.production:5432/TCP: r", "postgres.production:5432/TCP", True),
        ("NP102@postgres.production:5432/TCP: r", "postgres.production:5432/UDP", False),
        ("NP102@postgres.production:5432/TCP: r", "postgres.production:543/TCP", False),
        ("NP102@postgres.production:5432/TCP: r", "postgres.production:*", False),
        ("NP102@postgres.production:*: r", "postgres.production:*", True),
        ("NP102@[2001:db8::5]: r", "[2001:db8::5]:443/TCP", True),
        ("NP102@[2001:db8::5]:443/TCP: r", "[2001:db8::5]:443/TCP", True),
        ("NP102@10.0.0.0/24: r", "10.0.0.0/24:443/TCP", True),
        ("NP102@10.0.0.0/8: r", "10.0.0.0/24:443/TCP", False),
        ("NP102@postgres.production: r", None, False),
    ],
)
def test_a_dependency_is_covered_with_all_its_ports_or_by_one(line: str, dependency: str | None, covered: bool) -> None:
    (exemption,), _ = read(line)
    assert exemption.covers(finding("NP102", dependency)) is covered
    assert not exemption.covers(finding("NP101", dependency))


@pytest.mark.parametrize(
    ("line", "dependency"),
    [
        ("NP102@postgres.production:5432: r", "postgres.production:5432/TCP"),
        ("NP102@Postgres.Production:5432/tcp: r", "postgres.production:5432/TCP"),
        ("NP102@postgres: r", "postgres.shop:5432/TCP"),
        ("NP102@postgres:5432: r", "postgres.shop:5432/TCP"),
    ],
)
def test_a_dependency_may_be_written_as_it_was_declared(line: str, dependency: str) -> None:
    (exemption,), _ = read(line)
    assert exemption.covers(finding("NP102", dependency))


def test_what_is_covered_is_taken_out_and_counted() -> None:
    granted, _ = read("NP101: r\nNP102@db.data: r")
    every = [finding("NP101"), finding("NP102", "db.data:1/TCP"), finding("NP102", "db.data2:1/TCP"), finding("NP103")]
    assert without_exempt(every, granted) == ((every[2], every[3]), 2)
    assert without_exempt(every, ()) == (tuple(every), 0)


@given(
    st.text(max_size=80)
    | st.lists(st.sampled_from(["NP102", "@", "db", ":", " ", "until=", "2026-12-31", "\n", "é"])).map("".join)
)
def test_any_text_is_exemptions_or_malformed_lines(text: str) -> None:
    good, bad = read(text)
    assert all(e.reason.strip() and e.id.startswith("NP") for e in good)
    assert all(b.item.isprintable() and len(b.item) <= 61 and len(b.expected) < 120 for b in bad)
    assert len(good) + len(bad) <= MOST + 1


def test_an_exemption_does_not_come_from_another_annotation() -> None:
    value = project(deployment("shop/web", annotations={"example.com/exempt": "NP101: r", EXEMPT + "s": "NP101: r"}))
    assert isinstance(value, Workload)
    assert exemptions(value, TODAY) == ((), ())
