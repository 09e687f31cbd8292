"""Bytes to text, as kubectl's YAML reader takes them: UTF-8, or UTF-16 that says so."""

import codecs

from webhook.manifests.document import Unreadable

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
