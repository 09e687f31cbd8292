"""One annotation into one object of a text; every other character stays as it is.

An edit is an insertion at a place that the parser names, and is proved: read again, the document differs in nothing but
that annotation. What cannot be edited so is refused, with the reason.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, Final

import yaml
from msgspec import Struct

# -- where the parts of a document are in its text: a tree of spans, out of libyaml's events ---------------------------


_EVENTS: Final[type] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # PyYAML may be built without libyaml
_ESCAPE: Final = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)


class Node:
    """A part of a document: its characters are `text[start:end]`. An alias has no parts, whatever it stands for.

    `parts` are the values of a mapping by key, or of a list by number; `keys` where a mapping's keys begin.
    """

    __slots__ = ("end", "flow", "keys", "kind", "parts", "start", "style")

    def __init__(self, kind: str, start: int, end: int, *, flow: bool = False, style: str | None = None) -> None:
        self.kind = kind  # mapping, list, scalar or alias
        self.start = start
        self.end = end
        self.flow = flow
        self.style = style
        self.parts: dict[str | int, Node] = {}
        self.keys: dict[str | int, int] = {}

    def at(self, path: tuple[str | int, ...]) -> "Node | None":
        """Return the part at the end of `path`."""
        node: Node | None = self
        for step in path:
            node = node.parts.get(step) if node is not None else None
        return node


def spans(text: str, *, json: bool = False) -> Node:
    """Return the tree of one document, which is known to be good YAML, or JSON. Raises yaml.YAMLError."""
    loader: Any = _EVENTS(_as_yaml(text) if json else text)
    stack: list[tuple[Node, list[tuple[str, int]]]] = []  # what is open, and its key that waits for a value
    root = Node("scalar", 0, 0)
    try:
        while not isinstance(event := loader.get_event(), yaml.StreamEndEvent):
            if isinstance(event, yaml.CollectionEndEvent):
                done, _ = stack.pop()
                done.end = event.end_mark.index if event.end_mark else done.end
            elif (node := _node(event)) is not None:
                root = node if not stack else root
                if stack:
                    _place(*stack[-1], node, event)
                if node.kind in ("mapping", "list"):
                    stack.append((node, []))
    finally:
        loader.dispose()
    return root


def _node(event: yaml.Event) -> Node | None:
    start, end = (mark.index if mark else 0 for mark in (event.start_mark, event.end_mark))
    match event:
        case yaml.MappingStartEvent():
            return Node("mapping", start, end, flow=bool(event.flow_style))
        case yaml.SequenceStartEvent():
            return Node("list", start, end, flow=bool(event.flow_style))
        case yaml.ScalarEvent():
            return Node("scalar", start, end, style=event.style)
        case yaml.AliasEvent():
            return Node("alias", start, end)
        case _:
            return None


def _place(into: Node, waiting: list[tuple[str, int]], node: Node, event: yaml.Event) -> None:
    """Put a node where it belongs: the next in a list, a key, or the value of the key before it."""
    if into.kind == "list":
        into.parts[len(into.parts)] = node
    elif waiting:
        key, start = waiting.pop()
        into.parts[key] = node
        into.keys[key] = start
    else:
        waiting.append((event.value if isinstance(event, yaml.ScalarEvent) else "", node.start))


def _as_yaml(text: str) -> str:
    """Return JSON as YAML of the same length: without tabs, and without escapes that YAML does not know."""
    return _ESCAPE.sub(lambda found: "x" * len(found.group()), text).replace("\t", " ")


# -- one annotation ----------------------------------------------------------------------------------------------------


WIDE: Final = 100  # columns; longer values are written one item a line
STEP: Final = 2  # columns that a nested block is indented by
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*+(?::[A-Za-z0-9/][A-Za-z0-9_./-]*+)*+(?:, [A-Za-z0-9_./:-]+)*+")
_ITEMS: Final = re.compile(r"[,\s]+")
Step = str | int


class Refused(Exception):  # noqa: N818 - what happened to the edit
    """An object that is left as it is; the message says why."""


class Edit(Struct, frozen=True):
    """`items` to be added to the annotation `key` of the object at `path` of a document."""

    path: tuple[Step, ...]
    key: str
    items: tuple[str, ...]


class Change(Struct, frozen=True):
    """`text[start:end]` becomes `new`. `area` is the object's metadata: what may be shown around it."""

    start: int
    end: int
    new: str
    area: tuple[int, int]


