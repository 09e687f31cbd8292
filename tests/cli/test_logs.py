"""Log lines: one a record, whatever is in it, and never anything of a body."""

import json
import logging
import signal
import sys
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE
from tests.support.running import STORY, served
from webhook.api.backend import FIELDS
from webhook.cli.demo import review_of
from webhook.cli.serve import JsonFormatter, TextFormatter


def record(message: str, *, error: bool = False, **fields: object) -> logging.LogRecord:
    info = None
    if error:
        try:
            int("odd")
        except ValueError:
            info = sys.exc_info()
    made = logging.LogRecord("webhook.api", logging.INFO, "f", 1, "%s", (message,), info)
    made.created = 1_795_222_923.4567
    setattr(made, FIELDS, fields)
    return made


def test_a_line_of_text_ends_with_its_fields() -> None:
    line = TextFormatter().format(record("review denied", mode="enforce", namespace="shop"))
    assert line == "2026-11-21T01:02:03.456Z INFO webhook.api: review denied mode=enforce namespace=shop"


@pytest.mark.parametrize("hostile", ["a\nINFO fake", "a\r\x1b[31m", "\u202etxt", "\ud800"])
def test_nothing_that_somebody_named_begins_a_line_or_moves_the_cursor(hostile: str) -> None:
    for line in (
        TextFormatter().format(record(hostile, name=hostile)),
        JsonFormatter().format(record(hostile, name=hostile)),
    ):
        assert line.encode()
        assert "\n" not in line
        assert "\x1b" not in line
    assert json.loads(JsonFormatter().format(record("m", name=hostile)))["name"]


def test_a_json_line_has_what_a_log_store_asks_for() -> None:
    line = JsonFormatter().format(record("review warned", error=True, dryRun=True, seconds=0.25))
    decoded = json.loads(line)
    assert decoded.pop("exception").endswith("ValueError: invalid literal for int() with base 10: 'odd'")
    assert decoded == {
        "time": "2026-11-21T01:02:03.456Z",
        "level": "info",
        "logger": "webhook.api",
        "message": "review warned",
        "dryRun": True,
        "seconds": 0.25,
    }


@pytest.mark.parametrize("style", ["json", "text"])
def test_a_served_review_is_logged_with_its_ids_and_none_of_its_body(tmp_path: Path, style: str) -> None:
    with served(STORY, tmp_path / "tls", "--log-format", style, "--log-level", "info") as webhook:
        assert review_of(webhook.address, STORY / "web-api.yaml", webhook.ca).warnings
        metrics = webhook.get("/metrics")
        webhook.process.send_signal(signal.SIGTERM)
        _, told = webhook.process.communicate(timeout=PATIENCE)
    (line,) = [line for line in told.splitlines() if "review warned" in line]
    assert "docker.io" not in line
    assert "connects-to" not in line
    if style == "json":
        decoded = json.loads(line)
        assert {key: decoded[key] for key in ("namespace", "name", "operation", "mode", "findings", "dryRun")} == {
            "namespace": "production",
            "name": "web-api",
            "operation": "CREATE",
            "mode": "warn",
            "findings": "NP101,NP102",
            "dryRun": False,
        }
    else:
        assert " namespace=production name=web-api " in line
    assert "netpol_preflight_world_synced 1.0" in metrics
    assert "netpol_preflight_world_stale 0.0" in metrics
    assert 'netpol_preflight_build_info{python="' in metrics
    assert 'admission_requests_total{dry_run="false",mode="warn",outcome="warned"} 1.0' in metrics
