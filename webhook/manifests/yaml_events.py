"""YAML text to plain values, by libyaml's events.

Built from events, not nodes: the C composer recurses without a limit. Anchored values are shared, never copied, and
what aliases would expand to is counted, so time and memory stay in proportion to the text.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import yaml

from webhook.manifests.emit import CORE, MEANT, is_known_tag, plain, short_tag, tagged
from webhook.manifests.files import MOST_DEEP, TOO_DEEP, Odd, Unreadable
from webhook.manifests.text import character_error, syntax_error

MOST_ALIASED_NODES: Final = 1_000_000
MOST_ALIASED_TEXT: Final = 8 << 20  # characters
_EVENTS: Final[type] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # PyYAML may be built without libyaml
_NO_KEY: Final = object()
_MERGE: Final = object()


def yaml_documents(text: str, first_line: int) -> Iterator[tuple[int, object]]:
    """Yield each document's first line and value: None for an empty one, Odd where another program reads its tags.

    `first_line` is the line of `text` in its file. Raises Unreadable at the first that is no YAML Kubernetes takes.
    """
    if (found := plain_documents(text, first_line)) is not None:
        yield from found
        return
    try:
        yield from _Builder(text, first_line).documents()
    except yaml.MarkedYAMLError as error:
        raise syntax_error(error, text, first_line) from error
    except yaml.reader.ReaderError as error:
        raise character_error(text, first_line) from error


# -- what most manifests are: objects, lists and scalars, with nothing to be told about them ---------------------------


_TOP, _KEY, _ITEM = object(), object(), object()  # what comes next: a document, a key, an item of a list


def plain_documents(text: str, first_line: int) -> list[tuple[int, object]] | None:  # noqa: C901, PLR0912
    """Return what `_Builder` makes of a text; None where something has to be looked at closely, such as an anchor.

    In one piece: calls for each of a manifest's events would take longer than all that is done about them here.
    """
    found: list[tuple[int, object]] = []
    outer: list[Any] = []  # what `into`, which is being filled, stands in; `key`: where in it the next value belongs
    into: Any = None
    key, line, result, loader = _TOP, 0, None, _EVENTS(text)
    try:
        while (kind := type(event := loader.get_event())) is not yaml.StreamEndEvent:
            if kind is yaml.ScalarEvent:
                value, inside = MEANT[event.value] if event.implicit[0] else event.value, None
            elif kind is yaml.MappingStartEvent:
                value, inside = {}, _KEY
            elif kind is yaml.SequenceStartEvent:
                value, inside = [], _ITEM
            else:
                if kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                    into = outer.pop()
                    key = _ITEM if type(into) is list else _KEY if outer else _TOP
                elif kind is yaml.DocumentEndEvent:
                    found.append((line, result))
                elif kind is yaml.AliasEvent:
                    return None
                continue
            if event.anchor or event.tag is not None or (inside and len(outer) == MOST_DEEP):
                return None
            if key is _ITEM:
                into.append(value)
            elif key is _TOP:
                result, line = value, first_line + event.start_mark.line
            elif key is not _KEY:
                into[key], key = value, _KEY
            elif type(value) is str and value not in into and value != "<<":
                key = value
            else:
                return None
            if inside:
                outer.append(into)
                into, key = value, inside
    except (yaml.YAMLError, ValueError):  # which who looks closely puts into words
        return None
    finally:
        loader.dispose()
    return found


class _Open:
    """A list or mapping that is being filled; `nodes`, `text`: the totals when it was opened."""

    __slots__ = ("anchor", "height", "key", "key_lines", "line", "merged", "nodes", "text", "value")

    def __init__(
        self, value: list[Any] | dict[str, Any], anchor: str | None, line: int, totals: tuple[int, int]
    ) -> None:
        self.value = value
        self.anchor = anchor
        self.line = line
        self.nodes, self.text = totals
        self.height = 0
        self.key: object = _NO_KEY
        self.key_lines: dict[str, int] = {}
        self.merged: list[dict[str, Any]] = []


class _Anchored:
    """A finished value with what it expands to."""

    __slots__ = ("height", "nodes", "text", "value")

    def __init__(self, value: object, height: int, nodes: int, text: int) -> None:
        self.value = value
        self.height = height
        self.nodes = nodes
        self.text = text


class _Builder:
    """Folds events into values; one for each text."""

    def __init__(self, text: str, first_line: int) -> None:
        self._loader = _EVENTS(text)
        self._first = first_line
        self._reset()
        self._on: Final[dict[type, Callable[[Any], None]]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._mapping,
            yaml.SequenceStartEvent: self._sequence,
            yaml.MappingEndEvent: self._close,
            yaml.SequenceEndEvent: self._close,
            yaml.AliasEvent: self._alias,
        }

    def _reset(self) -> None:
        self._stack: list[_Open] = []
        self._anchors: dict[str, _Anchored | None] = {}  # None: still open
        self._nodes = self._text = self._aliased_nodes = self._aliased_text = 0
        self._result: object = None
        self._line = 0
        self._strange: Unreadable | None = None  # a tag of another program's

    def documents(self) -> Iterator[tuple[int, object]]:
        """Read to the end; bare documents after `...` are documents too."""
        try:
            while not isinstance(event := self._loader.get_event(), yaml.StreamEndEvent):
                if handle := self._on.get(type(event)):
                    self._line = self._line or self._at(event)
                    handle(event)
                elif isinstance(event, yaml.DocumentEndEvent):
                    yield self._line, self._whole()
                    self._reset()
        finally:
            self._loader.dispose()

    def _whole(self) -> object:
        """Return the document; a Kubernetes object has no tags but YAML's own. Raises Unreadable."""
        if self._strange is None:
            return self._result
        found = self._result if isinstance(self._result, dict) else {}
        if isinstance(found.get("apiVersion"), str) and isinstance(found.get("kind"), str):
            raise self._strange
        return Odd(self._strange.reason)

    def _at(self, event: yaml.Event) -> int:
        return self._first + (event.start_mark.line if event.start_mark else 0)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._nodes += 1
        self._text += len(event.value)
        merges = event.implicit[0] and event.value == "<<" and self._wants_key()
        value = _MERGE if merges else self._value(event)
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(event.value if merges else value, 0, 1, len(event.value))
        self._place(value, 0, self._at(event))

    def _value(self, event: yaml.ScalarEvent) -> object:
        try:
            if event.tag is None:
                return plain(event.value) if event.implicit[0] else event.value
            if not is_known_tag(event.tag):
                self._note(self._at(event), event.tag)
                return event.value
            return tagged(event.tag, event.value)
        except ValueError as error:
            raise Unreadable(self._at(event), str(error)) from error

    def _mapping(self, event: yaml.MappingStartEvent) -> None:
        self._open({}, event, "map")

    def _sequence(self, event: yaml.SequenceStartEvent) -> None:
        self._open([], event, "seq")

    def _open(self, value: list[Any] | dict[str, Any], event: yaml.CollectionStartEvent, tag: str) -> None:
        line = self._at(event)
        if event.tag not in (None, "!", CORE + tag):
            self._note(line, event.tag)
        if len(self._stack) == MOST_DEEP:
            raise Unreadable(line, TOO_DEEP)
        if event.anchor:
            self._anchors[event.anchor] = None
        self._stack.append(_Open(value, event.anchor, line, (self._nodes, self._text)))
        self._nodes += 1

    def _note(self, line: int, tag: str) -> None:
        self._strange = self._strange or Unreadable(line, f"tag `{short_tag(tag)}` is not supported")

    def _close(self, _event: yaml.CollectionEndEvent) -> None:
        done = self._stack.pop()
        for mapping in done.merged:
            for key, item in mapping.items():
                done.value.setdefault(key, item)  # type: ignore[union-attr] # only a mapping merges
        height = done.height + 1
        if done.anchor:
            nodes, text = self._nodes - done.nodes, self._text - done.text
            self._anchors[done.anchor] = _Anchored(done.value, height, nodes, text)
        self._place(done.value, height, done.line)

    def _alias(self, event: yaml.AliasEvent) -> None:
        line, name = self._at(event), event.anchor
        if name not in self._anchors:
            raise Unreadable(line, f"alias `*{name}` has no anchor")
        source = self._anchors[name]
        if source is None:
            raise Unreadable(line, f"alias `*{name}` is inside what it stands for")
        self._nodes += source.nodes
        self._text += source.text
        self._aliased_nodes += source.nodes
        self._aliased_text += source.text
        if self._aliased_nodes > MOST_ALIASED_NODES or self._aliased_text > MOST_ALIASED_TEXT:
            raise Unreadable(line, "aliases expand to too much")
        if len(self._stack) + source.height > MOST_DEEP:
            raise Unreadable(line, TOO_DEEP)
        self._place(source.value, source.height, line)

    def _wants_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].value, dict) and self._stack[-1].key is _NO_KEY

    def _place(self, value: object, height: int, line: int) -> None:
        if not self._stack:
            self._result = value
            return
        into = self._stack[-1]
        into.height = max(into.height, height)
        if isinstance(into.value, list):
            into.value.append(value)
        elif into.key is _NO_KEY:
            into.key = value if value is _MERGE else _new_key(into, value, line)
        elif into.key is _MERGE:
            into.merged += _mergeable(value, line)
            into.key = _NO_KEY
        else:
            into.value[str(into.key)] = value
            into.key = _NO_KEY


def _new_key(into: _Open, value: object, line: int) -> str:
    """Return the key as JSON spells it; numbers and booleans are taken as `sigs.k8s.io/yaml` takes them."""
    match value:
        case str():
            key = value
        case bool():
            key = "true" if value else "false"
        case int() | float():
            key = str(value)
        case _:
            kind = "empty" if value is None else "an object or a list"
            raise Unreadable(line, f"a key is {kind}: expected text")
    if key in into.key_lines:
        raise Unreadable(line, f"duplicate key `{key}`, first on line {into.key_lines[key]}")
    into.key_lines[key] = line
    return key


def _mergeable(value: object, line: int) -> list[dict[str, Any]]:
    values = value if isinstance(value, list) else [value]
    mappings = [one for one in values if isinstance(one, dict)]
    if len(mappings) < len(values):
        raise Unreadable(line, "`<<` merges objects: expected an alias of one")
    return mappings