def change(text: str, root: Node, edit: Edit, *, json_text: bool = False) -> Change:
    """Return where and what to write for one edit. Raises Refused."""
    metadata = root.at((*edit.path, "metadata"))
    if metadata is None or metadata.kind != "mapping" or not metadata.parts:
        raise Refused("its metadata is not written out where it stands")
    area = (metadata.start, metadata.end)
    notes = metadata.parts.get("annotations")
    if notes is None:
        return Change(*_new_map(text, metadata, edit, json_text=json_text), area)
    if notes.kind == "scalar":  # `annotations:` with nothing, or null
        return Change(*_empty(text, metadata, notes, edit), area)
    if notes.kind != "mapping":
        raise Refused("its annotations are an alias of others")
    old = notes.parts.get(edit.key)
    if old is None:
        return Change(*_new_entry(text, notes, metadata, edit, json_text=json_text), area)
    if old.kind != "scalar":
        raise Refused(f"its annotation {edit.key} is an alias of another value")
    return Change(*_longer(text, old, edit, flow=notes.flow), area)


def only(before: Any, after: Any, edits: Iterable[Edit]) -> bool:  # noqa: ANN401 - any JSON value
    """Say whether two readings of a document differ in these annotations, as wanted, and in nothing else."""
    old, new = (json.loads(json.dumps(one)) for one in (before, after))  # copies in which nothing is shared
    taken = [(_items(_taken(old, edit)), _items(_taken(new, edit)), edit.items) for edit in edits]
    return bool(old == new and all(had + items == has for had, has, items in taken))


def _taken(document: Any, edit: Edit) -> str:  # noqa: ANN401 - any JSON value
    """Take the annotation out of a document, and annotations that would be empty without it."""
    for step in edit.path:
        document = document[step]
    notes = document["metadata"].get("annotations")
    value = notes.pop(edit.key, None) if isinstance(notes, dict) else None
    if not notes:
        document["metadata"].pop("annotations", None)
    return "" if value is None else str(value)


def _items(value: str) -> tuple[str, ...]:
    return tuple(item for item in _ITEMS.split(value) if item)


def _new_map(text: str, metadata: Node, edit: Edit, *, json_text: bool) -> tuple[int, int, str]:
    """Write `annotations` behind the name and the namespace."""
    if metadata.flow:
        inner = f"{{{_flow_key(edit.key, quoted=json_text)}: {_quoted(edit)}}}"
        last = max(metadata.parts.values(), key=lambda node: node.end)
        newline = _newline_before(text, metadata)
        if newline is not None:
            deeper = newline + " " * STEP
            inner = f"{{{deeper}{_flow_key(edit.key, quoted=json_text)}: {_quoted(edit)}{newline}}}"
        gap = newline if newline is not None else " "
        return last.end, last.end, f",{gap}{_flow_key('annotations', quoted=json_text)}: {inner}"
    indent = _column(text, min(metadata.keys.values()))
    at = _below(text, metadata)
    return at, at, _lines(text, at, [(indent, "annotations:"), *_entry(edit, indent + STEP)])


def _below(text: str, metadata: Node) -> int:
    """Return the end of the line of the name, or of the namespace below it; else where the first key's line begins."""
    named = [metadata.parts[key] for key in ("name", "namespace") if key in metadata.parts]
    if named and all(node.kind == "scalar" and node.style not in ("|", ">") for node in named):
        return max(_line_end(text, node.end) for node in named)
    return text.rfind("\n", 0, min(metadata.keys.values())) + 1


