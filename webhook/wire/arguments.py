"""Command lines and configuration files -> the hosts and ports in them, as far as one object's settings are read.

YAML, properties, INI, TOML, and the directives of nginx, HAProxy or Fluentd all are names with values; lists and
URLs speak for themselves. A list of words, one a line, is what the name above it says.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from webhook.model.addresses import Protocol
from webhook.model.hints import LONGEST_NAME, Hint, Meaning, Mention, Says, meaning
from webhook.wire.mentions import LONGEST, MOST, Setting, before_secret, mentions, number, paired, setting

T = TypeVar("T")
MOST_PLACES: Final = 500  # hosts and ports kept of one object
EACH: Final = 32  # characters that can be read in the time that a word, a line or a value costs beside its own


class Allowance:
    """What may still be read of one object, in characters, and how many hosts and ports may still be kept of it."""

    def __init__(self, characters: int) -> None:
        """Start with all of it."""
        self.cut = False
        """Whether something was left out."""
        self.characters = characters
        self._places = MOST_PLACES

    def spend(self, length: int, parts: int = 1) -> bool:
        """Pay for a text of so many characters and parts. False: there is not so much left, or no room for a place."""
        cost = length + EACH * parts
        enough = cost <= self.characters and self._places > 0
        self.cut = self.cut or not enough
        self.characters = max(0, self.characters - cost)
        return enough

    def kept(self, hint: Hint) -> Hint:
        """Return a hint with as many places as may still be kept."""
        number = hint.number if hint.number is not None and self._room(1) else None
        return Hint(hint.name, self.places(hint.mentions), number)

    def places(self, found: tuple[Mention, ...]) -> tuple[Mention, ...]:
        """Return as many places as may still be kept."""
        return found[: self._room(len(found))]

    def few(self, several: Sequence[T], most: int) -> Sequence[T]:
        """Return the first of several."""
        self.cut = self.cut or len(several) > most
        return several[:most]

    def _room(self, wanted: int) -> int:
        """Take room for so many places, or for as many as there is."""
        room = min(wanted, self._places)
        self.cut = self.cut or room < wanted
        self._places -= room
        return room


_WORD: Final = re.compile(r"(?:[^\s\"';|&]++|\"[^\"]*+\"|'[^']*+')++|[;|&]++|[\"']")
_FLAG: Final = re.compile(r"--?(?P<name>[A-Za-z][\w.-]*+)")
_FLAG_VALUE: Final = re.compile(r"(?P<dashes>--?)(?P<name>[A-Za-z][\w.-]*+)=(?P<value>.*)", re.DOTALL)
_ASSIGNMENT: Final = re.compile(r"(?P<name>[A-Za-z_][\w.-]*+)=(?P<value>.*)", re.DOTALL)
_DEVICE: Final = re.compile(r"/dev/(?P<protocol>tcp|udp)/(?P<host>[A-Za-z0-9_.-]++)/(?P<port>\d{1,5})")
_SHELL_FLAG: Final = re.compile(r"-[a-z]*c")
_PROBES: Final = frozenset({"nc", "ncat", "netcat", "telnet"})  # `nc -z HOST PORT`
_END: Final = frozenset({"do", "done", "then", "||", "&&", ";", "|", "&"})
_NO_NAME: Final = Meaning(Says.ANYTHING)


def said(words: Sequence[str], allowance: Allowance) -> tuple[Mention, ...]:
    """Return the places that a container's command and arguments name, each once."""
    found: dict[Mention, None] = {}
    line: list[str] = []
    for before, word in zip(("", *words), words, strict=False):
        if _is_script(before, word):
            for text in word.splitlines():
                found.update(dict.fromkeys(_script_line(text, allowance)))
        else:
            line.append(word)
    found.update(dict.fromkeys(_line(line)))
    return allowance.places(tuple(found)[:MOST])


def _is_script(before: str, word: str) -> bool:
    """Say whether a word holds several: one behind a flag is its value, but for `sh -c`."""
    if not re.search(r"\s", word.strip()) or word.startswith("-") or len(word) > LONGEST:
        return False
    return not before.startswith("-") or "=" in before or _SHELL_FLAG.fullmatch(before) is not None


def _script_line(text: str, allowance: Allowance) -> Iterator[Mention]:
    """Read a line of a script, up to what may be a secret. User info may hold spaces: with it a line is one value."""
    if "@" in text:
        yield from mentions(text, bare=False)
    else:
        words = _words(text)
        if not allowance.spend(0, len(words)):
            return
        end = next((at for at, word in enumerate(words, 1) if before_secret(word) != word), len(words))
        yield from _line(words[:end])


