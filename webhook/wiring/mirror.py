"""Raw objects of a cluster -> changes of a world. The one writer of that world."""

import logging
from typing import Any, Final

from webhook.cluster.kinds import Kind
from webhook.wire.objects import Projected, project
from webhook.wire.shapes import Malformed
from webhook.world import Drop, Put, World
from webhook.world.changes import key_of

_log: Final = logging.getLogger(__name__)
Raw = dict[str, Any]


class Mirror:
    """A sink of `cluster.watch`: what the API server says of a kind is what the world holds of it."""

    def __init__(self, world: World) -> None:
        """Write to `world`, which is empty."""
        self.world = world
        self._keys: dict[str, set[Drop]] = {}

    def replace(self, kind: Kind, raws: list[Raw]) -> None:
        """Take every object of a kind; what is not among them is gone."""
        values = [value for raw in raws if (value := self._read(raw)) is not None]
        keys = {key_of(value) for value in values}
        gone = self._keys.get(kind.name, set()) - keys
        self._keys[kind.name] = keys
        self.world.apply((*gone, *map(Put, values)))
        _log.info("%s: %d listed", kind, len(values))

    def event(self, kind: Kind, event_type: str, raw: Raw) -> None:
        """Take one change. What cannot be read any more is gone, rather than as it was."""
        keys = self._keys.setdefault(kind.name, set())
        value = None if event_type == "DELETED" else self._read(raw)
        if value is None:
            key = _name(kind, raw)
            keys.discard(key)
            self.world.apply([key])
            return
        keys.add(key_of(value))
        self.world.apply([Put(value)])

    def trouble(self, kind: Kind, reason: str) -> None:
        """Say that a kind cannot be read at the moment."""
        _log.warning("%s: %s", kind, reason)

    def _read(self, raw: Raw) -> Projected | None:
        try:
            return project(raw)
        except Malformed as error:
            _log.warning("an object of kind %s cannot be read: %s", raw.get("kind"), error)
            return None


def _name(kind: Kind, raw: Raw) -> Drop:
    metadata = raw.get("metadata") or {}
    return Drop(kind.name, str(metadata.get("namespace") or ""), str(metadata.get("name") or ""))
