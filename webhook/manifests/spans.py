"""Where the parts of a YAML or JSON document stand in its text: a tree of spans, out of libyaml's events."""

import re
from typing import Any, Final

import yaml

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
