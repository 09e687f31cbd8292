"""Raw objects of a cluster -> changes of a world, whose one writer this is; equal parts of its values become one."""

import asyncio
import functools
import logging
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Collection as Members
from enum import Enum
from typing import Any, Final, TypeVar

from msgspec import Struct
from msgspec.structs import force_setattr

from webhook.cluster.kinds import Collection, Standing
from webhook.families import project
from webhook.model.addresses import Address
from webhook.model.hints import ConfigMap, Cut
from webhook.model.inbound import ISTIO_GATEWAY
from webhook.model.labels import Labels
from webhook.model.objects import Pod, Workload
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.wire.objects import Projected
from webhook.wire.shapes import Malformed
from webhook.wiring.cluster_snapshot import FAMILIES, UnlistedKinds
from webhook.world import Change, Drop, Put, World
from webhook.world.changes import key_of

T = TypeVar("T", bound=Projected)
# Fields in which objects of a kind differ.
_OWN: Final = frozenset({"name", "cluster_ips", "outside_ips", "taken_ips", "spec", "uid"})
_SINGLE: Final = frozenset({int, bool, float, type(None)})
_UNIQUE: Final = frozenset({WorkloadRef, PolicyRef, Workload})  # parts that no two objects have alike
_ROOM: Final = 1024  # weight of new parts before it is looked which of all are still in use
_HEAVY: Final = 64  # characters of a text, members of a tuple, that weigh as much as a part
_UNUSED: Final = 4  # references to a part that nobody has: key, value, loop variable, argument


