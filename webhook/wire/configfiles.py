"""A configuration file in a ConfigMap -> the hosts and ports in it, line by line, whatever its format is.

YAML, properties, INI, TOML, and the directives of nginx, HAProxy or Fluentd all are names with values; lists and
URLs speak for themselves.
"""

import re
from collections.abc import Iterator
from typing import Final

from webhook.model.hints import Mention
from webhook.model.variables import Meaning, Says, meaning
from webhook.wire.allowance import Allowance
from webhook.wire.pairing import Setting, paired, setting

MOST: Final = 100  # mentions of one file
LONGEST_LINE: Final = 2_000  # characters; a longer one is data
_COMMENT: Final = ("#", ";", "//", "<!--")
_ENTRY: Final = re.compile(
    r"(?:- +)?[\"']?(?P<name>[A-Za-z_][\w.-]*+)[\"']?(?:\s*+=>?\s*+|\s*+:(?=\s|$)\s*+|\s++)(?P<value>.*)"
)
_TRAILING_COMMENT: Final = re.compile(r"\s[#;].*")
_END_OF_VALUE: Final = re.compile(r"(?<![\s,;])[\s,;]++$")
_ALONE: Final = Meaning(Says.ANYTHING)


def in_file(text: str, allowance: Allowance) -> tuple[Mention, ...]:
    """Return the places that a file names, each once."""
    lines = text.splitlines() if allowance.spend(len(text)) else []
    return tuple(dict.fromkeys(paired(_settings(lines))))[:MOST] if allowance.spend(0, len(lines)) else ()


def _settings(lines: list[str]) -> Iterator[Setting]:
    hidden: int | None = None  # what is indented deeper belongs to a name that says to read nothing
    for at, line in enumerate(lines):
        bare = line.strip()
        if not bare or bare.startswith(_COMMENT) or len(bare) > LONGEST_LINE:
            continue
        depth = len(line) - len(line.lstrip()) + (2 if bare.startswith("- ") else 0)
        if hidden is not None and len(line) - len(line.lstrip()) > hidden:
            continue
        hidden = None
        name, value = _entry(bare)
        said = meaning(name) if name and not value.endswith("{") else _ALONE  # a block's own name is no value
        if said.says is Says.NOTHING:
            hidden = depth
        else:
            yield setting(said, value, (depth, at))


def _entry(line: str) -> tuple[str, str]:
    """Split a line into name and value; the name is empty where it has none."""
    found = _ENTRY.fullmatch(line if "@" in line else _TRAILING_COMMENT.sub("", line))  # `@` may end a password
    if found is None:
        return "", line.removeprefix("- ")
    return found["name"], _END_OF_VALUE.sub("", found["value"])
