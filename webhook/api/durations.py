"""The API server's deadline, as it writes it into the query: `?timeout=3s`."""

import re
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

# https://pkg.go.dev/time#ParseDuration; both of Unicode's signs for micro count
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART: Final = re.compile(rf"([0-9]+\.?[0-9]*|\.[0-9]+)({'|'.join(_SECONDS)})")
_WHOLE: Final = re.compile(rf"(?:{_PART.pattern})+")
_LONGEST_QUERY: Final = 256  # the API server's own is a dozen bytes


def duration(text: str) -> float | None:
    """Seconds of a Go duration such as `3s`, `1.5s` or `1m30s`; None for anything else, negative ones included."""
    if text.removeprefix("+") == "0":
        return 0.0
    text = text.removeprefix("+")
    if not _WHOLE.fullmatch(text):
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


@lru_cache(maxsize=64)
def timeout_of(query: bytes) -> float | None:
    """Seconds that the query's `timeout` grants; None where it has none that can be read."""
    if len(query) > _LONGEST_QUERY:
        return None
    for name, value in parse_qsl(query.decode("latin-1"), encoding="utf-8", errors="replace"):
        if name == "timeout":
            return duration(value)
    return None
