"""Equal parts of values become one: pods of one ReplicaSet differ in name and address, and in nothing else."""

import sys
from collections import defaultdict
from collections.abc import Hashable
from enum import Enum
from typing import Any, Final, TypeVar

from msgspec import Struct
from msgspec.structs import force_setattr

from webhook.model.addresses import Address
from webhook.model.hints import ConfigMap
from webhook.model.labels import Labels
from webhook.model.objects import Workload
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.wire.objects import Projected

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
        if isinstance(value, ConfigMap):  # no two are alike
            return value
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

    def _put(self, part: Any, kind: type, kept: dict[Any, Any]) -> Hashable:  # noqa: ANN401 - see _one
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
        shared: Hashable = made
        kept[shared] = shared
        return shared

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
