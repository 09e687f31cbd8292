"""Bytes to text, as kubectl's YAML reader takes them, and what is wrong with text that is no YAML."""

import codecs

import yaml

from webhook.manifests.files import Unreadable

_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


def decode(data: bytes) -> str:
    """Return the text without its byte-order mark. Bytes that are not UTF-8 stay in it as lone surrogates.

    They are refused by `check_encoding`, document by document. Raises Unreadable for another encoding.
    """
    if data.startswith(_UTF32):
        raise Unreadable(1, "encoded as UTF-32: expected UTF-8")
    if codec := _UTF16.get(data[:2]):
        try:
            return data[2:].decode(codec)
        except UnicodeDecodeError as error:
            before = data[2 : 2 + error.start].decode(codec)
            raise Unreadable(before.count("\n") + 1, "not valid UTF-16, although it starts like it") from error
    if b"\0" in data[:2]:
        raise Unreadable(1, "looks like UTF-16 without a byte-order mark: expected UTF-8")
    return data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")


def check_encoding(text: str, first_line: int) -> None:
    """Refuse text that came from bytes which are not UTF-8; raises Unreadable with the byte and its place."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        before = text[: error.start]
        column = error.start - (before.rfind("\n") + 1) + 1
        byte = ord(text[error.start]) & 0xFF
        line = first_line + before.count("\n")
        raise Unreadable(line, f"byte 0x{byte:02x} in column {column} is not UTF-8") from error


# -- text that is no YAML, in the words of who reads that text ---------------------------------------------------------


def syntax_error(error: yaml.MarkedYAMLError, text: str, first_line: int) -> Unreadable:
    """Return the reason in the parser's words; `first_line` is the line of `text` in its file."""
    mark, opened = error.problem_mark, error.context_mark
    problem, context = error.problem or "not YAML", error.context
    content = text.rstrip()
    if mark and opened and opened.index < len(content) <= mark.index:
        mark = opened  # what is never closed is wrong where it was opened, not where the text ends
    if not mark or mark.index >= len(content):
        return Unreadable(first_line + content.count("\n"), f"{problem} at the end")
    if text[mark.index : mark.index + 1] == "\t":
        problem, context = "a tab where YAML wants spaces", None
    reason = f"{problem} in column {mark.column + 1}"
    if context and context != "while scanning for the next token":
        reason += f", {context}"
        if opened and opened.line != mark.line:
            reason += f" that starts on line {first_line + opened.line}"
    return Unreadable(first_line + mark.line, reason)


def character_error(text: str, first_line: int) -> Unreadable:
    """Return the reason where `text` holds a character that YAML forbids, such as NUL."""
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    at = found.start() if found else 0
    character = f"U+{ord(text[at]):04X}" if text else "a character"
    return Unreadable(first_line + text.count("\n", 0, at), f"{character} is not allowed in YAML")
