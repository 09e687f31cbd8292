"""The world's only way to change, and what was there before."""

from collections.abc import Mapping

from msgspec import Struct

from webhook.model.crd_policies import CrdPolicy, UnlistedKind
from webhook.model.hints import ConfigMap
from webhook.model.inbound import Inbound
from webhook.model.objects import Endpoints, EndpointSlice, Namespace, Node, Pod, Service, Workload
from webhook.model.policy import Policy
from webhook.world.inbound import key_of_inbound

Value = (
    Namespace
    | Pod
    | Workload
    | Service
    | Endpoints
    | EndpointSlice
    | Node
    | ConfigMap
    | Policy
    | CrdPolicy
    | UnlistedKind
    | Inbound
)


class Put(Struct, frozen=True):
    """An object is there, new or changed."""

    value: Value


class Drop(Struct, frozen=True):
    """An object is gone. `namespace` is empty for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str


Change = Put | Drop


def key_of(value: Value) -> Drop:
    """Return what names `value`: the change that would remove it."""
    match value:
        case Namespace(name=name):
            return Drop("Namespace", "", name)
        case Node(name=name):
            return Drop("Node", "", name)
        case Workload(ref=ref):
            return Drop(ref.kind, ref.namespace, ref.name)
        case Policy(ref=ref):
            return Drop(ref.kind, ref.namespace or "", ref.name)
        case CrdPolicy(ref=ref, group=group):
            return Drop(f"{ref.kind}.{group}" if group else ref.kind, ref.namespace or "", ref.name)
        case UnlistedKind(kind=kind, group=group):
            return Drop("UnlistedKind", group, kind)
        case Pod() | Service() | Endpoints() | EndpointSlice() | ConfigMap():
            return Drop(type(value).__name__, value.namespace, value.name)
        case _:
            return Drop(*key_of_inbound(value))


class Journal:
    """What was there before the changes since it was last taken: of each object what it was first, None: not there."""

    def __init__(self) -> None:
        """Start with no change."""
        self._before: dict[Drop, Value | None] = {}

    def __bool__(self) -> bool:
        return bool(self._before)

    def note(self, key: Drop, before: Value | None) -> None:
        """Hear that an object is about to change."""
        self._before.setdefault(key, before)

    def take(self) -> Mapping[Drop, Value | None]:
        """Return what was noted, and begin anew."""
        taken, self._before = self._before, {}
        return taken
