"""Equal parts of values become one: pods of one ReplicaSet differ in name and address, and in nothing else."""

import sys
from collections import defaultdict
from collections.abc import Hashable
from enum import Enum
from typing import Any, Final, TypeVar

from msgspec import Struct
from msgspec.structs import force_setattr

from webhook.model.addresses import Address
from webhook.model.labels import Labels
from webhook.model.objects import Workload
from webhook.model.refs import PolicyRef, WorkloadRef
from webhook.wire.objects import Projected

T = TypeVar("T", bound=Projected)
# Fields in which objects of a kind differ.
_OWN: Final = frozenset({"name", "cluster_ips", "outside_ips", "taken_ips", "spec", "uid"})
_SINGLE: Final = frozenset({int, bool, float, type(None)})
_UNIQUE: Final = frozenset({WorkloadRef, PolicyRef, Workload})  # parts that no two objects have alike
_ROOM: Final = 1024  # parts that are kept before it is looked which of them are still in use
_UNUSED: Final = 4  # references to a part that nobody has: key, value, loop variable, argument


class Sharing:
    """The parts that are in use. What nobody else holds is let go from time to time."""

    def __init__(self) -> None:
        """Start empty."""
        self._kept: dict[type, dict[Any, Any]] = defaultdict(dict)
        self._room: dict[type, int] = {}

    def parts(self, value: T) -> T:
        """Put what is here already in the place of equal parts of `value`, which nobody else has seen yet."""
        self._fill(value)
        return value

    def sweep(self) -> None:
        """Let go of what nobody, or only one value, has."""
        for kind in self._kept:
            self._sweep(kind, _UNUSED + 1)
        self._kept.pop(Address, None)  # of a pod and its EndpointSlices, which come about together

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
        return self._new(part, kind, kept) if found is None else found

    def _new(self, part: Any, kind: type, kept: dict[Any, Any]) -> Hashable:  # noqa: ANN401 - see _one
        made = part
        if kind is tuple or kind is frozenset:
            made = kind(map(self._one, part))
        elif kind is Labels:
            made = Labels((self._one(name), self._one(value)) for name, value in part.pairs)
        elif isinstance(part, Struct):
            self._fill(part)
        if len(kept) >= self._room.setdefault(kind, _ROOM):
            self._sweep(kind, _UNUSED)
        shared: Hashable = made
        kept[shared] = shared
        return shared

    def _sweep(self, kind: type, unused: int) -> None:
        kept = self._kept[kind]
        for part in [part for part in kept if sys.getrefcount(part) <= unused]:
            del kept[part]
        self._room[kind] = max(_ROOM, 2 * len(kept))
