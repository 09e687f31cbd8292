"""How long the certificate is good for, told to Prometheus and `/readyz?verbose`; and the flags that it has."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.rotating import NOW
from webhook.api.backend import Answer, Check
from webhook.certificates.directory import Expiry, WithCertificate, ensure, life, spoken
from webhook.certificates.shared_certificate import ServerClock
from webhook.cli.main import main

DAY = timedelta(days=1)


class Told:
    """A gauge."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def set(self, value: float) -> None:
        self.values.append(value)


def checked(directory: Path, life: timedelta, after: timedelta) -> Check:
    """Return what is said `after` a certificate of this `life` was made."""
    files = ensure(directory, [], NOW, life)
    expiry = Expiry(files.cert, Told(), lambda: NOW + after)
    expiry.loaded()
    return expiry.check()


@pytest.mark.parametrize(
    ("life", "after", "words"),
    [
        (90 * DAY, 0 * DAY, "expires on 2027-02-18"),
        (90 * DAY, 76 * DAY, "expires on 2027-02-18"),
        (90 * DAY, 76 * DAY + timedelta(seconds=1), "warning: expires in 13 days, on 2027-02-18 12:30:15 UTC"),
        (90 * DAY, 89 * DAY, "warning: expires in 24 hours, on 2027-02-18 12:30:15 UTC"),
        (90 * DAY, 90 * DAY, "warning: expired on 2027-02-18 12:30:15 UTC, 0 seconds ago"),
        (90 * DAY, 95 * DAY, "warning: expired on 2027-02-18 12:30:15 UTC, 5 days ago"),
        (3 * DAY, 2 * DAY, "expires on 2026-11-23"),
        (3 * DAY, 2 * DAY + timedelta(seconds=1), "warning: expires in 23 hours, on 2026-11-23 12:30:15 UTC"),
    ],
)
def test_readyz_warns_of_14_days_or_of_the_last_third_of_a_short_life(
    tmp_path: Path, life: timedelta, after: timedelta, words: str
) -> None:
    assert checked(tmp_path, life, after) == Check("certificate", ok=True, detail=words)


def test_without_a_certificate_it_is_not_ready_and_prometheus_is_told_nothing(tmp_path: Path) -> None:
    files = ensure(tmp_path, [], NOW)
    told, there = Told(), False
    expiry = Expiry(files.cert, told, lambda: NOW, there=lambda: there, troubles=lambda: ("HTTP 403: forbidden",))
    expiry.loaded()
    assert expiry.check() == Check("certificate", ok=False, detail="there is none yet; HTTP 403: forbidden")
    assert told.values == []
    there = True
    expiry.loaded()
    assert expiry.check().ok
    assert told.values == [life(files.cert)[1].timestamp()]


def test_the_certificate_is_one_more_condition_of_a_backend(tmp_path: Path) -> None:
    class Backend:
        def review(self, body: bytes, *, timeout: float | None) -> Answer:
            return Answer(200, body, f"{timeout}")

        def version(self) -> int | None:
            return 7

        def readiness(self) -> tuple[Check, ...]:
            return (Check("source", ok=True),)

    files = ensure(tmp_path, [], NOW)
    expiry = Expiry(files.cert, Told(), lambda: NOW)
    both = WithCertificate(Backend(), expiry)
    assert [check.name for check in both.readiness()] == ["source", "certificate"]
    assert both.review(b"body", timeout=2.0) == Answer(200, b"body", "2.0")


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=1), "1 seconds"),
        (timedelta(seconds=119), "119 seconds"),
        (timedelta(minutes=2), "2 minutes"),
        (timedelta(hours=47, minutes=59), "47 hours"),
        (14 * DAY, "14 days"),
    ],
)
def test_a_span_is_told_in_the_largest_unit_of_which_it_has_two(span: timedelta, words: str) -> None:
    assert spoken(span) == words


@pytest.mark.parametrize(("ahead", "side"), [(DAY, "ahead of"), (-DAY, "behind")])
def test_the_api_servers_clock_counts_and_ours_only_in_between(ahead: timedelta, side: str) -> None:
    ours = NOW
    clock = ServerClock(lambda: ours)
    assert (clock.now(), clock.skew()) == (NOW, None)
    ours = NOW + ahead
    clock.set(NOW)
    assert clock.now() == NOW
    assert clock.skew() == f"this machine's clock is 24 hours {side} the API server's"
    ours += timedelta(seconds=30)
    assert clock.now() == NOW + timedelta(seconds=30)
    clock.set(NOW + timedelta(seconds=29.5))  # rounding is no jump
    assert clock.now() == NOW + timedelta(seconds=30)
    ours = datetime(1970, 1, 1, tzinfo=UTC)
    clock.set(NOW)
    assert clock.now() == NOW


SECRET = ("--certificate-secret", "npp/npp-tls")
CONFIGURATION = ("--webhook-configuration", "npp")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (SECRET, "`--certificate-secret` and `--webhook-configuration` go together"),
        (CONFIGURATION, "`--certificate-secret` and `--webhook-configuration` go together"),
        ((*SECRET, *CONFIGURATION, "--tls-cert", "a", "--tls-key", "b"), "not both"),
        ((*SECRET, *CONFIGURATION, "--ca-lifetime", "4000h"), "at least twice the `--certificate-lifetime`"),
        ((*SECRET, *CONFIGURATION, "--ca-lifetime", "5y"), "`5y` is no lifetime: expected 5s to 876000h"),
        ((*SECRET, *CONFIGURATION, "--certificate-lifetime", "4s"), "`4s` is no lifetime"),
        (("--certificate-secret", "npp-tls"), "`npp-tls` names no Secret: expected NAMESPACE/NAME"),
        (("--certificate-secret", "npp/../tls"), "names no Secret"),
        (("--certificate-secret", "npp/"), "names no Secret"),
        (("--webhook-configuration", "a/b"), "`a/b` is no name of an object"),
        (("--watch-namespace", "A"), "`A` is no name of a namespace"),
        (("--watch-namespace", "a"), "expected `--source cluster` with it"),
        (("--no-bindings",), "expected `--source cluster`"),
        (("--audit-lease", "audit"), "`audit` names no Lease: expected NAMESPACE/NAME"),
        (("--drain", "-1"), "no such time"),
        (("--drain", "soon"), "`soon` is no such time: expected 0 to 3600 seconds"),
    ],
)
def test_flags_that_make_no_sense_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], says: str
) -> None:
    code: object
    try:
        code = main(["serve", "--source", str(tmp_path), "--listen", "127.0.0.1:0", *flags])
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert says in capsys.readouterr().err.replace("\n", " ")
