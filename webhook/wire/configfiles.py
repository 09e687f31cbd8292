"""A configuration file in a ConfigMap -> the hosts and ports in it, line by line, whatever its format is.

YAML, properties, INI, TOML, and the directives of nginx, HAProxy or Fluentd all are names with values; lists and
URLs speak for themselves. A list of words, one a line, is what the name above it says.
"""

import re
from collections.abc import Iterator
from typing import Final

from webhook.model.hints import Mention
from webhook.model.variables import LONGEST_NAME, Meaning, Says, meaning
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
_OPENS: Final = frozenset({"", "[", "(", "|", "|-", ">", ">-"})  # what stands behind a name whose values are below it
_SET: Final = re.compile(r"set\s++\$(?P<name>\w++)\s++(?P<value>[^;]++);?")  # of nginx
_REFERENCE: Final = re.compile(r"\$(?P<name>\w++)")
_MOST_REFERENCES: Final = 10  # in one line
_PASSES: Final = re.compile(r"[a-z]_pass\s")


def in_file(text: str, allowance: Allowance) -> tuple[Mention, ...]:
    """Return the places that a file names, each once."""
    lines = text.splitlines() if allowance.spend(len(text)) else []
    return tuple(dict.fromkeys(paired(_settings(lines, allowance))))[:MOST] if allowance.spend(0, len(lines)) else ()


def _settings(lines: list[str], allowance: Allowance) -> Iterator[Setting]:
    hidden: int | None = None  # what is indented deeper belongs to a name that says to read nothing
    above: tuple[int, Meaning] | None = None  # how deep a name stands whose values are below it, and what it says
    for at, line in enumerate(_replaced(lines, allowance)):
        bare, indent = line.strip(), len(line) - len(line.lstrip())
        if not bare or bare.startswith(_COMMENT) or len(bare) > LONGEST_LINE:
            continue
        depth = indent + (2 if bare.startswith("- ") else 0)
        if hidden is not None and indent > hidden:
            continue
        hidden = None
        name, value = _entry(bare)
        if name or above is None or indent < above[0]:
            said = meaning(name) if name and not value.endswith("{") else _ALONE  # a block's own name is no value
            above = (indent, said) if name and value in _OPENS else None
        else:
            said = above[1]
        if said.says is Says.NOTHING:
            hidden = depth
        else:
            yield setting(said, value, (depth, at))


def _replaced(lines: list[str], allowance: Allowance) -> Iterator[str]:
    """Yield the lines with nginx' own variables filled in."""
    values: dict[str, str] = {}
    for line in lines:
        given = _SET.match(line.strip()) if "$" in line and line.lstrip().startswith("set") else None
        if given is not None:
            value = _filled(given["value"].strip("\"' "), values, allowance)
            values[given["name"]] = value if len(value) <= LONGEST_NAME else ""
            yield f"{given['name']} {value}"
        else:
            yield _filled(line, values, allowance)


def _filled(line: str, values: dict[str, str], allowance: Allowance) -> str:
    """Return a line with its variables; one that is not known is a path where it stands behind a host to pass to."""
    passes = _PASSES.search(line) is not None
    if "$" not in line or not (values or passes) or line.count("$") > _MOST_REFERENCES:
        return line
    whole = _REFERENCE.sub(lambda found: values.get(found["name"], "/" if passes else found.group()), line)
    return whole if allowance.spend(max(0, len(whole) - len(line)), 0) else ""


def _entry(line: str) -> tuple[str, str]:
    """Split a line into name and value; the name is empty where it has none."""
    line = line if "@" in line else _TRAILING_COMMENT.sub("", line)  # `@` may end a password
    found = _ENTRY.fullmatch(line)
    if found is None:
        return "", _END_OF_VALUE.sub("", line.removeprefix("- "))
    return found["name"], _END_OF_VALUE.sub("", found["value"])
