"""What libyaml says of broken text, as a reader of that text wants it."""

import yaml

from webhook.manifests.document import Unreadable


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
