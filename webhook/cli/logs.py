"""Log lines on standard error: for a person, or one JSON object each. A line holds no body and nothing of one."""

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from webhook.api.backend import FIELDS
from webhook.report.safe import clean

FORMATS: Final = ("text", "json")


def start(level: str, style: str) -> None:
    """Log from `level` on, in one of FORMATS."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Json() if style == "json" else Text())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class Text(logging.Formatter):
    """`2026-11-21T01:02:03.456Z INFO webhook.api: message key=value`; a traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one record; line ends of others cannot begin a line of ours."""
        fields = "".join(f" {key}={clean(str(value))}" for key, value in _fields(record).items())
        line = f"{_time(record)} {record.levelname} {record.name}: {clean(record.getMessage())}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class Json(logging.Formatter):
    """One object a line: time, level, logger, message, then the record's own fields; `exception` is a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one record."""
        whole = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            whole["exception"] = self.formatException(record.exc_info)
        try:
            return msgspec.json.encode(whole).decode()
        except UnicodeEncodeError:  # a lone surrogate, which JSON text cannot hold
            return msgspec.json.encode({key: clean(str(value)) for key, value in whole.items()}).decode()


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    fields = getattr(record, FIELDS, None)
    return fields if isinstance(fields, Mapping) else {}


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