class Interning:
    """The parts that are in use. What nobody else holds is let go whenever half as much again is new."""

    def __init__(self) -> None:
        """Start empty."""
        self._kept: dict[type, dict[Any, Any]] = defaultdict(dict)
        self._weight = 0
        self._new = 0
        self._room = _ROOM

    def interned(self, value: T) -> T:
        """Put what is here already in the place of equal parts of `value`, which nobody else has seen yet."""
        if not isinstance(value, ConfigMap):  # of which no two are alike
            self._fill(value)
        if self._new > self._room:
            self._sweep(_UNUSED)
        return value

    def sweep(self) -> None:
        """Let go of what nobody, or only one value, has."""
        self._sweep(_UNUSED + 1)
        self._weight -= len(self._kept.pop(Address, ()))  # of a pod and its EndpointSlices, which come about together

    def _fill(self, struct: Struct) -> None:
        for field in struct.__struct_fields__:
            if field in _OWN:
                continue
            part = getattr(struct, field)
            shared = self._one(part)
            if shared is not part:
                force_setattr(struct, field, shared)

    def _one(self, part: Any) -> Any:  # noqa: ANN401 - a part of any type
        kind = type(part)
        if kind in _SINGLE or isinstance(part, Enum):
            return part
        if kind in _UNIQUE:
            self._fill(part)
            return part
        kept = self._kept[kind]
        found = kept.get(part)
        return self._put(part, kind, kept) if found is None else found

    def _put(self, part: Any, kind: type, kept: dict[Any, Any]) -> Any:  # noqa: ANN401 - see _one
        made = part
        if kind is tuple or kind is frozenset:
            made = kind(map(self._one, part))
        elif kind is Labels:
            made = Labels((self._one(name), self._one(value)) for name, value in part.pairs)
        elif isinstance(part, Struct):
            self._fill(part)
        weight = _weight(part)
        self._new += weight
        self._weight += weight
        kept[made] = made
        return made

    def _sweep(self, unused: int) -> None:
        """Look at every part, and again where some that held others have gone."""
        while sum(self._let_go(kept, unused) for kept in self._kept.values()):
            pass
        self._new = 0
        self._room = max(_ROOM, self._weight // 2)

    def _let_go(self, kept: dict[Any, Any], unused: int) -> int:
        gone = [part for part in kept if sys.getrefcount(part) <= unused]
        for part in gone:
            del kept[part]
        self._weight -= sum(map(_weight, gone))
        return len(gone)


def _weight(part: Any) -> int:  # noqa: ANN401 - a part of any type
    return 1 + (len(part) // _HEAVY if isinstance(part, str | tuple | frozenset) else 0)


_log: Final = logging.getLogger(__name__)
Raw = dict[str, Any]
Names = dict[str, set[str]]  # namespace ("" for cluster-scoped kinds) -> names
_POD: Final = "Pod"  # of which a cluster has most

BATCH_SECONDS: Final = 0.02  # how long an event waits, at most, for others to be applied with
_PIECE_SECONDS: Final = 0.005  # how long reviews wait for changes that are being applied, but for one that takes longer


class InformerCache:
    """A sink of `cluster.discovery`: what the API server says of a kind is what the world holds of it.

    Lists go to the world as they come: an object of a page is as new as any event that was heard of it. Events wait
    for `BATCH_SECONDS`, and the last one of an object counts, which alone is read. One that took long to read is
    followed by a rest as long, so that whoever changes a great object again and again leaves reviews their half.
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
        self._unlisted_kinds = UnlistedKinds()
        self._interning = Interning()
        self._pending: dict[Drop, Raw | None] = {}
        self._rested = 0.0  # until then nothing is read
        self._timer: asyncio.Handle | None = None

    def objects(self) -> dict[str, int]:
        """Return how many objects of each kind there are."""
        return {kind: sum(map(len, self._known(kind).values())) for kind in self._names}

    # -- what a watcher says -----------------------------------------------------------------------------------------

    def begin(self, where: Collection) -> None:
        """Hear that a list begins."""
        self.flush()
        self._seen[where] = {}

    def take(self, where: Collection, raws: list[Raw], remaining: int) -> None:  # noqa: ARG002 - for progress bars
        """Take some objects of a list."""
        seen = self._seen[where]
        changes = []
        for raw in raws:
            if (value := self._read(raw)) is None:
                continue
            key = key_of(value)
            seen.setdefault(key.namespace, set()).add(key.name)
            self._note(key)
            changes.append(Put(value))
        self._apply(changes)

    def end(self, where: Collection) -> None:
        """Hear that a list is complete: what was not in it is gone."""
        seen = self._seen.pop(where)
        known = self._known(_word(where))
        for namespace in list(known) if not where.namespace else [where.namespace]:
            for name in set(known.get(namespace, ())) - seen.get(namespace, set()):
                self._wait(Drop(_word(where), namespace, name), None)
        self.lists[str(where.kind)] += 1
        _log.info("%s: %d listed", where, sum(map(len, seen.values())))

    def event(self, where: Collection, event_type: str, raw: Raw) -> None:
        """Take one change. What cannot be read any more is gone, rather than as it was."""
        self._wait(_name(where, raw), None if event_type == "DELETED" else raw)

    def moved(self, standing: Standing) -> None:
        """Hear that a collection changed its phase."""
        _log.info("%s: %s", standing.where, standing.phase.value)
        self._apply(self._unlisted_kinds.hear(standing))

    def trouble(self, where: Collection, reason: str) -> None:
        """Say that a collection cannot be read at the moment."""
        self.troubles[str(where.kind)] += 1
        _log.warning("%s: %s", where, reason)

    def forget(self, where: Collection) -> None:
        """Drop a collection that is not there any more."""
        self.begin(where)
        self.end(where)
        self._apply(self._unlisted_kinds.forget(where))

    # -- writing -----------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Apply all that waits, at once."""
        while self._pending:
            self._next()

    def settle(self) -> None:
        """Give back what only a first sync needs."""
        self.flush()
        self._interning.sweep()

    def _wait(self, key: Drop, raw: Raw | None) -> None:
        """Take an object, or hear that it is gone (None)."""
        self._pending.pop(key, None)  # its last change takes the place at the end
        self._pending[key] = raw
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(loop.time() + BATCH_SECONDS, self._rested), self._work)

    def _work(self) -> None:
        """Apply what waits, for as long as reviews can wait; the rest comes after them."""
        loop = asyncio.get_running_loop()
        now = began = loop.time()
        self._timer = None
        while self._pending and now - began < _PIECE_SECONDS:
            self._next()
            now = loop.time()
        self._rested = now if now - began < 2 * _PIECE_SECONDS else 2 * now - began
        if self._pending:
            self._timer = loop.call_at(self._rested, self._work)

    def _next(self) -> None:
        """Read and apply the change that waits longest."""
        key = next(iter(self._pending))
        self._guarded(key, functools.partial(self._change, key, self._pending.pop(key)))

    def _change(self, key: Drop, raw: Raw | None) -> None:
        value = None if raw is None else self._read(raw)
        self._note(key, there=value is not None)
        self.world.apply((key if value is None else Put(value),))

    def _note(self, key: Drop, *, there: bool = True) -> None:
        """Keep which names of a kind the world has, unless it has an index of them itself."""
        names = self._names.setdefault(key.kind, {})
        if there and key.kind != _POD:
            names.setdefault(key.namespace, set()).add(key.name)
        elif here := names.get(key.namespace):
            here.discard(key.name)
            if not here:
                del names[key.namespace]

    def _known(self, kind: str) -> Mapping[str, Members[str]]:
        """Return the names of a kind that the world has, by namespace."""
        names = self._names.setdefault(kind, {})
        return self.world.pods.names() if kind == _POD else names

    def _apply(self, changes: Iterable[Change]) -> None:
        for change in changes:
            key = key_of(change.value) if isinstance(change, Put) else change
            self._guarded(key, functools.partial(self.world.apply, (change,)))

    def _guarded(self, key: Drop, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception:  # noqa: BLE001 - logged and told; the objects after this one are followed all the same
            self.spoiled = f"internal error with {key.kind} {key.namespace}/{key.name}"
            _log.exception("%s", self.spoiled)

    def _read(self, raw: Raw) -> Projected | None:
        try:
            if (value := project(raw)) is None:
                return None
        except Malformed as error:
            _log.warning("an object of kind %s cannot be read: %s", raw.get("kind"), error)
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
    """Return what `key_of` calls the kind: with its group where others have the same name."""
    kind = where.kind
    whole = f"{kind.name}.{kind.group}"
    return whole if (kind.group, kind.name) in FAMILIES or whole == ISTIO_GATEWAY else kind.name


def _name(where: Collection, raw: Raw) -> Drop:
    metadata = raw.get("metadata") or {}
    return Drop(_word(where), str(metadata.get("namespace") or ""), str(metadata.get("name") or ""))
