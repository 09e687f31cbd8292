"""Raw objects of a cluster -> changes of a world. The one writer of that world."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from webhook.cluster.kinds import Collection, Standing
from webhook.families import project
from webhook.model.hints import ConfigMap, Cut
from webhook.model.objects import Pod, Workload
from webhook.wire.objects import Projected
from webhook.wire.shapes import Malformed
from webhook.wiring.gaps import FAMILIES, Gaps
from webhook.wiring.interning import Interning
from webhook.world import Change, Drop, Put, World
from webhook.world.changes import key_of

_log: Final = logging.getLogger(__name__)
Raw = dict[str, Any]
Names = dict[str, set[str]]  # namespace ("" for cluster-scoped kinds) -> names

BATCH_SECONDS: Final = 0.02  # how long an event waits, at most, for others to be applied with
_PIECE: Final = 20  # changes between two looks at the clock
_PIECE_SECONDS: Final = 0.005  # how long reviews wait, at most, for changes that are being applied


class InformerCache:
    """A sink of `cluster.watch`: what the API server says of a kind is what the world holds of it.

    Lists go to the world as they come: an object of a page is as new as any event that was heard of it. Events wait
    for `BATCH_SECONDS`, the last one of an object counts.
    """

    def __init__(self, world: World) -> None:
        """Write to `world`, which is empty."""
        self.world = world
        self.lists: Counter[str] = Counter()  # lists that were read to their end, by kind
        self.troubles: Counter[str] = Counter()
        self.cuts: Counter[str] = Counter()  # objects of which only a part was read, by what was too long
        self.spoiled = ""
        """What our own mistake left half done: from then on the world may be wrong, and nothing is denied by it."""
        self._names: dict[str, Names] = {}
        self._seen: dict[Collection, Names] = {}
        self._gaps = Gaps()
        self._interning = Interning()
        self._pending: dict[Drop, Change] = {}
        self._timer: asyncio.Handle | None = None

    def objects(self) -> dict[str, int]:
        """Return how many objects of each kind there are."""
        return {kind: sum(map(len, names.values())) for kind, names in self._names.items()}

    # -- what a watcher says -----------------------------------------------------------------------------------------

    def begin(self, where: Collection) -> None:
        """Hear that a list begins."""
        self.flush()
        self._seen[where] = {}

    def take(self, where: Collection, raws: list[Raw], remaining: int) -> None:  # noqa: ARG002 - for progress bars
        """Take some objects of a list."""
        seen = self._seen[where]
        known = self._names.setdefault(_word(where), {})
        changes = []
        for raw in raws:
            if (value := self._read(raw)) is None:
                continue
            key = key_of(value)
            seen.setdefault(key.namespace, set()).add(key.name)
            known.setdefault(key.namespace, set()).add(key.name)
            changes.append(Put(value))
        self._apply(changes)

    def end(self, where: Collection) -> None:
        """Hear that a list is complete: what was not in it is gone."""
        seen = self._seen.pop(where)
        known = self._names.setdefault(_word(where), {})
        for namespace in list(known) if not where.namespace else [where.namespace]:
            for name in known.get(namespace, set()) - seen.get(namespace, set()):
                self._change(Drop(_word(where), namespace, name), None)
        self.lists[str(where.kind)] += 1
        _log.info("%s: %d listed", where, sum(map(len, seen.values())))

    def event(self, where: Collection, event_type: str, raw: Raw) -> None:
        """Take one change. What cannot be read any more is gone, rather than as it was."""
        value = None if event_type == "DELETED" else self._read(raw)
        self._change(_name(where, raw) if value is None else key_of(value), value)

    def moved(self, standing: Standing) -> None:
        """Hear that a collection changed its phase."""
        _log.info("%s: %s", standing.where, standing.phase.value)
        self._apply(self._gaps.hear(standing))

    def trouble(self, where: Collection, reason: str) -> None:
        """Say that a collection cannot be read at the moment."""
        self.troubles[str(where.kind)] += 1
        _log.warning("%s: %s", where, reason)

    def forget(self, where: Collection) -> None:
        """Drop a collection that is not there any more."""
        self.begin(where)
        self.end(where)
        self._apply(self._gaps.forget(where))

    # -- writing -----------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Apply all that waits, at once."""
        self._apply(self._taken(len(self._pending)))

    def settle(self) -> None:
        """Give back what only a first sync needs."""
        self.flush()
        self._interning.sweep()

    def _change(self, key: Drop, value: Projected | None) -> None:
        names = self._names.setdefault(key.kind, {})
        if value is None:
            here = names.get(key.namespace, set())
            here.discard(key.name)
            if not here:
                names.pop(key.namespace, None)
        else:
            names.setdefault(key.namespace, set()).add(key.name)
        self._pending.pop(key, None)  # its last change takes the place at the end
        self._pending[key] = key if value is None else Put(value)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(BATCH_SECONDS, self._work)

    def _work(self) -> None:
        """Apply what waits, for as long as reviews can wait; the rest comes after them."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._timer = None
        while self._pending and loop.time() - began < _PIECE_SECONDS:
            self._apply(self._taken(_PIECE))
        if self._pending:
            self._timer = loop.call_soon(self._work)

    def _taken(self, most: int) -> list[Change]:
        return [self._pending.pop(key) for key in tuple(islice(self._pending, most))]

    def _apply(self, changes: Iterable[Change]) -> None:
        for change in changes:
            try:
                self.world.apply((change,))
            except Exception:  # noqa: BLE001 - logged and told; the objects after this one are followed all the same
                key = key_of(change.value) if isinstance(change, Put) else change
                self.spoiled = f"internal error with {key.kind} {key.namespace}/{key.name}"
                _log.exception("%s", self.spoiled)

    def _read(self, raw: Raw) -> Projected | None:
        try:
            value = project(raw)
        except Malformed as error:
            _log.warning("an object of kind %s cannot be read: %s", raw.get("kind"), error)
            return None
        if value is None:
            return None
        self.cuts.update(_cuts(value))
        return self._interning.interned(value)


def _cuts(value: Projected) -> tuple[Cut, ...]:
    match value:
        case Workload(cut=cut) | ConfigMap(cut=cut) | Pod(bare=Workload(cut=cut)):
            return cut
        case _:
            return ()


def _word(where: Collection) -> str:
    """Return what `key_of` calls the kind: one of a policy family with its group, for others have the same name."""
    kind = where.kind
    return f"{kind.name}.{kind.group}" if (kind.group, kind.name) in FAMILIES else kind.name


def _name(where: Collection, raw: Raw) -> Drop:
    metadata = raw.get("metadata") or {}
    return Drop(_word(where), str(metadata.get("namespace") or ""), str(metadata.get("name") or ""))