def _empty(text: str, metadata: Node, notes: Node, edit: Edit) -> tuple[int, int, str]:
    if metadata.flow or notes.start != notes.end:
        return notes.start, notes.end, f"{{{_flow_key(edit.key, quoted=True)}: {_quoted(edit)}}}"
    indent = _column(text, min(metadata.keys.values()))
    at = _line_end(text, metadata.keys["annotations"])
    return at, at, _lines(text, at, _entry(edit, indent + STEP))


def _new_entry(text: str, notes: Node, metadata: Node, edit: Edit, *, json_text: bool) -> tuple[int, int, str]:
    if not notes.flow:
        indent = _column(text, min(notes.keys.values()))
        at = _line_end(text, metadata.keys["annotations"])
        return at, at, _lines(text, at, _entry(edit, indent))
    entry = f"{_flow_key(edit.key, quoted=json_text)}: {_quoted(edit)}"
    if not notes.parts:
        return notes.start, notes.end, f"{{{entry}}}"
    last = max(notes.parts.values(), key=lambda node: node.end)
    newline = _newline_before(text, notes)
    return last.end, last.end, f",{' ' if newline is None else newline}{entry}"


def _longer(text: str, old: Node, edit: Edit, *, flow: bool) -> tuple[int, int, str]:
    """Add to a value as it is written: its quotes, its block, its folds stay."""
    added = ", ".join(edit.items)
    body = text[old.start : old.end]
    match old.style:
        case "|" | ">":
            content = old.start + len(body.rstrip())
            line = text.rfind("\n", 0, content) + 1
            if line <= old.start:
                raise Refused(f"its annotation {edit.key} is an empty block")
            indent = len(text[line:content]) - len(text[line:content].lstrip(" "))
            if old.style == ">":
                return content, content, f", {added}"
            return content, content, "".join(f"{_newline(text)}{' ' * indent}{item}" for item in edit.items)
        case '"' | "'":
            between = ", " if body[1:-1].strip() else ""
            return old.end - 1, old.end - 1, f"{between}{added}"
        case _ if not body or flow:
            gap = " " if text[old.start - 1] == ":" else ""
            return old.start, old.end, gap + json.dumps(", ".join((*([body] if body else []), *edit.items)))
        case _:
            return old.end, old.end, f", {added}"


def _entry(edit: Edit, indent: int) -> list[tuple[int, str]]:
    """Return the lines of a new entry of a block mapping."""
    value = ", ".join(edit.items)
    if indent + len(edit.key) + len(value) <= WIDE:
        return [(indent, f"{edit.key}: {value if _PLAIN.fullmatch(value) else json.dumps(value)}")]
    return [(indent, f"{edit.key}: |-"), *((indent + STEP, item) for item in edit.items)]


def _quoted(edit: Edit) -> str:
    return json.dumps(", ".join(edit.items))


def _flow_key(key: str, *, quoted: bool) -> str:
    return json.dumps(key) if quoted else key


def _lines(text: str, at: int, lines: list[tuple[int, str]]) -> str:
    """Return lines to be put in at the start of a line, or behind a text that has no line end."""
    newline = _newline(text)
    block = "".join(f"{' ' * indent}{line}{newline}" for indent, line in lines)
    at_line_start = at == 0 or text[at - 1] == "\n"
    return block if at_line_start else newline + block.removesuffix(newline)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _newline_before(text: str, mapping: Node) -> str | None:
    """Return the line end and indent before a flow mapping's first key; None where that is on the brace's own line."""
    before = text[mapping.start + 1 : min(mapping.keys.values())]
    return before[before.rindex("\n") - (1 if "\r\n" in before else 0) :] if "\n" in before else None


def _line_end(text: str, at: int) -> int:
    """Return where the line after `at` begins, or the end of the text."""
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def _column(text: str, at: int) -> int:
    return at - (text.rfind("\n", 0, at) + 1)
