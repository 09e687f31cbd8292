"""The command line of a container -> the hosts and ports in it: flags, assignments, words, and small scripts."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from webhook.model.hints import Mention
from webhook.model.ports import Protocol
from webhook.model.variables import Meaning, Says, meaning
from webhook.wire.allowance import Allowance
from webhook.wire.mentions import LONGEST, MOST, before_secret, mentions, number
from webhook.wire.pairing import Setting, paired, setting

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