def _words(text: str) -> list[str]:
    """Split a line as a shell does, up to a quote that is not closed: behind it may be anything."""
    found: list[str] = []
    for match in _WORD.finditer(text):
        if match.group() in {'"', "'"}:
            break
        found.append(match.group().strip("\"'`()"))
    return found


def _line(words: list[str]) -> Iterator[Mention]:
    settings: list[Setting] = []
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        following = words[at] if at < len(words) and not words[at].startswith("-") else None
        if word.rpartition("/")[2] in _PROBES:
            probe, at = _probe(words, at)
            settings += probe
        elif (one := _FLAG_VALUE.fullmatch(word) or _assignment(word)) is not None:
            settings.append(_named(one, word))
        elif (flag := _FLAG.fullmatch(word)) is not None and following is not None and following not in _END:
            settings.append(_flag(flag["name"], following))
            at += 1
        elif (device := _DEVICE.search(word)) is not None:
            protocol: Protocol = "UDP" if device["protocol"] == "udp" else "TCP"
            settings.append(Setting((), (Mention(device["host"].lower(), int(device["port"]), protocol),), None))
        elif not word.startswith("-"):
            settings.append(setting(_NO_NAME, word))
    yield from paired(settings)


def _assignment(word: str) -> re.Match[str] | None:
    """Return `name=value`; several of them in one word are a connection string."""
    found = _ASSIGNMENT.fullmatch(word)
    return None if found and "=" in found["value"] and re.search(r"\s", found["value"]) else found


def _named(found: re.Match[str], word: str) -> Setting:
    """Read `--name=value`, `-Dname=value`, `name=value`; with one dash it may be `-pPASSWORD`, so it needs a name."""
    name = found["name"]
    if word.startswith("-D"):
        name = name.removeprefix("D")
    elif word.startswith("-") and not word.startswith("--") and meaning(name).says is Says.ANYTHING:
        return setting(_NO_NAME, found["value"] if "://" in found["value"] else "")
    return setting(meaning(name), found["value"])


def _flag(name: str, value: str) -> Setting:
    """Read `--name value`. Of single letters only `-h HOST` and `-p PORT` are clients' custom."""
    if len(name) > 1:
        return setting(meaning(name), value)
    if name == "h":
        return setting(Meaning(Says.HOST), value)
    if name == "p":
        return Setting((), (), number(value))
    return setting(_NO_NAME, value if "://" in value else "")


def _probe(words: list[str], at: int) -> tuple[list[Setting], int]:
    """Read `nc [options] HOST PORT`."""
    host, protocol = "", "TCP"
    while at < len(words) and words[at] not in _END:
        word = words[at]
        at += 1
        if word.startswith("-"):
            protocol = "UDP" if "u" in word else protocol
        elif not host and not word.isdigit():
            host = word
        elif host and (port := number(word)) is not None:
            found = mentions(f"{host}:{port}", bare=False)
            udp = tuple(Mention(one.host, one.port, "UDP") for one in found)
            return [Setting((), udp if protocol == "UDP" else found, None)], at
    return [setting(_NO_NAME, host)], at


MOST_OF_FILE: Final = 100  # mentions of one file
LONGEST_LINE: Final = 2_000  # characters; a longer one is data
_COMMENT: Final = ("#", ";", "//", "<!--")
_ENTRY: Final = re.compile(
    r"(?:- +)?[\"']?(?P<name>[A-Za-z_][\w.-]*+)[\"']?(?:\s*+=>?\s*+|\s*+:(?=\s|$)\s*+|\s++)(?P<value>.*)"
)
_TRAILING_COMMENT: Final = re.compile(r"\s[#;].*")
_END_OF_VALUE: Final = re.compile(r"(?<![\s,;])[\s,;]++$")
_ALONE: Final = Meaning(Says.ANYTHING)
_OPENS: Final = frozenset({"", "[", "(", "|", "|-", ">", ">-"})  # what is behind a name whose values are below it
_SET: Final = re.compile(r"set\s++\$(?P<name>\w++)\s++(?P<value>[^;]++);?")  # of nginx
_REFERENCE: Final = re.compile(r"\$(?P<name>\w++)")
_MOST_REFERENCES: Final = 10  # in one line
_PASSES: Final = re.compile(r"[a-z]_pass\s")


def in_file(text: str, allowance: Allowance) -> tuple[Mention, ...]:
    """Return the places that a file names, each once."""
    lines = text.splitlines() if allowance.spend(len(text)) else []
    if not allowance.spend(0, len(lines)):
        return ()
    return tuple(dict.fromkeys(paired(_settings(lines, allowance))))[:MOST_OF_FILE]


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
    """Return a line with its variables; one that is not known is a path where it is behind a host to pass to."""
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
