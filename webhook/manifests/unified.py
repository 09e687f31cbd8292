"""A unified diff of edits, that shows of a file nothing but the metadata they are in.

A manifest may hold passwords in its variables, and a diff is pasted into reviews: lines that hold more than metadata,
that may hold user info of a URL, or that are too long to be read, are neither changed lines nor context of this diff.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import Final

from webhook.manifests.edit import Change

CONTEXT: Final = 3
LONGEST: Final = 160  # characters; what is longer is data (`kubectl.kubernetes.io/last-applied-configuration`)
_BEFORE: Final = re.compile(r"[\s-]*(?:[\"']?metadata[\"']?\s*:)?\s*")
_AFTER: Final = re.compile(r"[\s,}\]]*")
_NO_END: Final = "\\ No newline at end of file\n"


def unified(file: str, text: str, changes: Iterable[Change]) -> str:
    """Return the diff, empty where nothing changes; a change that cannot be shown is one line that says so."""
    lines = text.splitlines(keepends=True) if "\n" not in text else re.findall(r"[^\n]*\n|[^\n]+", text)
    shift, hunks = 0, []
    for one in sorted(changes, key=lambda change: change.start):
        hunk, more = _hunk(lines, text, one, shift)
        hunks.append(hunk)
        shift += more
    return f"--- {file}\n+++ {file}\n{''.join(hunks)}" if hunks else ""


def _hunk(lines: list[str], text: str, one: Change, shift: int) -> tuple[str, int]:
    """Return one hunk, and how many lines are added. `shift`: how many were before it."""
    first, last = _line(text, one.start), _line(text, one.end)
    pure = one.start == one.end and one.new.endswith("\n") and text[one.start - 1 : one.start] in ("", "\n")
    old = [] if pure else lines[first : last + 1]
    new = one.new if pure else text[_start(text, one.start) : one.start] + one.new + text[one.end : _end(text, one.end)]
    added = re.findall(r"[^\n]*\n|[^\n]+", new)
    low, high = _shown(text, one)
    if not low <= first or last > high + pure or any(map(_unfit, (*old, *added))):
        return f"# line {first + 1}: changed, and not shown: it may hold more than host names\n", len(added) - len(old)
    before = list(_near(reversed(lines[max(low, first - CONTEXT) : first])))[::-1]
    behind = first + len(old)
    after = list(_near(lines[behind : min(high + 1, behind + CONTEXT)]))
    start = first - len(before)
    counts = len(before) + len(after)
    head = f"@@ -{_range(start, counts + len(old))} +{_range(start + shift, counts + len(added))} @@\n"
    body = [*(f" {x}" for x in before), *(f"-{x}" for x in old), *(f"+{x}" for x in added), *(f" {x}" for x in after)]
    return head + "".join(x if x.endswith("\n") else f"{x}\n{_NO_END}" for x in body), len(added) - len(old)


def _shown(text: str, one: Change) -> tuple[int, int]:
    """Return the first and the last line that hold nothing but the object's metadata."""
    start, end = one.area
    end -= len(text[start:end]) - len(text[start:end].rstrip())
    low, high = _line(text, start), _line(text, max(start, end - 1))
    clean_start = _BEFORE.fullmatch(text, _start(text, start), start) is not None
    clean_end = _AFTER.fullmatch(text, end, _end(text, end)) is not None
    return low if clean_start else low + 1, high if clean_end else high - 1


def _near(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines up to the first that is not to be shown."""
    return takewhile(lambda line: not _unfit(line), lines)


def _unfit(line: str) -> bool:
    return len(line) > LONGEST or "@" in line


def _range(start: int, count: int) -> str:
    return f"{start + 1 if count else start},{count}"


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at)


def _start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _end(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1
