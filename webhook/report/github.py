"""GitHub workflow commands: one annotation a finding, escaped as `actions/toolkit` command.ts does."""

from collections.abc import Iterable
from typing import Final

from webhook.model.finding import Finding, Severity
from webhook.model.settings import PRODUCT
from webhook.report.admission import order
from webhook.report.run import Failure
from webhook.report.safe import clean
from webhook.report.words import message

_LEVEL: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
_DATA: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def annotations(findings: Iterable[Finding], errors: Iterable[Failure]) -> str:
    """Return the commands, one a line, broken input first."""
    broken = [_command("error", e.file, e.line, f"{PRODUCT}: unreadable", e.message) for e in errors]
    return "\n".join([*broken, *map(_annotation, order(findings))])


def _annotation(finding: Finding) -> str:
    place = finding.location
    title = f"{finding.id} {finding.dependency or ''}".strip()
    return _command(
        _LEVEL[finding.severity], place.file if place else "", place.line if place else 0, title, message(finding)
    )


def _command(level: str, file: str, line: int, title: str, text: str) -> str:
    properties = {
        "file": clean(file) if file not in {"", "-"} else "",
        "line": str(line) if line else "",
        "title": clean(title),
    }
    shown = ",".join(f"{key}={value.translate(_PROPERTY)}" for key, value in properties.items() if value)
    return f"::{level} {shown}::{clean(text).translate(_DATA)}"
